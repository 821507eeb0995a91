"""How far some values are apart, and from their bounds, in one compiled pass: what ``Gaps`` has, as a few numbers."""

from typing import Any, NamedTuple

import numba
import numpy as np

from parity.bounds.compiled.kernels import OPTIONS, Kernel, added, around
from parity.bounds.numerics import Array, bits

PIECE = 512
"""Elements that are measured at a time: what is between stays in the innermost cache."""


class Measured(NamedTuple):
    """How far some values are apart, as ``Gaps`` has it.

    ``ratio`` is the largest to a bound, ``at`` where it is and ``bound`` what it is to.
    """

    differing: int
    flushes: int
    ratio: float
    at: int
    bound: float
    largest: float
    relative: float
    ulp: float
    total: float


class Tally(NamedTuple):
    """What is counted while values pass by, ``[8]`` and ``[5]``, and what is between, ``[4, PIECE]``.

    The numbers are as ``_gauge_of`` names them.
    """

    counts: Array
    sums: Array
    scratch: Array


def tally() -> Tally:
    """Return the counts of nothing."""
    counts, sums = np.zeros(8, dtype=np.int64), np.zeros(5, dtype=np.float64)
    sums[1] = -1.0
    return Tally(counts, sums, np.empty((4, PIECE), dtype=np.float64))


def measured(kept: Tally, obtained: Array, expected: Array) -> Measured | None:
    """Return what was counted of some values; None where one of them or a bound is not finite, or two NaNs are."""
    differing, moved, odd, flushes, at, ulp = kept.counts[:6].tolist()
    total, ratio, bound, largest, relative = kept.sums.tolist()
    if odd:
        return None
    if not ratio > 0:  # zeros of either sign alone, if anything
        apart = bits(obtained) != bits(expected)
        at, ratio = int(np.argmax(apart)), 0.0
    relative = relative if moved == differing else float("inf")  # zeros of either sign are apart, and no number is
    return Measured(differing, flushes, ratio, at, bound, largest, relative, float(ulp), total)


def compiled_measure(obtained: Array, expected: Array, value: Array, error: Array, normal: float) -> Measured | None:
    """Measure what differs, in one pass; None where a value or a bound in it is not finite, or two NaNs are alike.

    The bound is what ``bound_around`` makes of ``value`` and ``error``: of the expected values themselves, the error.
    ``normal`` is what a magnitude below is flushed to zero from, or zero.
    """
    kept = tally()
    limits = limits_of(expected, normal)
    _measure(obtained, expected, unsigned(obtained), unsigned(expected), value, error, limits, *kept)
    return measured(kept, obtained, expected)


def unsigned(values: Array) -> Array:
    """Return the bits of values as unsigned integers."""
    return bits(values).view(f"u{values.dtype.itemsize}")


def limits_of(values: Array, normal: float) -> tuple[Any, Any]:
    """Return the largest magnitude's bits, and ``normal``, each in a type of the values' width."""
    integer = bits(values[:0]).dtype
    return np.dtype(f"u{integer.itemsize}").type(np.iinfo(integer).max), values.dtype.type(normal)


def _measure_of(
    a: Any, b: Any, au: Any, bu: Any, value: Any, error: Any, limits: Any, counts: Any, sums: Any, scratch: Any
) -> None:
    limit = np.empty(8 * scratch.shape[1], dtype=np.float64)
    for start in range(0, a.size, limit.size):
        stop = min(start + limit.size, a.size)
        y, exact, off = b[start:stop], value[start:stop], error[start:stop]
        for i in range(y.size):
            limit[i] = around(y[i], exact[i], off[i])
        _gauge(start, np.uint64(stop), a, b, au, bu, limit, np.uint64(0), limits, counts, sums, scratch)


def _gauge_of(
    start: Any,
    stop: Any,
    a: Any,
    b: Any,
    au: Any,
    bu: Any,
    limit: Any,
    at: Any,
    limits: Any,
    counts: Any,
    sums: Any,
    scratch: Any,
) -> None:
    """Count how far elements from ``start`` to ``stop`` are apart, and from limits, which begin at ``at``."""
    end, ahead = np.int64(stop), np.int64(at) - start
    for first in range(start, end, scratch.shape[1]):
        last = min(first + scratch.shape[1], end)
        x, y, xu, yu = a[first:last], b[first:last], au[first:last], bu[first:last]
        _count(x, y, xu, yu, limit[first + ahead : last + ahead], first, limits, counts, sums, scratch)


def _count_of(
    x: Any, y: Any, xu: Any, yu: Any, limit: Any, start: Any, limits: Any, counts: Any, sums: Any, scratch: Any
) -> None:
    """Count how far the elements of a piece are apart, and from their limits.

    ``odd`` are elements that are not finite, or have no finite bound. A division is the dearest thing here, and few
    pieces have a larger quotient than all before: only where a product says that one of them may be larger, with room
    for its rounding, they are divided.
    """
    magnitude, normal, room = limits[0], limits[1], 1.0 - 2.0**-40
    d, q = scratch[0], scratch[1]
    di, qi = d.view(np.int64), q.view(np.int64)
    differing, moved, odd, flushes, ulp = 0, 0, 0, 0, magnitude & ~magnitude
    ratio, largest, relative = sums[1], np.int64(0), np.int64(0)
    nearer, smaller, widest = ratio * room, sums[4] * room, sums[3]
    above, farther, wider = int(ratio < 0), 0, 0
    for i in range(x.size):
        gap = np.float64(x[i]) - np.float64(y[i])
        size = abs(gap)
        d[i] = gap
        above += not (size <= nearer * limit[i])
        farther += not (size <= smaller * abs(np.float64(y[i])))
        wider += not (size <= widest)
        odd += not (size + limit[i] < np.inf)
        moved += gap != 0.0
    sums[0] += added(d[: x.size])
    for i in range(x.size):
        differing += xu[i] != yu[i]
        one, other = xu[i] & magnitude, yu[i] & magnitude
        apart = max(one, other) - min(one, other)
        far = apart if (xu[i] ^ yu[i]) <= magnitude else one + other
        ulp = max(ulp, far)
    if normal > 0:
        for i in range(x.size):
            flushes += (abs(y[i]) < normal) & (x[i] == 0) & (y[i] != 0)
    counts[0] += differing
    counts[1] += moved
    counts[2] += odd
    counts[3] += flushes
    counts[5] = max(counts[5], np.int64(ulp))
    if wider:
        for i in range(x.size):
            largest = max(largest, di[i] & np.int64(0x7FFFFFFFFFFFFFFF))
        counts[6] = largest
        sums[3] = max(sums[3], counts[6:7].view(np.float64)[0])
    if farther:
        for i in range(x.size):
            q[i] = abs(d[i]) / abs(np.float64(y[i])) if d[i] != 0.0 else 0.0
        for i in range(x.size):
            relative = max(relative, qi[i])
        counts[6] = relative
        sums[4] = max(sums[4], counts[6:7].view(np.float64)[0])
    if not above:
        return
    for i in range(x.size):
        q[i] = abs(d[i]) / limit[i] if d[i] != 0.0 else 0.0
    here = np.int64(-1)
    for i in range(x.size):
        here = max(here, qi[i])
    counts[6] = here
    if counts[6:7].view(np.float64)[0] > ratio:
        for i in range(x.size):
            if qi[i] == here:
                counts[4], sums[1], sums[2] = start + i, q[i], limit[i]
                break


_count, _gauge = numba.njit(**OPTIONS)(_count_of), numba.njit(**OPTIONS)(_gauge_of)
gauge = Kernel(_gauge_of)
_measure = Kernel(_measure_of)
