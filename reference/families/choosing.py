"""The choices that any rule leaves: how a rate is asked for, weights decay, gradients are reduced, a state is carried.

A family puts `Choosing` before a page's class, or before that page's own choices; with the defaults it is the page.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from ..optimizer import Single, State, Tensors, as_float32, constant

if TYPE_CHECKING:
    from ..optimizer import Optimizer
else:
    # A dataclass hands on the defaults of all above it: a base of all pages would undo those of a page.
    Optimizer = object

_DTYPES = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32, "float64": np.float64}


@dataclass(eq=False)
class Numbers(Optimizer):
    """How a rule holds its numbers.

    `numbers` is "float32" where a float32 variable holds the learning rate and TensorFlow casts what Keras casts, and
    "double" where all are Python floats, as in a NumPy program: float64 parameters show the difference.
    """

    numbers: str = "float32"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.numbers not in ("float32", "double"):
            raise ValueError(f"`numbers` must be 'float32' or 'double'. Received: {self.numbers!r}")

    def cast(self, value: float) -> float:
        """Return a number as Keras casts it, or as it is where all numbers are."""
        return Single(value) if self.numbers == "float32" else value


@dataclass(eq=False)
class Choosing(Numbers):
    """What stands around every rule, with its choices.

    `batch_size` is how many examples a gradient is the mean of; `gradient_reduction="sum"` multiplies by it. With
    `rate_decay` d the rate of step t is L / (1 + d·t). `starts` has numbers that slots start at instead of the page's.
    """

    weight_decay_form: str = "decoupled"
    schedule_origin: int = 0
    rate_decay: float = 0.0
    state_carried: bool | str = True
    gradient_reduction: str = "mean"
    arithmetic: str = "variable_dtype"
    batch_size: float = 1
    starts: Mapping[str, float] = field(default_factory=dict)

    def start(self, w: Any) -> dict[str, Any]:
        """Return the slots of one tensor before the first step; see `starts`."""
        slots = super().start(w)
        return {
            slot: np.full_like(array, constant(w, self.starts[slot])) if slot in self.starts else array
            for slot, array in slots.items()
        }

    def stages(self, params: Tensors, grads: Tensors, state: State) -> dict[str, Any] | None:
        """Return the inside of one step as {tensor: update}, or None if the step only accumulates the gradient."""
        if self.state_carried is not True:
            fresh = self.init(params)
            kept = ["momentum_buffer"] if self.state_carried == "momentum_only" else []
            state = {**state, **{slot: fresh[slot] for slot in self._own_slots(fresh) if slot not in kept}}
        return super().stages(params, grads, state)

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Any:
        """Apply the rule to one tensor in the dtype of `arithmetic`; see `Optimizer.update`."""
        if self.arithmetic == "variable_dtype":
            return self._chosen(w, g, slots, learning_rate, count)
        dtype = _DTYPES[self.arithmetic]
        cast = {slot: array.astype(dtype) for slot, array in slots.items()}
        update = self._chosen(w.astype(dtype), g.astype(dtype), cast, learning_rate, count)
        return type(update)(*(None if x is None else x.astype(w.dtype) for x in update))

    def _chosen(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Any:
        """Apply the rule with its own choices, in the dtype that it is given."""
        return super().update(w, g, slots, learning_rate, count)

    def _unscaled(self, grads: Tensors) -> Tensors:
        if self.gradient_reduction == "sum":
            grads = {name: g * constant(g, self.batch_size) for name, g in grads.items()}
        return super()._unscaled(grads)

    def _learning_rate_at(self, iterations: int) -> float:
        step = iterations + self.schedule_origin
        if self.numbers == "double":
            rate = float(self.learning_rate(step) if callable(self.learning_rate) else self.learning_rate)
        else:
            rate = super()._learning_rate_at(step)
        return rate / (1 + self.rate_decay * iterations) if self.rate_decay else rate

    @property
    def steps_alike(self) -> bool:
        """Whether a step depends on nothing but the state that it starts from: not on its number."""
        return super().steps_alike and not self.rate_decay

    def _decayed(self, name: str, w: Any, g: Any, learning_rate: float) -> tuple[Any, Any]:
        own = self.decay_of(name, w)
        if own is None or super()._decayed(name, w, g, learning_rate)[0] is w:
            return w, g
        decay = constant(w, as_float32(own) if self.numbers == "float32" else own)
        if self.weight_decay_form == "coupled":
            return w, g + decay * w
        return w - (w * decay if self.weight_decay_form == "unscaled" else w * decay * constant(w, learning_rate)), g
