"""tf.compat.v1.train.RMSPropOptimizer, run eagerly on resource variables: the C++ kernel ApplyRMSProp.

Departs from tf.keras: the second moment starts at one (no argument changes it; assign zeros to the slot ``rms`` after
its creation), the moment is v + (g² - v)·(1 - rho) with 1 - rho formed in the variable's dtype, the momentum slot is
always there, and epsilon is 1e-10 unless given. It has no weight decay and no clipping.
Source: tensorflow/python/training/rmsprop.py, tensorflow/core/kernels/training_ops.cc.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.bounds.numerics import Array
from parity.problem.problems import Problem
from parity.subjects.adapter import Tensors
from parity.subjects.library import LibrarySubject, Row

ROWS = {
    "rmsprop": Row(
        "RMSPropOptimizer",
        {"decay": "rho", "momentum": "momentum", "epsilon": "epsilon", "centered": "centered"},
        {"rms": "second_moment", "mg": "first_moment", "momentum": "momentum_buffer"},
    )
}
"""TensorFlow 1's optimizer of the question alone."""


class Tf1Subject(LibrarySubject):
    """The optimizer of TensorFlow 1, whose learning rate may be a callable: it is asked at each step."""

    library = "tf.compat.v1.train"
    rows = ROWS
    remedy = "TensorFlow 1 has no such argument."

    def build(self, problem: Problem) -> None:
        """Make the variables, the optimizer and, before the first step, its slots."""
        import tensorflow as tf

        given = self._given
        self._tf, self._number = tf, 0
        self._variables = {
            name: tf.Variable(array, name=name.replace("/", "_")) for name, array in problem.params.items()
        }
        self._optimizer = tf.compat.v1.train.RMSPropOptimizer(
            lambda: self.rate_at(self._number), **self.row.values(given)
        )
        self._optimizer._create_slots(list(self._variables.values()))
        self._used = self.used()
        self.resolved = (
            f"tf.compat.v1.train.RMSPropOptimizer(decay={given.rho!r}, momentum={given.momentum!r}, "
            f"epsilon={given.epsilon!r}, centered={given.centered!r})"
        )
        self.circumstances = {"tensorflow": tf.__version__, "mode": "eager"}

    def apply(self, number: int, gradients: Mapping[str, Array]) -> None:
        """Hand the gradients to ``apply_gradients``."""
        self._number = number
        self._optimizer.apply_gradients([(self._tf.constant(gradients[n]), v) for n, v in self._variables.items()])

    def read(self) -> dict[str, Tensors]:
        """Return parameters and slots."""
        found: dict[str, Tensors] = {"parameter": {n: np.array(v.numpy()) for n, v in self._variables.items()}}
        for own, slot in self._used.items():
            found[slot] = {n: self._slot(v, own) for n, v in self._variables.items()}
        return found

    def _slot(self, variable: Any, name: str) -> Array:
        return np.array(self._optimizer.get_slot(variable, name).numpy())
