"""tf.keras' LossScaleOptimizer (Keras 3) as a page that wraps a page: it divides by the scale, skips, and moves it.

Where every gradient is finite (keras/src/optimizers/loss_scale_optimizer.py)::

    g = g / s                              then the rule inside makes its step
    n = n + 1, or, if n was one below what is needed, n = 0 and s = 2 * s

Where an element of one is infinite or NaN, no tensor's weights and no slot of the rule move, and::

    n = 0, s = s / 2

The rule inside does not see a step that was skipped: its schedule, its bias correction, its average and the gradients
that it accumulates stand still. Gradients are tested as they come, before they are divided, and nothing holds the
scale between limits: TensorFlow's own older wrapper kept it at 1 or above and finite, this one may reach zero, divide
by it, and hand on what is infinite. `loss_scale_factor` of the rule inside is taken out, as Keras does.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .optimizer import Optimizer, as_float32, constant

SLOTS = {
    "loss_scale": "the scale that gradients are divided by: one number a tensor, alike in all",
    "finite_steps": "steps without overflow since the scale was last moved: one number a tensor, alike in all",
    "updates": "steps that were not skipped: one number a tensor, alike in all",
}
"""What stands around the rule, in the order in which it changes."""


class LossScale:
    """A rule behind a dynamic loss scale: what is not said here is what the rule inside says.

    The state is that of the rule with three slots more. `iterations` counts every call, `updates` those that reached
    the rule; Keras keeps the scale in float32 and the counts as integers, here they have the dtype of the weights.
    """

    def __init__(self, inner: Optimizer, initial_scale: float = 2.0**15, dynamic_growth_steps: int = 2000) -> None:
        self.inner, self.initial_scale, self.dynamic_growth_steps = inner, initial_scale, dynamic_growth_steps
        inner.loss_scale_factor = None

    def __getattr__(self, name: str) -> Any:
        if name == "inner":  # a copy is asked for its parts before it has any
            raise AttributeError(name)
        return getattr(self.inner, name)

    def init(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state before the first step."""
        start = {"loss_scale": as_float32(self.initial_scale), "finite_steps": 0.0, "updates": 0.0}
        own = {slot: {n: np.full((), value, dtype=w.dtype) for n, w in params.items()} for slot, value in start.items()}
        return {**self.inner.init(params), **own}

    def slots(self, state: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        """Return the state without its step count: {slot: {tensor: array}}."""
        return {slot: tensors for slot, tensors in state.items() if slot != "iterations"}

    def step(
        self, params: Mapping[str, Any], grads: Mapping[str, Any], state: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the parameters and the state after one step; the arguments stay as they are."""
        finite = self.all_finite(grads)
        inside, after = self._inside(state), dict(params)
        if finite:
            after, inside = self.inner.step(params, self._divided(grads, state), inside)
        own = {slot: dict(state[slot]) for slot in SLOTS}
        for name in state["loss_scale"]:
            moved = self.moved(*(self.number(state[slot][name]) for slot in SLOTS), finite=finite)
            for slot, value in zip(SLOTS, moved, strict=True):
                own[slot][name] = constant(params[name], value)
        return after, {**inside, **own, "iterations": state["iterations"] + 1}

    def stages(
        self, params: Mapping[str, Any], grads: Mapping[str, Any], state: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Return the inside of one step as the rule does; nothing of any tensor if it is skipped."""
        if not self.all_finite(grads):
            return {}
        return self.inner.stages(params, self._divided(grads, state), self._inside(state))

    def moved(self, scale: float, count: float, updates: float, *, finite: bool) -> tuple[float, float, float]:
        """Return scale, count and updates after a step."""
        if not finite:
            return as_float32(scale * 0.5), 0.0, updates
        if count == self.dynamic_growth_steps - 1:
            return as_float32(scale * 2.0), 0.0, updates + 1
        return scale, count + 1, updates + 1

    def all_finite(self, grads: Mapping[str, Any]) -> bool:
        """Return whether no element of any gradient is infinite or NaN."""
        return all(np.isfinite(g).all() for g in grads.values() if g is not None)

    def number(self, array: Any) -> float:
        """Return a slot of one number as a Python float."""
        return float(array)

    def _divided(self, grads: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
        return {name: None if g is None else g / state["loss_scale"][name] for name, g in grads.items()}

    def _inside(self, state: Mapping[str, Any]) -> dict[str, Any]:
        made = [self.number(each) for each in state["updates"].values()]
        return {**{s: t for s, t in state.items() if s not in SLOTS}, "iterations": int(made[0]) if made else 0}
