"""A loss along a line comes in, its derivative by central differences in float64 and how well it is known come out."""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

_STEPS: Final = (1e-5, 5e-6, 1e-6, 5e-7)
"""Lengths of steps, in pairs: the difference of a pair says how well the derivative is known."""


class Slope(NamedTuple):
    """A derivative in one direction: by the program's gradient, by its own loss, and how well the latter is known.

    ``hidden`` is what part of it the rounding of the model's own gradient may hide.
    """

    claimed: float
    measured: float
    unsure: float
    hidden: float = 0.0

    @property
    def right(self) -> bool:
        """Whether they agree."""
        slack = self.unsure + self.hidden * max(abs(self.claimed), abs(self.measured))
        return abs(self.claimed - self.measured) <= slack

    @property
    def ratio(self) -> float | None:
        """What the gradient is a multiple of the derivative by, where that is known to a hundredth."""
        known = abs(self.measured) > 100 * self.unsure
        return self.claimed / self.measured if known and self.measured else None


def slope(loss: Callable[[float], float], claimed: float, hidden: float = 0.0) -> Slope | None:
    """Return the derivative of a loss along a line by central differences; None where the loss is not finite there.

    Args:
        loss: the loss at a place on the line; the derivative is that at zero.
        claimed: what the derivative is said to be.
        hidden: see ``Slope``.
    """
    best: Slope | None = None
    for first, second in zip(_STEPS[::2], _STEPS[1::2], strict=True):
        slopes = []
        for step in (first, second):
            ends = [loss(sign * step) for sign in (1, -1)]
            if not np.isfinite(ends).all():
                return best
            rounding = 8 * np.finfo(np.float64).eps * max(map(abs, ends)) / step
            slopes.append(((ends[0] - ends[1]) / (2 * step), rounding))
        (one, _), (two, rounding) = slopes
        unsure = 4 * abs(one - two) + rounding + 1e-10 * abs(claimed)
        if best is None or unsure < best.unsure:
            best = Slope(claimed, two, float(unsure), hidden)
    return best
