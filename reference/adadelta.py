"""Adadelta as tf.keras (Keras 3) computes it: one page, no switches; `optimizer.py` has what stands around it.

The rule (Zeiler, arXiv:1212.5701, 2012; as in keras/src/optimizers/adadelta.py)::

    v = rho * v + (1 - rho) * g**2                            second moment of the gradients
    u = sqrt(s + epsilon) * g / sqrt(v + epsilon)             change, in units of the weights
    s = rho * s + (1 - rho) * u**2                            second moment of the changes, updated after its use
    w = w - L * u

Keras departs from the paper in the rate: there is none there, which is a rate of 1, and Keras' default is 0.001. The
change that Keras keeps has the opposite sign, which no value shows. Both epsilons are one argument.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .optimizer import Optimizer, constant

SLOTS = {
    "second_moment": "running mean of squared gradients",
    "change_moment": "running mean of squared changes",
}
FORMULAS = {
    "gradient": {"": "g"},
    "second_moment": {"": "v ← ρ·v + (1−ρ)·g²"},
    "denominator": {"": "d = √(v + ε)"},
    "change": {"": "u = √(s + ε)·g / d"},
    "change_moment": {"": "s ← ρ·s + (1−ρ)·u²"},
    "step": {"": "η·u"},
    "parameter": {"": "w ← w − η·u"},
}
"""Each stage as a person writes it."""


class Update(NamedTuple):
    """The stages of one tensor's update in the order of computation; all have the parameter's shape and dtype.

    `step` is what is taken from the weights.
    """

    gradient: Any
    second_moment: Any
    denominator: Any
    change: Any
    change_moment: Any
    step: Any
    parameter: Any


@dataclass(eq=False)
class Adadelta(Optimizer):
    """Adadelta with the arguments and defaults of `keras.optimizers.Adadelta`; see `Optimizer` for the others."""

    rho: float = 0.95
    epsilon: float = 1e-7

    never_negative: ClassVar = frozenset({"second_moment", "change_moment"})
    means: ClassVar = {"second_moment": ("rho", 2)}

    def start(self, w: Any) -> dict[str, Any]:
        """Return the slots of one tensor before the first step: zeros."""
        return {slot: np.zeros_like(w) for slot in SLOTS}

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        """Apply the rule to one tensor; see `Optimizer.update`."""
        v, s = (slots[slot] for slot in SLOTS)
        rho, one_minus_rho, epsilon = (constant(w, number) for number in (self.rho, 1 - self.rho, self.epsilon))
        v = rho * v + one_minus_rho * np.square(g)
        denominator = np.sqrt(v + epsilon)
        change = np.sqrt(s + epsilon) * g / denominator
        s = rho * s + one_minus_rho * np.square(change)
        step = constant(w, learning_rate) * change
        return Update(g, v, denominator, change, s, step, w - step)
