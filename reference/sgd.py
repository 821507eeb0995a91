"""SGD as tf.keras (Keras 3) computes it: one page, no switches; `optimizer.py` has what stands around it.

The rule (Polyak, USSR Computational Mathematics 4(5), 1964; Nesterov's form as in Sutskever, Martens, Dahl and Hinton,
ICML 2013; as in keras/src/optimizers/sgd.py)::

    b = momentum * b - L * g              momentum buffer, if momentum is not 0
    w = w + b                             or w - L * g without momentum
    w = w + momentum * b - L * g          if nesterov

Keras departs from Polyak and from torch in where the rate stands: it enters the buffer, so that a change of it acts on
later gradients alone. There is no dampening. `nesterov` without momentum does nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .optimizer import Optimizer, constant

SLOTS = {"momentum_buffer": "the accumulator that momentum adds into: what the weights move by"}
FORMULAS = {
    "gradient": {"": "g"},
    "momentum_buffer": {"momentum": "b ← μ·b − η·g"},
    "parameter": {"": "w ← w − η·g", "momentum": "w ← w + b", "nesterov": "w ← w + (μ·b − η·g)"},
}
"""Each stage as a person writes it, in the form that an argument gives it if it is set."""


class Update(NamedTuple):
    """The stages of one tensor's update in the order of computation; all have the parameter's shape and dtype.

    `momentum_buffer` is None without momentum.
    """

    gradient: Any
    momentum_buffer: Any
    parameter: Any


@dataclass(eq=False)
class SGD(Optimizer):
    """SGD with the arguments and defaults of `keras.optimizers.SGD`; see `Optimizer` for the others.

    Raises ValueError unless `momentum` is from 0 to 1.
    """

    learning_rate: Any = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum <= 1:
            raise ValueError(f"`momentum` must be a float between [0, 1]. Received: {self.momentum!r}")

    def start(self, w: Any) -> dict[str, Any]:
        """Return the slots of one tensor before the first step: zeros."""
        return {"momentum_buffer": np.zeros_like(w)} if self.momentum else {}

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        """Apply the rule to one tensor; see `Optimizer.update`."""
        step = g * constant(w, learning_rate)
        if not self.momentum:
            return Update(g, None, w - step)
        momentum = constant(w, self.cast(self.momentum))
        b = slots["momentum_buffer"] * momentum - step
        return Update(g, b, w + (b * momentum - step if self.nesterov else b))
