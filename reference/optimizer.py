"""What tf.keras (Keras 3) does around every rule: unscale, accumulate, clip, decay, update, average, constrain, count.

Source and order: keras/src/optimizers/base_optimizer.py (`apply`). A rule is a page beside this one: a class with its
arguments, the start of its slots and `update`. Every operation runs in the dtype of the parameter, so that a page
serves any array that knows its dtype.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import reduce
from typing import Any, ClassVar

import numpy as np

Tensors = Mapping[str, Any]
State = Mapping[str, Any]


def constant(like: Any, value: float) -> Any:
    """Return the Python number `value` in the dtype of the array `like`."""
    # TensorFlow makes a 16-bit constant by way of float32, which rounds twice (Eigen, arch/Default/Half.h).
    return like.dtype.type(as_float32(value) if like.dtype.itemsize == 2 else value)


def as_float32(value: Any) -> float:
    """Round `value` to float32, as `tf.cast(<Python float>, dtype)` does whatever the dtype of the parameter."""
    return float(np.float32(value))


class Single(float):
    """A number that Keras rounds to float32 whatever the dtype of the weights; `given` is what it was before.

    Who keeps it as it was computes another thing in float64, and the same in narrower dtypes, but for rounding.
    `error` is that of a number which knows how far it may be off itself.
    """

    given: float
    error: float

    def __new__(cls, value: float) -> "Single":
        """Round `value`."""
        number = super().__new__(cls, as_float32(value))
        number.given, number.error = float(value), getattr(value, "error", 0.0)
        return number


def power(base: Any, exponent: Any) -> Any:
    """Return a constant to the power of another, as the C library's `pow` has it, in their dtype.

    So does TensorFlow with two scalars; 16-bit ones by way of float32. NumPy's scalars call the C library too, where
    `np.power` has a kernel of its own.
    """
    if base.dtype.itemsize > 2:
        return base**exponent
    return base.dtype.type(np.float32(base) ** np.float32(exponent))


@dataclass(eq=False)
class Optimizer:
    """What every rule has: its arguments beside those of the rule itself, with Keras' names and defaults.

    Parameters, gradients and slots are mappings from tensor name to array, float16, bfloat16, float32, float64 or
    wider. `learning_rate` is a float, or a callable of the zero-based step. `exclude_from_weight_decay` holds regular
    expressions searched in the tensor names, as `var_names` of the Keras method of that name; Keras searches the name
    that TensorFlow gave, which ends in ":0", so that a pattern ending in "$" never matches there.

    Raises ValueError for the arguments that Keras refuses.
    """

    learning_rate: float | Callable[[int], float] = 0.001
    _: KW_ONLY
    weight_decay: float | None = None
    clipnorm: float | None = None
    clipvalue: float | None = None
    global_clipnorm: float | None = None
    use_ema: bool = False
    ema_momentum: float = 0.99
    ema_overwrite_frequency: int | None = None
    loss_scale_factor: float | None = None
    gradient_accumulation_steps: int | None = None
    exclude_from_weight_decay: Sequence[str] = ()

    never_negative: ClassVar[frozenset[str]] = frozenset()
    """Slots that no evaluation makes negative, however it rounds, such as a mean of squares that starts at zero."""
    means: ClassVar[Mapping[str, tuple[str, int]]] = {}
    """Slots that are means formed as `keep * old + (1 - keep) * new`: the argument `keep`, and the gradient's power."""
    counts: ClassVar[bool] = False
    """Whether an update depends on its number, as a corrected bias does."""
    constraints: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}
    """What is done to weights after each call, by tensor: of the tensor in Keras, not of the optimizer; it is set."""

    def __post_init__(self) -> None:
        every, frequency = self.gradient_accumulation_steps, self.ema_overwrite_frequency
        clips = {name: getattr(self, name) for name in ("clipnorm", "clipvalue", "global_clipnorm")}
        if not callable(self.learning_rate) and not isinstance(self.learning_rate, float):
            raise ValueError(f"`learning_rate` must be a float or a callable. Received: {self.learning_rate!r}")
        if every and not every >= 2:
            raise ValueError(f"`gradient_accumulation_steps` must be an integer >= 2. Received: {every!r}")
        if sum(clip is not None for clip in clips.values()) > 1:
            raise ValueError(f"Only one of {', '.join(clips)} can be set. Received: {clips}")
        if self.use_ema and not 0 <= self.ema_momentum <= 1:
            raise ValueError(f"`ema_momentum` must be in the range [0, 1]. Received: {self.ema_momentum!r}")
        if self.use_ema and frequency and not (isinstance(frequency, int) and frequency >= 1):
            raise ValueError(f"`ema_overwrite_frequency` must be an integer >= 1 or None. Received: {frequency!r}")
        if isinstance(self.exclude_from_weight_decay, str):
            raise ValueError(f"List the patterns of names. Received: {self.exclude_from_weight_decay!r}")

    def start(self, w: Any) -> dict[str, Any]:
        """Return the rule's slots of one tensor before the first step, by name."""
        raise NotImplementedError

    def start_of(self, name: str, w: Any) -> dict[str, Any]:
        """Return the slots of a tensor of this name: what any of its shape has, unless a rule tells names apart."""
        return self.start(w)

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Any:
        """Return the stages of one tensor's update, a named tuple in the order of computation.

        Its first field is the `gradient` as it is used, its last the new `parameter`; among them are the new slots.

        Args:
            w: weights.
            g: their gradient, unscaled, accumulated and clipped.
            slots: the rule's slots of this tensor, as `start` names them.
            learning_rate: that of this step, a float32 number.
            count: the one-based number of the update.
        """
        raise NotImplementedError

    def cast(self, value: float) -> float:
        """Return a number that TensorFlow casts to float32 on its way to the dtype of the weights."""
        return Single(value)

    def decay_of(self, name: str, w: Any) -> float | None:
        """Return the weight decay of a tensor that is not excluded from it."""
        return self.weight_decay

    @property
    def mixes_elements(self) -> bool:
        """Whether an element's update depends on the other elements of its tensor, or of all of them."""
        return self.clipnorm is not None or self.global_clipnorm is not None

    @property
    def steps_alike(self) -> bool:
        """Whether a step depends on nothing but the state that it starts from: not on its number."""
        return not (self.counts or callable(self.learning_rate) or self.use_ema or self.gradient_accumulation_steps)

    @property
    def starts_alike(self) -> bool:
        """Whether every slot has the shape of its tensor, whatever that is: a mean of rows, or one number, has not."""
        matrix, row = np.zeros((2, 3)), np.zeros(3)
        slots = [{slot: array.shape for slot, array in self.start(w).items()} for w in (matrix, row)]
        return slots[0].keys() == slots[1].keys() and {*slots[0].values()} <= {matrix.shape}

    def idle(self, slots: Mapping[str, Any], count: int) -> dict[str, Any]:
        """Return the slots of a tensor after an update in which it has no gradient: they stay as they are."""
        return dict(slots)

    def init(self, params: Tensors) -> dict[str, Any]:
        """Return the state before the first step: no iterations, and every slot as it starts."""
        slots: dict[str, dict[str, Any]] = {slot: {} for slot in self.start(np.zeros(()))}
        for name, w in params.items():
            for slot, array in self.start_of(name, w).items():
                slots.setdefault(slot, {})[name] = array
        slots = {slot: tensors for slot, tensors in slots.items() if tensors or not params}
        around = {"average": self.use_ema, "accumulated_gradient": bool(self.gradient_accumulation_steps)}
        return {"iterations": 0, **slots, **{slot: _zeros_like(params) for slot, is_used in around.items() if is_used}}

    def slots(self, state: State) -> dict[str, Tensors]:
        """Return the state without its step count: {slot: {tensor: array}}."""
        return {slot: tensors for slot, tensors in state.items() if slot != "iterations"}

    def step(self, params: Tensors, grads: Tensors, state: State) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the parameters and the state after one step; the arguments stay as they are.

        A tensor whose gradient is None is passed over: its weights do not decay, its slots stay as they are, and what
        was accumulated for an update in which it has none is lost.

        Raises ValueError unless `grads` has the names, shapes and dtypes of `params`.
        """
        updates = self.stages(params, grads, state)
        new_params, new_state = dict(params), dict(state)
        if updates is None:
            more = self._accumulated(self._unscaled(_present(grads)), state)
            new_state["accumulated_gradient"] = {**state["accumulated_gradient"], **more}
        else:
            new_params |= {name: update.parameter for name, update in updates.items()}
            for slot in self._own_slots(state):
                new_state[slot] = {**state[slot], **{n: getattr(updates[n], slot) for n in state[slot] if n in updates}}
            for name in (name for name in params if name not in updates):
                for slot, array in self.idle(self._slots_of(name, state), self._count(state)).items():
                    new_state[slot][name] = array
            if self.gradient_accumulation_steps:
                new_state["accumulated_gradient"] = _zeros_like(params)
        if self.use_ema:
            # Keras averages, and overwrites, after a step that only accumulated a gradient too.
            new_params, new_state["average"] = self._averaged(new_params, state)
        new_params = self._constrained(new_params, grads)
        new_state["iterations"] = state["iterations"] + 1
        return new_params, new_state

    def stages(self, params: Tensors, grads: Tensors, state: State) -> dict[str, Any] | None:
        """Return the inside of one step as {tensor: update}, or None if the step only accumulates the gradient."""
        _check_match(params, grads)
        grads = self._unscaled(_present({name: grads[name] for name in params}))
        every, iterations = self.gradient_accumulation_steps, state["iterations"]
        if every:
            if (iterations + 1) % every != 0:
                return None
            grads = {name: total / constant(total, every) for name, total in self._accumulated(grads, state).items()}
        learning_rate = self._learning_rate_at(iterations)
        updates = {}
        for name, (w, g) in self._clipped_and_decayed(params, grads, learning_rate).items():
            updates[name] = self.update(w, g, self._slots_of(name, state), learning_rate, self._count(state))
        return updates

    def _clipped_and_decayed(self, params: Tensors, grads: Tensors, learning_rate: float) -> dict[str, tuple[Any, Any]]:
        """Return weights and gradient as the rule takes them, by tensor."""
        grads = self._clipped(grads)
        return {name: self._decayed(name, params[name], g, learning_rate) for name, g in grads.items()}

    def _slots_of(self, name: str, state: State) -> dict[str, Any]:
        return {slot: state[slot][name] for slot in self._own_slots(state) if name in state[slot]}

    def _count(self, state: State) -> int:
        return int((state["iterations"] + 1) // (self.gradient_accumulation_steps or 1))

    def _own_slots(self, state: State) -> list[str]:
        return [slot for slot in state if slot not in ("iterations", "average", "accumulated_gradient")]

    def _learning_rate_at(self, iterations: int) -> float:
        # A float32 variable holds it (base_optimizer.py, dtype=backend.floatx()), and schedules yield float32; they
        # see every call, also where gradients accumulate.
        return as_float32(self.learning_rate(iterations) if callable(self.learning_rate) else self.learning_rate)

    def _unscaled(self, grads: Tensors) -> Tensors:
        if self.loss_scale_factor is None:
            return grads
        return {name: g / constant(g, self.loss_scale_factor) for name, g in grads.items()}

    def _accumulated(self, grads: Tensors, state: State) -> Tensors:
        return {name: g + state["accumulated_gradient"][name] for name, g in grads.items()}

    def _clipped(self, grads: Tensors) -> Tensors:
        if self.clipnorm and self.clipnorm > 0:
            return {name: _clip_by_norm(g, self.clipnorm) for name, g in grads.items()}
        if self.global_clipnorm and self.global_clipnorm > 0:
            return _clip_by_global_norm(grads, self.global_clipnorm)
        if self.clipvalue and self.clipvalue > 0:
            limit = self.clipvalue
            return {n: np.maximum(np.minimum(g, constant(g, limit)), constant(g, -limit)) for n, g in grads.items()}
        return grads

    def _decayed(self, name: str, w: Any, g: Any, learning_rate: float) -> tuple[Any, Any]:
        """Return weights and gradient after the decay, which Keras takes from the weights."""
        decay = self.decay_of(name, w)
        if decay is None or any(re.search(pattern, name) for pattern in self.exclude_from_weight_decay):
            return w, g
        # backend/tensorflow/optimizer.py casts a Python float, which TensorFlow turns into float32 first.
        return w - w * constant(w, as_float32(decay)) * constant(w, learning_rate), g

    def _constrained(self, params: Tensors, grads: Tensors) -> dict[str, Any]:
        """Return the weights after their constraints; one without a gradient is passed over."""
        held = {name: constrain for name, constrain in self.constraints.items() if grads.get(name) is not None}
        return {**params, **{name: constrain(params[name]) for name, constrain in held.items()}}

    def _averaged(self, params: Tensors, state: State) -> tuple[dict[str, Any], dict[str, Any]]:
        iterations = state["iterations"] // (self.gradient_accumulation_steps or 1)
        coefficient = self.ema_momentum if iterations > 0 else 0.0
        averages = {}
        for name, w in params.items():
            # Unlike a rule's 1 - rho, this difference is formed in the parameter's dtype (ops.subtract).
            keep, new = constant(w, coefficient), constant(w, 1) - constant(w, coefficient)
            averages[name] = keep * state["average"][name] + new * w
        every = self.ema_overwrite_frequency
        overwrite = bool(every) and (iterations + 1) % every == 0
        return dict(averages if overwrite else params), averages


def mean(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return the mean of an array in its dtype; 16 bits are added in float32, as Keras' `ops.mean` does."""
    if x.dtype.itemsize > 2:
        return np.mean(x, axis=axis, keepdims=keepdims)
    return np.mean(x, axis=axis, keepdims=keepdims, dtype=np.float32).astype(x.dtype)


