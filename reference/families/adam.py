"""Adam, and AdamW, with every historical choice as a switch: with its defaults it is the page, bit for bit.

Sources of the other forms: Kingma and Ba, ICLR 2015, algorithm 1 (epsilon beside the corrected root) and section 2.1
("epsilon hat"); torch/optim/adam.py (corrections of step size and root); optax/_src/transform.py (scale_by_adam,
eps_root, amsgrad of the corrected moment); Loshchilov and Hutter, ICLR 2019.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..adam import Adam, Update
from ..adamw import AdamW
from ..optimizer import Single, constant, power
from .choosing import Numbers


@dataclass(eq=False)
class AdamChoices(Numbers, Adam):
    """`Adam` of the page, and its switches.

    `epsilon_place`: "hat" beside the root of a moment that is not corrected, "corrected" beside that of one that is,
    "under_hat" and "under_corrected" under these, "less" where it is subtracted, or "none". `correction_form` says
    what is divided where epsilon is beside the corrected root: the "moments", or the "step" and the root. `powers` are
    those of a Python number ("double") or of one in the dtype of the weights. They are Python's, too, where the rate
    and all that corrects it are formed of such numbers, and rounded once: to that dtype ("rate"), or to "float32".
    """

    epsilon_place: str = "hat"
    bias_correction: str = "both"
    correction_count: str = "given"
    moments_kept: str = "as_they_are"
    moment_carry: str = "weighted"
    second_moment_of: str = "squares"
    amsgrad_place: str = "before"
    beta_roles: str = "given"
    beta_weighs: str = "old"
    denominator_uses: str = "updated"
    denominator_power: float = 0.5
    powers: str = "variable_dtype"
    correction_form: str = "moments"
    one_minus_beta: str = "double"
    moment_form: str = "lerp"
    increment_order: str = "rate_first"
    step_sign: str = "subtract"

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        """Apply the rule to one tensor; see `Optimizer.update`."""
        m, v, largest = slots["first_moment"], slots["second_moment"], slots.get("second_moment_max")
        betas = (self.beta_1, self.beta_2)[:: -1 if self.beta_roles == "swapped" else 1]
        one, rate = self._number(w, 1.0), self._number(w, learning_rate)
        left_1, left_2 = (
            self._left(w, beta, count, which) for beta, which in zip(betas, ("first", "second"), strict=True)
        )
        old_m, old_v = m, v
        m, v = self._moment(w, m, g, betas[0]), self._second_moment(w, v, g, betas[1])
        if self.moment_carry == "doubled":
            m, v = old_m + m, old_v + v
        if self.moments_kept == "corrected":
            m, v, left_1, left_2 = m / self._rounded(w, left_1), v / self._rounded(w, left_2), one, one
        used = v if self.denominator_uses == "updated" else old_v
        if largest is not None:
            after = self.amsgrad_place == "after"
            used = largest = np.maximum(largest, used / self._rounded(w, left_2) if after else used)
            left_2 = one if after else left_2
        if self.bias_correction == "twice":
            rate = rate * (left_2**0.5 / left_1 if isinstance(left_2, float) else np.sqrt(left_2) / left_1)
        if self.epsilon_place in ("corrected", "under_corrected", "less"):
            denominator, step = self._corrected(w, m, used, rate, left_1, left_2)
        else:
            denominator = self._denominator(w, used)
            step = self._step(m, denominator, self._rounded(w, rate * self._root(left_2) / left_1))
        return Update(g, m, v, largest, denominator, step, w - step if self.step_sign == "subtract" else w + step)

    def _corrected(self, w: Any, m: Any, used: Any, rate: Any, left_1: Any, left_2: Any) -> tuple[Any, Any]:
        if self.correction_form == "step" and self.epsilon_place == "corrected":
            denominator = self._root(used) / self._rounded(w, self._root(left_2)) + constant(w, self.epsilon)
            return denominator, self._step(m, denominator, self._rounded(w, rate / left_1))
        denominator = self._denominator(w, used / self._rounded(w, left_2))
        return denominator, self._step(m / self._rounded(w, left_1), denominator, self._rounded(w, rate))

    def _pythons(self, w: Any) -> bool:
        """Return whether corrections are formed of Python's numbers; bounds excuse as much of either."""
        return self.powers == "float32" or (self.powers == "rate" and isinstance(w, np.ndarray | np.generic))

    def _number(self, w: Any, value: float) -> Any:
        """Return a number that corrections are formed of; in float64 it is as Keras casts it, or as it is."""
        if not self._pythons(w):
            return constant(w, value)
        return value.given if w.dtype.itemsize < 8 and isinstance(value, Single) else value

    def _rounded(self, w: Any, value: Any) -> Any:
        """Return what corrections give as a number that the arrays are multiplied or divided by."""
        if not self._pythons(w):
            return value
        return constant(w, Single(value) if self.powers == "float32" else value)

    def _learning_rate_at(self, iterations: int) -> float:
        rate = super()._learning_rate_at(iterations)
        known: Any = rate
        if self.powers in ("variable_dtype", "double") or getattr(known, "error", None):
            return rate
        return Single(self.learning_rate(iterations) if callable(self.learning_rate) else self.learning_rate)

    def _left(self, w: Any, beta: float, count: int, which: str) -> Any:
        """Return 1 - beta**t, what is left of a moment that started at zero; one where it is not corrected."""
        if self.bias_correction not in ("both", "twice", which):
            return self._number(w, 1.0)
        squared = 2 if which == "second" else count
        t = {"given": count, "ahead": count + 1, "stuck": 1, "squared": squared}[self.correction_count]
        keep = beta if self.beta_weighs == "old" else 1 - beta
        if self._pythons(w):
            return 1 - float(keep if w.dtype.itemsize < 8 else self.cast(keep)) ** t
        if self.powers == "double" and w.dtype.itemsize < 8:
            return constant(w, 1 - keep**t)
        # In float64 a number's own powers are rounded as an array's are: by the C library, or by NumPy's kernel.
        return constant(w, 1) - power(constant(w, keep if self.powers == "double" else self.cast(keep)), constant(w, t))

    def _weights(self, w: Any, beta: float) -> tuple[Any, Any]:
        """Return what weighs an old moment, and what is new."""
        keep, new = (beta, 1 - beta) if self.beta_weighs == "old" else (1 - beta, beta)
        keeps, renews = constant(w, keep), constant(w, new)
        return keeps, constant(w, 1) - keeps if self.one_minus_beta == "variable_dtype" else renews

    def _moment(self, w: Any, old: Any, fresh: Any, beta: float) -> Any:
        keeps, renews = self._weights(w, beta)
        return old + (fresh - old) * renews if self.moment_form == "lerp" else keeps * old + renews * fresh

    def _second_moment(self, w: Any, old: Any, g: Any, beta: float) -> Any:
        if self.second_moment_of == "gradients":
            return self._moment(w, old, g, beta)
        if self.beta_roles != "mixed" and self.moment_form != "chained":
            return self._moment(w, old, np.square(g), beta)
        keeps, renews = self._weights(w, beta)
        keeps = self._weights(w, self.beta_1)[0] if self.beta_roles == "mixed" else keeps
        # Weights that do not add up to one have no form in which the old is moved.
        return keeps * old + (renews * g * g if self.moment_form == "chained" else renews * np.square(g))

    def _root(self, x: Any) -> Any:
        if self.denominator_power != 0.5:
            return x
        return x**0.5 if isinstance(x, float) else np.sqrt(x)

    def _denominator(self, w: Any, x: Any) -> Any:
        epsilon = constant(w, self.epsilon)
        if self.epsilon_place in ("under_hat", "under_corrected"):
            return self._root(x + epsilon)
        if self.epsilon_place == "less":
            return self._root(x) - epsilon
        return self._root(x) if self.epsilon_place == "none" else self._root(x) + epsilon

    def _step(self, m: Any, denominator: Any, rate: Any) -> Any:
        if self.increment_order == "quotient_first":
            return rate * (m / denominator)
        return m * rate / denominator if self.increment_order == "rate_first" else m * (rate / denominator)


@dataclass(eq=False)
class AdamWChoices(AdamChoices, AdamW):
    """`AdamW` of the page, and the switches of Adam."""

    weight_decay: float | None = AdamW.weight_decay
