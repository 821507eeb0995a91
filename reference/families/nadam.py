"""Nadam with every historical choice as a switch: with its defaults it is the page, bit for bit.

Sources of the other forms: Dozat, ICLR workshop 2016, and torch/optim/nadam.py (a schedule of t / 250); Ruder,
arXiv:1609.04747, section 4.8 (no schedule, one correction of both terms); tensorflow/core/kernels/training_ops.cc
(ApplyAdam with use_nesterov: epsilon hat).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..nadam import DECAY, Nadam, Update
from ..optimizer import constant, power
from .choosing import Numbers

PER_STEP = 0.004
"""What the paper's schedule moves on with each step, where tf.keras' moves on by one."""


@dataclass(eq=False)
class NadamChoices(Numbers, Nadam):
    """`Nadam` of the page, and its switches; see `switches.py` for what each value means."""

    momentum_schedule: str = "each_step"
    moment_correction: str = "ahead"
    second_correction: str = "taken"
    epsilon_place: str = "corrected"
    step_sign: str = "subtract"

    def idle(self, slots: Mapping[str, Any], count: int) -> dict[str, Any]:
        """Return the slots of a tensor without a gradient: the product is one of all tensors, and goes on."""
        p = slots["momentum_product"]
        return {**slots, "momentum_product": p * constant(p, self.beta_1) * self._share(p, constant(p, DECAY), count)}

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        """Apply the rule to one tensor; see `Optimizer.update`."""
        p, m, v = self.idle(slots, count)["momentum_product"], slots["first_moment"], slots["second_moment"]
        one, t = constant(w, 1), constant(w, count)
        decay, beta_1, beta_2 = (constant(w, self.cast(number)) for number in (DECAY, self.beta_1, self.beta_2))
        mu, next_mu = (beta_1 * self._share(w, decay, each) for each in (count, count + 1))
        m = m + (g - m) * (one - beta_1)
        v = v + (np.square(g) - v) * (one - beta_2)
        if self.moment_correction == "none":
            lookahead = next_mu * m + (one - mu) * g
        else:
            ahead = next_mu if self.moment_correction == "ahead" else one
            lookahead = next_mu * m / (one - p * ahead) + (one - mu) * g / (one - p)
        rate, left = constant(w, learning_rate), one - power(beta_2, t)
        if self.second_correction == "missing":
            denominator = np.sqrt(v) + constant(w, self.epsilon)
        elif self.epsilon_place == "hat":
            denominator, rate = np.sqrt(v) + constant(w, self.epsilon), rate * np.sqrt(left)
        else:
            denominator = np.sqrt(v / left) + constant(w, self.epsilon)
        step = lookahead * rate / denominator
        moved = w - step if self.step_sign == "subtract" else w + step
        return Update(g, p, m, v, lookahead, denominator, step, moved)

    def _share(self, like: Any, decay: Any, count: int) -> Any:
        """Return what the schedule leaves of beta_1 at a step."""
        if self.momentum_schedule == "constant":
            return constant(like, 1)
        moved = count if self.momentum_schedule == "each_step" else count * PER_STEP
        return constant(like, 1) - constant(like, 0.5) * power(decay, constant(like, moved))
