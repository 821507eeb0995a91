"""Lion as tf.keras (Keras 3) computes it: one page, no switches; `optimizer.py` has what stands around it.

The rule (Chen et al., Symbolic discovery of optimization algorithms, NeurIPS 2023; keras/src/optimizers/lion.py)::

    c = beta_1 * m + (1 - beta_1) * g     direction
    w = w - L * sign(c)                   the sign of zero is zero
    m = beta_2 * m + (1 - beta_2) * g     first moment, updated after its use

Keras departs from the paper in refusing beta_1 = 0, which its message allows, and in no decay by default. Betas are
rounded to float32, and 1 - beta is formed in the dtype of the weights. All steps have one size, so that a direction
which rounding makes zero, or turns, shows as a whole step or two.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .optimizer import Optimizer, constant

SLOTS = {"first_moment": "running mean of gradients"}
FORMULAS = {
    "gradient": {"": "g"},
    "direction": {"": "c = β₁·m + (1−β₁)·g"},
    "step": {"": "u = η·sign(c)"},
    "parameter": {"": "w ← w − u"},
    "first_moment": {"": "m ← β₂·m + (1−β₂)·g"},
}
"""Each stage as a person writes it."""


class Update(NamedTuple):
    """The stages of one tensor's update; all have the parameter's shape and dtype.

    The moment is computed after the step that it takes no part in; `step` is what is taken from the weights.
    """

    gradient: Any
    direction: Any
    first_moment: Any
    step: Any
    parameter: Any


@dataclass(eq=False)
class Lion(Optimizer):
    """Lion with the arguments and defaults of `keras.optimizers.Lion`; see `Optimizer` for the others.

    Raises ValueError unless `beta_1` is above 0 and at most 1.
    """

    beta_1: float = 0.9
    beta_2: float = 0.99

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.beta_1 <= 1:
            raise ValueError(f"`beta_1` must be above 0 and at most 1. Received: {self.beta_1!r}")

    def start(self, w: Any) -> dict[str, Any]:
        """Return the slots of one tensor before the first step: zeros."""
        return {"first_moment": np.zeros_like(w)}

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        """Apply the rule to one tensor; see `Optimizer.update`."""
        m, one = slots["first_moment"], constant(w, 1)
        beta_1, beta_2 = constant(w, self.cast(self.beta_1)), constant(w, self.cast(self.beta_2))
        direction = m * beta_1 + g * (one - beta_1)
        step = constant(w, learning_rate) * np.sign(direction)
        m = m * beta_2 + g * (one - beta_2)
        return Update(g, direction, m, step, w - step)
