"""Which stage of the update a divergence enters at, read from what a subject shows before and after one step."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.numerics import Array, format_of
from parity.reference.rmsprop import Update, as_float32
from parity.spec import Hyperparameters

_ORDER = (
    "loss",
    "gradient",
    "accumulated_gradient",
    "second_moment",
    "first_moment",
    "momentum_buffer",
    "parameter",
    "average",
)
_NAMES = {"accumulated_gradient": "gradient"}


def earliest(slots: list[str]) -> str:
    """Return the slot, among those that diverge at one step, that the formula computes first."""
    return min(slots, key=_ORDER.index)


def locate(
    slot: str,
    tensor: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    update: Update | None,
    given: Hyperparameters,
) -> tuple[str, str]:
    """Return (stage, note) for the first slot that diverges.

    A wrong second moment, first moment or gradient is seen as such. A wrong buffer or parameter is traced further: the
    increment that the subject must have used is compared with the expected one, over elements of all magnitudes. One
    constant factor is a wrong *step*; a factor that varies with the magnitude is a wrong *denominator*; a difference
    in proportion to the weights, or a buffer that is right, leaves the *parameter*.
    """
    if slot not in ("momentum_buffer", "parameter") or update is None:
        return _NAMES.get(slot, slot), ""
    if slot == "parameter" and given.momentum > 0 and "momentum_buffer" in after:
        return "parameter", "the momentum buffer agrees, what is subtracted from the weights does not"
    obtained, expected, noise = _increments(slot, tensor, before, after, update, given)
    decay = _proportional_to_weights(obtained - expected, before["parameter"][tensor], noise)
    if slot == "parameter" and decay is not None:
        return "parameter", f"the difference is {decay:.6g} times the weight: weight decay"
    usable = np.abs(expected) > 16 * noise
    factor = obtained[usable] / expected[usable]
    if len(factor) < 2:
        return ("momentum_buffer" if slot == "momentum_buffer" else "step"), ""
    blur = float(np.max(noise[usable] / np.abs(expected[usable]))) * max(1.0, float(np.max(np.abs(factor))))
    if float(np.max(factor) - np.min(factor)) <= 4 * blur:
        return _scaled(slot, float(np.median(factor)), blur, _weights_agree(tensor, after, update), given)
    sizes = np.abs(factor)
    if np.min(factor) < 0 < np.max(factor) and float(np.max(sizes) - np.min(sizes)) <= 4 * blur:
        return "gradient", "some increments have the right size and the wrong sign"
    low, high = float(np.min(factor)), float(np.max(factor))
    return "denominator", f"increments are between {low:.6g} and {high:.6g} times the expected ones, by magnitude"


def _scaled(slot: str, factor: float, blur: float, weights_agree: bool, given: Hyperparameters) -> tuple[str, str]:
    """Name a constant factor between the increments: a buffer kept in other units, or a step of another size."""
    times = f"1 {factor - 1:+.3g}" if abs(factor - 1) < 1e-3 else f"{factor:.6g}"
    if slot == "momentum_buffer" and weights_agree:
        if abs(factor + 1) <= blur:
            return slot, "it has the opposite sign and the weights are right: show the negated buffer in slots()"
        return slot, f"what enters it is {times} times the expected increment, and the weights are right: other units"
    note = f"every increment is {times} times the expected one"
    if (
        isinstance(given.learning_rate, float)
        and abs(factor * as_float32(given.learning_rate) / given.learning_rate - 1) <= blur
    ):
        note += f": a learning rate of {given.learning_rate!r}, which Keras holds in float32"
    return "step", note


def _weights_agree(tensor: str, after: Mapping[str, Any], update: Update) -> bool:
    obtained, expected = np.asarray(after["parameter"][tensor]), np.asarray(update.parameter)
    unit = 8 * format_of(expected.dtype).unit
    wide = format_of(expected.dtype).wide
    return bool(np.all(np.abs(obtained.astype(wide) - expected) <= unit * np.abs(expected).astype(wide)))


def _increments(
    slot: str, tensor: str, before: Mapping[str, Any], after: Mapping[str, Any], update: Update, given: Hyperparameters
) -> tuple[Array, Array, Array]:
    """Return the increments that obtained and expected state imply, and how far rounding blurs each."""
    fmt = format_of(after[slot][tensor].dtype)
    old = np.asarray(before[slot][tensor]).astype(fmt.wide).reshape(-1)
    new = np.asarray(after[slot][tensor]).astype(fmt.wide).reshape(-1)
    wanted = np.asarray(getattr(update, slot)).astype(fmt.wide).reshape(-1)
    kept = given.momentum if slot == "momentum_buffer" else 1.0
    sign = 1.0 if slot == "momentum_buffer" else -1.0
    noise = 4 * fmt.unit * (np.abs(old) + np.abs(new)) + fmt.underflow
    return sign * (new - kept * old), sign * (wanted - kept * old), noise


def _proportional_to_weights(difference: Array, weights: Any, noise: Array) -> float | None:
    w = np.asarray(weights).astype(difference.dtype).reshape(-1)
    usable = (np.abs(difference) > 8 * noise) & (w != 0)
    if usable.sum() < 3 or usable.mean() < 0.5:
        return None
    factor = difference[usable] / w[usable]
    blur = 4 * np.max(noise[usable] / np.abs(w[usable]))
    return float(np.median(factor)) if np.max(factor) - np.min(factor) <= blur else None
