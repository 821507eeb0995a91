"""Adadelta with every historical choice as a switch: with its defaults it is the page, bit for bit.

Sources of the other forms: Zeiler, arXiv:1212.5701 (a rate of one; epsilon under both roots); torch/optim/adadelta.py
(the quotient of roots); tutorials that keep the moment of the step instead of that of the change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..adadelta import Adadelta, Update
from ..optimizer import constant
from .choosing import Numbers


@dataclass(eq=False)
class AdadeltaChoices(Numbers, Adadelta):
    """`Adadelta` of the page, and its switches."""

    epsilon_place: str = "inside"
    change_moment_of: str = "change"
    rho_role: str = "keep"
    units: str = "kept"
    one_minus_rho: str = "double"
    moment_form: str = "product"
    increment_order: str = "product_first"
    step_sign: str = "subtract"

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        """Apply the rule to one tensor; see `Optimizer.update`."""
        s = slots["change_moment"]
        v = self._moment(w, slots["second_moment"], np.square(g))
        denominator = self._root(w, v)
        change = self._change(g, self._root(w, s), denominator)
        step = constant(w, learning_rate) * change
        s = self._moment(w, s, np.square(change if self.change_moment_of == "change" else step))
        return Update(g, v, denominator, change, s, step, w - step if self.step_sign == "subtract" else w + step)

    def _change(self, g: Any, numerator: Any, denominator: Any) -> Any:
        if self.units == "missing":
            return g / denominator
        if self.increment_order == "quotient_first":
            return numerator / denominator * g
        return numerator * g / denominator if self.increment_order == "product_first" else numerator * (g / denominator)

    def _moment(self, w: Any, old: Any, fresh: Any) -> Any:
        rho, rest = constant(w, self.rho), constant(w, 1 - self.rho)
        if self.one_minus_rho == "variable_dtype":
            rest = constant(w, 1) - rho
        keep, new = (rho, rest) if self.rho_role == "keep" else (rest, rho)
        return old + (fresh - old) * new if self.moment_form == "lerp" else keep * old + new * fresh

    def _root(self, w: Any, x: Any) -> Any:
        epsilon = constant(w, self.epsilon)
        return np.sqrt(x + epsilon) if self.epsilon_place == "inside" else np.sqrt(x) + epsilon
