"""What a choice does to a training run: for how many steps its steps are another size, and by how much."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from parity.case.rule import DEFAULT, find
from parity.reference.family import Family
from parity.reference.switches import BY_NAME

STEPS = 2000
HALVED = 1000
"""The step from which on a rate that changes is half of what it was."""
_MAGNITUDES = np.array([1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0])
_SEEN = 0.01
_GIVEN: Final[dict[str, Any]] = {"momentum": 0.9, "centered": True, "weight_decay": 0.01}
_DEFAULTS: Final = {name: default for name, _, default in find(DEFAULT).parameters}

Rate = float | Callable[[int], float]


def effect(switches: dict[str, Any], numbers: dict[str, Any], modes: Sequence[str]) -> str:
    """Return sentences from 2,000 steps on constant gradients of seven magnitudes, both sides given the same.

    Args:
        switches: the choices of the subject.
        numbers: what it computes with whatever it is given.
        modes: the modes of the optimizer that it was seen in; a number it has in no mode is there always.
    """
    ignored = {name for name, value in numbers.items() if name in _DEFAULTS and value == _DEFAULTS[name]}
    rest = {name: value for name, value in numbers.items() if name not in {*ignored, "epsilon_if_zero"}}
    what = ", ".join(f"`{name}`" for name in numbers if name in ignored)
    parts = [f"It shows wherever {what} is given another value than Keras' default."] if ignored else []
    parts += ["It shows wherever `epsilon` is given as zero."] if "epsilon_if_zero" in numbers else []
    if not switches and not rest:
        return " ".join(parts)
    given = _given(switches, rest, modes)
    shown = _differing(given, switches, rest, 1e-3)
    if not shown:
        changing = _differing(given, switches, rest, lambda step: 1e-3 if step < HALVED else 5e-4)
        shown = f"It shows once the rate changes (halved at step {HALVED:,}): {changing}" if changing else ""
    none = f"On seven magnitudes of gradients from 1e-5 to 10{_with(given)} its steps are tf.keras'."
    return " ".join([shown or none, *parts])


def _given(switches: dict[str, Any], numbers: dict[str, Any], modes: Sequence[str]) -> dict[str, Any]:
    """Return the arguments without which a choice shows nothing, as both sides get them."""
    needed = {BY_NAME[name].needs for name in switches} | {name.removesuffix("_factor") for name in numbers} & {*modes}
    return {name: value for name, value in _GIVEN.items() if name in needed}


def _with(given: dict[str, Any]) -> str:
    return "".join(f" with {name} {value}" for name, value in given.items())


def _differing(given: dict[str, Any], switches: dict[str, Any], numbers: dict[str, Any], rate: Rate) -> str:
    """Return where steps are of another size, an empty string if they are not."""
    kept = dict(numbers)
    factor = kept.pop("learning_rate_factor", None)
    for name, value in (("epsilon", _DEFAULTS["epsilon"]), ("weight_decay", given.get("weight_decay"))):
        if f"{name}_factor" in kept:
            kept[name] = kept.pop(f"{name}_factor") * value
    theirs_rate = kept.pop("learning_rate", rate)
    if factor is not None:
        theirs_rate = (lambda step: factor * rate(step)) if callable(rate) else factor * rate
    with np.errstate(all="ignore"):
        theirs = _sizes(Family(**{**given, **switches, **kept, "learning_rate": theirs_rate}))
        ours = _sizes(Family(**{**given, "learning_rate": rate}))
        ratio = theirs / ours
        off = ~(np.abs(ratio - 1) <= _SEEN)
    if not off.any():
        return ""
    rows = np.flatnonzero(off.any(axis=1))
    first = f"At step {rows[0]:,}{_with(given)} its steps are {_span(ratio[rows[0]])} times those of tf.keras"
    if rows[-1] >= STEPS - 1:
        late = ratio[-200:]
        some = ", ".join(f"{m:g}" for m in _MAGNITUDES[off[-200:].any(axis=0)])
        return f"{first}; it does not fade: after {STEPS:,} steps, {_span(late)} times for gradients of size {some}."
    return f"{first}; within 1 % from step {rows[-1] + 1:,} on, so it cannot explain what only begins later."


def _span(ratios: Any) -> str:
    low, high = f"{float(np.nanmin(ratios)):.3g}", f"{float(np.nanmax(ratios)):.3g}"
    return low if low == high else f"{low} to {high}"


def _sizes(rule: Family) -> Any:
    """Return the changes ``[steps, magnitudes]`` in float64, of gradients of one sign: momentum never cancels."""
    params = {"w": np.ones(len(_MAGNITUDES))}
    state = rule.init(params)
    sizes = np.empty((STEPS, len(_MAGNITUDES)))
    for step in range(STEPS):
        after, state = rule.step(params, {"w": _MAGNITUDES}, state)
        sizes[step] = params["w"] - after["w"]
        params = {"w": np.ones(len(_MAGNITUDES))}
    return sizes
