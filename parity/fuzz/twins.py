"""Whether two runs agree: bit by bit up to the first step where they part, which the bound of that step judges.

Both runs stand at the same state before that step, so each is within its bound of the exact result, and they are
within twice the bound of each other. What follows starts from different states and is not compared.
"""

import numpy as np

from parity.bounds.numerics import Array, differs, shown
from parity.case.rule import find, stages
from parity.fuzz.relations import Twin
from parity.fuzz.words import Outcome
from parity.judge.page import reference
from parity.problem.problems import Problem
from parity.trajectory.blocks import Columns
from parity.verdicts.verdict import Verdict


def judged(twin: Twin, exact: bool) -> Outcome:
    """Return the outcome of two runs; where they must be ``exact``, no bound excuses a difference."""
    for step, (obtained, expected) in enumerate(zip(twin.obtained, twin.expected, strict=True)):
        parted = _parted(obtained, expected)
        if parted:
            bounds = None if exact else _bounds(twin.problem, twin.starts[step], step)
            return _settled(twin.problem, parted, obtained, expected, bounds, step)
    if not any(array.size for tensors in twin.expected[0].values() for array in tensors.values()):
        return Outcome(Verdict.UNDECIDED.name, text="no tensor has an element")
    return Outcome(Verdict.IDENTICAL.name, compared=True)


def _parted(obtained: Columns, expected: Columns) -> list[tuple[str, str]]:
    return [
        (slot, name)
        for slot, tensors in expected.items()
        for name, array in tensors.items()
        if slot in obtained and differs(obtained[slot][name], array).any()
    ]


def _settled(
    problem: Problem,
    parted: list[tuple[str, str]],
    obtained: Columns,
    expected: Columns,
    bounds: Columns | None,
    step: int,
) -> Outcome:
    """Return the first place that is outside its bound; else that rounding explains it, or that no bound is known."""
    undecided = False
    order = stages(find(problem.cell.rule, problem.cell.folder))
    for slot in sorted({slot for slot, _ in parted}, key=order.index):
        for name in (name for other, name in parted if other == slot):
            a, b = obtained[slot][name].reshape(-1), expected[slot][name].reshape(-1)
            bound = np.zeros(a.size) if bounds is None else np.asarray(bounds[slot][name]).reshape(-1)
            outside, unknown = _outside(a, b, bound)
            undecided = undecided or unknown
            if len(outside):
                return _place(slot, name, int(outside[0]), obtained, expected, bound, step)
    if undecided:
        return Outcome(Verdict.UNDECIDED.name, text="the bound of the step is infinite")
    return Outcome(Verdict.ROUNDING.name, compared=True)


def _outside(a: Array, b: Array, bound: Array) -> tuple[Array, bool]:
    """Return the flat indices outside their bound, and whether some bound is infinite where values differ."""
    unequal = differs(a, b)
    with np.errstate(all="ignore"):
        gap = np.abs(a.astype(bound.dtype) - b.astype(bound.dtype))
        # A zero of the other sign is no distance, but a bit: only an exact relation forbids it.
        beyond = np.where(np.isnan(gap) | (bound == 0), True, gap > bound) & np.isfinite(bound)
    return np.flatnonzero(unequal & beyond), bool((unequal & ~np.isfinite(bound)).any())


def _place(slot: str, name: str, at: int, obtained: Columns, expected: Columns, bound: Array, step: int) -> Outcome:
    a, b = obtained[slot][name], expected[slot][name]
    one_sided = np.isfinite(a.reshape(-1)[at]) != np.isfinite(b.reshape(-1)[at])
    verdict = Verdict.NON_FINITE if one_sided else Verdict.DIVERGED
    return Outcome(
        verdict.name,
        slot=slot,
        stage=slot,
        step=step,
        tensor=name,
        index=[int(i) for i in np.unravel_index(at, a.shape)],
        obtained=shown(a.reshape(-1)[at]),
        expected=shown(b.reshape(-1)[at]),
        bound=shown(bound[at]),
        text=verdict.value,
        fails=True,
        compared=True,
    )


def _bounds(problem: Problem, start: Columns, step: int) -> Columns:
    """Return twice the bound of one step from a state, infinite where the subject hides what the step needs."""
    held = reference(problem)
    slots = ("parameter", *held.page.slots)
    if any(slot not in start for slot in slots):
        return {slot: {n: np.full(a.shape, np.inf) for n, a in tensors.items()} for slot, tensors in start.items()}
    before = {slot: start[slot] for slot in slots} | {"gradient": problem.gradients(step)}
    rows = {slot: held.layout.of(slot).join(tensors) for slot, tensors in before.items()}
    errors = {slot: 2 * error for slot, (_, error) in held.bounded.enclose(rows, {}, step).items()}
    return {
        slot: held.layout.of(slot).split(np.where(np.isnan(error), np.inf, error)) for slot, error in errors.items()
    }
