"""Loops that Numba compiles once and keeps on disk; each measures what a NumPy function measures, in one pass."""

from collections.abc import Iterable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from parity.bounds.drift import Drift, drift
from parity.bounds.numerics import Array, Difference, bits

_PIECE, _GROUP = 512, 64


def compiled_drift(obtained: Array, expected: Array) -> Drift:
    """Measure as ``drift`` does, but the sum of differences in float64; NaNs are left to ``drift``."""
    a, b = obtained.reshape(-1), expected.reshape(-1)
    integer = bits(a[:0]).dtype
    scratch = np.empty((2, _PIECE), dtype=a.dtype)
    scratch_bits = scratch.view(integer)
    magnitude, infinite = _limits(a)
    differing, at, top, relative, ulp, total = _drift(
        a, b, bits(a), bits(b), *scratch, *scratch_bits, magnitude, infinite
    )
    if top > infinite:
        return drift(obtained, expected)
    largest, of_value = np.array([top, relative], dtype=integer).view(a.dtype)
    return Drift(float(largest), int(at), float(of_value), float(ulp), float(total), int(differing))


def compiled_difference(obtained: Array, expected: Array) -> Difference:
    """Find what ``unequal`` finds, without a mask of all elements, and in the same pass what is not finite."""
    a, b = obtained.reshape(-1), expected.reshape(-1)
    where = np.empty(a.size, dtype=np.int64)
    magnitude, infinite = _limits(a)
    count, top = _unequal(a, b, bits(a), bits(b), where, magnitude)
    return Difference(where[:count].copy() if count else None, finite=bool(top < infinite))


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


def _limits(values: Array) -> tuple[Any, Any]:
    """Return what leaves the sign out of the values' bits, and what those of infinity are."""
    integer = bits(values[:0]).dtype
    return integer.type(np.iinfo(integer).max), bits(np.array([np.inf], dtype=values.dtype))[0]


def _unequal_of(a: Any, b: Any, ai: Any, bi: Any, where: Any, magnitude: Any) -> Any:
    """Write where bits differ; return how often, and the bits of the largest magnitude in ``a``, NaNs' the largest."""
    count, top = 0, ai.dtype.type(0)
    for start in range(0, a.size, _GROUP):
        x, y = ai[start : start + _GROUP], bi[start : start + _GROUP]
        changed = ai.dtype.type(0)
        for i in range(x.size):
            changed |= x[i] ^ y[i]
            top = max(top, x[i] & magnitude)
        if changed != 0:
            for i in range(x.size):
                if x[i] != y[i] and not (np.isnan(a[start + i]) and np.isnan(b[start + i])):
                    where[count] = start + i
                    count += 1
    return count, top


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
        total += added(d[: x.size])
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
        errors[i] = around(expected[i], value[i], error[i]) if marks[i] else 0.0


OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


class Kernel:
    """The loop that Numba makes of a function, kept on disk where that can be read and written."""

    def __init__(self, function: Any) -> None:
        self._function = function
        try:
            self.loop, self._kept = numba.njit(cache=True, **OPTIONS)(function), True
        except RuntimeError:  # there is no folder to keep it in
            self.loop, self._kept = numba.njit(**OPTIONS)(function), False

    def __call__(self, *arguments: Any) -> Any:
        """Return what the function returns."""
        try:
            return self.loop(*arguments)
        except Exception:  # a damaged file, a full disk: whatever the cache ran into is no reason to stop
            if not self.renewed():
                raise
            return self.loop(*arguments)

    def renewed(self) -> bool:
        """Return whether it was kept, and forget what is: another loop takes its place."""
        kept, self._kept = self._kept, False
        if kept:
            self.loop = numba.njit(**OPTIONS)(self._function)
        return kept


# The order of a sum is free here, of nothing else: it is a statistic.
added = numba.njit(fastmath={"reassoc"}, **OPTIONS)(_total)
_drift = Kernel(_drift_of)
_unequal = Kernel(_unequal_of)
around = numba.njit(inline="always", **OPTIONS)(_around)
_apart, _mark, _keep = Kernel(_apart_of), Kernel(_mark_of), Kernel(_keep_of)
_reached = Kernel(_reached_of)
