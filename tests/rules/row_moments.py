"""RMSprop with one second moment for each row of a tensor, beside one for all of it: slots with shapes of their own.

A tensor without dimensions has no rows, and keeps none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from parity.reference.optimizer import Optimizer, constant

SLOTS = {
    "row_moment": "running mean of the squared gradients of each row",
    "tensor_moment": "running mean of the squared gradients of the tensor",
}
FORMULAS = {
    "gradient": {"": "g"},
    "row_moment": {"": "r ← ρ·r + (1−ρ)·mean(g², each row)"},
    "tensor_moment": {"": "t ← ρ·t + (1−ρ)·mean(g²)"},
    "parameter": {"": "w ← w − η·g / √(√(r + ε)·√(t + ε))"},
}


class Update(NamedTuple):
    """The stages of one tensor's update in the order of computation; `row_moment` is None without dimensions."""

    gradient: Any
    row_moment: Any
    tensor_moment: Any
    parameter: Any


@dataclass(eq=False)
class RowMoments(Optimizer):
    """A rule of two slots, neither of which has the shape of its tensor."""

    rho: float = 0.9
    epsilon: float = 1e-7

    never_negative: ClassVar = frozenset({"row_moment", "tensor_moment"})

    @property
    def mixes_elements(self) -> bool:
        """Whether an element's update depends on others: here on its row, and on all of its tensor."""
        return True

    def start(self, w: Any) -> dict[str, Any]:
        """Return the slots of one tensor before the first step."""
        rows = {"row_moment": np.zeros(w.shape[:-1], dtype=w.dtype)} if w.shape else {}
        return {**rows, "tensor_moment": np.zeros((), dtype=w.dtype)}

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        """Apply the rule to one tensor."""
        keep, renew, epsilon = constant(w, self.rho), constant(w, 1 - self.rho), constant(w, self.epsilon)
        square = np.square(g)
        t = keep * slots["tensor_moment"] + renew * np.mean(square)
        root, r = np.sqrt(t + epsilon), slots.get("row_moment")
        if r is not None:
            r = keep * r + renew * np.mean(square, axis=-1)
            root = root * np.expand_dims(np.sqrt(r + epsilon), -1)
        return Update(g, r, t, w - constant(w, learning_rate) * g / np.sqrt(root))
