"""SGD with every historical choice as a switch: with its defaults it is the page, bit for bit.

Sources of the other forms: torch/optim/sgd.py (the rate outside the buffer, dampening, the first gradient whole); the
lecture notes cs231n, neural-networks-3 (Nesterov's form by two buffers); optax/_src/transform.py (trace).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..optimizer import constant
from ..sgd import SGD, Update
from .choosing import Numbers


@dataclass(eq=False)
class SGDChoices(Numbers, SGD):
    """`SGD` of the page, and its switches; without momentum none but those of steps and `dampens` means anything.

    `dampening` is the share of a gradient that does not enter the buffer, "momentum" where it is momentum itself;
    `dampens` is whether a number does so where there is no momentum and no buffer, too: "always", or
    "all_but_the_first" gradient, as a code that never asks whether there is a momentum.
    `buffer_holds="difference"` is the heavy ball of who keeps the weights before the last step instead of a buffer.
    `buffer_sign` is whether the buffer holds what the weights move by, or what is taken from them.
    """

    learning_rate_place: str = "inside"
    dampening: float | str = 0.0
    first_gradient: str = "as_any"
    first_step: str = "as_any"
    dampens: str = "the_buffer"
    nesterov_form: str = "gradient_ahead"
    nesterov_order: str = "one_buffer"
    buffer_holds: str = "moves"
    buffer_sign: str = "moves"
    step_sign: str = "subtract"

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        """Apply the rule to one tensor; see `Optimizer.update`."""
        rate, outside = constant(w, learning_rate), self.learning_rate_place == "outside"
        sign = -1 if self.step_sign == "add" else 1
        if not self.momentum:
            plain = self.dampens == "the_buffer" and self.first_step == "as_any"
            step = g * rate if plain else self._entering(w, g * rate, count)
            return Update(g, None, self._moved(w, -step, sign))
        momentum, step = constant(w, self.cast(self.momentum)), g if outside else g * rate
        old = slots["momentum_buffer"] if self.buffer_sign == "moves" else -slots["momentum_buffer"]
        b = old * momentum - self._entering(w, step, count)
        move = self._move(b, old, momentum, step) if self.nesterov else b
        after = self._moved(w, move * rate if outside else move, sign)
        b = after - w if self.buffer_holds == "difference" else b
        return Update(g, b if self.buffer_sign == "moves" else -b, after)

    def _entering(self, w: Any, step: Any, count: int) -> Any:
        if self.first_step == "weighed" and count == 1:
            return step * constant(w, self.cast(self.momentum))
        dampening = self.momentum if self.dampening == "momentum" else self.dampening
        first_whole = self.first_gradient == "whole" or self.dampens == "all_but_the_first"
        if not dampening or (first_whole and count == 1):
            return step
        return step * constant(w, 1 - float(dampening))

    def _move(self, b: Any, old: Any, momentum: Any, step: Any) -> Any:
        if self.nesterov_form == "buffer_twice":
            return b + b * momentum
        if self.nesterov_form == "buffer_alone":
            return b * momentum
        if self.nesterov_order == "two_buffers":
            return b + (b - old) * momentum if self.nesterov_form == "gradient_ahead" else b
        return b * momentum - step

    def _moved(self, w: Any, move: Any, sign: int) -> Any:
        return w + move if sign > 0 else w - move

    @property
    def steps_alike(self) -> bool:
        """Whether a step depends on nothing but the state that it starts from: not on its number."""
        first_whole = self.first_gradient == "whole" or self.dampens == "all_but_the_first"
        return super().steps_alike and self.first_step == "as_any" and not (self.dampening and first_whole)
