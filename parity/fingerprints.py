"""What differences inside the bound betray: a contraction, subnormals flushed to zero, another order of summation."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.diff import Difference
from parity.numerics import Array, Format
from parity.reference.rmsprop import Update
from parity.spec import Hyperparameters

SUMMATION = (
    "Possible cause (not tested): the rule sums squares over a tensor to clip by norm, and every library adds in an "
    "order of its own. In the order of tf.keras every bit is equal (tests/reference/test_rmsprop.py rebuilds it)."
)


@dataclass(slots=True)
class Fingerprints:
    """Counts how many differing elements a named cause explains to the bit."""

    moments: int = 0
    contracted: int = 0
    differing: int = 0
    flushed: int = 0

    def take(
        self, slot: str, gap: Difference, old: Array, update: Update, at: Any, given: Hyperparameters, fmt: Format
    ) -> None:
        """Test the differing elements of one slot, tensor and step against each cause.

        ``old`` are their values before the step; ``at`` is where they stand in the stages of ``update``.
        """
        self.differing += len(gap.index)
        if fmt.name == "float32":
            small = (gap.expected != 0) & (np.abs(gap.expected) < fmt.underflow)
            self.flushed += int(np.sum(small & (gap.obtained == 0)))
        if slot == "second_moment":
            self.moments += len(gap.index)
        if slot == "second_moment" and fmt.dtype.itemsize <= 4:
            gradient = np.asarray(update.gradient).reshape(-1)[at]
            self.contracted += int(np.sum(_contracted(old, gradient, given, fmt) == gap.obtained))

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


def _contracted(old: Array, gradient: Array, given: Hyperparameters, fmt: Format) -> Any:
    """Return rho*v + (1-rho)*g*g as a fused multiply-add rounds it: the product rho*v is not rounded by itself."""
    kind = fmt.dtype.type
    added = (kind(1 - given.rho) * (gradient * gradient)).astype(fmt.wide)
    kept = np.asarray(kind(given.rho)).astype(fmt.wide) * old.astype(fmt.wide)
    return (kept + added).astype(fmt.dtype).astype(fmt.wide)
