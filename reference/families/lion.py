"""Lion with every historical choice as a switch: with its defaults it is the page, bit for bit.

Sources of the other forms: Chen et al., NeurIPS 2023, algorithm 2; github.com/lucidrains/lion-pytorch; Bernstein et
al., signSGD, ICML 2018 (Signum: the sign of the moment itself).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..lion import Lion, Update
from ..optimizer import constant
from .choosing import Numbers


@dataclass(eq=False)
class LionChoices(Numbers, Lion):
    """`Lion` of the page, and its switches."""

    beta_roles: str = "given"
    beta_weighs: str = "old"
    direction_of: str = "old_moment"
    sign: str = "taken"
    one_minus_beta: str = "variable_dtype"
    moment_form: str = "product"
    step_sign: str = "subtract"

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        """Apply the rule to one tensor; see `Optimizer.update`."""
        beta_1, beta_2 = (self.beta_1, self.beta_2)[:: -1 if self.beta_roles == "swapped" else 1]
        old = slots["first_moment"]
        m = self._mean(w, old, g, beta_2)
        if self.direction_of == "moment":
            direction = m
        else:
            direction = self._mean(w, old if self.direction_of == "old_moment" else m, g, beta_1)
        step = constant(w, learning_rate) * (np.sign(direction) if self.sign == "taken" else direction)
        return Update(g, direction, m, step, w - step if self.step_sign == "subtract" else w + step)

    def _mean(self, w: Any, old: Any, g: Any, beta: float) -> Any:
        held, rest = constant(w, self.cast(beta)), constant(w, 1 - beta)
        if self.one_minus_beta == "variable_dtype":
            rest = constant(w, 1) - held
        keep, new = (held, rest) if self.beta_weighs == "old" else (rest, held)
        return old + (g - old) * new if self.moment_form == "lerp" else old * keep + g * new
