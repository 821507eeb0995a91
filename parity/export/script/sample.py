"""Weights and gradients that a subject is shown, and how it fails on them: what is made shorter, and what must stay."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np

from parity.bounds.numerics import Array
from parity.judge.page import Start, reference
from parity.problem.data import Tensors
from parity.problem.problems import Problem, Slices
from parity.problem.variant import Variant
from parity.runner.loop import compare
from parity.subjects.adapter import Adapter
from parity.verdicts.results import Comparison, Divergence
from parity.verdicts.verdict import Verdict

TELLING = 3
"""Elements from which a stage can be told; of fewer, a wrong denominator looks like a wrong step."""
SHOWN = (Verdict.DIVERGED, Verdict.NON_FINITE, Verdict.FAILED)


@dataclass(frozen=True, slots=True)
class Sample:
    """Weights by tensor, and for each step the gradients, with what sparse ones consist of, in the step's order."""

    params: Tensors
    rows: tuple[Tensors, ...]
    slices: tuple[dict[str, Slices], ...] = ()
    rotates: bool = False

    @property
    def steps(self) -> int:
        """How many steps it has."""
        return len(self.rows)

    @property
    def elements(self) -> int:
        """How many weights it has."""
        return sum(array.size for array in self.params.values())

    @property
    def sparse(self) -> frozenset[str]:
        """The tensors whose gradients consist of rows."""
        return frozenset(name for part in self.slices for name in part)

    def among(self, steps: list[int]) -> "Sample":
        """Return the sample with some of its steps."""
        slices = tuple(self.slices[step] for step in steps) if self.slices else ()
        return Sample(self.params, tuple(self.rows[step] for step in steps), slices, self.rotates)

    def mapped(self, change: Callable[[str, Array], Array | None]) -> "Sample":
        """Return the sample with each tensor's weights and gradients changed alike; None leaves the tensor out."""
        params = {n: new for n, w in self.params.items() if (new := change(n, w)) is not None}
        rows = tuple({n: new for n, g in row.items() if (new := change(n, g)) is not None} for row in self.rows)
        slices = tuple({n: part for n, part in each.items() if n in params} for each in self.slices)
        return Sample(params, rows, slices if any(slices) else (), self.rotates and len(params) > 1)


class Failure(NamedTuple):
    """How a subject fails on a sample: the verdict, the first divergence, if values were compared, and the reason."""

    verdict: Verdict
    place: Divergence | None
    reason: str

    @property
    def kind(self) -> tuple[str, str]:
        """What must stay when the sample gets shorter: the verdict, with the slot or with what was raised."""
        return self.verdict.name, self.reason.partition(":")[0] if self.place is None else self.place.slot

    def is_like(self, other: "Failure", elements: int) -> bool:
        """Whether another failure, of a sample of so many elements, is this one: the same verdict, slot and stage."""
        if self.kind != other.kind:
            return False
        if self.place is None or other.place is None or elements < TELLING:
            return True
        return self.place.stage == other.place.stage

    @property
    def at_start(self) -> bool:
        """Whether it is there before the first step."""
        return self.place is not None and self.place.note.startswith("before the first step")


def failure_of(item: Comparison) -> Failure | None:
    """Return how a comparison fails, None where it does not, or where both sides yield the same value."""
    place = item.first_divergence
    if item.outcome not in SHOWN or (item.outcome is Verdict.FAILED and not item.reason.startswith("raised ")):
        return None
    if place is not None and str(place.obtained) == str(place.expected):
        return None
    return Failure(item.outcome, place, item.reason)


class Judge:
    """Runs samples of one problem against one subject."""

    def __init__(self, problem: Problem, adapter: Adapter, name: str) -> None:
        self._adapter, self._name = adapter, name
        self.base = problem
        self.runs = 0
        self.said = ""
        """What the last run ended in, in words."""

    def variant(self, sample: Sample) -> Problem:
        """Return a sample as a problem; lockstep tells the stage at which a free run parts."""
        rows = sample.rows if sample.rotates else [{name: row[name] for name in sample.params} for row in sample.rows]
        problem = Variant(self.base, sample.params, rows, None, sample.slices, sample.rotates)
        problem.cell = msgspec.structs.replace(problem.cell, comparisons=["lockstep", "free"])
        return problem

    def __call__(self, sample: Sample) -> Failure | None:
        """Return how the subject fails on a sample when both sides run alone from its start, None where it does not."""
        self.runs += 1
        with np.errstate(all="ignore"):
            _, free = compare(self.variant(sample), self._adapter, self._name)
        self.said = f"{free.verdict}: {free.reason}"
        return failure_of(free)


Pick = Callable[[str, Array], Array | None]


def drawn(problem: Problem, steps: int, pick: Pick | None = None) -> Sample:
    """Return the first steps of a problem, of which ``pick`` may keep a part of each tensor, so that memory stays flat.

    Gradients that depend on the weights are those at the reference's.
    """
    rows, slices = [], []
    for number, gradients in enumerate(_gradients(problem, steps)):
        rows.append(gradients if pick is None else _picked(gradients, pick))
        slices.append(problem.slices(number) if pick is None else {})
    params = problem.params if pick is None else _picked(problem.params, pick)
    return Sample(params, tuple(rows), tuple(slices) if any(slices) else (), problem.rotates and pick is None)


def _picked(tensors: Tensors, pick: Pick) -> dict[str, Array]:
    return {name: part for name, array in tensors.items() if (part := pick(name, array)) is not None}


def _gradients(problem: Problem, steps: int) -> Iterator[Tensors]:
    if problem.cell.gradients == "replayed":
        yield from map(problem.gradients, range(steps))
        return
    held = reference(problem)
    state = held.page.start(problem.params)
    for number in range(steps):
        gradients = problem.evaluate(held.layout.split(state["parameter"]), number).gradients
        yield gradients
        with np.errstate(all="ignore"):
            state = held.page.step(Start({**state, "gradient": held.layout.join(gradients)}, number))
