"""FTRL as tf.keras (Keras 3) computes it: one page, no switches; `optimizer.py` has what stands around it.

The rule (McMahan et al., Ad click prediction: a view from the trenches, KDD 2013, with the shrinkage that TensorFlow
added; as in keras/src/optimizers/ftrl.py)::

    n' = n + g**2                                         sum of squares
    p, p' = n**-k, n'**-k                                 k is learning_rate_power; 1 / p is the rate of a coordinate
    z = z + g + 2 * shrinkage * w - (p' - p) / L * w      linear term
    q = p' / L + 2 * (l2 + beta / (2 * L))                quadratic term
    w = (clip(z, -l1, l1) - z) / q

Keras departs from the paper in lambda 2: there it is l2 itself, here twice that, as documented. The weights follow
from the sums alone: what they were before acts through the linear term. Where the sum starts at zero, and stays there,
a step is 0 / 0. NumPy's power of arrays is not Eigen's: they differ in the last bit or two.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .optimizer import Optimizer, constant

SLOTS = {"sum_of_squares": "sum of squared gradients", "linear": "the linear term, from which the weights follow"}
FORMULAS = {
    "gradient": {"": "g"},
    "sum_of_squares": {"": "n′ ← n + g²"},
    "linear": {"": "z ← z + g + 2λₛ·w − (n′⁻ᵏ − n⁻ᵏ)/η·w"},
    "quadratic": {"": "q = n′⁻ᵏ/η + 2λ₂ + β/η"},
    "parameter": {"": "w ← (clip(z, ±λ₁) − z)/q"},
}
"""Each stage as a person writes it."""


class Update(NamedTuple):
    """The stages of one tensor's update in the order of computation; all have the parameter's shape and dtype."""

    gradient: Any
    sum_of_squares: Any
    linear: Any
    quadratic: Any
    parameter: Any


@dataclass(eq=False)
class Ftrl(Optimizer):
    """FTRL with the arguments and defaults of `keras.optimizers.Ftrl`; see `Optimizer` for the others.

    Raises ValueError if `learning_rate_power` is above zero, or another number of the rule but `beta` below it.
    """

    learning_rate_power: float = -0.5
    initial_accumulator_value: float = 0.1
    l1_regularization_strength: float = 0.0
    l2_regularization_strength: float = 0.0
    l2_shrinkage_regularization_strength: float = 0.0
    beta: float = 0.0

    never_negative: ClassVar = frozenset({"sum_of_squares"})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.learning_rate_power > 0:
            raise ValueError(f"`learning_rate_power` must be at most zero. Received: {self.learning_rate_power!r}")
        strengths = ("l1_regularization_strength", "l2_regularization_strength", "l2_shrinkage_regularization_strength")
        for name in ("initial_accumulator_value", *strengths):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must be at least zero. Received: {getattr(self, name)!r}")

    def start(self, w: Any) -> dict[str, Any]:
        """Return the slots of one tensor before the first step: a sum that is there already, and zeros."""
        total = np.full_like(w, constant(w, self.cast(self.initial_accumulator_value)))
        return {"sum_of_squares": total, "linear": np.zeros_like(w)}

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        """Apply the rule to one tensor; see `Optimizer.update`."""
        n, z = (slots[slot] for slot in SLOTS)
        rate, two = constant(w, learning_rate), constant(w, 2)
        ridge = constant(w, self.l2_regularization_strength) + constant(w, self.beta) / (two * rate)
        total = n + np.square(g)
        power, before = (np.power(each, constant(w, -self.learning_rate_power)) for each in (total, n))
        pull = g + constant(w, 2 * self.l2_shrinkage_regularization_strength) * w
        z = z + (pull - (power - before) / rate * w)
        quadratic = power / rate + two * ridge
        # Of -0.0 and 0.0 TensorFlow keeps one in eager mode, 0.0.
        high = self.l1_regularization_strength
        low = -high if high else 0.0
        clipped = np.maximum(np.minimum(z, constant(w, high)), constant(w, low))
        return Update(g, total, z, quadratic, (clipped - z) / quadratic)
