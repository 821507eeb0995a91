"""What differs in one slot over some steps: columns of values, distances and bounds, and where they are outside."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parity.bounds.numerics import Array, Indices, format_of, ratios, ulp_distance


@dataclass(frozen=True, slots=True)
class Gaps:
    """Every element of one slot that differs over some steps, in the order of steps and positions.

    ``row`` counts steps within the block, ``position`` elements within the flat row. Values and ``bound`` are in the
    wide dtype; ``exact`` are the exact values, where they are known.
    """

    slot: str
    row: Indices
    position: Indices
    obtained: Array
    expected: Array
    ulp: NDArray[np.float64]
    bound: Array
    exact: Array | None = None

    @property
    def signed(self) -> Array:
        """Obtained minus expected; NaN where either is, infinite where one overflowed."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.obtained - self.expected)

    @property
    def ratio(self) -> Array:
        """The difference in parts of its bound; NaN where that is infinite."""
        return ratios(np.abs(self.signed), self.bound)

    def broken(self, declared: bool) -> NDArray[np.bool_]:
        """Return where a side is not finite; where that is ``declared``, where one is not although its bound is."""
        obtained, expected = np.isfinite(self.obtained), np.isfinite(self.expected)
        if declared:
            return np.asarray(np.isfinite(self.bound) & (obtained != expected))
        return np.asarray(~(obtained & expected))

    def outside(self, declared: bool) -> NDArray[np.bool_]:
        """Return where a difference exceeds its bound, or a side is not finite: see ``broken``."""
        return np.asarray((self.ratio > 1) | self.broken(declared))

    def among(self, chosen: Any) -> "Gaps":
        """Return some of the elements."""
        columns = ("row", "position", "obtained", "expected", "ulp", "bound")
        exact = None if self.exact is None else self.exact[chosen]
        return Gaps(self.slot, **{name: getattr(self, name)[chosen] for name in columns}, exact=exact)


def gaps_of(
    slot: str,
    row: Indices,
    position: Indices,
    obtained: Array,
    expected: Array,
    bound: Array,
    exact: Array | None = None,
) -> Gaps:
    """Return differing elements as columns; values arrive in the narrow dtype."""
    wide, ulp = format_of(expected.dtype).wide, ulp_distance(obtained, expected)
    return Gaps(slot, row, position, obtained.astype(wide), expected.astype(wide), ulp, bound, exact)
