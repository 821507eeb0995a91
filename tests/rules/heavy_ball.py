"""Plain gradient descent with momentum, as a page of a rule that the house does not know."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from parity.reference.optimizer import Optimizer, constant

SLOTS = {"momentum_buffer": "the accumulator that the momentum adds into"}
FORMULAS = {
    "gradient": {"": "g"},
    "momentum_buffer": {"momentum": "b ← μ·b − η·g"},
    "parameter": {"": "w ← w − η·g", "momentum": "w ← w + b", "nesterov": "w ← w + μ·b − η·g"},
}


class Update(NamedTuple):
    """The stages of one tensor's update in the order of computation."""

    gradient: Any
    momentum_buffer: Any
    parameter: Any


@dataclass(eq=False)
class HeavyBall(Optimizer):
    """SGD with the arguments and defaults of `keras.optimizers.SGD`."""

    learning_rate: Any = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def start(self, w: Any) -> dict[str, Any]:
        """Return the slots of one tensor before the first step."""
        return {"momentum_buffer": np.zeros_like(w)} if self.momentum > 0 else {}

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        """Apply the rule to one tensor."""
        step = g * constant(w, learning_rate)
        if not self.momentum > 0:
            return Update(g, None, w - step)
        b = slots["momentum_buffer"] * constant(w, self.momentum) - step
        return Update(g, b, w + b if not self.nesterov else w + b * constant(w, self.momentum) - step)
