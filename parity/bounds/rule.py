"""The reference page on bounded arrays: what its steps yield exactly, and how far any right evaluation may be off."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from parity.bounds.bounded import Bounded, BoundedFloat32, Rate, exact
from parity.bounds.numerics import Array
from parity.bounds.spectral import rounds_of
from parity.case.places import PAGES
from parity.case.rule import find
from parity.case.spec import SCHEDULES, Cell, Hyperparameters
from parity.errors import SpecError
from parity.reference import constraints, schedules
from parity.reference.loss_scale import LossScale
from parity.reference.optimizer import Optimizer, constant

# The variable that holds the rate is float32, whose subnormals may be taken for zero also where they become float64.
_FLOAT32_TINY = float(np.finfo(np.float32).smallest_normal)


def rate_with_bound(learning_rate: Any, step: int) -> Rate:
    """Return the float32 learning rate of a step, with a bound on how far another float32 evaluation may be off."""
    if not hasattr(learning_rate, "rate"):
        plain = Rate(np.float32(learning_rate(step) if callable(learning_rate) else learning_rate))
        plain.error = float(plain) if plain < _FLOAT32_TINY else 0.0
        return plain
    value = Rate(learning_rate(step))
    with np.errstate(all="ignore"):
        bounded = learning_rate.rate(BoundedFloat32(), step)
    error = float(bounded.error) + abs(float(bounded.value) - value)
    error = max(error, float(value)) if value < _FLOAT32_TINY else error
    value.error = error if np.isfinite(error) else float("inf")
    return value


class OnBounds(Optimizer):
    """What a page needs beside its lines to run on bounded arrays: put before it among the bases of a class.

    The learning rate knows how far its schedule may be off, and running means may be formed in another way:
    ``old + (1 - rho) * (new - old)`` rounds up to a quarter more than the product form. Its excess goes into the old
    mean, which the page multiplies by what it keeps. Where nothing is kept no excess is granted: there the lerp
    cancels, and loses a new square beside a large old moment.
    """

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Any:
        """Apply the rule to one tensor, as the page does."""
        slots = dict(slots)
        for slot, (keep, power) in self.means.items():
            if slot in slots:
                new = np.square(g) if power == 2 else g
                slots[slot] = self.either_form(slots[slot], new, getattr(self, keep))
        return super().update(w, g, slots, learning_rate, count)

    def either_form(self, old: Bounded, new: Bounded, keep: float) -> Bounded:
        """Return an old mean that excuses what the other form of its update may round beyond the page's."""
        if not keep > 0:
            return old
        # Two of one value: a difference from the same array would be allowed the other form already.
        start, again = (Bounded(old.value, np.zeros_like(old.value), old.format) for _ in range(2))
        added = Bounded(new.value, np.minimum(new.error, old.format.unit * np.abs(new.value)), old.format)
        kept, renewed = constant(old, keep), constant(old, 1 - keep)
        excess = (start + renewed * (added - again)).error - (kept * start + renewed * added).error
        with np.errstate(all="ignore"):
            granted = np.where(excess > 0, excess / keep, 0.0)
        return Bounded(old.value, old.error + granted, old.format, None if old.floor is None else 0.0)

    def orthogonalized(self, x: Bounded, rounds: int) -> Bounded:
        """Return a matrix with its singular values near one, as Muon's page does, its rounds bounded as one."""
        own: Any = super()
        polynomial = (self.muon_a, self.muon_b, self.muon_c)  # type: ignore[attr-defined]  # of the page
        return rounds_of(lambda values: own.orthogonalized(values, 1), x, rounds, polynomial)

    def _learning_rate_at(self, iterations: int) -> float:
        return rate_with_bound(self.learning_rate, iterations)


@cache
def page(name: str, folder: str = "") -> type[Optimizer]:
    """Return the class on a rule's page.

    Raises:
        SpecError: there is no such page, or it cannot be imported.
    """
    rule = find(name, folder)
    if rule.page.parent == PAGES:
        module = importlib.import_module(f"parity.reference.{rule.page.stem}")
    else:
        module = _beside(rule.page)
    kind: type[Optimizer] = getattr(module, rule.kind)
    return kind


