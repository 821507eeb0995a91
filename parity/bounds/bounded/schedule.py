"""The arithmetic of a learning-rate schedule, which float32 computes, on bounded numbers."""

import numpy as np

from parity.bounds.bounded.arithmetic import power
from parity.bounds.bounded.array import Bounded, BoundedDtype, rounded
from parity.bounds.numerics import format_of
from parity.circumstances.promises import ROUNDINGS


class BoundedFloat32:
    """The arithmetic of a learning-rate schedule with bounds; see ``reference.schedules.Schedule``."""

    _format = format_of(np.float32)

    def number(self, value: float) -> Bounded:
        """Return a number that may be rounded to float32."""
        return BoundedDtype(self._format).type(value)

    def power(self, base: Bounded, exponent: Bounded) -> Bounded:
        """Bound base ** exponent."""
        with np.errstate(all="ignore"):
            return power(base, exponent)

    def cosine(self, angle: Bounded) -> Bounded:
        """Bound cos by its slope, at most one."""
        return rounded(np.cos(angle.value), angle.error, self._format, ROUNDINGS["cos"])

    def logarithm(self, x: Bounded) -> Bounded:
        """Bound log by its slope at the low end."""
        low = x.value - x.error
        error = x.error / low if low > 0 else np.asarray(np.inf)
        return rounded(np.log(x.value), error, self._format, ROUNDINGS["log"])
