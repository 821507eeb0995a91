"""RMSprop as tf.keras (Keras 3) computes it: one page, no switches; `optimizer.py` has what stands around it.

The rule (Tieleman and Hinton, lecture 6.5, 2012; as in keras/src/optimizers/rmsprop.py)::

    v = rho * v + (1 - rho) * g**2                second moment
    m = rho * m + (1 - rho) * g                   first moment, if centered
    u = L * g / sqrt(v - m**2 + epsilon)          step; epsilon stands inside the root
    b = momentum * b + u                          momentum buffer, if momentum > 0
    w = w - b                                     or w - u
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .optimizer import Optimizer, constant

SLOTS = {
    "second_moment": "running mean of squared gradients",
    "first_moment": "running mean of gradients (centred)",
    "momentum_buffer": "the accumulator that momentum adds into",
}
FORMULAS = {
    "gradient": {"": "g"},
    "second_moment": {"": "v ← ρ·v + (1−ρ)·g²"},
    "first_moment": {"centered": "m ← ρ·m + (1−ρ)·g"},
    "denominator": {"": "d = √(v + ε)", "centered": "d = √(v − m² + ε)"},
    "step": {"": "u = η·g / d"},
    "momentum_buffer": {"momentum": "b ← μ·b + u"},
    "parameter": {"": "w ← w − u", "momentum": "w ← w − b"},
}
"""Each stage as a person writes it, in the form that an argument gives it if it is set."""


class Update(NamedTuple):
    """The stages of one tensor's update in the order of computation; all have the parameter's shape and dtype.

    `denominator` is the root, and `step` what the rule adds to the buffer or takes from the weights. `first_moment` is
    None unless centered, `momentum_buffer` None unless momentum > 0.
    """

    gradient: Any
    second_moment: Any
    first_moment: Any
    denominator: Any
    step: Any
    momentum_buffer: Any
    parameter: Any


@dataclass(eq=False)
class RMSprop(Optimizer):
    """RMSprop with the arguments and defaults of `keras.optimizers.RMSprop`; see `Optimizer` for the others."""

    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7
    centered: bool = False

    never_negative: ClassVar = frozenset({"second_moment"})
    means: ClassVar = {"second_moment": ("rho", 2), "first_moment": ("rho", 1)}

    def start(self, w: Any) -> dict[str, Any]:
        """Return the slots of one tensor before the first step: zeros."""
        used = {"second_moment": True, "first_moment": self.centered, "momentum_buffer": self.momentum > 0}
        return {slot: np.zeros_like(w) for slot, is_used in used.items() if is_used}

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        """Apply the rule to one tensor; see `Optimizer.update`."""
        v, m, b = (slots.get(slot) for slot in SLOTS)
        rho, one_minus_rho = constant(w, self.rho), constant(w, 1 - self.rho)
        v = rho * v + one_minus_rho * np.square(g)
        if self.centered:
            m = rho * m + one_minus_rho * g
            denominator = np.sqrt(v - np.square(m) + constant(w, self.epsilon))
        else:
            denominator = np.sqrt(v + constant(w, self.epsilon))
        step = constant(w, learning_rate) * g / denominator
        if self.momentum > 0:
            b = constant(w, self.momentum) * b + step
            return Update(g, v, m, denominator, step, b, w - b)
        return Update(g, v, m, denominator, step, b, w - step)
