"""What tf.keras does, if it is told to, to the weights of a tensor after each call in which it has a gradient.

Source: keras/src/constraints/constraints.py; where it stands: keras/src/optimizers/base_optimizer.py (`apply`), after
the average of the weights, which is of those before it, and also after a call that only accumulates a gradient. A norm
is the root of a sum of squares along `axis`, to which Keras' global epsilon is added, and not beneath the root. Along
the first axis NumPy's sum of fewer than 16 numbers has tf.keras' bits in eager mode, which adds more in Eigen's order.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .optimizer import constant

EPSILON = 1e-7
"""`keras.config.epsilon()` unless it is set."""


def norms(w: Any, axis: int | None) -> Any:
    """Return the norms of an array along an axis, which stays with one element, in its dtype."""
    if str(w.dtype) == "bfloat16":  # as `norm` of `optimizer.py`
        return np.sqrt(np.sum(np.square(w), axis=axis, keepdims=True, dtype=np.float32).astype(w.dtype))
    return np.sqrt(np.sum(np.square(w), axis=axis, keepdims=True))


@dataclass(frozen=True)
class NonNeg:
    """No weight is negative."""

    def __call__(self, w: Any) -> Any:
        """Return the weights as they are to be."""
        return np.maximum(w, constant(w, 0))


@dataclass(frozen=True)
class MaxNorm:
    """No norm is above a value."""

    max_value: float = 2.0
    axis: int | None = 0

    def __call__(self, w: Any) -> Any:
        """Return the weights as they are to be."""
        norm = norms(w, self.axis)
        return w * (_clipped(norm, 0.0, self.max_value) / (constant(w, EPSILON) + norm))


@dataclass(frozen=True)
class UnitNorm:
    """Each norm is one, nearly: epsilon is added to what it is divided by."""

    axis: int | None = 0

    def __call__(self, w: Any) -> Any:
        """Return the weights as they are to be."""
        return w / (constant(w, EPSILON) + norms(w, self.axis))


@dataclass(frozen=True)
class MinMaxNorm:
    """Each norm goes a part of the way, `rate`, to what lies between two values."""

    min_value: float = 0.0
    max_value: float = 1.0
    rate: float = 1.0
    axis: int | None = 0

    def __call__(self, w: Any) -> Any:
        """Return the weights as they are to be."""
        norm = norms(w, self.axis)
        inside = constant(w, self.rate) * _clipped(norm, self.min_value, self.max_value)
        return w * ((inside + constant(w, 1 - self.rate) * norm) / (constant(w, EPSILON) + norm))


def _clipped(norm: Any, low: float, high: float) -> Any:
    return np.maximum(np.minimum(norm, constant(norm, high)), constant(norm, low))
