"""RMSprop as tf.keras (Keras 3) computes it: one page, every argument, no switches.

The rule (Tieleman and Hinton, lecture 6.5, 2012; as in keras/src/optimizers/rmsprop.py)::

    v = rho * v + (1 - rho) * g**2                second moment
    m = rho * m + (1 - rho) * g                   first moment, if centered
    u = L * g / sqrt(v - m**2 + epsilon)          increment; epsilon stands inside the root
    b = momentum * b + u                          momentum buffer, if momentum > 0
    w = w - b                                     or w - u

Around it, in the order of keras/src/optimizers/base_optimizer.py: unscale, accumulate, clip, decay, update, average,
count. Every operation runs in the dtype of the parameter, so the page serves any array that knows its dtype.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar, NamedTuple

import numpy as np

Tensors = Mapping[str, Any]
State = Mapping[str, Any]


class Update(NamedTuple):
    """The stages of one tensor's update in the order of computation; all have the parameter's shape and dtype.

    `gradient` is what is left after unscaling, accumulation and clipping, `denominator` is the root, and `parameter`
    the new weights. `first_moment` is None unless centered, `momentum_buffer` None unless momentum > 0.
    """

    gradient: Any
    second_moment: Any
    first_moment: Any
    denominator: Any
    increment: Any
    momentum_buffer: Any
    parameter: Any


def constant(like: Any, value: float) -> Any:
    """Return the Python number `value` in the dtype of the array `like`."""
    # TensorFlow makes a 16-bit constant by way of float32, which rounds twice (Eigen, arch/Default/Half.h).
    return like.dtype.type(as_float32(value) if like.dtype.itemsize == 2 else value)


def as_float32(value: Any) -> float:
    """Round `value` to float32, as `tf.cast(<Python float>, dtype)` does whatever the dtype of the parameter."""
    return float(np.float32(value))


@dataclass(eq=False)
class RMSprop:
    """RMSprop with the arguments and defaults of `keras.optimizers.RMSprop`.

    Parameters, gradients and slots are mappings from tensor name to array, float16, bfloat16, float32, float64 or
    wider. `learning_rate` is a float, or a callable of the zero-based step. `exclude_from_weight_decay` holds regular
    expressions searched in the tensor names, as `var_names` of the Keras method of that name; Keras searches the name
    that TensorFlow gave, which ends in ":0", so that a pattern ending in "$" never matches there.

    Raises ValueError for the arguments that Keras refuses.
    """

    learning_rate: float | Callable[[int], float] = 0.001
    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7
    centered: bool = False
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

    never_negative: ClassVar[frozenset[str]] = frozenset({"second_moment"})
    """Slots that no evaluation makes negative, however it rounds: a mean of squares that starts at zero or above."""

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

    def init(self, params: Tensors) -> dict[str, Any]:
        """Return the state before the first step: no iterations, every slot zero."""
        used = {
            "second_moment": True,
            "first_moment": self.centered,
            "momentum_buffer": self.momentum > 0,
            "average": self.use_ema,
            "accumulated_gradient": bool(self.gradient_accumulation_steps),
        }
        slots = {slot: _zeros_like(params) for slot, is_used in used.items() if is_used}
        return {"iterations": 0, **slots}

    def slots(self, state: State) -> dict[str, Tensors]:
        """Return the state without its step count: {slot: {tensor: array}}."""
        return {slot: tensors for slot, tensors in state.items() if slot != "iterations"}

    def step(self, params: Tensors, grads: Tensors, state: State) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the parameters and the state after one step; the arguments stay as they are.

        Raises ValueError unless `grads` has the names, shapes and dtypes of `params`.
        """
        updates = self.stages(params, grads, state)
        new_params, new_state = dict(params), dict(state)
        if updates is None:
            new_state["accumulated_gradient"] = self._accumulated(self._unscaled(grads), state)
        else:
            new_params = {name: update.parameter for name, update in updates.items()}
            for slot in ("second_moment", "first_moment", "momentum_buffer"):
                if slot in state:
                    new_state[slot] = {name: getattr(update, slot) for name, update in updates.items()}
            if self.gradient_accumulation_steps:
                new_state["accumulated_gradient"] = _zeros_like(params)
        if self.use_ema:
            # Keras averages, and overwrites, after a step that only accumulated a gradient too.
            new_params, new_state["average"] = self._averaged(new_params, state)
        new_state["iterations"] = state["iterations"] + 1
        return new_params, new_state

    def stages(self, params: Tensors, grads: Tensors, state: State) -> dict[str, Update] | None:
        """Return the inside of one step as {tensor: Update}, or None if the step only accumulates the gradient."""
        _check_match(params, grads)
        grads = self._unscaled({name: grads[name] for name in params})
        every = self.gradient_accumulation_steps
        if every:
            if (state["iterations"] + 1) % every != 0:
                return None
            grads = {name: total / constant(total, every) for name, total in self._accumulated(grads, state).items()}
        grads = self._clipped(grads)
        learning_rate = self._learning_rate_at(state["iterations"])
        params = {name: self._decayed(name, w, learning_rate) for name, w in params.items()}
        return {
            name: self.update(
                params[name],
                grads[name],
                state["second_moment"][name],
                state["first_moment"][name] if self.centered else None,
                state["momentum_buffer"][name] if self.momentum > 0 else None,
                learning_rate,
            )
            for name in params
        }

    def update(self, w: Any, g: Any, v: Any, m: Any, b: Any, learning_rate: float) -> Update:
        """Apply the rule to one tensor: weights, gradient, second moment, first moment or None, buffer or None."""
        rho, one_minus_rho = constant(w, self.rho), constant(w, 1 - self.rho)
        v = rho * v + one_minus_rho * np.square(g)
        if self.centered:
            m = rho * m + one_minus_rho * g
            denominator = np.sqrt(v - np.square(m) + constant(w, self.epsilon))
        else:
            denominator = np.sqrt(v + constant(w, self.epsilon))
        increment = constant(w, learning_rate) * g / denominator
        if self.momentum > 0:
            b = constant(w, self.momentum) * b + increment
            return Update(g, v, m, denominator, increment, b, w - b)
        return Update(g, v, m, denominator, increment, b, w - increment)

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

    def _decayed(self, name: str, w: Any, learning_rate: float) -> Any:
        if self.weight_decay is None or any(re.search(pattern, name) for pattern in self.exclude_from_weight_decay):
            return w
        # backend/tensorflow/optimizer.py casts a Python float, which TensorFlow turns into float32 first.
        return w - w * constant(w, as_float32(self.weight_decay)) * constant(w, learning_rate)

    def _averaged(self, params: Tensors, state: State) -> tuple[dict[str, Any], dict[str, Any]]:
        iterations = state["iterations"] // (self.gradient_accumulation_steps or 1)
        coefficient = self.ema_momentum if iterations > 0 else 0.0
        averages = {}
        for name, w in params.items():
            # Unlike 1 - rho, this difference is formed in the parameter's dtype (base_optimizer.py, ops.subtract).
            keep, new = constant(w, coefficient), constant(w, 1) - constant(w, coefficient)
            averages[name] = keep * state["average"][name] + new * w
        every = self.ema_overwrite_frequency
        overwrite = bool(every) and (iterations + 1) % every == 0
        return dict(averages if overwrite else params), averages


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
    norm = np.sqrt(reduce(np.add, [_sum_of_squares(g) for g in grads.values()]))
    with np.errstate(divide="ignore"):
        scale = constant(norm, clip) * np.minimum(constant(norm, 1.0) / norm, constant(norm, 1.0 / clip))
    # Keras adds norm - norm, so that one gradient without a finite norm makes all of them NaN.
    scale = scale + norm * constant(norm, 0.0)
    return {name: g * scale for name, g in grads.items()}


def _zeros_like(tensors: Tensors) -> dict[str, Any]:
    return {name: np.zeros_like(array) for name, array in tensors.items()}


def _check_match(params: Tensors, grads: Tensors) -> None:
    if params.keys() != grads.keys():
        raise ValueError(f"Every parameter needs a gradient of its name. Received: {list(params)} and {list(grads)}")
    for name, w in params.items():
        received = grads[name].shape, grads[name].dtype
        if (w.shape, w.dtype) != received:
            raise ValueError(f"The gradient of {name!r} must have {w.shape, w.dtype}. Received: {received}")
