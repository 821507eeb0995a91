"""The learning-rate schedules of `keras.optimizers.schedules`: a zero-based step comes in, a Python float goes out.

Every operation is a float32 operation in the order of keras/src/optimizers/schedules/learning_rate_schedule.py, because
Keras computes a schedule in the dtype of its initial learning rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ONE = np.float32(1)


def power(base: np.float32, exponent: np.float32) -> np.float32:
    """Return base ** exponent, computed in float64 and rounded once.

    TensorFlow's scalar kernel calls the C library's `powf`, which rounds 0.1 % of arguments the other way, by one ULP.
    """
    return np.float32(np.float64(base) ** np.float64(exponent))


def cosine(angle: np.float32) -> np.float32:
    """Return cos(angle) as the C library's `cosf` rounds it, which TensorFlow's scalar kernel calls."""
    # NumPy's float32 cosine is its own and differs for 17 % of angles; its complex one is the C library's.
    return np.float32(np.cos(np.complex64(angle)).real)


def logarithm(x: np.float32) -> np.float32:
    """Return log(x), computed in float64 and rounded once; the C library's `logf` rounds 0.04 % of x >= 2 otherwise."""
    return np.float32(np.log(np.float64(x)))


def _require_float(name: str, value: object) -> None:
    # Keras accepts an int and computes in its dtype, int32, in which a decay rate of 0.5 is 0 and pi is 3.
    if not isinstance(value, float):
        raise ValueError(f"Argument `{name}` must be a float. Received: {name}={value!r}")


def _require_positive(name: str, value: float) -> None:
    if value <= 0:
        raise ValueError(f"Argument `{name}` must be > 0. Received: {name}={value!r}")


@dataclass(frozen=True)
class LearningRateSchedule:
    """A table with one learning rate a step, as a subclass of the Keras base class would return; the last one stays.

    Raises ValueError if the table is empty.
    """

    values: Sequence[float]

    def __post_init__(self) -> None:
        if not len(self.values):
            raise ValueError(f"Argument `values` needs a learning rate. Received: values={self.values!r}")

    def __call__(self, step: int) -> float:
        """Return the learning rate of the zero-based `step`."""
        return float(np.float32(self.values[min(step, len(self.values) - 1)]))


@dataclass(frozen=True)
class ExponentialDecay:
    """initial * decay_rate ** (step / decay_steps), the exponent rounded down if `staircase`.

    Raises ValueError unless decay_steps > 0.
    """

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float
    staircase: bool = False

    def __post_init__(self) -> None:
        _require_float("initial_learning_rate", self.initial_learning_rate)
        _require_positive("decay_steps", self.decay_steps)

    def __call__(self, step: int) -> float:
        """Return the learning rate of the zero-based `step`."""
        p = np.float32(step) / np.float32(self.decay_steps)
        p = np.floor(p) if self.staircase else p
        return float(np.float32(self.initial_learning_rate) * power(np.float32(self.decay_rate), p))


