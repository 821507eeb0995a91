"""Adagrad as tf.keras (Keras 3) computes it: one page, no switches; `optimizer.py` has what stands around it.

The rule (Duchi, Hazan and Singer, JMLR 12, 2011; as in keras/src/optimizers/adagrad.py)::

    s = s + g**2                          sum of squares, which starts at initial_accumulator_value
    w = w - L * g / sqrt(s + epsilon)     epsilon stands inside the root

Keras departs from the paper, whose diagonal form adds a delta to the root, and from torch, in the place of epsilon and
in a sum that starts at 0.1, which it rounds to float32 first. It takes a sum that starts below zero: then its root is
NaN, until the squares make up for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .optimizer import Optimizer, constant

SLOTS = {"sum_of_squares": "sum of squared gradients"}
FORMULAS = {
    "gradient": {"": "g"},
    "sum_of_squares": {"": "s ← s + g²"},
    "denominator": {"": "d = √(s + ε)"},
    "step": {"": "u = η·g / d"},
    "parameter": {"": "w ← w − u"},
}
"""Each stage as a person writes it."""


class Update(NamedTuple):
    """The stages of one tensor's update in the order of computation; all have the parameter's shape and dtype.

    `step` is what is taken from the weights.
    """

    gradient: Any
    sum_of_squares: Any
    denominator: Any
    step: Any
    parameter: Any


@dataclass(eq=False)
class Adagrad(Optimizer):
    """Adagrad with the arguments and defaults of `keras.optimizers.Adagrad`; see `Optimizer` for the others."""

    initial_accumulator_value: float = 0.1
    epsilon: float = 1e-7

    never_negative: ClassVar = frozenset({"sum_of_squares"})

    def start(self, w: Any) -> dict[str, Any]:
        """Return the slots of one tensor before the first step: a sum that is there already."""
        return {"sum_of_squares": np.full_like(w, constant(w, self.cast(self.initial_accumulator_value)))}

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        """Apply the rule to one tensor; see `Optimizer.update`."""
        total = slots["sum_of_squares"] + np.square(g)
        denominator = np.sqrt(total + constant(w, self.epsilon))
        step = constant(w, learning_rate) * g / denominator
        return Update(g, total, denominator, step, w - step)
