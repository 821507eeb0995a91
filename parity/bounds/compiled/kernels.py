"""Loops that Numba compiles once and keeps on disk; each measures what a NumPy function measures, in one pass."""

from typing import Any

import numba
import numpy as np

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
