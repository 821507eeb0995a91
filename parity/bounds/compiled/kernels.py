"""Loops that Numba compiles once and keeps on disk; each measures what a NumPy function measures, in one pass."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from parity.bounds.drift import Drift, drift
from parity.bounds.numerics import Array, Indices, bits

_PIECE, _GROUP = 512, 64


def compiled_drift(obtained: Array, expected: Array) -> Drift:
    """Measure as ``drift`` does, but the sum of differences in float64; NaNs are left to ``drift``."""
    a, b = obtained.reshape(-1), expected.reshape(-1)
    integer = bits(a[:0]).dtype
    scratch = np.empty((2, _PIECE), dtype=a.dtype)
    scratch_bits = scratch.view(integer)
    magnitude, infinite = integer.type(np.iinfo(integer).max), bits(np.array([np.inf], dtype=a.dtype))[0]
    differing, at, top, relative, ulp, total = _drift(
        a, b, bits(a), bits(b), *scratch, *scratch_bits, magnitude, infinite
    )
    if top > infinite:
        return drift(obtained, expected)
    largest, of_value = np.array([top, relative], dtype=integer).view(a.dtype)
    return Drift(float(largest), int(at), float(of_value), float(ulp), float(total), int(differing))


def compiled_unequal(obtained: Array, expected: Array) -> Indices | None:
    """Find what ``unequal`` finds, without a mask of all elements."""
    a, b = obtained.reshape(-1), expected.reshape(-1)
    where = np.empty(a.size, dtype=np.int64)
    count = _unequal(a, b, bits(a), bits(b), where)
    return where[:count].copy() if count else None


class Measured(NamedTuple):
    """How far some values are apart, as ``Gaps`` has it, and at which of them the largest ratio to a bound is."""

    differing: int
    flushes: int
    ratio: float
    at: int
    largest: float
    relative: float
    ulp: float
    total: float


def compiled_apart(obtained: Array, expected: Array) -> int:
    """Return how many of some values have other bits, NaNs of another payload among them."""
    return int(_apart(bits(obtained), bits(expected)))


def compiled_marks(pairs: Iterable[tuple[Array, Array]], size: int) -> NDArray[np.bool_]:
    """Return where any of some pairs of arrays, each ``[size]``, has other bits."""
    marks = np.zeros(size, dtype=np.bool_)
    for obtained, expected in pairs:
        _mark(bits(obtained), bits(expected), marks)
    return marks


def compiled_reached(marks: NDArray[np.bool_], errors: Iterable[Array]) -> NDArray[np.bool_]:
    """Return what is marked, and where any of some errors is not zero."""
    reached = marks.copy()
    for each in errors:
        _reached(each, reached)
    return reached


def compiled_keep(marks: NDArray[np.bool_], expected: Array, value: Array, error: Array, errors: Array) -> None:
    """Write what ``bound_around`` returns of what is marked, and zero for everything else."""
    _keep(marks, expected, value, error, errors)


def compiled_measure(obtained: Array, expected: Array, value: Array, error: Array, normal: float) -> Measured | None:
    """Measure what differs, in one pass; None where a value or a bound in it is not finite, or two NaNs are alike.

    The bound is what ``bound_around`` makes of ``value`` and ``error``: of the expected values themselves, the error.
    ``normal`` is what a magnitude below is flushed to zero from, or zero.
    """
    one, other = (bits(values).view(f"u{values.dtype.itemsize}") for values in (obtained, expected))
    limits = one.dtype.type(np.iinfo(bits(obtained[:0]).dtype).max), obtained.dtype.type(normal)
    scratch = np.empty((4, _PIECE), dtype=np.float64)
    differing, moved, odd, flushes, top, at, largest, relative, ulp, total = _measure(
        obtained, expected, one, other, value, error, *scratch, limits
    )
    if odd:
        return None
    ratio, largest, relative = np.array([top, largest, relative], dtype=np.int64).view(np.float64).tolist()
    relative = relative if moved == differing else float("inf")  # zeros of either sign are apart, and no number is
    return Measured(int(differing), int(flushes), ratio, int(at), largest, relative, float(ulp), float(total))


def _unequal_of(a: Any, b: Any, ai: Any, bi: Any, where: Any) -> Any:
    count = 0
    for start in range(0, a.size, _GROUP):
        x, y = ai[start : start + _GROUP], bi[start : start + _GROUP]
        changed = ai.dtype.type(0)
        for i in range(x.size):
            changed |= x[i] ^ y[i]
        if changed != 0:
            for i in range(x.size):
                if x[i] != y[i] and not (np.isnan(a[start + i]) and np.isnan(b[start + i])):
                    where[count] = start + i
                    count += 1
    return count


def _total(values: Any) -> Any:
    total = 0.0
    for i in range(values.size):
        total += values[i]
    return total


def _drift_of(a: Any, b: Any, ai: Any, bi: Any, d: Any, q: Any, di: Any, qi: Any, magnitude: Any, infinite: Any) -> Any:
    """Return counts and bits: those of a magnitude are in the order of the numbers, and have a maximum in one pass."""
    zero, none = a.dtype.type(0), ai.dtype.type(0)
    differing, at, total = 0, 0, 0.0
    top, relative, ulp = ai.dtype.type(-1), none, np.uint64(0)
    for start in range(0, a.size, d.size):
        x, y = a[start : start + d.size], b[start : start + d.size]
        xi, yi = ai[start : start + d.size], bi[start : start + d.size]
        for i in range(x.size):
            gap = x[i] - y[i]
            d[i] = gap
            q[i] = gap / y[i] if gap != zero else zero
        total += _sum(d[: x.size])
        here = ai.dtype.type(-1)
        for i in range(x.size):
            here = max(here, di[i] & magnitude)
            quotient = qi[i] & magnitude
            relative = max(relative, quotient if quotient <= infinite else none)
        for i in range(x.size):
            differing += xi[i] != yi[i]
            one, other = np.uint64(xi[i] & magnitude), np.uint64(yi[i] & magnitude)
            apart = (one - other if one > other else other - one) if (xi[i] ^ yi[i]) >= 0 else one + other
            ulp = max(ulp, apart)
        if here > top:
            top = here
            for i in range(x.size):
                if di[i] & magnitude == top:
                    at = start + i
                    break
    return differing, at, top, relative, ulp, total


def _apart_of(ai: Any, bi: Any) -> Any:
    count = 0
    for i in range(ai.size):
        count += ai[i] != bi[i]
    return count


def _mark_of(ai: Any, bi: Any, marks: Any) -> None:
    for i in range(marks.size):
        marks[i] |= ai[i] != bi[i]


def _reached_of(errors: Any, marks: Any) -> None:
    for i in range(marks.size):
        marks[i] |= errors[i] != 0.0


def _around(expected: Any, value: Any, error: Any) -> Any:
    off = error + abs(np.float64(expected) - value)
    return off if off == off else 0.0 if (value != value) & (error == 0.0) else np.inf


def _keep_of(marks: Any, expected: Any, value: Any, error: Any, errors: Any) -> None:
    for i in range(errors.size):
        errors[i] = _bound(expected[i], value[i], error[i]) if marks[i] else 0.0


def _measure_of(
    a: Any, b: Any, au: Any, bu: Any, value: Any, error: Any, limit: Any, d: Any, r: Any, q: Any, limits: Any
) -> Any:
    """Return what ``Measured`` has, and how many elements are not finite, or have no finite bound; maxima as bits.

    A division is the dearest thing here, and few pieces have a larger quotient than all before: only where a product
    says that one of them may be larger, with room for its rounding, they are divided.
    """
    magnitude, normal, room = limits[0], limits[1], 1.0 - 2.0**-40
    di, ri, qi = d.view(np.int64), r.view(np.int64), q.view(np.int64)
    largest, relative, top, at, ulp = np.int64(0), np.int64(0), np.int64(-1), 0, magnitude & ~magnitude
    differing, moved, odd, flushes, total, ratio, quotient = 0, 0, 0, 0, 0.0, 0.0, 0.0
    for start in range(0, a.size, d.size):
        x, y = a[start : start + d.size], b[start : start + d.size]
        exact, off = value[start : start + d.size], error[start : start + d.size]
        xu, yu = au[start : start + d.size], bu[start : start + d.size]
        nearer, smaller = ratio * room, quotient * room
        above, farther = int(top < 0), 0
        for i in range(x.size):
            limit[i] = _bound(y[i], exact[i], off[i])
        for i in range(x.size):
            gap = np.float64(x[i]) - np.float64(y[i])
            size = abs(gap)
            d[i] = gap
            above += not (size <= nearer * limit[i])
            farther += not (size <= smaller * abs(np.float64(y[i])))
        total += _sum(d[: x.size])
        for i in range(x.size):
            odd += not (abs(d[i]) + limit[i] < np.inf)
            moved += d[i] != 0.0
        for i in range(x.size):
            largest = max(largest, di[i] & np.int64(0x7FFFFFFFFFFFFFFF))
        for i in range(x.size):
            differing += xu[i] != yu[i]
            one, other = xu[i] & magnitude, yu[i] & magnitude
            apart = max(one, other) - min(one, other)
            far = apart if (xu[i] ^ yu[i]) <= magnitude else one + other
            ulp = max(ulp, far)
        if normal > 0:
            for i in range(x.size):
                flushes += (abs(y[i]) < normal) & (x[i] == 0) & (y[i] != 0)
        if farther:
            for i in range(x.size):
                q[i] = abs(d[i]) / abs(np.float64(y[i])) if d[i] != 0.0 else 0.0
            for i in range(x.size):
                relative = max(relative, qi[i])
            quotient = np.array([relative]).view(np.float64)[0]
        if not above:
            continue
        for i in range(x.size):
            r[i] = abs(d[i]) / limit[i] if d[i] != 0.0 else 0.0
        here = np.int64(-1)
        for i in range(x.size):
            here = max(here, ri[i])
        if here > top:
            top = here
            for i in range(x.size):
                if ri[i] == top:
                    at = start + i
                    break
            ratio = r[at - start]
    if top == 0:  # zeros of either sign alone
        at = 0
        while at < a.size - 1 and au[at] == bu[at]:
            at += 1
    return differing, moved, odd, flushes, top, at, largest, relative, ulp, total


_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


class _Kernel:
    """The loop that Numba makes of a function, kept on disk where that can be read and written."""

    def __init__(self, function: Any) -> None:
        self._function = function
        try:
            self._loop, self._kept = numba.njit(cache=True, **_OPTIONS)(function), True
        except RuntimeError:  # there is no folder to keep it in
            self._loop, self._kept = numba.njit(**_OPTIONS)(function), False

    def __call__(self, *arguments: Any) -> Any:
        try:
            return self._loop(*arguments)
        except Exception:  # a damaged file, a full disk: whatever the cache ran into is no reason to stop
            if not self._kept:
                raise
            self._loop, self._kept = numba.njit(**_OPTIONS)(self._function), False
            return self._loop(*arguments)


# The order of a sum is free here, of nothing else: it is a statistic.
_sum = numba.njit(fastmath={"reassoc"}, **_OPTIONS)(_total)
_drift = _Kernel(_drift_of)
_unequal = _Kernel(_unequal_of)
_bound = numba.njit(inline="always", **_OPTIONS)(_around)
_apart, _mark, _keep = _Kernel(_apart_of), _Kernel(_mark_of), _Kernel(_keep_of)
_reached = _Kernel(_reached_of)
_measure = _Kernel(_measure_of)
