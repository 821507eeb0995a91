"""Adamax with every historical choice as a switch: with its defaults it is the page, bit for bit.

Sources of the other forms: Kingma and Ba, ICLR 2015, algorithm 2 (no epsilon); torch/optim/adamax.py (epsilon beside
the magnitude, inside the maximum).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..adamax import SLOTS, Adamax, Update
from ..optimizer import constant, power
from .choosing import Numbers


@dataclass(eq=False)
class AdamaxChoices(Numbers, Adamax):
    """`Adamax` of the page, and its switches; see `switches.py` for what each value means."""

    epsilon_place: str = "outside"
    bias_correction: str = "first"
    step_sign: str = "subtract"

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        """Apply the rule to one tensor; see `Optimizer.update`."""
        (m, u), epsilon = (slots[slot] for slot in SLOTS), constant(w, self.epsilon)
        m = m + (g - m) * constant(w, 1 - self.beta_1)
        magnitude = np.abs(g) + epsilon if self.epsilon_place == "inside" else np.abs(g)
        u = np.maximum(constant(w, self.beta_2) * u, magnitude)
        denominator = u + epsilon if self.epsilon_place == "outside" else u
        if self.bias_correction == "first":
            denominator = self._left(w, count) * denominator
        step = constant(w, learning_rate) * m / denominator
        return Update(g, m, u, denominator, step, w - step if self.step_sign == "subtract" else w + step)

    def _left(self, w: Any, count: int) -> Any:
        return constant(w, 1) - power(constant(w, self.cast(self.beta_1)), constant(w, count))