@dataclass(frozen=True)
class PiecewiseConstantDecay:
    """values[0] up to and including step boundaries[0], then values[1] up to boundaries[1], and so on.

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
            _require_float("values", value)

    def __call__(self, step: int) -> float:
        """Return the learning rate of the zero-based `step`."""
        # Keras casts a boundary to the step's integer dtype, which cuts off its fraction.
        passed = sum(step > int(boundary) for boundary in self.boundaries)
        return float(np.float32(self.values[passed]))


@dataclass(frozen=True)
class PolynomialDecay:
    """(initial - end) * (1 - step / decay_steps) ** power + end, held at the end, or started anew if `cycle`.

    A new cycle is longer: its length is the smallest multiple of decay_steps that the step has not passed.
    Raises ValueError unless decay_steps > 0.
    """

    initial_learning_rate: float
    decay_steps: float
    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False

    def __post_init__(self) -> None:
        _require_float("initial_learning_rate", self.initial_learning_rate)
        _require_positive("decay_steps", self.decay_steps)

    def __call__(self, step: int) -> float:
        """Return the learning rate of the zero-based `step`."""
        now, length = np.float32(step), np.float32(self.decay_steps)
        if self.cycle:
            length = length * (ONE if step == 0 else np.ceil(now / length))
        else:
            now = np.minimum(now, length)
        end = np.float32(self.end_learning_rate)
        remaining = power(ONE - now / length, np.float32(self.power))
        return float((np.float32(self.initial_learning_rate) - end) * remaining + end)


@dataclass(frozen=True)
class InverseTimeDecay:
    """initial / (1 + decay_rate * step / decay_steps), the quotient rounded down if `staircase`.

    Raises ValueError unless decay_steps > 0.
    """

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float
    staircase: bool = False

    def __post_init__(self) -> None:
        _require_float("initial_learning_rate", self.initial_learning_rate)
        _require_positive("decay_steps", self.decay_steps)

    def __call__(self, step: int) -> float:
        """Return the learning rate of the zero-based `step`."""
        p = np.float32(step) / np.float32(self.decay_steps)
        p = np.floor(p) if self.staircase else p
        return float(np.float32(self.initial_learning_rate) / (ONE + np.float32(self.decay_rate) * p))


@dataclass(frozen=True)
class CosineDecay:
    """Half a cosine from initial to alpha * initial, after a linear warm-up to `warmup_target` if there is one.

    Source: Loshchilov and Hutter, https://arxiv.org/abs/1608.03983. Raises ValueError unless decay_steps > 0.
    """

    initial_learning_rate: float
    decay_steps: float
    alpha: float = 0.0
    warmup_target: float | None = None
    warmup_steps: float = 0

    def __post_init__(self) -> None:
        _require_float("initial_learning_rate", self.initial_learning_rate)
        _require_positive("decay_steps", self.decay_steps)

    def __call__(self, step: int) -> float:
        """Return the learning rate of the zero-based `step`."""
        now, initial = np.float32(step), np.float32(self.initial_learning_rate)
        decay_steps, warmup_steps = np.float32(self.decay_steps), np.float32(self.warmup_steps)
        if self.warmup_target is None:
            return self._decayed(np.minimum(now, decay_steps), initial)
        target = np.float32(self.warmup_target)
        now = np.minimum(now, decay_steps + warmup_steps)
        if now < warmup_steps:
            return float((target - initial) * (now / warmup_steps) + initial)
        return self._decayed(now - warmup_steps, target)

    def _decayed(self, now: np.float32, start: np.float32) -> float:
        half_cosine = np.float32(0.5) * (ONE + cosine(np.float32(np.pi) * (now / np.float32(self.decay_steps))))
        return float(start * (np.float32(1 - self.alpha) * half_cosine + np.float32(self.alpha)))


@dataclass(frozen=True)
class CosineDecayRestarts:
    """Half a cosine that starts anew, each period `t_mul` times as long and `m_mul` times as high as the last.

    Source: Loshchilov and Hutter, https://arxiv.org/abs/1608.03983. Raises ValueError unless first_decay_steps > 0.
    """

    initial_learning_rate: float
    first_decay_steps: float
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0

    def __post_init__(self) -> None:
        _require_float("initial_learning_rate", self.initial_learning_rate)
        _require_positive("first_decay_steps", self.first_decay_steps)

    def __call__(self, step: int) -> float:
        """Return the learning rate of the zero-based `step`."""
        restarts, fraction = self._period(np.float32(step) / np.float32(self.first_decay_steps))
        height = np.float32(0.5) * power(np.float32(self.m_mul), restarts)
        alpha = np.float32(self.alpha)
        decayed = (ONE - alpha) * (height * (ONE + cosine(np.float32(np.pi) * fraction))) + alpha
        return float(np.float32(self.initial_learning_rate) * decayed)

    def _period(self, fraction: np.float32) -> tuple[np.float32, np.float32]:
        t_mul = np.float32(self.t_mul)
        if t_mul == 1:
            return np.floor(fraction), fraction - np.floor(fraction)
        restarts = np.floor(logarithm(ONE - fraction * (ONE - t_mul)) / logarithm(t_mul))
        started = (ONE - power(t_mul, restarts)) / (ONE - t_mul)
        return restarts, (fraction - started) / power(t_mul, restarts)
