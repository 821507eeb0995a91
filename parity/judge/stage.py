"""Which stage of the update a divergence enters at, read from what a subject shows before and after one step."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.bounds.numerics import Array, format_of
from parity.case.rule import find, stages
from parity.case.spec import Cell, Hyperparameters
from parity.reference.optimizer import as_float32

_NAMES = {"accumulated_gradient": "gradient"}

# Below this share of the increments, those that differ are single elements, not a stage that all pass through.
FEW = 0.05


def earliest(slots: Iterable[str], cell: Cell) -> str:
    """Return the slot, among those that diverge at one step, that the formula of the case computes first."""
    return min(slots, key=stages(find(cell.rule, cell.folder), cell.loss_scale is not None).index)


def first_not_finite(update: Any, slot: str, index: tuple[int, ...]) -> str | None:
    """Return the first stage of an update that is infinite or not a number at an index into a slot, or None.

    A stage of another shape than the slot's counts where any of it is: all of it may have entered.
    """
    shape = np.shape(getattr(update, slot, update.parameter))
    for name, stage in zip(update._fields, update, strict=True):
        if stage is None:
            continue
        value = np.asarray(stage)
        if not np.isfinite(value[index] if value.shape == shape else value).all():
            return str(name)
    return None


@dataclass(frozen=True, slots=True)
class _Factors:
    """How many times the expected increment each element received, and how far rounding blurs that."""

    value: Array
    blur: Array

    def common(self) -> tuple[float, float] | None:
        """Return the ends of what all elements allow, or None where no single factor explains them."""
        low, high = float(np.max(self.value - self.blur)), float(np.min(self.value + self.blur))
        return (low, high) if low <= high else None

    def among(self, mask: Array) -> "_Factors":
        """Return the factors of some elements."""
        return _Factors(self.value[mask], self.blur[mask])


def locate(
    slot: str,
    tensor: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    update: Any,
    arguments: Hyperparameters,
) -> tuple[str, str]:
    """Return (stage, note) for the first slot that diverges.

    A wrong second moment, first moment or gradient is seen as such. A wrong buffer or parameter is traced further: the
    increment that the subject must have used is compared with the expected one, over elements of all magnitudes. One
    constant factor is a wrong *step*, one for each sign of the gradient a wrong *gradient*; a factor that varies
    otherwise is a wrong *denominator*, or *step* where the rule has none; a difference in proportion to the weights
    leaves the *parameter*, one in proportion to the old buffer the *momentum_buffer*.
    """
    if slot not in ("momentum_buffer", "parameter") or not hasattr(update, "step"):
        return _NAMES.get(slot, slot), ""
    obtained = np.asarray(after[slot][tensor])
    broken = int(np.sum(~np.isfinite(obtained)))
    if broken:
        return slot, f"{broken} of {obtained.size} values are not finite"
    if slot == "parameter" and getattr(update, "momentum_buffer", None) is not None:
        if "momentum_buffer" in after:
            return "parameter", "the momentum buffer agrees, what is subtracted from the weights does not"
        return (
            "parameter",
            "the momentum buffer is not shown, so that what enters it cannot be told from what leaves it",
        )
    gap, noise = _gap(slot, obtained, before[slot][tensor], update)
    share = _proportional(gap, before[slot][tensor], noise)
    if share is not None and slot == "parameter":
        return "parameter", f"the difference is {share:.6g} times the weight: weight decay"
    if share is not None:
        return "momentum_buffer", f"the old buffer is multiplied by {arguments.momentum + share:.6g}"
    factors, positive = _factors(slot, gap, noise, update)
    if len(factors.value) < 2:
        return ("momentum_buffer" if slot == "momentum_buffer" else "step"), ""
    if (ends := factors.common()) is not None:
        return _scaled(slot, ends, _weights_agree(tensor, after, update), arguments, obtained.dtype == np.float64)
    return _varied(slot, factors, positive, "denominator" if hasattr(update, "denominator") else "step")


def _gap(slot: str, obtained: Array, old: Any, update: Any) -> tuple[Array, Array]:
    """Return obtained minus expected, flat in the wide dtype, and what rounding may add to it."""
    fmt = format_of(obtained.dtype)
    new, expected, before = (np.asarray(a).astype(fmt.wide).reshape(-1) for a in (obtained, getattr(update, slot), old))
    return new - expected, fmt.unit * (2 * np.abs(new) + 4 * np.abs(before)) + fmt.underflow


def _factors(slot: str, gap: Array, noise: Array, update: Any) -> tuple[_Factors, Array]:
    """Return the factors of the elements that show theirs, and where among them the gradient is positive."""
    increment = np.asarray(update.step).astype(gap.dtype).reshape(-1)
    usable = np.abs(increment) > 4 * noise
    sign = 1.0 if slot == "momentum_buffer" else -1.0
    value = 1 + sign * gap[usable] / increment[usable]
    relative = 32 * format_of(update.step.dtype).unit
    blur = noise[usable] / np.abs(increment[usable]) + relative * (1 + np.abs(value))
    return _Factors(value, blur), np.asarray(update.gradient).reshape(-1)[usable] > 0


def _varied(slot: str, factors: _Factors, positive: Array, all_pass: str) -> tuple[str, str]:
    """Name what makes the factor vary: the sign of the gradient, a few elements, or, if it can, what all pass through.

    That is the denominator, or the step of a rule that has none.
    """
    value = factors.value
    if np.min(value) < 0 < np.max(value) and _Factors(np.abs(value), factors.blur).common() is not None:
        return "gradient", "some increments have the right size and the wrong sign"
    if 1 < positive.sum() < len(value) - 1:
        up, down = factors.among(positive).common(), factors.among(~positive).common()
        if up is not None and down is not None:
            text = (
                f"{_times(up)} times the expected ones for positive gradients, {_times(down)} times for negative ones"
            )
            return "gradient", f"increments are {text}"
    off = np.abs(value - 1) > factors.blur
    low, high = float(np.min(value[off])), float(np.max(value[off]))
    text = (
        f"{int(off.sum())} of {len(value)} increments differ: between {low:.6g} and {high:.6g} times the expected ones"
    )
    if np.any(value[off] + factors.blur[off] < 0):
        return slot, f"{text}; a root turns no sign, so something else moves it"
    return ("step" if off.mean() < FEW else all_pass), text


def _scaled(
    slot: str, ends: tuple[float, float], weights_agree: bool, arguments: Hyperparameters, double: bool
) -> tuple[str, str]:
    """Name a constant factor between the increments: a buffer kept in other units, or a step of another size."""
    low, high = ends
    if slot == "momentum_buffer" and weights_agree:
        if low <= -1 <= high:
            return slot, "it has the opposite sign and the weights are right: show the negated buffer in slots()"
        return slot, f"what enters it is {_times(ends)} times the expected, and the weights are right: other units"
    if low <= 1 <= high:
        return "step", ""
    note = f"every increment is {_times(ends)} times the expected one"
    rate = arguments.learning_rate
    if double and isinstance(rate, float) and low <= rate / as_float32(rate) <= high:
        note += f": a learning rate of {rate!r}, which Keras holds in float32"
    return "step", note


def _times(ends: tuple[float, float]) -> str:
    for simple in (0, 1, -1):
        if ends[0] <= simple <= ends[1]:
            return str(simple)
    middle = (ends[0] + ends[1]) / 2
    return f"1 {middle - 1:+.3g}" if abs(middle - 1) < 1e-3 else f"{middle:.6g}"


def _weights_agree(tensor: str, after: Mapping[str, Any], update: Any) -> bool:
    obtained, expected = np.asarray(after["parameter"][tensor]), np.asarray(update.parameter)
    fmt = format_of(expected.dtype)
    right = expected.astype(fmt.wide)
    return bool(np.all(np.abs(obtained.astype(fmt.wide) - right) <= 8 * fmt.unit * np.abs(right)))


def _proportional(gap: Array, old: Any, noise: Array) -> float | None:
    """Return the factor if the difference is one constant times the old values wherever it shows, else None."""
    before = np.asarray(old).astype(gap.dtype).reshape(-1)
    usable = (np.abs(gap) > 4 * noise) & (before != 0)
    if usable.sum() < 3 or usable.mean() < 0.5:
        return None
    ends = _Factors(gap[usable] / before[usable], 2 * noise[usable] / np.abs(before[usable])).common()
    return None if ends is None else (ends[0] + ends[1]) / 2