def norm(x: Any) -> Any:
    """Return the Euclidean norm of an array in its dtype."""
    return np.sqrt(_sum_of_squares(x))


def _sum_of_squares(g: Any) -> Any:
    # The one place that is not bitwise tf.keras: NumPy adds pairwise, Eigen in SIMD lanes (TensorReduction.h).
    if str(g.dtype) == "bfloat16":
        # NumPy's bfloat16 sum stalls at 256, where adding one no longer changes it; Eigen adds in float32.
        return np.sum(np.square(g), dtype=np.float32).astype(g.dtype)
    return np.sum(np.square(g))


def _clip_by_norm(g: Any, clip: float) -> Any:
    # As tf.clip_by_norm: also a gradient below the limit is multiplied by it and divided by it.
    limit = constant(g, clip)
    return g * limit / np.maximum(np.sqrt(_sum_of_squares(g)), limit)


def _clip_by_global_norm(grads: Tensors, clip: float) -> dict[str, Any]:
    whole = np.sqrt(reduce(np.add, [_sum_of_squares(g) for g in grads.values()]))
    with np.errstate(divide="ignore"):
        scale = constant(whole, clip) * np.minimum(constant(whole, 1.0) / whole, constant(whole, 1.0 / clip))
    # Keras adds norm - norm, so that one gradient without a finite norm makes all of them NaN.
    scale = scale + whole * constant(whole, 0.0)
    return {name: g * scale for name, g in grads.items()}


def _zeros_like(tensors: Tensors) -> dict[str, Any]:
    return {name: np.zeros_like(array) for name, array in tensors.items()}


def _present(grads: Tensors) -> dict[str, Any]:
    return {name: g for name, g in grads.items() if g is not None}


def _check_match(params: Tensors, grads: Tensors) -> None:
    if params.keys() != grads.keys():
        raise ValueError(f"Every parameter needs a gradient of its name. Received: {list(params)} and {list(grads)}")
    if params and not _present(grads):
        raise ValueError("No parameter has a gradient.")
    for name, w in ((name, w) for name, w in params.items() if grads[name] is not None):
        received = grads[name].shape, grads[name].dtype
        if (w.shape, w.dtype) != received:
            raise ValueError(f"The gradient of {name!r} must have {w.shape, w.dtype}. Received: {received}")
