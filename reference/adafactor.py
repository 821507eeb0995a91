"""Adafactor as tf.keras (Keras 3) computes it: one page, no switches; `optimizer.py` has what stands around it.

The rule (Shazeer and Stern, ICML 2018; as in keras/src/optimizers/adafactor.py)::

    a = max(epsilon_2, rms(w)) * min(L, 1 / sqrt(t))          step size, relative to the weights
    b = 1 - t**beta_2_decay
    s = g**2 + epsilon_1
    r = b * r + (1 - b) * mean(s, each row)                   of tensors with two dimensions or more
    c = b * c + (1 - b) * mean(s, each column)
    v = r / mean(r) * c                                       or b * v + (1 - b) * s with fewer dimensions
    u = g / sqrt(v)
    w = w - a * u / max(1, rms(u) / clip_threshold)

Keras departs from the paper in keeping v whole, so that it takes more memory than Adam, and `relative_step` changes
nothing: the rate is limited by 1 / sqrt(t) either way. In float16 epsilon_1 is zero, and a gradient of zero is 0 / 0.
NumPy's mean adds in another order than Eigen's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .optimizer import Optimizer, constant, mean, power

SLOTS = {
    "row_moment": "running mean of squared gradients of each row",
    "column_moment": "running mean of squared gradients of each column",
    "second_moment": "the outer product of the two, or a running mean of its own",
}
FORMULAS = {
    "gradient": {"": "g"},
    "row_moment": {"": "r ← b·r + (1−b)·mean(g² + ε₁, rows),  b = 1 − tᵈ"},
    "column_moment": {"": "c ← b·c + (1−b)·mean(g² + ε₁, columns)"},
    "second_moment": {"": "v ← r·c/mean(r), or b·v + (1−b)·(g² + ε₁)"},
    "direction": {"": "u = g/√v, u ← u/max(1, rms(u)/θ)"},
    "step": {"": "s = max(ε₂, rms(w))·min(η, 1/√t)·u"},
    "parameter": {"": "w ← w − s"},
}
"""Each stage as a person writes it."""


class Update(NamedTuple):
    """The stages of one tensor's update in the order of computation; most have the parameter's shape and dtype.

    A moment of rows or columns has one dimension less, and is None where a tensor has fewer than two.
    """

    gradient: Any
    row_moment: Any
    column_moment: Any
    second_moment: Any
    direction: Any
    step: Any
    parameter: Any


@dataclass(eq=False)
class Adafactor(Optimizer):
    """Adafactor with the arguments and defaults of `keras.optimizers.Adafactor`; see `Optimizer` for the others."""

    beta_2_decay: float = -0.8
    epsilon_1: float = 1e-30
    epsilon_2: float = 1e-3
    clip_threshold: float = 1.0
    relative_step: bool = True

    never_negative: ClassVar = frozenset(SLOTS)
    counts: ClassVar = True

    @property
    def mixes_elements(self) -> bool:
        """Whether an element's update depends on others: on the means of its row, its column and its tensor."""
        return True

    def start(self, w: Any) -> dict[str, Any]:
        """Return the slots of one tensor before the first step: zeros."""
        if w.ndim < 2:
            return {"second_moment": np.zeros_like(w)}
        rows, columns = w.shape[:-1], (*w.shape[:-2], w.shape[-1])
        factors = {"row_moment": np.zeros(rows, dtype=w.dtype), "column_moment": np.zeros(columns, dtype=w.dtype)}
        return {**factors, "second_moment": np.zeros_like(w)}

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        """Apply the rule to one tensor; see `Optimizer.update`."""
        r, c = slots.get("row_moment"), slots.get("column_moment")
        one, t = constant(w, 1), constant(w, count)
        size = np.maximum(constant(w, self.cast(self.epsilon_2)), np.sqrt(mean(np.square(w))))
        size = size * np.minimum(constant(w, learning_rate), one / np.sqrt(t))
        b = one - power(t, constant(w, self.beta_2_decay))
        square = np.square(g) + constant(w, self.epsilon_1)
        if r is None or c is None:
            v = b * slots["second_moment"] + (one - b) * square
        else:
            r = b * r + (one - b) * mean(square, -1)
            c = b * c + (one - b) * mean(square, -2)
            v = np.expand_dims(r / mean(r, -1, keepdims=True), -1) * np.expand_dims(c, -2)
        u = g / np.sqrt(v)
        u = u / np.maximum(one, np.sqrt(mean(np.square(u))) / constant(w, self.clip_threshold))
        step = size * u
        return Update(g, r, c, v, u, step, w - step)
