"""The learning-rate schedules of `keras.optimizers.schedules`: a zero-based step comes in, a Python float goes out.

Every operation is a float32 operation in the order of keras/src/optimizers/schedules/learning_rate_schedule.py, because
Keras computes a schedule in the dtype of its initial learning rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


class Float32:
    """The arithmetic that Keras computes a schedule in: float32, each operation rounded once."""

    def number(self, value: float) -> Any:
        """Return a Python number in float32."""
        return np.float32(value)

    def power(self, base: Any, exponent: Any) -> Any:
        """Return base ** exponent, computed in float64 and rounded once.

        TensorFlow's scalar kernel calls the C library's `powf`, which rounds 0.1 % of arguments the other way.
        """
        return np.float32(np.float64(base) ** np.float64(exponent))

    def cosine(self, angle: Any) -> Any:
        """Return cos(angle) as the C library's `cosf` rounds it, which TensorFlow's scalar kernel calls."""
        # NumPy's float32 cosine is its own and differs for 17 % of angles; its complex one is the C library's.
        return np.float32(np.cos(np.complex64(angle)).real)

    def logarithm(self, x: Any) -> Any:
        """Return log(x), computed in float64 and rounded once; `logf` rounds 0.04 % of x >= 2 otherwise."""
        return np.float32(np.log(np.float64(x)))


class Schedule:
    """A formula over an arithmetic `a`, which is float32 for values and a bounded one for error bounds.

    Raises ValueError unless `initial_learning_rate` is a float and `decay_steps`, or `first_decay_steps`, above 0.
    """

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            # Keras accepts an int and computes in its dtype, int32, in which a decay rate of 0.5 is 0 and pi is 3.
            if name == "initial_learning_rate" and not isinstance(value, float):
                raise ValueError(_not_a_float(name, value))
            if name in ("decay_steps", "first_decay_steps") and value <= 0:
                raise ValueError(f"Argument `{name}` must be > 0. Received: {name}={value!r}")

    def __call__(self, step: int) -> float:
        """Return the learning rate of the zero-based `step`, as Keras computes it in float32."""
        return float(self.rate(Float32(), step))

    def rate(self, a: Any, step: int) -> Any:
        """Return the learning rate of the zero-based `step` in the arithmetic `a`."""
        raise NotImplementedError(f"{type(self).__name__} must define rate(a, step)")


def _not_a_float(name: str, value: object) -> str:
    return f"Argument `{name}` must be a float. Received: {name}={value!r}"


def _periods(a: Any, step: int, decay_steps: float, staircase: bool) -> Any:
    """Return how often `decay_steps` fit into the steps so far, rounded down if `staircase`."""
    p = a.number(step) / a.number(decay_steps)
    return np.floor(p) if staircase else p


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """``initial_learning_rate * decay_rate ** (step / decay_steps)``; source: keras.optimizers.schedules.

    The exponent is rounded down if `staircase`.
    """

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float
    staircase: bool = False

    def rate(self, a: Any, step: int) -> Any:
        """Return the learning rate of the zero-based `step` in the arithmetic `a`."""
        p = _periods(a, step, self.decay_steps, self.staircase)
        return a.number(self.initial_learning_rate) * a.power(a.number(self.decay_rate), p)


@dataclass(frozen=True)
class PiecewiseConstantDecay(Schedule):
    """``values[i]`` up to and including step ``boundaries[i]``; one value more than boundaries.

    Raises ValueError unless there is one value more than boundaries, and at least one boundary.
    """

    boundaries: Sequence[float]
    values: Sequence[float]

    def __post_init__(self) -> None:
        if not self.boundaries or len(self.boundaries) != len(self.values) - 1:
            raise ValueError(
                "The length of boundaries should be 1 less than the length of values, and not 0. "
                f"Received: boundaries={self.boundaries!r}, values={self.values!r}"
            )
        for value in self.values:
            if not isinstance(value, float):
                raise ValueError(_not_a_float("values", value))

    def rate(self, a: Any, step: int) -> Any:
        """Return the learning rate of the zero-based `step` in the arithmetic `a`."""
        # Keras casts a boundary to the step's integer dtype, which cuts off its fraction.
        passed = sum(step > int(boundary) for boundary in self.boundaries)
        return a.number(self.values[passed])


@dataclass(frozen=True)
class PolynomialDecay(Schedule):
    """From the initial to the end learning rate along a power of the step.

    (initial - end) * (1 - step / decay_steps) ** power + end, held at the end, or started anew if `cycle`. A new cycle
    is longer: its length is the smallest multiple of decay_steps that the step has not passed.
    """

    initial_learning_rate: float
    decay_steps: float
    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False

    def rate(self, a: Any, step: int) -> Any:
        """Return the learning rate of the zero-based `step` in the arithmetic `a`."""
        now, length = a.number(step), a.number(self.decay_steps)
        if self.cycle:
            length = length * (a.number(1) if step == 0 else np.ceil(now / length))
        else:
            now = np.minimum(now, length)
        end = a.number(self.end_learning_rate)
        remaining = a.power(a.number(1) - now / length, a.number(self.power))
        return (a.number(self.initial_learning_rate) - end) * remaining + end


@dataclass(frozen=True)
class InverseTimeDecay(Schedule):
    """``initial_learning_rate / (1 + decay_rate * step / decay_steps)``.

    The quotient is rounded down if `staircase`.
    """

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float
    staircase: bool = False

    def rate(self, a: Any, step: int) -> Any:
        """Return the learning rate of the zero-based `step` in the arithmetic `a`."""
        p = _periods(a, step, self.decay_steps, self.staircase)
        return a.number(self.initial_learning_rate) / (a.number(1) + a.number(self.decay_rate) * p)


@dataclass(frozen=True)
class CosineDecay(Schedule):
    """Half a cosine, with an optional linear warm-up before it.

    From initial to alpha * initial, after the warm-up to `warmup_target` if there is one. Source: Loshchilov and
    Hutter, https://arxiv.org/abs/1608.03983.
    """

    initial_learning_rate: float
    decay_steps: float
    alpha: float = 0.0
    warmup_target: float | None = None
    warmup_steps: float = 0

    def rate(self, a: Any, step: int) -> Any:
        """Return the learning rate of the zero-based `step` in the arithmetic `a`."""
        now, initial = a.number(step), a.number(self.initial_learning_rate)
        decay_steps, warmup_steps = a.number(self.decay_steps), a.number(self.warmup_steps)
        if self.warmup_target is None:
            return self._decayed(a, np.minimum(now, decay_steps), initial)
        target = a.number(self.warmup_target)
        now = np.minimum(now, decay_steps + warmup_steps)
        if step < self.warmup_steps:
            return (target - initial) * (now / warmup_steps) + initial
        return self._decayed(a, now - warmup_steps, target)

    def _decayed(self, a: Any, now: Any, start: Any) -> Any:
        half_cosine = a.number(0.5) * (a.number(1) + a.cosine(a.number(np.pi) * (now / a.number(self.decay_steps))))
        return start * (a.number(1 - self.alpha) * half_cosine + a.number(self.alpha))


@dataclass(frozen=True)
class CosineDecayRestarts(Schedule):
    """Cosine periods that start again, each ``t_mul`` as long and ``m_mul`` as high as the one before.

    Source: Loshchilov and Hutter, https://arxiv.org/abs/1608.03983.
    """

    initial_learning_rate: float
    first_decay_steps: float
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0

    def rate(self, a: Any, step: int) -> Any:
        """Return the learning rate of the zero-based `step` in the arithmetic `a`."""
        restarts, fraction = self._period(a, a.number(step) / a.number(self.first_decay_steps))
        height = a.number(0.5) * a.power(a.number(self.m_mul), restarts)
        alpha = a.number(self.alpha)
        decayed = (a.number(1) - alpha) * (height * (a.number(1) + a.cosine(a.number(np.pi) * fraction))) + alpha
        return a.number(self.initial_learning_rate) * decayed

    def _period(self, a: Any, fraction: Any) -> tuple[Any, Any]:
        t_mul = a.number(self.t_mul)
        if self.t_mul == 1:
            return np.floor(fraction), fraction - np.floor(fraction)
        restarts = np.floor(a.logarithm(a.number(1) - fraction * (a.number(1) - t_mul)) / a.logarithm(t_mul))
        started = (a.number(1) - a.power(t_mul, restarts)) / (a.number(1) - t_mul)
        return restarts, (fraction - started) / a.power(t_mul, restarts)


@dataclass(frozen=True)
class LearningRateSchedule(Schedule):
    """A table: one learning rate for each step, the last one holds on; Keras' base class, subclassed by the adapter.

    Raises ValueError if the table is empty.
    """

    values: Sequence[float]

    def __post_init__(self) -> None:
        if not len(self.values):
            raise ValueError(f"Argument `values` needs a learning rate. Received: values={self.values!r}")

    def rate(self, a: Any, step: int) -> Any:
        """Return the learning rate of the zero-based `step` in the arithmetic `a`."""
        return a.number(self.values[min(step, len(self.values) - 1)])
