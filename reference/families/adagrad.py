"""Adagrad with every historical choice as a switch: with its defaults it is the page, bit for bit.

Sources of the other forms: Duchi, Hazan and Singer, JMLR 12, 2011 (a delta beside the root); torch/optim/adagrad.py
(epsilon outside, a sum that starts at zero, a rate that decays by itself).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..adagrad import Adagrad, Update
from ..optimizer import constant
from .choosing import Numbers


@dataclass(eq=False)
class AdagradChoices(Numbers, Adagrad):
    """`Adagrad` of the page, and its switches."""

    epsilon_place: str = "inside"
    denominator_uses: str = "updated"
    denominator_power: float = 0.5
    sum_of: str = "squares"
    division: str = "divide"
    increment_order: str = "rate_first"
    step_sign: str = "subtract"

    def start(self, w: Any) -> dict[str, Any]:
        """Return the slots of one tensor before the first step: a sum that is there already."""
        return {"sum_of_squares": np.full_like(w, constant(w, self.cast(self.initial_accumulator_value)))}

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        """Apply the rule to one tensor; see `Optimizer.update`."""
        before = slots["sum_of_squares"]
        total = before + (np.square(g) if self.sum_of == "squares" else np.abs(g))
        denominator = self._denominator(w, total if self.denominator_uses == "updated" else before)
        step = self._step(w, g, denominator, constant(w, learning_rate))
        return Update(g, total, denominator, step, w - step if self.step_sign == "subtract" else w + step)

    def _denominator(self, w: Any, x: Any) -> Any:
        epsilon = constant(w, self.epsilon)
        x = x + epsilon if self.epsilon_place == "inside" else x
        x = np.sqrt(x) if self.denominator_power == 0.5 else x
        if self.epsilon_place == "floor":
            return np.maximum(x, epsilon)
        return x + epsilon if self.epsilon_place == "outside" else x

    def _step(self, w: Any, g: Any, denominator: Any, rate: Any) -> Any:
        if self.division == "rsqrt":
            inverse = constant(w, 1) / denominator
            return rate * (g * inverse) if self.increment_order == "quotient_first" else rate * g * inverse
        if self.increment_order == "quotient_first":
            return rate * (g / denominator)
        return rate * g / denominator if self.increment_order == "rate_first" else rate / denominator * g
