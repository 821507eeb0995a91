"""tf_keras, which is Keras 2: its RMSprop of 2.11 and later, and the legacy one that tf.keras had up to 2.10.

The later class departs from tf.keras (Keras 3) in rounding only: it multiplies by ``rsqrt`` instead of dividing by the
root. It has no loss scale and no gradient accumulation.

The legacy class departs in more: without momentum epsilon stands outside the root (and centred may yield NaN), with
momentum it runs the kernel of TensorFlow 1, where epsilon stands inside and the moment is a lerp; 1 - rho is formed in
the variable's dtype, and epsilon=0 becomes 1e-7. No argument moves epsilon; a momentum of 1e-30 selects the kernel.
Source: tf_keras/src/optimizers/rmsprop.py, tf_keras/src/optimizers/legacy/rmsprop.py.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.bounds.numerics import Array
from parity.problem.problems import Problem
from parity.reference.arguments import CLIPS
from parity.subjects.adapter import Tensors
from parity.subjects.library import PLAIN, LibrarySubject
from parity.subjects.schedules import learning_rate

SLOTS = {
    "_velocities": "second_moment",
    "_average_gradients": "first_moment",
    "_momentums": "momentum_buffer",
    "_model_variables_moving_average": "average",
}
LEGACY_SLOTS = {"second_moment": "rms", "first_moment": "mg", "momentum_buffer": "momentum"}


class TfKerasSubject(LibrarySubject):
    """``tf_keras.optimizers.RMSprop``, run eagerly."""

    name = "tf_keras.optimizers.RMSprop"
    supported = (
        PLAIN
        | set(CLIPS)
        | {"weight_decay", "exclude_from_weight_decay", "use_ema", "ema_momentum", "ema_overwrite_frequency"}
    )
    remedy = "Keras 2 has no such argument."

    def build(self, problem: Problem) -> None:
        """Make the variables and the optimizer with every argument passed."""
        import tensorflow as tf
        import tf_keras

        self._tf = tf
        self._variables = {n: tf.Variable(array, name=n.replace("/", "_")) for n, array in problem.params.items()}
        self._optimizer = self._created(tf_keras)
        shown = ", ".join(
            f"{name}={getattr(self._given, name)!r}" for name in ("rho", "momentum", "epsilon", "centered")
        )
        self.resolved = f"{self.name}({shown})"
        self.circumstances = {"tensorflow": tf.__version__, "tf_keras": tf_keras.__version__, "mode": "eager"}

    def _created(self, tf_keras: Any) -> Any:
        arguments = {name: getattr(self._given, name) for name in self.supported}
        excluded = arguments.pop("exclude_from_weight_decay")
        arguments["learning_rate"] = learning_rate(tf_keras.optimizers.schedules, arguments["learning_rate"])
        optimizer = tf_keras.optimizers.RMSprop(**arguments)
        optimizer.build(list(self._variables.values()))
        if excluded:
            optimizer.exclude_from_weight_decay(var_names=list(excluded))
        return optimizer

    def apply(self, number: int, gradients: Mapping[str, Array]) -> None:
        """Hand the gradients to ``apply_gradients``."""
        self._optimizer.apply_gradients([(self._tf.constant(gradients[n]), v) for n, v in self._variables.items()])

    def read(self) -> dict[str, Tensors]:
        """Return parameters and the slots that are in use."""
        found: dict[str, Tensors] = {"parameter": {n: np.array(v.numpy()) for n, v in self._variables.items()}}
        for attribute, slot in SLOTS.items():
            slots = getattr(self._optimizer, attribute, None)
            if slots:
                found[slot] = {n: np.array(s.numpy()) for n, s in zip(self._variables, slots, strict=True)}
        return found


class TfKerasLegacySubject(TfKerasSubject):
    """``tf_keras.optimizers.legacy.RMSprop``, run eagerly."""

    name = "tf_keras.optimizers.legacy.RMSprop"
    supported = PLAIN | set(CLIPS)

    def _created(self, tf_keras: Any) -> Any:
        arguments = {name: getattr(self._given, name) for name in PLAIN}
        arguments["learning_rate"] = learning_rate(tf_keras.optimizers.schedules, arguments["learning_rate"])
        clips = {name: getattr(self._given, name) for name in CLIPS if getattr(self._given, name) is not None}
        optimizer = tf_keras.optimizers.legacy.RMSprop(**arguments, **clips)
        optimizer._create_slots(list(self._variables.values()))
        return optimizer

    def read(self) -> dict[str, Tensors]:
        """Return parameters and the slots that are in use."""
        given = self._given
        used = {"second_moment": True, "first_moment": given.centered, "momentum_buffer": given.momentum > 0}
        found: dict[str, Tensors] = {"parameter": {n: np.array(v.numpy()) for n, v in self._variables.items()}}
        for slot, name in LEGACY_SLOTS.items():
            if used[slot]:
                pairs = self._variables.items()
                found[slot] = {n: np.array(self._optimizer.get_slot(v, name).numpy()) for n, v in pairs}
        return found
