"""Adamax as tf.keras (Keras 3) computes it: one page, no switches; `optimizer.py` has what stands around it.

The rule (Kingma and Ba, ICLR 2015, section 7.1; as in keras/src/optimizers/adamax.py)::

    m = m + (g - m) * (1 - beta_1)                            first moment
    u = max(beta_2 * u, abs(g))                               infinity norm
    w = w - L * m / ((1 - beta_1**t) * (u + epsilon))

Keras departs from the paper in epsilon, which the paper does not need: there a gradient that was zero at every step is
0 / 0. In float16 the default epsilon is 1.2e-7, so that its product with the correction is zero at the first step, and
such a gradient makes the weight NaN again. The power is of a beta that was rounded to float32, the moment of 1 - beta
in double.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .optimizer import Optimizer, constant, power

SLOTS = {
    "first_moment": "running mean of gradients",
    "infinity_norm": "the largest magnitude of a gradient, which fades",
}
FORMULAS = {
    "gradient": {"": "g"},
    "first_moment": {"": "m ← m + (1−β₁)·(g − m)"},
    "infinity_norm": {"": "u ← max(β₂·u, |g|)"},
    "denominator": {"": "d = (1−β₁ᵗ)·(u + ε)"},
    "step": {"": "s = η·m / d"},
    "parameter": {"": "w ← w − s"},
}
"""Each stage as a person writes it."""


class Update(NamedTuple):
    """The stages of one tensor's update in the order of computation; all have the parameter's shape and dtype.

    `step` is what is taken from the weights.
    """

    gradient: Any
    first_moment: Any
    infinity_norm: Any
    denominator: Any
    step: Any
    parameter: Any


@dataclass(eq=False)
class Adamax(Optimizer):
    """Adamax with the arguments and defaults of `keras.optimizers.Adamax`; see `Optimizer` for the others."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    never_negative: ClassVar = frozenset({"infinity_norm"})
    counts: ClassVar = True

    def start(self, w: Any) -> dict[str, Any]:
        """Return the slots of one tensor before the first step: zeros."""
        return {slot: np.zeros_like(w) for slot in SLOTS}

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        """Apply the rule to one tensor; see `Optimizer.update`."""
        m, u = (slots[slot] for slot in SLOTS)
        correction = constant(w, 1) - power(constant(w, self.cast(self.beta_1)), constant(w, count))
        m = m + (g - m) * constant(w, 1 - self.beta_1)
        u = np.maximum(constant(w, self.beta_2) * u, np.abs(g))
        denominator = correction * (u + constant(w, self.epsilon))
        step = constant(w, learning_rate) * m / denominator
        return Update(g, m, u, denominator, step, w - step)
