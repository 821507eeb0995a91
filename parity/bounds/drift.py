"""How far two arrays are apart in most of their elements: one pass in pieces that fit a core's cache, none widened."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from parity.bounds.numerics import Array, bits, differs, ulp_distance

PIECE = 65_536
"""Elements at a time. Measured beside 4,096 to 401,408: smaller pieces pay for calls, larger ones for memory."""


class Drift(NamedTuple):
    """The largest |difference| with where it is, largest relative and ULP distance, the sum of differences, a count.

    A difference of float32 or float64 values rounds once, and a sum in their dtype; 16-bit values are widened first.
    ``differing`` counts elements with different bits, but for two NaNs.
    """

    largest: float
    at: int
    relative: float
    ulp: float
    total: float
    differing: int


def drift(obtained: Array, expected: Array) -> Drift:
    """Measure two flat, equally long arrays of one dtype that are not empty; NaN anywhere makes ``largest`` NaN."""
    narrow = obtained.dtype.itemsize == 2
    kind = np.dtype(np.float64) if narrow else obtained.dtype
    length = min(PIECE, obtained.size)
    scratch = np.ones((3, length), dtype=kind)
    counts = np.empty(length, dtype=bits(obtained[:0]).dtype)
    whole, reach, differing = Drift(-1.0, 0, 0.0, 0.0, 0.0, 0), 0, 0
    with np.errstate(all="ignore"):
        for start in range(0, obtained.size, PIECE):
            a, b = obtained[start : start + PIECE], expected[start : start + PIECE]
            reach = max(reach, _largest_count(a, b, counts[: a.size]))
            differing += int(np.count_nonzero(counts[: a.size]))
            if narrow:
                a, b = a.astype(kind), b.astype(kind)
            whole = _larger(whole, _piece(a, b, scratch[:, : a.size]), start)
    # Bits of opposite sign, or of a NaN, are no count of numbers between: the general way is asked for those.
    far = reach >= 2 ** (8 * counts.itemsize - 2) or whole.largest != whole.largest
    if not far:
        return whole._replace(ulp=float(reach), differing=differing)
    ulp = float(np.max(ulp_distance(obtained, expected)))
    return whole._replace(ulp=ulp, differing=int(np.count_nonzero(differs(obtained, expected))))


def _piece(a: Array, b: Array, scratch: Array) -> Drift:
    signed, other, ones = scratch
    np.subtract(a, b, out=signed)
    total = float(signed.dot(ones))
    np.divide(signed, b, out=other)
    np.abs(other, out=other)
    # fmax passes over 0 / 0, which is where both are zero.
    relative = float(np.fmax.reduce(other))
    np.abs(signed, out=signed)
    index = int(signed.argmax())
    return Drift(float(signed[index]), index, relative, 0.0, total, 0)


def _larger(so_far: Drift, piece: Drift, start: int) -> Drift:
    """Return the larger of two; a NaN, once there, stays."""
    larger = so_far.largest == so_far.largest and not piece.largest <= so_far.largest
    largest, at = (piece.largest, start + piece.at) if larger else (so_far.largest, so_far.at)
    relative = float(np.fmax(so_far.relative, piece.relative))
    return Drift(largest, at, relative, 0.0, so_far.total + piece.total, 0)


def _largest_count(a: Array, b: Array, counts: NDArray[Any]) -> int:
    np.bitwise_xor(bits(a), bits(b), out=counts)
    if counts.min() < 0:
        return int(np.iinfo(counts.dtype).max)  # of opposite sign: a difference of bits may be more than they hold
    np.subtract(bits(a), bits(b), out=counts)
    np.abs(counts, out=counts)
    return int(counts.max())
