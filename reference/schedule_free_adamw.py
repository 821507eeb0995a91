"""ScheduleFreeAdamW as tf.keras (Keras 3) computes it: one page; `optimizer.py` has what stands around it.

The rule (Defazio et al., "The Road Less Scheduled", 2024, with AdamW; keras/src/optimizers/schedule_free_adamw.py)::

    L = L * min(t / warmup_steps, 1)                       if warmup_steps
    v = v + (g**2 - v) * (1 - beta_2)                      second moment
    z = z - L * g / (sqrt(v / (1 - beta_2**t)) + epsilon)  base iterate, which starts as the weights
    x = (w - (1 - beta_1) * z) / beta_1                    the average so far, as recovered from the weights
    x = (1 - 1/t) * x + (1/t) * z                          the average with the new base iterate
    w = (1 - beta_1) * z + beta_1 * x                      where the next gradient is taken

Keras departs from the paper in the fourth line: the average is recovered with the new base iterate, where the old one
belongs (a reference to the variable is kept, and not its value), so that what is averaged is off by the step times
(1 - beta_1) / beta_1 * (1 - 1/t). So beta_1 cancels: the last three lines are w = w + (z - w) / t whatever it is, and
another value changes last bits alone. The weights of the average are equal, as in the paper without a warmup; with one
the paper's are the squares of the rates. Weight decay is taken from the weights and not from the base iterate. Numbers
go through float32. The averages themselves, with which a model is evaluated, are what `swap_to_eval` computes: not
here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .optimizer import Optimizer, constant, power

SLOTS = {"base_iterate": "the iterate that gradients move", "second_moment": "running mean of squared gradients"}
FORMULAS = {
    "gradient": {"": "g"},
    "second_moment": {"": "v ← v + (1−β₂)·(g² − v)"},
    "denominator": {"": "d = √(v/(1−β₂ᵗ)) + ε"},
    "base_iterate": {"": "z ← z − η·g/d", "warmup_steps": "z ← z − η·min(t/warmup, 1)·g/d"},
    "average_before": {"": "x = (w − (1−β₁)·z)/β₁"},
    "average_after": {"": "x ← (1−1/t)·x + z/t"},
    "parameter": {"": "w ← (1−β₁)·z + β₁·x"},
}
"""Each stage as a person writes it, in the form that an argument gives it if it is set."""


class Update(NamedTuple):
    """The stages of one tensor's update in the order of computation; all have the parameter's shape and dtype."""

    gradient: Any
    second_moment: Any
    denominator: Any
    base_iterate: Any
    average_before: Any
    average_after: Any
    parameter: Any


@dataclass(eq=False)
class ScheduleFreeAdamW(Optimizer):
    """It with the arguments and defaults of `keras.optimizers.ScheduleFreeAdamW`; see `Optimizer` for the others."""

    learning_rate: Any = 0.0025
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    warmup_steps: int = 0

    never_negative: ClassVar = frozenset({"second_moment"})
    counts: ClassVar = True

    def start(self, w: Any) -> dict[str, Any]:
        """Return the slots of one tensor before the first step: the weights, and zeros."""
        return {"base_iterate": w.copy(), "second_moment": np.zeros_like(w)}

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        """Apply the rule to one tensor; see `Optimizer.update`."""
        z, v, rate = slots["base_iterate"], slots["second_moment"], constant(w, learning_rate)
        beta_1, beta_2, epsilon = (constant(w, self.cast(each)) for each in (self.beta_1, self.beta_2, self.epsilon))
        one, t = constant(w, 1), constant(w, count)
        if self.warmup_steps > 0:
            rate = rate * np.minimum(t / constant(w, self.warmup_steps), one)
        v = v + (np.square(g) - v) * (one - beta_2)
        denominator = np.sqrt(v / (one - power(beta_2, t))) + epsilon
        z = z - rate * g / denominator
        share = one / t
        before = (w - (one - beta_1) * z) / beta_1
        after = (one - share) * before + share * z
        return Update(g, v, denominator, z, before, after, (one - beta_1) * z + beta_1 * after)
