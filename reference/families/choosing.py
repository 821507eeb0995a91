"""The choices that any rule leaves: how a rate is asked for, weights decay, gradients are reduced, a state is carried.

A family puts `Choosing` before a page's class, or before that page's own choices; with the defaults it is the page.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from ..constraints import norms
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
    `rate_decay` d the rate of step t is L / (1 + d·t), with `rate_kept` k it is L·kᵗ, and with `rate_decay_kept` d each
    step divides the rate of the one before it by 1 + d·t. `starts` has numbers that slots start at instead of the
    page's. With `state_of="shape"` tensors of one shape have one state, which each goes on with where the one before it
    has left it, in the order of names, or beginning one later with every step where it `rotates`. No weight is beyond
    `weight_limit` after an update, and no column of a matrix has a norm beyond `column_limit`.
    """

    weight_decay_form: str = "decoupled"
    decay_order: str = "after_clipping"
    schedule_origin: int = 0
    rate_decay: float = 0.0
    rate_kept: float = 1.0
    rate_decay_kept: float = 0.0
    weight_limit: float | None = None
    column_limit: float | None = None
    state_carried: bool | str = True
    gradient_reduction: str = "mean"
    arithmetic: str = "variable_dtype"
    state_of: str = "tensor"
    rotates: bool = False
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
        updates = (
            self._by_shape(params, grads, state) if self.state_of == "shape" else super().stages(params, grads, state)
        )
        if updates is None or not self._moves_again:
            return updates
        rate = self._learning_rate_at(state["iterations"])
        return {
            name: update._replace(parameter=self._moved_again(name, update.parameter, rate))
            for name, update in updates.items()
        }

    def _by_shape(self, params: Tensors, grads: Tensors, state: State) -> dict[str, Any] | None:
        """Return what ``stages`` does, tensor by tensor, each from the state of the last one of its shape."""
        number, names, own = state["iterations"], list(params), self._own_slots(state)
        orders = [self._order(names, each) for each in (max(number - 1, 0), number)]
        latest = {params[name].shape: self._slots_of(name, state) for name in orders[0]}
        updates: dict[str, Any] = {}
        for name in (name for name in orders[1] if grads[name] is not None):
            shared = {slot: {name: latest[params[name].shape][slot]} for slot in own if name in state[slot]}
            found = super().stages({name: params[name]}, {name: grads[name]}, {**state, **shared})
            if found is None:
                return None
            updates |= found
            latest[params[name].shape] = {slot: getattr(update, slot) for update in found.values() for slot in shared}
        return {name: updates[name] for name in names if name in updates}

    def _order(self, names: list[str], number: int) -> list[str]:
        first = number % len(names) if self.rotates else 0
        return names[first:] + names[:first]

    @property
    def _moves_again(self) -> bool:
        return self.weight_decay_form == "after" or self.weight_limit is not None or self.column_limit is not None

    def _moved_again(self, name: str, w: Any, rate: float) -> Any:
        """Return weights that the rule has moved after what else is done to them."""
        if self.weight_decay_form == "after":
            w = self._less_decay(name, w, w, rate)[0]
        if self.weight_limit is not None:
            w = np.maximum(np.minimum(w, constant(w, self.weight_limit)), constant(w, -self.weight_limit))
        if self.column_limit is not None and len(w.shape) == 2:
            limit = constant(w, self.column_limit)
            w = w * (limit / np.maximum(norms(w, 0), limit))
        return w

    def _clipped_and_decayed(self, params: Tensors, grads: Tensors, learning_rate: float) -> dict[str, tuple[Any, Any]]:
        if self.decay_order == "after_clipping":
            return super()._clipped_and_decayed(params, grads, learning_rate)
        decayed = {name: self._decayed(name, params[name], g, learning_rate) for name, g in grads.items()}
        clipped = self._clipped({name: g for name, (_, g) in decayed.items()})
        return {name: (w, clipped[name]) for name, (w, _) in decayed.items()}

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
        if self.rate_kept != 1:
            rate = rate * self.rate_kept**iterations
        if self.rate_decay_kept:
            rate = rate * (1 / math.prod(1 + self.rate_decay_kept * t for t in range(iterations + 1)))
        return rate / (1 + self.rate_decay * iterations) if self.rate_decay else rate

    @property
    def mixes_elements(self) -> bool:
        """Whether an element's update depends on the other elements of its tensor, or of all of them."""
        return super().mixes_elements or self.column_limit is not None or self.state_of == "shape"

    @property
    def steps_alike(self) -> bool:
        """Whether a step depends on nothing but the state that it starts from: not on its number."""
        return super().steps_alike and not (
            self.rate_decay or self.rate_decay_kept or self.rate_kept != 1 or self.rotates
        )

    def _decayed(self, name: str, w: Any, g: Any, learning_rate: float) -> tuple[Any, Any]:
        return (w, g) if self.weight_decay_form == "after" else self._less_decay(name, w, g, learning_rate)

    def _less_decay(self, name: str, w: Any, g: Any, learning_rate: float) -> tuple[Any, Any]:
        own = self.decay_of(name, w)
        if own is None or super()._decayed(name, w, g, learning_rate)[0] is w:
            return w, g
        decay = constant(w, as_float32(own) if self.numbers == "float32" else own)
        if self.weight_decay_form == "coupled":
            return w, g + decay * w
        return w - (w * decay if self.weight_decay_form == "unscaled" else w * decay * constant(w, learning_rate)), g
