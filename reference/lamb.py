"""LAMB as tf.keras (Keras 3) computes it: one page, no switches; `optimizer.py` has what stands around it.

The rule (You et al., Large batch optimization for deep learning, ICLR 2020; as in keras/src/optimizers/lamb.py)::

    m = m + (g - m) * (1 - beta_1)                            first moment
    v = v + (g**2 - v) * (1 - beta_2)                         second moment
    u = m / (1 - beta_1**t) / (sqrt(v / (1 - beta_2**t)) + epsilon)
    r = |w| / |u|                                             trust ratio of the tensor, 1 where a norm is zero
    w = w - r * L * u

Keras departs from the paper in the decay: there it is a part of u, which the ratio scales; here weights decay before,
beside the ratio. The norm is not limited (phi is the identity). NumPy's sum adds in another order than Eigen's, so
that the ratio of a tensor may differ in its last bits, and all its steps with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .optimizer import Optimizer, constant, norm, power

SLOTS = {"first_moment": "running mean of gradients", "second_moment": "running mean of squared gradients"}
FORMULAS = {
    "gradient": {"": "g"},
    "first_moment": {"": "m ← m + (1−β₁)·(g − m)"},
    "second_moment": {"": "v ← v + (1−β₂)·(g² − v)"},
    "direction": {"": "u = m/(1−β₁ᵗ) / (√(v/(1−β₂ᵗ)) + ε)"},
    "trust_ratio": {"": "r = ‖w‖/‖u‖"},
    "step": {"": "s = r·η·u"},
    "parameter": {"": "w ← w − s"},
}
"""Each stage as a person writes it."""


class Update(NamedTuple):
    """The stages of one tensor's update in the order of computation; all have the parameter's shape and dtype.

    Only `trust_ratio` has none: it is a number. `step` is what is taken from the weights.
    """

    gradient: Any
    first_moment: Any
    second_moment: Any
    direction: Any
    trust_ratio: Any
    step: Any
    parameter: Any


@dataclass(eq=False)
class Lamb(Optimizer):
    """LAMB with the arguments and defaults of `keras.optimizers.Lamb`; see `Optimizer` for the others."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    never_negative: ClassVar = frozenset({"second_moment"})
    counts: ClassVar = True

    @property
    def mixes_elements(self) -> bool:
        """Whether an element's update depends on others: on the norms of its tensor."""
        return True

    def start(self, w: Any) -> dict[str, Any]:
        """Return the slots of one tensor before the first step: zeros."""
        return {slot: np.zeros_like(w) for slot in SLOTS}

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        """Apply the rule to one tensor; see `Optimizer.update`."""
        m, v = (slots[slot] for slot in SLOTS)
        one, t = constant(w, 1), constant(w, count)
        kept_1, kept_2 = (power(constant(w, self.cast(beta)), t) for beta in (self.beta_1, self.beta_2))
        m = m + (g - m) * constant(w, 1 - self.beta_1)
        v = v + (np.square(g) - v) * constant(w, 1 - self.beta_2)
        direction = m / (one - kept_1) / (np.sqrt(v / (one - kept_2)) + constant(w, self.epsilon))
        own, its = norm(w), norm(direction)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where((own > 0) & (its > 0), own / its, one)
        step = ratio * constant(w, learning_rate) * direction
        return Update(g, m, v, direction, ratio, step, w - step)
