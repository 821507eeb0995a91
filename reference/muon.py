"""Muon as tf.keras (Keras 3) computes it: one page, no switches; `optimizer.py` has what stands around it.

The rule (Jordan et al., 2024; its last factors: Liu et al., arXiv 2502.16982; as in keras/src/optimizers/muon.py)::

    m = m + (g + m * (momentum - 1))                     fading sum of gradients
    x = g + momentum * m                                 or m itself unless nesterov
    x = x / (|x| + 1e-7)                                 by the norm of all elements; turned while it is tall
    x = a * x + (b * A + c * A A) x,  A = x x'           ns_steps times: its singular values go to about one
    w = w - L * x * sqrt(longer side) * rms_rate         without both factors if rms_rate is None

Tensors that are no matrix, embeddings, and those that `exclude_layers` names are Adam's (`adam.py`), at `adam_lr_ratio`
times the rate and with `adam_weight_decay`. Keras departs from Jordan's program in the sum, where that has a mean, and
in the dtype of the rounds, that of the weights, where that has bfloat16; in float64 it raises for matrices unless
`rms_rate` is None. NumPy adds sums and products in another order, and the rounds make hundreds of a last bit.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .adam import Adam
from .optimizer import Optimizer, Single, constant, norm

SLOTS = {
    "first_moment": "fading sum of gradients, or of Adam's tensors their running mean",
    "second_moment": "running mean of squared gradients, of Adam's tensors",
}
FORMULAS = {
    "gradient": {"": "g"},
    "first_moment": {"": "m ← μ·m + g"},
    "second_moment": {"": "v ← v + (1−β₂)·(g² − v)"},
    "direction": {"": "x = m/‖m‖", "nesterov": "x = (g + μ·m)/‖g + μ·m‖"},
    "orthogonal": {"": "x ← a·x + (b·A + c·A²)·x,  A = x·xᵀ"},
    "step": {"": "s = η·x·√max(n, k)·r"},
    "parameter": {"": "w ← w − s"},
}


class Update(NamedTuple):
    """The stages of one tensor's update in order; a matrix has no `second_moment`, Adam no `direction`: None."""

    gradient: Any
    first_moment: Any
    second_moment: Any
    direction: Any
    orthogonal: Any
    step: Any
    parameter: Any


@dataclass(eq=False)
class Muon(Optimizer):
    """Muon with the arguments and defaults of `keras.optimizers.Muon`; see `Optimizer` for the others."""

    adam_beta_1: float = 0.9
    adam_beta_2: float = 0.999
    adam_weight_decay: float | None = 0.004
    epsilon: float = 1e-7
    weight_decay: float | None = 0.004
    exclude_layers: Sequence[str] = ()
    exclude_embeddings: bool = True
    muon_a: float = 3.4445
    muon_b: float = -4.775
    muon_c: float = 2.0315
    adam_lr_ratio: float = 1
    momentum: float = 0.95
    ns_steps: int = 5
    nesterov: bool = True
    rms_rate: float | None = 0.2

    never_negative: ClassVar = frozenset({"second_moment"})
    counts: ClassVar = True
    mixes_elements: ClassVar = True

    def is_adams(self, name: str, w: Any) -> bool:
        """Return whether Adam updates a tensor."""
        embeds = self.exclude_embeddings and "embedding" in name.lower()
        return len(w.shape) != 2 or embeds or any(re.search(each, name) for each in self.exclude_layers)

    def decay_of(self, name: str, w: Any) -> float | None:
        """Return the weight decay of a tensor."""
        return self.adam_weight_decay if self.is_adams(name, w) else self.weight_decay

    def start(self, w: Any) -> dict[str, Any]:
        """Return the slots of one tensor before the first step: zeros."""
        return {slot: np.zeros_like(w) for slot in SLOTS if slot == "first_moment" or len(w.shape) != 2}

    def start_of(self, name: str, w: Any) -> dict[str, Any]:
        """Return the slots of a tensor of this name: a matrix of Adam's has a second moment, too."""
        return {**({"second_moment": np.zeros_like(w)} if self.is_adams(name, w) else {}), **self.start(w)}

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        """Apply the rule to one tensor; see `Optimizer.update`."""
        if "second_moment" in slots:
            adam = Adam(beta_1=self.adam_beta_1, beta_2=self.adam_beta_2, epsilon=self.epsilon)
            by = adam.update(w, g, slots, Single(learning_rate * Single(self.adam_lr_ratio)), count)
            return Update(g, by.first_moment, by.second_moment, None, None, by.step, by.parameter)
        m = slots["first_moment"]
        m = m + (g + m * constant(w, self.momentum - 1))
        x = g + constant(w, self.momentum) * m if self.nesterov else m
        direction = x / (norm(x) + constant(x, 1e-7))
        orthogonal = self.orthogonalized(direction, self.ns_steps)
        x = orthogonal.astype(np.float32) if w.dtype.itemsize == 2 else orthogonal  # as beside a float32 rate
        x = constant(x, learning_rate) * x
        if self.rms_rate is not None:
            x = x * np.sqrt(constant(x, max(w.shape))) * constant(x, self.rms_rate)
        step = x.astype(w.dtype) if w.dtype.itemsize == 2 else x
        return Update(g, m, None, direction, orthogonal, step, w - step)

    def orthogonalized(self, x: Any, rounds: int) -> Any:
        """Return a matrix with its singular values near one, by rounds of Newton and Schulz."""
        a, b, c = (constant(x, each) for each in (self.muon_a, self.muon_b, self.muon_c))
        x, tall = (x.T, True) if x.shape[0] > x.shape[1] else (x, False)
        for _ in range(rounds):
            square = x @ x.T
            x = a * x + (b * square + c * square @ square) @ x
        return x.T if tall else x
