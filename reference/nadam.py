"""Nadam as tf.keras (Keras 3) computes it: one page, no switches; `optimizer.py` has what stands around it.

The rule (Dozat, Incorporating Nesterov momentum into Adam, ICLR workshop 2016; as in keras/src/optimizers/nadam.py)::

    mu_t = beta_1 * (1 - 0.96**t / 2)                         schedule of the momentum
    p = p * mu_t                                              product of the schedule so far
    m = m + (g - m) * (1 - beta_1)                            first moment
    v = v + (g**2 - v) * (1 - beta_2)                         second moment
    h = mu_{t+1} * m / (1 - p * mu_{t+1}) + (1 - mu_t) * g / (1 - p)
    w = w - L * h / (sqrt(v / (1 - beta_2**t)) + epsilon)

Keras departs from the paper, where the schedule is 0.96**(t / 250), in leaving out the 1/250, so that the momentum is
almost beta_1 after a hundred steps; epsilon is added to the corrected root. The product forms from betas as they are,
all else from betas rounded to float32, and 1 - beta in the dtype of the weights; in float64 these are two betas.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .optimizer import Optimizer, constant, power

DECAY = 0.96
SLOTS = {
    "momentum_product": "product of the momentum's schedule so far: one number a tensor, alike in all",
    "first_moment": "running mean of gradients",
    "second_moment": "running mean of squared gradients",
}
FORMULAS = {
    "gradient": {"": "g"},
    "momentum_product": {"": "p ← p·μₜ,  μₜ = β₁·(1 − ½·0.96ᵗ)"},
    "first_moment": {"": "m ← m + (1−β₁)·(g − m)"},
    "second_moment": {"": "v ← v + (1−β₂)·(g² − v)"},
    "lookahead": {"": "h = μₜ₊₁·m/(1 − p·μₜ₊₁) + (1−μₜ)·g/(1−p)"},
    "denominator": {"": "d = √(v/(1−β₂ᵗ)) + ε"},
    "step": {"": "u = η·h / d"},
    "parameter": {"": "w ← w − u"},
}
"""Each stage as a person writes it."""


class Update(NamedTuple):
    """The stages of one tensor's update in the order of computation; all have the parameter's shape and dtype.

    Only `momentum_product` has none: it is a number. `step` is what is taken from the weights.
    """

    gradient: Any
    momentum_product: Any
    first_moment: Any
    second_moment: Any
    lookahead: Any
    denominator: Any
    step: Any
    parameter: Any


@dataclass(eq=False)
class Nadam(Optimizer):
    """Nadam with the arguments and defaults of `keras.optimizers.Nadam`; see `Optimizer` for the others."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    never_negative: ClassVar = frozenset({"second_moment"})
    counts: ClassVar = True

    def start(self, w: Any) -> dict[str, Any]:
        """Return the slots of one tensor before the first step: an empty product, and zeros."""
        moments = {slot: np.zeros_like(w) for slot in ("first_moment", "second_moment")}
        return {"momentum_product": np.ones((), dtype=w.dtype), **moments}

    def idle(self, slots: Mapping[str, Any], count: int) -> dict[str, Any]:
        """Return the slots of a tensor without a gradient: the product is one of all tensors, and goes on."""
        p = slots["momentum_product"]
        # An operation keeps the Python numbers beside it as they are; a cast rounds them to float32 first.
        share = constant(p, 1) - constant(p, 0.5) * power(constant(p, DECAY), constant(p, count))
        return {**slots, "momentum_product": p * constant(p, self.beta_1) * share}

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        """Apply the rule to one tensor; see `Optimizer.update`."""
        p, m, v = self.idle(slots, count)["momentum_product"], slots["first_moment"], slots["second_moment"]
        one, half, t, after = (constant(w, number) for number in (1, 0.5, count, count + 1))
        decay, beta_1, beta_2 = (constant(w, self.cast(number)) for number in (DECAY, self.beta_1, self.beta_2))
        mu, next_mu = (beta_1 * (one - half * power(decay, each)) for each in (t, after))
        m = m + (g - m) * (one - beta_1)
        v = v + (np.square(g) - v) * (one - beta_2)
        lookahead = next_mu * m / (one - p * next_mu) + (one - mu) * g / (one - p)
        denominator = np.sqrt(v / (one - power(beta_2, t))) + constant(w, self.epsilon)
        step = lookahead * constant(w, learning_rate) / denominator
        return Update(g, p, m, v, lookahead, denominator, step, w - step)
