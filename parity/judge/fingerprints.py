"""What differences inside the bound betray: a contraction, subnormals flushed to zero, another order of summation."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.bounds.numerics import Array, Format
from parity.case.spec import Hyperparameters
from parity.judge.differences import Differences

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

    def take(
        self, found: Differences, old: Array | None, gradient: Array | None, given: Hyperparameters, fmt: Format
    ) -> None:
        """Test the differing elements of one slot against each cause.

        ``old`` are the second moments before the step and ``gradient`` what goes into them, for that slot alone.
        """
        self.differing += len(found.row)
        if fmt.name == "float32":
            small = (found.expected != 0) & (np.abs(found.expected) < fmt.underflow)
            self.flushed += int(np.sum(small & (found.obtained == 0)))
        if old is None or gradient is None:
            return
        self.moments += len(found.row)
        if fmt.dtype.itemsize <= 4:
            self.contracted += int(np.sum(_contracted(old, gradient, given, fmt) == found.obtained))

    def notes(self, sums: bool) -> list[str]:
        """Return a sentence for each cause; ``sums`` tells that the rule reduces over a tensor."""
        sentences = []
        contraction = self.moments > 0 and self.contracted == self.moments
        if sums and self.moments and not contraction:
            sentences.append(SUMMATION)
        if contraction:
            sentences.append(
                f"Cause, second_moment: a contraction. rho*v + (1-rho)*g*g with one rounding instead of two (FMA) "
                f"yields all {self.moments} differing values to the bit."
            )
        if self.flushed:
            sentences.append(
                f"Cause: subnormal numbers are flushed to zero; {self.flushed} of {self.differing} differing values "
                f"are 0 where the reference has a subnormal."
            )
        return sentences


def _contracted(old: Array, gradient: Array, given: Hyperparameters, fmt: Format) -> Any:
    """Return rho*v + (1-rho)*g*g as a fused multiply-add rounds it: the product rho*v is not rounded by itself."""
    kind = fmt.dtype.type
    added = (kind(1 - given.rho) * (gradient * gradient)).astype(fmt.wide)
    kept = np.asarray(kind(given.rho)).astype(fmt.wide) * old.astype(fmt.wide)
    return (kept + added).astype(fmt.dtype).astype(fmt.wide)
