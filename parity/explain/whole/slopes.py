"""A loss along a line comes in, its derivative by central differences in float64 and how well it is known come out."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np

_FINE: Final = (1e-5, 1e-6)
_EPSILON: Final = float(np.finfo(np.float64).eps)
_BETWEEN: Final = 3e-6
"""The step that tells a kink, which the larger of the two meets, from noise, which all three have."""
_COARSE: Final = (1e-4, 1e-3, 1e-2)
"""Steps for a loss that is rounded to less than float64: its noise is divided by them."""
_ROUNDED: Final = 1e3
"""Units of float64's roundoff that a loss of many sums may have; a float32 somewhere on its way has a million times."""
_BLURRED: Final = 0.1
"""What part of a derivative may be unknown: a check that knows less tells nothing."""


class Slope(NamedTuple):
    """A derivative in one direction: by the program's gradient, by its own loss, and how well the latter is known.

    ``hidden`` is what part of it the rounding of the model's own gradient may hide; ``noise`` what the loss is rounded
    by where that is more than float64 does, else zero.
    """

    claimed: float
    measured: float
    unsure: float
    hidden: float = 0.0
    noise: float = 0.0

    @property
    def right(self) -> bool:
        """Whether they agree."""
        slack = self.unsure + self.hidden * max(abs(self.claimed), abs(self.measured))
        return abs(self.claimed - self.measured) <= slack

    @property
    def blurred(self) -> bool:
        """Whether noise leaves too little of it to tell anything."""
        return bool(self.noise) and self.unsure > _BLURRED * max(abs(self.claimed), abs(self.measured))

    @property
    def ratio(self) -> float | None:
        """What the gradient is a multiple of the derivative by, where that is known to a hundredth."""
        known = abs(self.measured) > 100 * self.unsure
        return self.claimed / self.measured if known and self.measured else None


class _Sample(NamedTuple):
    """Central differences over one step and over half of it.

    Attributes:
        step: how long the half is.
        slope: the derivative by the half.
        bent: how far the derivative by the whole is from it.
        even: what is left of the second differences of both where the loss is smooth: noise, or a kink.
        size: the largest loss.
        flat: whether the loss is the same to the last bit at all five places.
        narrow: whether all of them are numbers of float32.
    """

    step: float
    slope: float
    bent: float
    even: float
    size: float
    flat: bool
    narrow: bool


def slope(loss: Callable[[float], float], claimed: float, hidden: float = 0.0) -> Slope | None:
    """Return the derivative of a loss along a line by central differences; None where the loss is not finite there.

    A program may compute in float32, or round to it on its way: then its loss has noise that float64's steps are far
    too small for. The noise is measured, the steps are chosen by it, and how well the derivative is known says it.

    Args:
        loss: the loss at a place on the line; the derivative is that at zero.
        claimed: what the derivative is said to be.
        hidden: see ``Slope``.
    """
    middle = loss(0.0)
    samples = list(_samples(loss, middle, _FINE))
    if _noise(samples):
        samples += _samples(loss, middle, (_BETWEEN,))
    if (noise := _noise(samples)) or _lost(samples, claimed):
        samples += _samples(loss, middle, _COARSE)
        noise = noise or _noise(samples)
    best: Slope | None = None
    for sample in samples:
        if noise and sample.flat:
            continue  # its steps are lost in what the loss is rounded to
        rounding = (8 * _EPSILON * sample.size + 2 * noise) / sample.step
        unsure = 4 * sample.bent + rounding + 1e-10 * abs(claimed)
        if best is None or unsure < best.unsure:
            best = Slope(claimed, sample.slope, float(unsure), hidden, noise)
    return best


def _samples(loss: Callable[[float], float], middle: float, steps: tuple[float, ...]) -> Iterator[_Sample]:
    for step in steps:
        far, near = ([loss(sign * length) for sign in (1, -1)] for length in (step, step / 2))
        values = np.array([*far, *near, middle], dtype=np.float64)
        if not np.isfinite(values).all():
            return
        one, two = (far[0] - far[1]) / (2 * step), (near[0] - near[1]) / step
        # Second differences are h²f″ and a fourth of it, up to h⁴.
        even = abs(far[0] + far[1] - 2 * middle - 4 * (near[0] + near[1] - 2 * middle))
        size, flat = float(np.max(np.abs(values))), bool((values == middle).all())
        narrow = bool((values.astype(np.float32) == values).all())
        yield _Sample(step / 2, two, abs(one - two), even, size, flat, narrow)


def _noise(samples: list[_Sample]) -> float:
    """Return what a loss is rounded by, zero where that is no more than float64 rounds a sum of many by."""
    moving = [sample for sample in samples if not sample.flat]
    if not moving:
        return 0.0
    size = max(sample.size for sample in moving)
    if all(sample.narrow for sample in moving):
        return float(np.finfo(np.float32).eps) * size
    # What is rounded by e has up to 16 e in an even difference, and 8 e as a rule.
    noise = float(np.median([sample.even for sample in moving])) / 4
    return noise if noise > _ROUNDED * _EPSILON * size else 0.0


def _lost(samples: list[_Sample], claimed: float) -> bool:
    """Whether a loss stays the same where the claimed derivative would move it by more than float64 rounds."""
    return bool(samples) and all(
        sample.flat and abs(claimed) * sample.step > _ROUNDED * _EPSILON * sample.size for sample in samples
    )
