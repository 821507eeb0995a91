"""What no formula can explain: chance, state outside the instance, inputs that are written to."""

import ast
import copy
import inspect
import io
import textwrap
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import replace
from typing import Any, Final

import msgspec
import numpy as np

from parity.case.rule import find
from parity.case.spec import Hyperparameters
from parity.diagnosis.findings import Finding
from parity.diagnosis.observe import Make, Observation, observe
from parity.diagnosis.probes import HELD_RATE, LAYOUT, Probe
from parity.errors import AbsentArgumentError
from parity.runner.repeat import first_difference, kept_outside, parting
from parity.subjects.binding.arguments import Bound
from parity.subjects.binding.trials import known_as
from parity.subjects.generators import seeded
from parity.subjects.importing import made_anew
from parity.subjects.naming import split_bound
from parity.subjects.numpy_class import NumpySubject


class Watched:
    """A maker of instances that notes what they do to the gradients that they are handed."""

    def __init__(self, make: Make, name: str) -> None:
        self.written: list[str] = []
        self.layout = LAYOUT
        """How the tensors of probes are shaped for it."""
        adapter = make()
        self.kind: Callable[..., Any] | None = adapter.kind if isinstance(adapter, NumpySubject) else None
        self.name, self._make = name, make

    def __call__(self) -> Any:
        """Return a fresh adapter over the same class, so that what a class keeps between instances is kept."""
        if self.kind is None:
            return self._make()
        subject = NumpySubject(self.kind, self.name)
        subject.written = self.written
        return subject

    def anew(self) -> "Watched | None":
        """Return what makes instances of the class as its file makes it anew, None where it cannot be made so."""
        kind = None if self.kind is None else made_anew(self.kind)
        if self.kind is None or kind is None:
            return None
        known_as(kind, NumpySubject(self.kind, self.name).known(), split_bound(self.name)[1])
        watched = copy.copy(self)
        watched.kind, watched.written = kind, []
        return watched

    def bound(self, given: Hyperparameters) -> Bound:
        """Return what a person's class is passed, with what was bound by hand and what a trial settled.

        Raises:
            AbsentArgumentError: it lacks an argument that is set.
        """
        assert self.kind is not None
        return NumpySubject(self.kind, self.name).bound(given)


def run(make: Make, probe: Probe, seed: int = 0) -> Observation:
    """Observe with the global generators in a known state, tensors in the shapes that the subject takes."""
    if isinstance(make, Watched) and make.layout is not LAYOUT:
        probe = replace(probe, tensors=make.layout)
    with seeded(seed):
        try:
            return observe(make, probe)
        except AbsentArgumentError as error:
            # Who takes no learning rate is given none, and needs none that float32 holds.
            given = probe.hyperparameters
            if error.argument != "learning_rate" or given.learning_rate != HELD_RATE:
                raise
            own = msgspec.structs.replace(given, learning_rate=type(given)().learning_rate)
            return observe(make, replace(probe, hyperparameters=own))


def misbehaviour(make: Watched, probe: Probe, first: Observation) -> tuple[Finding, str] | None:
    """Return what makes the subject no function of its inputs, with the evidence, or None.

    ``first`` is an observation of the same probe with the generators at seed 0.
    """
    if make.written:
        return Finding.MUTATES_INPUTS, make.written[0]
    found = parting(lambda seed: run(make, probe, seed).columns, make.kind, make.layout, first.columns)
    if found is None:
        return _otherwise_at_first(make, probe, first)
    return Finding.GLOBAL_STATE if found.outside else Finding.NONDETERMINISTIC, found.says


def _otherwise_at_first(make: Watched, probe: Probe, first: Observation) -> tuple[Finding, str] | None:
    """Return that the first instance of a class, which keeps something beside them, is another one than the others."""
    changed = kept_outside(lambda seed: run(make, probe, seed).columns, make.kind)
    alone = _first_instance(make, probe) if changed else None
    where = None if alone is None else first_difference(alone.columns, first.columns, make.layout, find(probe.rule))
    said = f"{changed} changes with every run, and the first instance of a process differs from those after it {where}"
    return (Finding.GLOBAL_STATE, said) if where else None


def unseen_first(make: Watched, probe: Probe) -> str:
    """Return that the first instance of a process may be another one than all that were seen, empty if it is not."""
    changed = kept_outside(lambda seed: run(make, probe, seed).columns, make.kind)
    if not changed or _first_instance(make, probe) is not None:
        return ""
    return f"{changed} changes with every run: what the first instance of a process does was not seen"


def _first_instance(make: Watched, probe: Probe) -> Observation | None:
    """Return what the first instance of a class does, whose file is run anew for it, None where that cannot be seen.

    What a trial found of the class holds for it too, so that no instance comes before it.
    """
    with suppress(Exception), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        anew = make.anew()
        return None if anew is None else run(anew, probe)
    return None


def made_in_float64(kind: Any) -> str:
    """Return the line of a class or function that makes arrays of float64, empty if none is seen."""
    try:
        lines, first = inspect.getsourcelines(kind)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return ""
    for node in ast.walk(tree):
        said = _widens(node) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
        if said:
            return f"line {first + getattr(node, 'lineno', 1) - 1}: {said}"
    return ""


def kept_wider(subject: NumpySubject) -> str:
    """Return that a class keeps arrays of float64 for weights that are none, in words, empty if none is seen.

    Weights that change in place keep their dtype, and hide it.
    """
    shown = subject.read()["parameter"]
    shapes = {array.shape for array in shown.values() if array.ndim}
    if any(array.dtype == np.float64 for array in shown.values()):
        return ""
    wide = [each for each in subject.kept() if each.dtype == np.float64 and each.shape in shapes]
    dtype = next(iter(shown.values())).dtype
    line = made_in_float64(subject.kind) if wide else ""
    return f"what it keeps is float64; the weights are {dtype}{f' ({line})' if line else ''}" if wide else ""


def _widens(call: ast.Call) -> str:
    """Return by what a call makes float64 whatever it is given, empty if it does not."""
    assert isinstance(call.func, ast.Attribute)
    name, position = call.func.attr, _WIDE.get(call.func.attr, 1)
    given = [word.value for word in call.keywords if word.arg == "dtype"] + call.args[position : position + 1]
    if name in _WIDE and not given:
        return f"np.{name} without a dtype makes float64, whatever the weights are; np.{name}_like keeps theirs"
    if name == "astype":
        given = call.args[:1] or given
    if any(ast.unparse(each).strip("'\"").rpartition(".")[2] in _DOUBLE for each in given):
        return f"{ast.unparse(call)[:60]} is float64, whatever the weights are; their own dtype is w.dtype"
    return ""


_DOUBLE: Final = frozenset({"float", "float64", "double", "d", "f8"})
_WIDE: Final = {"zeros": 1, "ones": 1, "empty": 1, "full": 2}
"""What makes an array without a dtype, and how many arguments come before that."""


def wrote_into_inputs(error: Exception) -> bool:
    """Return whether a subject failed because its inputs are read-only."""
    return isinstance(error, ValueError) and "read-only" in str(error)
