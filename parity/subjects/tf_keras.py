"""tf_keras, which is Keras 2: its optimizers of 2.11 and later, and the legacy ones that tf.keras had up to 2.10.

Of RMSprop the later class departs from tf.keras (Keras 3) in rounding only: it multiplies by ``rsqrt`` instead of
dividing by the root. It has no loss scale and no gradient accumulation.

The legacy class departs in more: without momentum epsilon stands outside the root (and centred may yield NaN), with
momentum it runs the kernel of TensorFlow 1, where epsilon stands inside and the moment is a lerp; 1 - rho is formed in
the variable's dtype, and epsilon=0 becomes 1e-7. No argument moves epsilon; a momentum of 1e-30 selects the kernel.
Source: tf_keras/src/optimizers/rmsprop.py, tf_keras/src/optimizers/legacy/rmsprop.py.

Of the other rules the later classes differ in rounding, the legacy ones form 1 - rho in the variable's dtype, and the
legacy Nadam has the factor .004 that Keras 3 lost, and takes no schedules. Keras 2 has no Lamb, Muon and
ScheduleFreeAdamW, the legacy classes no AdamW, Lion and Adafactor.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.bounds.numerics import Array
from parity.case.rule import find
from parity.problem.problems import Problem
from parity.reference.arguments import CLIPS
from parity.subjects.adapter import Tensors
from parity.subjects.keras import ROWS as KERAS
from parity.subjects.library import LibrarySubject, Row
from parity.subjects.schedules import learning_rate

_AROUND = frozenset(
    {*CLIPS, "weight_decay", "exclude_from_weight_decay", "use_ema", "ema_momentum", "ema_overwrite_frequency"}
)
"""What Keras 2 has of what stands around every rule."""
_AVERAGE = {"_model_variables_moving_average": "average"}
_OTHERWISE: dict[str, dict[str, str]] = {"lion": {"momentums": "first_moment"}, "adafactor": {}}
"""Where attributes are called otherwise; Adafactor's factors of vectors are numbers, which Keras 3 has not."""


def _own(rule: str) -> dict[str, str]:
    """Return the arguments of a rule itself, which Keras 2 calls as Keras 3 does."""
    names = [parameter.name for parameter in find(rule).parameters]
    shared = {parameter.name for parameter in find("rmsprop").parameters} - {"rho", "momentum", "epsilon", "centered"}
    return {name: name for name in names if name not in shared}


ROWS = {
    rule: Row(row.kind, _own(rule), {**_OTHERWISE.get(rule, row.slots), **_AVERAGE})
    for rule, row in KERAS.items()
    if rule not in ("lamb", "muon", "schedule_free_adamw")
}
_MOMENTS = {"m": "first_moment", "v": "second_moment"}
LEGACY: dict[str, dict[str, str]] = {
    "rmsprop": {"rms": "second_moment", "mg": "first_moment", "momentum": "momentum_buffer"},
    "sgd": {"momentum": "momentum_buffer"},
    "adam": {**_MOMENTS, "vhat": "second_moment_max"},
    "adamax": {"m": "first_moment", "v": "infinity_norm"},
    "nadam": _MOMENTS,
    "adagrad": {"accumulator": "sum_of_squares"},
    "adadelta": {"accum_grad": "second_moment", "accum_var": "change_moment"},
    "ftrl": {"accumulator": "sum_of_squares", "linear": "linear"},
}
LEGACY_ROWS = {rule: Row(KERAS[rule].kind, _own(rule), slots) for rule, slots in LEGACY.items()}


class TfKerasSubject(LibrarySubject):
    """An optimizer of ``tf_keras.optimizers``, run eagerly."""

    library = "tf_keras.optimizers"
    rows = ROWS
    around = _AROUND
    remedy = "Keras 2 has no such argument."

    def takes(self, rule: str) -> frozenset[str]:
        """Return the arguments of a rule that Keras 2 has."""
        return super().takes(rule) | (self.around if rule in self.rows else frozenset())

    def build(self, problem: Problem) -> None:
        """Make the variables and the optimizer with every argument passed."""
        import tensorflow as tf
        import tf_keras

        self._tf = tf
        self._variables = {n: tf.Variable(array, name=n.replace("/", "_")) for n, array in problem.params.items()}
        self._optimizer = self._created(tf_keras)
        shown = ", ".join(f"{name}={getattr(self._given, name)!r}" for name in self.row.arguments)
        self.resolved = f"{self.name}({shown})"
        self.circumstances = {"tensorflow": tf.__version__, "tf_keras": tf_keras.__version__, "mode": "eager"}

    def _created(self, tf_keras: Any) -> Any:
        arguments = {name: getattr(self._given, name) for name in self.takes(self._problem.cell.rule)}
        excluded = arguments.pop("exclude_from_weight_decay")
        arguments["learning_rate"] = learning_rate(tf_keras.optimizers.schedules, arguments["learning_rate"])
        optimizer = getattr(tf_keras.optimizers, self.row.kind)(**arguments)
        if excluded:
            optimizer.exclude_from_weight_decay(var_names=list(excluded))
        optimizer.build(list(self._variables.values()))
        return optimizer

    def apply(self, number: int, gradients: Mapping[str, Array]) -> None:
        """Hand the gradients to ``apply_gradients``."""
        self._optimizer.apply_gradients([(self._tf.constant(gradients[n]), v) for n, v in self._variables.items()])

    def read(self) -> dict[str, Tensors]:
        """Return parameters and the slots that are in use."""
        found: dict[str, Tensors] = {"parameter": {n: np.array(v.numpy()) for n, v in self._variables.items()}}
        for attribute, slot in self.row.slots.items():
            slots = getattr(self._optimizer, attribute, None)
            if isinstance(slots, list) and slots:
                found[slot] = {n: np.array(s.numpy()) for n, s in zip(self._variables, slots, strict=True)}
        return found


class TfKerasLegacySubject(TfKerasSubject):
    """An optimizer of ``tf_keras.optimizers.legacy``, run eagerly."""

    library = "tf_keras.optimizers.legacy"
    rows = LEGACY_ROWS
    around = frozenset(CLIPS)

    def _created(self, tf_keras: Any) -> Any:
        arguments = {name: getattr(self._given, name) for name in self.row.names}
        arguments["learning_rate"] = learning_rate(tf_keras.optimizers.schedules, arguments["learning_rate"])
        clips = {name: getattr(self._given, name) for name in CLIPS if getattr(self._given, name) is not None}
        optimizer = getattr(tf_keras.optimizers.legacy, self.row.kind)(**arguments, **clips)
        optimizer._create_slots(list(self._variables.values()))
        return optimizer

    def read(self) -> dict[str, Tensors]:
        """Return parameters and the slots that are in use."""
        found: dict[str, Tensors] = {"parameter": {n: np.array(v.numpy()) for n, v in self._variables.items()}}
        for own, slot in self.used().items():
            found[slot] = {n: np.array(self._optimizer.get_slot(v, own).numpy()) for n, v in self._variables.items()}
        return found
