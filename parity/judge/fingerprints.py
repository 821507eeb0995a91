"""What differences inside the bound betray: a contraction, subnormals flushed to zero, another order of summation."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.bounds.numerics import Array, Format
from parity.judge.gaps import Gaps
from parity.verdicts.results import Explained

SUMMATION = (
    "Possible cause (not tested): the rule sums squares over a tensor to clip by norm, and every library adds in an "
    "order of its own. In the order of tf.keras every bit is equal "
    "(tests/reference/test_rmsprop_beside_keras.py rebuilds it)."
)
CONTRACTION = "a contraction rounds rho*v + (1-rho)*g*g once instead of twice (FMA)"
FLUSH = "subnormal numbers are flushed to zero"


@dataclass(slots=True)
class Fingerprints:
    """Counts how many differing elements a named cause explains to the bit."""

    moments: int = 0
    contractions: int = 0
    differing: int = 0
    flushes: int = 0

    def take(self, gaps: Gaps, old: Array | None, gradient: Array | None, keep: float, fmt: Format) -> None:
        """Test the differing elements of one slot against each cause.

        ``old`` are the means of squares before the step, ``gradient`` what goes into them and ``keep`` how much of the
        old ones stays, for that slot alone.
        """
        self.differing += len(gaps.row)
        if fmt.name == "float32":
            small = (gaps.expected != 0) & (np.abs(gaps.expected) < fmt.underflow)
            self.flushes += int(np.sum(small & (gaps.obtained == 0)))
        if old is None or gradient is None:
            return
        self.moments += len(gaps.row)
        self.contractions += contracted(gaps.obtained, old, gradient, keep, fmt)

    @property
    def contracts(self) -> bool:
        """Whether a contraction explains all that was tested until now."""
        return self.contractions == self.moments

    def count(self, differing: int, flushes: int) -> None:
        """Add differing elements, so many of which are zero where the reference is subnormal."""
        self.differing += differing
        self.flushes += flushes

    def explained(self) -> list[Explained]:
        """Return what was shown, value by value: a contraction where it yields every bit, and what was flushed."""
        shown = [(CONTRACTION, self.moments if self.contracts else 0), (FLUSH, self.flushes)]
        return [Explained(cause, values) for cause, values in shown if values]

    def notes(self, sums: bool) -> list[str]:
        """Return a sentence for each cause; ``sums`` tells that the rule reduces over a tensor."""
        sentences = {
            CONTRACTION: f"Cause, second_moment: {CONTRACTION}, which yields all {self.moments} values of it that "
            f"differ in single steps, to the bit.",
            FLUSH: f"Cause: {FLUSH}: {self.flushes} of the {self.differing} values that differ in single steps are 0 "
            f"where the reference has a subnormal.",
        }
        causes = [each.cause for each in self.explained()]
        unproved = [SUMMATION] if sums and self.moments and CONTRACTION not in causes else []
        return [*unproved, *(sentences[cause] for cause in causes)]


def _contraction(old: Array, gradient: Array, keep: float, fmt: Format) -> Any:
    """Return rho*v + (1-rho)*g*g as a fused multiply-add rounds it: the product rho*v is not rounded by itself."""
    kind = fmt.dtype.type
    square = (kind(1 - keep) * (gradient * gradient)).astype(fmt.wide)
    moment = np.asarray(kind(keep)).astype(fmt.wide) * old.astype(fmt.wide)
    return (moment + square).astype(fmt.dtype).astype(fmt.wide)


def contracted(obtained: Array, old: Array, gradient: Array, keep: float, fmt: Format) -> int:
    """Return how many differing elements of a mean of squares a contraction explains to the bit."""
    if fmt.dtype.itemsize > 4:
        return 0
    return int(np.sum(_contraction(old, gradient, keep, fmt) == obtained.astype(fmt.wide)))