def _beside(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"parity_rule_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a page of a user's may raise anything
        raise SpecError(f"rule: {path.name} cannot be imported: {type(error).__name__}: {error}.") from error
    return module


@cache
def bounded(kind: Any) -> type[OnBounds]:
    """Return the class of a page as one that runs on bounded arrays."""
    return type(f"Bounded{kind.__name__}", (OnBounds, kind), {"__doc__": f"The page of {kind.__name__}, bounded."})


def absences(cell: Cell) -> dict[str, frozenset[int]]:
    """Return the steps at which a tensor of a case has no gradient, by tensor."""
    return _steps(cell, "absent")


def frozen(cell: Cell) -> dict[str, frozenset[int]]:
    """Return the steps at which a tensor of a case is not trained, by tensor."""
    return _steps(cell, "frozen")


def _steps(cell: Cell, which: str) -> dict[str, frozenset[int]]:
    return {name: frozenset(steps) for name, steps in getattr(cell.problem, which, {}).items()}


class Skips(Optimizer):
    """A page whose tensors have no gradient at some steps, or none that is used: put before it among a class's bases.

    What is handed over in the place of one is not looked at, so that rows of all tensors do.
    """

    absences: Mapping[str, frozenset[int]]

    def step(self, params: Any, grads: Any, state: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the parameters and the state after one step."""
        return super().step(params, self._left(grads, state), state)

    def stages(self, params: Any, grads: Any, state: Any) -> dict[str, Any] | None:
        """Return the inside of one step, of those tensors that have a gradient."""
        return super().stages(params, self._left(grads, state), state)

    def _left(self, grads: Any, state: Any) -> dict[str, Any]:
        step = state["iterations"]
        return {name: None if step in self.absences.get(name, ()) else g for name, g in grads.items()}


def _skipping(kind: Any, cell: Cell) -> Any:
    out = absences(cell), frozen(cell)
    found = {name: frozenset().union(*(each.get(name, ()) for each in out)) for name in {**out[0], **out[1]}}
    return type(kind.__name__, (Skips, kind), {"__doc__": kind.__doc__, "absences": found}) if found else kind


class BoundedLossScale(LossScale):
    """The page of the loss scale on bounded arrays: scale and counts are the numbers that a step starts from."""

    def all_finite(self, grads: Mapping[str, Any]) -> bool:
        """Return whether no element of any gradient is infinite or NaN."""
        return super().all_finite({name: None if g is None else g.value for name, g in grads.items()})

    def number(self, array: Any) -> float:
        """Return a slot of one number as a Python float."""
        return float(array.value)


def loss_scale_of(cell: Cell) -> LossScale | None:
    """Return the page of a case's loss scale around its rule, None where none moves."""
    return None if cell.loss_scale is None else reference_rule(cell)


def constraints_of(cell: Cell) -> dict[str, Any]:
    """Return the constraints of a case's tensors, as their page has them."""
    return {
        name: getattr(constraints, type(each).__name__)(**{f: getattr(each, f) for f in each.__struct_fields__})
        for name, each in cell.constraints.items()
    }


def around(made: Any, cell: Cell, kind: Callable[..., LossScale] = LossScale) -> Any:
    """Return an optimizer of a case with its constraints, and with the loss scale around it, as the case has them."""
    if cell.constraints:
        made.constraints = constraints_of(cell)
    given = cell.loss_scale
    if given is None or isinstance(made, LossScale):
        return made
    return kind(made, given.initial_scale, given.dynamic_growth_steps)


def reference_rule(cell: Cell) -> Any:
    """Return the page of a case's rule with the case's hyperparameters, in the page that stands around it, if any."""
    kind: Any = _skipping(page(cell.rule, cell.folder), cell)
    return around(kind(**plain_arguments(cell.hyperparameters)), cell)


def bounded_rule(cell: Cell) -> Any:
    """Return what ``reference_rule`` returns, on bounded arrays."""
    kind: Any = page(cell.rule, cell.folder)
    kind = _skipping(bounded(kind), cell)
    return around(kind(**plain_arguments(cell.hyperparameters)), cell, BoundedLossScale)


def plain_arguments(given: Hyperparameters) -> dict[str, Any]:
    """Return hyperparameters as a page takes them: numbers as they are, a schedule as a callable of the step."""
    return {name: plain_argument(getattr(given, name)) for name in given.__struct_fields__}


def plain_argument(value: Any) -> Any:
    """Return one hyperparameter as a page, or a person's class, takes it; lists are copies, which it may change."""
    kind: Any = type(value)
    if kind in SCHEDULES.values():
        fields = {field: plain_argument(getattr(value, field)) for field in kind.__struct_fields__}
        return getattr(schedules, kind.__name__)(**fields)
    return list(value) if isinstance(value, list) else value


ByTensor = Mapping[str, Any]
"""Arrays by the names of their tensors."""

SlotRows = Mapping[str, Array]
"""Flat rows, ``[size]`` or ``[steps, size]``, by slot; "parameter" and "gradient" count as slots."""

Enclosure = tuple[Array, Array]
"""Exact values, and how far any right evaluation may be from them: flat, of equal length, in the wide dtype."""

Enclosures = dict[str, Enclosure]
"""Slot to the enclosure of its elements."""


def bounded_step(
    rule: OnBounds,
    start: Mapping[str, ByTensor],
    iterations: int,
    errors: Mapping[str, ByTensor] | None = None,
    become: Callable[[Bounded], Bounded] | None = None,
) -> dict[str, Mapping[str, Bounded]]:
    """Make one step on bounded arrays: the exact results and how far any right evaluation may be from them.

    Args:
        rule: a page that runs on bounded arrays.
        start: what the step starts from, tensors by slot; "parameter" and "gradient" beside the slots of the rule.
            What is bounded already stays as it is; anything else is narrow.
        iterations: how many steps were made before.
        errors: how far a narrow value may be off, by slot and tensor; a slot that is absent is exact.
        become: what is done to each bounded tensor that the step starts from.

    Returns:
        Bounded tensors by slot: the new parameters and slots, and the gradient as it went in.
    """
    off = errors or {}
    lifted = {
        slot: {
            name: array if isinstance(array, Bounded) else _lifted(slot, array, off.get(slot, {}).get(name), rule)
            for name, array in tensors.items()
        }
        for slot, tensors in start.items()
    }
    if become is not None:
        lifted = {slot: {name: become(each) for name, each in tensors.items()} for slot, tensors in lifted.items()}
    params, grads = lifted.pop("parameter"), lifted.pop("gradient")
    with np.errstate(all="ignore"):
        after, state = rule.step(params, grads, {"iterations": iterations, **lifted})
    return {"parameter": after, "gradient": grads, **rule.slots(state)}


def _lifted(slot: str, array: Any, error: Any, rule: OnBounds) -> Bounded:
    return exact(array, 0.0 if error is None else error, 0.0 if slot in rule.never_negative else None)


PIECE = 8_192
"""Elements that are bounded at a time: their temporaries fit a core's cache, which is three times as fast."""


def in_pieces(make: Callable[[slice], Enclosures], count: int) -> Enclosures:
    """Make an elementwise step on some elements at a time and return it joined."""
    parts = [make(slice(start, start + PIECE)) for start in range(0, max(count, 1), PIECE)]
    if len(parts) == 1:
        return parts[0]
    return {
        slot: (np.concatenate([part[slot][0] for part in parts]), np.concatenate([part[slot][1] for part in parts]))
        for slot in parts[0]
    }


def enclosure(bounded: Bounded) -> Enclosure:
    """Return value and error, the error in the value's shape."""
    return np.asarray(bounded.value), np.broadcast_to(bounded.error, np.shape(bounded.value))


def reach_around(expected: Any, value: Any, error: Any) -> Any:
    """Return how far a right evaluation may be from ``expected``, wide as the others, where that is known."""
    return error + np.abs(expected - value)


def bound_around(expected: Array, value: Array, error: Array) -> Array:
    """Return how far a right evaluation may be from ``expected``, one of them; infinite where that is not known.

    ``value`` and ``error`` are the exact value and how far any right evaluation may be from it, both wide. Where every
    right one is NaN, without an error, the bound is zero: no number is right there.
    """
    bound = reach_around(expected.astype(value.dtype, copy=False), value, error)
    unknown = np.isnan(bound)
    if not unknown.any():
        return np.asarray(bound)
    return np.where(unknown, np.where(np.isnan(value) & (error == 0), 0.0, np.inf), bound)
