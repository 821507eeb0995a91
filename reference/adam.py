"""Adam as tf.keras (Keras 3) computes it: one page, no switches; `optimizer.py` has what stands around it.

The rule (Kingma and Ba, ICLR 2015, with the bias corrected as before their section 2.1; amsgrad: Reddi, Kale and Kumar,
ICLR 2018; as in keras/src/optimizers/adam.py)::

    a = L * sqrt(1 - beta_2**t) / (1 - beta_1**t)     rate, corrected for moments that start at zero
    m = m + (g - m) * (1 - beta_1)                    first moment
    v = v + (g**2 - v) * (1 - beta_2)                 second moment
    x = max(x, v)                                     largest second moment, if amsgrad; it takes v's place
    w = w - m * a / (sqrt(v) + epsilon)

Keras departs from the paper's algorithm in epsilon: it is added to the root of a moment that is not corrected (their
"epsilon hat"), which at the first step is as if it were 1 / sqrt(1 - beta_2) times as large. The maximum is of moments
that are not corrected, as Reddi has it. The powers are of betas that were rounded to float32, the moments of 1 - beta
in double: at the default beta_2 the first steps are off by up to 2e-5 of their size, with float64 weights too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .optimizer import Optimizer, constant, power

SLOTS = {
    "first_moment": "running mean of gradients",
    "second_moment": "running mean of squared gradients",
    "second_moment_max": "the largest second moment so far (amsgrad)",
}
FORMULAS = {
    "gradient": {"": "g"},
    "first_moment": {"": "m ← m + (1−β₁)·(g − m)"},
    "second_moment": {"": "v ← v + (1−β₂)·(g² − v)"},
    "second_moment_max": {"amsgrad": "x ← max(x, v)"},
    "denominator": {"": "d = √v + ε", "amsgrad": "d = √x + ε"},
    "step": {"": "u = m·η·√(1−β₂ᵗ)/(1−β₁ᵗ) / d"},
    "parameter": {"": "w ← w − u"},
}
"""Each stage as a person writes it, in the form that an argument gives it if it is set."""


class Update(NamedTuple):
    """The stages of one tensor's update in the order of computation; all have the parameter's shape and dtype.

    `second_moment_max` is None unless amsgrad; `step` is what is taken from the weights.
    """

    gradient: Any
    first_moment: Any
    second_moment: Any
    second_moment_max: Any
    denominator: Any
    step: Any
    parameter: Any


@dataclass(eq=False)
class Adam(Optimizer):
    """Adam with the arguments and defaults of `keras.optimizers.Adam`; see `Optimizer` for the others."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    amsgrad: bool = False

    never_negative: ClassVar = frozenset({"second_moment", "second_moment_max"})
    counts: ClassVar = True

    def start(self, w: Any) -> dict[str, Any]:
        """Return the slots of one tensor before the first step: zeros."""
        return {slot: np.zeros_like(w) for slot in SLOTS if slot != "second_moment_max" or self.amsgrad}

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        """Apply the rule to one tensor; see `Optimizer.update`."""
        m, v, largest = slots["first_moment"], slots["second_moment"], slots.get("second_moment_max")
        one, t = constant(w, 1), constant(w, count)
        kept_1, kept_2 = (power(constant(w, self.cast(beta)), t) for beta in (self.beta_1, self.beta_2))
        rate = constant(w, learning_rate) * np.sqrt(one - kept_2) / (one - kept_1)
        m = m + (g - m) * constant(w, 1 - self.beta_1)
        v = v + (np.square(g) - v) * constant(w, 1 - self.beta_2)
        if largest is not None:
            largest = np.maximum(largest, v)
        denominator = np.sqrt(v if largest is None else largest) + constant(w, self.epsilon)
        step = m * rate / denominator
        return Update(g, m, v, largest, denominator, step, w - step)
