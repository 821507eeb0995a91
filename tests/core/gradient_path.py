"""Prints the functions of ours that one gradient passes through, from the problem to the table of the report.

``python tests/core/gradient_path.py`` runs a case of one step and one element, whose subject differs by rounding, and
watches every line of ours until the difference is in the table. A function is on the path if its arguments, its
variables or what it returns hold the gradient itself: its memory, a view of it, or the row of the block that it is
copied to. Left out are the problem that makes it, the subject with its adapter, and the arithmetic of the page.
"""

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
import numpy as np
from driving import cell, optimizer

import parity
from parity.case.spec import Cell
from parity.problem.problems import ReplayedProblem
from parity.runner.loop import run_pair
from parity.trajectory.blocks import Recorder

ROOT = Path(__file__).resolve().parents[2]
OURS = tuple(f"{Path(parity.__file__).parent}/{folder}/" for folder in ("runner", "trajectory", "judge"))
TABLE = "parity.judge.table.Part.write"
ROUNDS = optimizer("right_styles", "Reciprocal")


def arrays(value: Any) -> Iterator[Any]:
    """Yield the arrays in a value: itself, or those in a mapping, a sequence or a record."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, Mapping):
        yield from arrays(list(value.values()))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from arrays(each)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from arrays([getattr(value, field.name) for field in dataclasses.fields(value)])


def name_of(frame: FrameType) -> str:
    """Return the name of a function; a comprehension belongs to the function around it."""
    parts = [part for part in frame.f_code.co_qualname.split(".") if part[0] != "<"]
    return ".".join([frame.f_globals["__name__"], *parts])


class Watch:
    """Notes in order each function that holds the gradient, until a difference is in the table."""

    def __init__(self) -> None:
        self.path: list[str] = []
        self._memory: list[Any] = []
        self._ends = False

    def __call__(self, frame: FrameType, event: str, result: Any) -> Any:
        """Take up a function: a problem's gradients are followed, and the lines of ours are watched."""
        if frame.f_code is ReplayedProblem.gradients.__code__:
            return self._gradients
        return self._line if frame.f_code.co_filename.startswith(OURS) and not self._ends else None

    def _gradients(self, frame: FrameType, event: str, result: Any) -> Any:
        if event == "return":
            self._memory += arrays(result)
        return self._gradients

    def _line(self, frame: FrameType, event: str, result: Any) -> Any:
        name, variables = name_of(frame), dict(frame.f_locals)
        recorder = variables.pop("self", None)
        if event == "return" and frame.f_code is Recorder.add.__code__:
            self._memory += arrays(recorder._gradients)
        if name not in self.path and not self._ends and self._holds([variables, result if event == "return" else None]):
            self.path.append(name)
        self._ends = self._ends or (event == "return" and name == TABLE)
        return self._line

    def _holds(self, value: Any) -> bool:
        return any(np.may_share_memory(array, known) for array in arrays(value) for known in self._memory)


def small() -> Cell:
    """Return a case of one step and one element."""
    return msgspec.structs.replace(cell(steps=1, tensors={"w": [1]}, modes=("lockstep",)), seed=4)


def path(given: Cell, subject: str = ROUNDS) -> list[str]:
    """Return the functions on the path of the gradients of a case, ``module.function``, in order.

    Raises:
        AssertionError: nothing of it came into the table.
    """
    run_pair(given, subject)  # whether the subject repeats itself is asked once, of runs of its own
    watch = Watch()
    sys.settrace(watch)
    try:
        (comparison,) = run_pair(given, subject).comparisons
    finally:
        sys.settrace(None)
    assert watch._ends, f"{comparison.verdict}: {comparison.reason}"
    return watch.path


if __name__ == "__main__":
    print(*path(small()), sep="\n")
