"""What a choice does to a training run: for how many steps its steps are another size, and by how much."""

from typing import Any

import numpy as np

from parity.reference.family import Family

STEPS = 2000
_MAGNITUDES = np.array([1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0])
_SEEN = 0.01


def effect(switches: dict[str, Any], numbers: dict[str, float]) -> str:
    """Return a sentence from 2,000 steps on constant gradients of seven magnitudes, at Keras' default numbers."""
    numbers = dict(numbers)
    rate = numbers.pop("learning_rate", 1e-3) * numbers.pop("learning_rate_factor", 1.0)
    momentum = numbers.pop("momentum", 0.9 if {"learning_rate_place", "nesterov"} & set(switches) else 0.0)
    base: dict[str, Any] = {
        "momentum": 0.9 if momentum else 0.0,
        "weight_decay": 0.01 if "weight_decay_form" in switches else None,
    }
    with np.errstate(all="ignore"):
        changed: dict[str, Any] = {**base, "momentum": momentum, "learning_rate": rate, **switches, **numbers}
        theirs = _sizes(Family(**changed))
        ours = _sizes(Family(**base))
        ratio = theirs / ours
        off = ~(np.abs(ratio - 1) <= _SEEN)
    if not off.any():
        return "On seven magnitudes of gradients from 1e-5 to 10 its steps stay within 1 % of tf.keras'."
    rows = np.flatnonzero(off.any(axis=1))
    low, high = (float(x) for x in (np.nanmin(ratio[rows[0]]), np.nanmax(ratio[rows[0]])))
    first = f"At step {rows[0]} its steps are {low:.3g} to {high:.3g} times those of tf.keras"
    if rows[-1] >= STEPS - 1:
        late = ratio[-200:]
        some = ", ".join(f"{m:g}" for m in _MAGNITUDES[off[-200:].any(axis=0)])
        spread = f"{float(np.nanmin(late)):.3g} to {float(np.nanmax(late)):.3g}"
        return f"{first}; it does not fade: after {STEPS:,} steps, {spread} times for gradients of size {some}."
    return f"{first}; within 1 % from step {rows[-1] + 1} on, so it cannot explain what only begins later."


def _sizes(rule: Family) -> Any:
    """Return the sizes of the steps ``[steps, magnitudes]`` in float64, all of one sign: momentum never cancels."""
    params = {"w": np.ones(len(_MAGNITUDES))}
    state = rule.init(params)
    sizes = np.empty((STEPS, len(_MAGNITUDES)))
    for step in range(STEPS):
        after, state = rule.step(params, {"w": _MAGNITUDES}, state)
        sizes[step] = np.abs(after["w"] - params["w"])
        params = {"w": np.ones(len(_MAGNITUDES))}
    return sizes
