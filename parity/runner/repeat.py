"""Whether a subject repeats itself: two runs of the same inputs, and one with another seed of the global generators."""

import copy
import io
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np

from parity.bounds.numerics import Array, differs
from parity.case.rule import DEFAULT, Rule, find, stages
from parity.case.spec import Cell, Replayed, Weights, hyperparameters
from parity.errors import MisbehavedError
from parity.problem.data import Tensors
from parity.problem.problems import Problem, ReplayedProblem
from parity.runner.steps import blocks
from parity.subjects.adapter import Adapter
from parity.subjects.generators import seeded
from parity.trajectory.layout import Layout, layout_of_problem

Columns = Mapping[str, Array]
"""Slot to its values ``[steps + 1, size]``, row 0 before the first step."""

Observe = Callable[[int], Columns]
"""Runs a fresh instance over the same inputs, with that seed of the global generators."""

CAUSES: Final = "a random generator without a seed, state shared between instances, or the time"


class Parting(NamedTuple):
    """What two runs of the same inputs differ in, in words; ``outside`` is whether the cause lies outside instances."""

    says: str
    outside: bool


def parting(
    observe: Observe, kind: Any, layout: Layout, first: Columns | None = None, rule: Rule | None = None
) -> Parting | None:
    """Return where runs of one subject part, or None if every bit of three of them is equal.

    Args:
        observe: makes a run.
        kind: the class behind it, None where there is none to look at.
        layout: how the tensors lie in a row of the columns.
        first: a run with seed 0, if there is one already.
        rule: the rule of the case, whose stages have an order; the default one unless given.
    """
    first = observe(0) if first is None else first
    before = _outside(kind)
    again = observe(0)
    after = _outside(kind)
    changed = [name for name in after if after[name] != before.get(name)]
    where = first_difference(first, again, layout, rule)
    if where and changed:
        return Parting(f"{changed[0]} changed during a run, and the next instance differs {where}", True)
    if where:
        return Parting(f"two runs with the same inputs differ {where}", False)
    where = first_difference(first, observe(1), layout, rule)
    return Parting(f"another seed of the global random generator changes the result {where}", True) if where else None


def kept_outside(observe: Observe, kind: Any) -> str:
    """Return the name of something beside its instances that a class changes in a run, empty if it changes nothing."""
    before = _outside(kind)
    observe(0)
    return next((name for name, now in _outside(kind).items() if now != before.get(name)), "")


def first_difference(one: Columns, other: Columns, layout: Layout, rule: Rule | None = None) -> str | None:
    """Return where two runs part, in words with both values, or None if every bit is equal."""
    hidden = set(one) ^ set(other)
    if hidden:
        return f"in what they show: {min(hidden)} is there in one run and not in the other"
    rows = {slot: np.flatnonzero(differs(one[slot], other[slot]).any(axis=1)) for slot in one}
    parted = {slot: int(found[0]) for slot, found in rows.items() if len(found)}
    if not parted:
        return None
    row = min(parted.values())
    slot = min((slot for slot in parted if parted[slot] == row), key=stages(rule or find(DEFAULT)).index)
    position = int(np.flatnonzero(differs(one[slot][row], other[slot][row]))[0])
    name, index = layout.of(slot).index(position)
    when = f"at step {row - 1}" if row else "before the first step"
    return f"{when}, {slot} of {name} at {index}: {one[slot][row, position]!s} and {other[slot][row, position]!s}"


_SAID: dict[tuple[str, str, str], tuple[Any, str]] = {}
"""Name of a subject, rule and its folder to the class and to what was said of it: a process asks once."""


