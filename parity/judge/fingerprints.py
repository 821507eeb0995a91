"""What differences inside the bound betray: a contraction, subnormals flushed to zero, another order of summation."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.bounds.numerics import Array, Format
from parity.judge.diff import Gaps

SUMMATION = (
    "Possible cause (not tested): the rule sums squares over a tensor to clip by norm, and every library adds in an "
    "order of its own. In the order of tf.keras every bit is equal "
    "(tests/reference/test_rmsprop_beside_keras.py rebuilds it)."
)


@dataclass(slots=True)
class Fingerprints:
    """Counts how many differing elements a named cause explains to the bit."""

    moments: int = 0
    contracted: int = 0
    differing: int = 0
    flushed: int = 0

    def take(self, slot: str, found: Gaps, old: Array | None, gradient: Array | None, keep: float, fmt: Format) -> None:
        """Test the differing elements of one slot against each cause.

        ``old`` are the means of squares before the step, ``gradient`` what goes into them and ``keep`` how much of the
        old ones stays, for that slot alone.
        """
        self.differing += len(found.row)
        if fmt.name == "float32":
            small = (found.expected != 0) & (np.abs(found.expected) < fmt.underflow)
            self.flushed += int(np.sum(small & (found.obtained == 0)))
        if old is None or gradient is None:
            return
        self.moments += len(found.row)
        if fmt.dtype.itemsize <= 4:
            self.contracted += int(np.sum(_contracted(old, gradient, keep, fmt) == found.obtained))

    def notes(self, sums: bool) -> list[str]:
        """Return a sentence for each cause that was found; ``sums`` tells that the rule reduces over a tensor."""
        found = []
        contraction = self.moments > 0 and self.contracted == self.moments
        if sums and self.moments and not contraction:
            found.append(SUMMATION)
        if contraction:
            found.append(
                f"Cause, second_moment: a contraction. rho*v + (1-rho)*g*g with one rounding instead of two (FMA) "
                f"yields all {self.moments} differing values to the bit."
            )
        if self.flushed:
            found.append(
                f"Cause: subnormal numbers are flushed to zero; {self.flushed} of {self.differing} differing values "
                f"are 0 where the reference has a subnormal."
            )
        return found


def _contracted(old: Array, gradient: Array, keep: float, fmt: Format) -> Any:
    """Return rho*v + (1-rho)*g*g as a fused multiply-add rounds it: the product rho*v is not rounded by itself."""
    kind = fmt.dtype.type
    added = (kind(1 - keep) * (gradient * gradient)).astype(fmt.wide)
    kept = np.asarray(kind(keep)).astype(fmt.wide) * old.astype(fmt.wide)
    return (kept + added).astype(fmt.dtype).astype(fmt.wide)