def require_repeatable(name: str, adapter: Adapter, loaded: bool, rule: str = DEFAULT, folder: str = "") -> None:
    """Refuse a subject, not opened yet, that gives other results for the same inputs; what cannot run is left alone.

    Args:
        name: the subject's name.
        adapter: the subject; one that the caller made, and has no class to show, is left alone.
        loaded: whether it was loaded by its name, so that what was found of that name holds.
        rule: the rule of the case that it is to run, whose slots it may show.
        folder: where the case is, for a rule whose page lies beside it.

    Raises:
        MisbehavedError: with the first difference, both values, and what usually causes it.
    """
    kind = getattr(adapter, "kind", None)
    if kind is None and not loaded:
        return
    key = name, rule, folder if rule.endswith(".py") else ""
    known = _SAID.get(key)
    if known is None or not (loaded or known[0] is kind):
        known = _SAID[key] = (kind, _said(adapter, kind, *key[1:]))
    if known[1]:
        raise MisbehavedError(known[1])


def _said(adapter: Adapter, kind: Any, rule: str = DEFAULT, folder: str = "") -> str:
    problem = _short(rule, folder)
    try:
        layout, known = layout_of_problem(problem), find(rule, folder)
        found = parting(lambda seed: _observed(adapter, problem, seed), kind, layout, rule=known)
    except Exception:  # the pair runs into the same, and says it
        return ""
    return f"is not repeatable: {found.says}. What usually causes this: {CAUSES}." if found else ""


def _observed(adapter: Adapter, problem: Problem, seed: int) -> dict[str, Array]:
    """Run a copy of a subject that was not opened: over the same class, so that what it shares is shared."""
    fresh, found = copy.copy(adapter), dict[str, Array]()
    unheard = io.StringIO()
    with seeded(seed), redirect_stdout(unheard), redirect_stderr(unheard), _quiet():
        try:
            fresh.open(problem)
            for block in blocks(problem, fresh):
                found = {slot: rows.copy() for slot, rows in block.rows.items()}
        finally:
            fresh.close()
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@cache
def _short(rule: str, folder: str) -> Problem:
    """Return a few steps of small tensors, in one block, with Keras' defaults."""
    spec = Replayed(generator="log_spaced", tensors={"kernel": [8, 8], "bias": [8], "scale": []}, low=1e-3)
    cell = Cell(
        id="repeat",
        case="repeat",
        summary="whether a subject repeats itself",
        probes=[],
        problem=spec,
        weights=Weights(),
        steps=6,
        dtype="float32",
        hyperparameters=hyperparameters(rule, folder)(),
        gradients="replayed",
        comparisons=["lockstep"],
        seed=0,
        rule=rule,
        folder=folder,
    )
    return _Drawn(cell)


class _Drawn(ReplayedProblem):
    """A problem whose gradients are drawn once, which costs more than the steps that they are for."""

    def __init__(self, cell: Cell) -> None:
        super().__init__(cell)
        self._steps = [super(_Drawn, self).gradients(step) for step in range(cell.steps)]

    def gradients(self, step: int) -> Tensors:
        """Return the gradients of a step, read-only."""
        return self._steps[step]


def _outside(kind: Any) -> dict[str, str]:
    """Return a fingerprint of everything that a class and its module hold, by name."""
    if kind is None:
        return {}
    module = sys.modules.get(getattr(kind, "__module__", ""), None)
    name = getattr(kind, "__name__", type(kind).__name__)
    found = {f"{name}.{key}": _print(value) for key, value in _held(kind).items()}
    if module is not None:
        found |= {key: _print(value) for key, value in _held(module).items() if _is_data(value)}
    return found


def _held(holder: Any) -> dict[str, Any]:
    return {key: value for key, value in getattr(holder, "__dict__", {}).items() if not key.startswith("__")}


def _is_data(value: Any) -> bool:
    return isinstance(value, int | float | list | dict | set | tuple | np.ndarray)


def _print(value: Any, depth: int = 0) -> str:
    if isinstance(value, np.ndarray):
        return str(hash(value.tobytes()))
    if isinstance(value, dict) and depth < 4:
        return str({str(key): _print(item, depth + 1) for key, item in value.items()})
    if isinstance(value, list | tuple) and depth < 4:
        return str([_print(item, depth + 1) for item in value])
    return repr(value) if isinstance(value, int | float | str | set) else ""
