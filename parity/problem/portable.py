"""Numbers that are drawn must be the same on every processor: powers of ten by correctly rounded operations alone.

NumPy's own power has a kernel for each width of vectors, and their last bits differ; so do those of C libraries. What
is here uses sums and products, which IEEE 754 rounds alike everywhere, and Python's decimal arithmetic.
"""

import math
from decimal import Decimal, localcontext
from functools import cache, lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_Pair = tuple[Floats, Floats]
"""An unevaluated sum of two float64 numbers, the second below half an ULP of the first."""

_DIGITS: Final = 50
_PARTS: Final = 64
"""Steps of the table in one power of two."""
_PIECE: Final = 16_384
_FEW: Final = 4
"""Numbers that are raised one by one; ``_LARGE`` keeps what overflows, or nearly, among arrays."""
_LARGE: Final = 300.0
_KEPT: Final = 2_097_152
"""Elements of the largest spread of which several are kept, and that are raised at a time."""
_FLOAT64: Final = np.dtype(np.float64)


@lru_cache(maxsize=64)
def log10(value: float) -> float:
    """Return the decimal logarithm of a positive number, rounded once."""
    with localcontext(prec=_DIGITS):
        return float(Decimal(value).log10())


def powers_of_ten(exponents: Floats | float) -> Floats:
    """Return 10 to each of some float64 numbers, off by hardly more than half an ULP, with the same bits everywhere."""
    flat = np.ravel(exponents)
    if flat.size <= _FEW and np.all(np.abs(flat) < _LARGE):
        return np.array([_power_of_ten(each) for each in flat.tolist()], dtype=np.float64).reshape(np.shape(exponents))
    result = np.empty(flat.size, dtype=np.float64)
    with np.errstate(over="ignore", under="ignore"):
        for start in range(0, flat.size, _PIECE):
            result[start : start + _PIECE] = _powers_of_ten(flat[start : start + _PIECE])
    return result.reshape(np.shape(exponents))


def spread(low: float, high: float, count: int, dtype: np.dtype[Any] = _FLOAT64) -> NDArray[Any]:
    """Return ``count`` numbers from ``low`` to ``high``, both positive, even in their logarithms; read-only.

    They are rounded once to ``dtype``. Those of a run are kept for its next step.
    """
    return (_kept_spread if count <= _KEPT else _large_spread)(low, high, count, dtype)


def _spread(low: float, high: float, count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    found = np.empty(count, dtype=dtype)
    exponents = np.linspace(log10(low), log10(high), count)
    for start in range(0, count, _KEPT):
        found[start : start + _KEPT] = powers_of_ten(exponents[start : start + _KEPT])
    found.setflags(write=False)
    return found


_kept_spread = lru_cache(maxsize=8)(_spread)
_large_spread = lru_cache(maxsize=2)(_spread)


def _powers_of_ten(x: Floats) -> Floats:
    """10**x = 2**(n / 64) * exp(r): n from a rounded guess, r as a pair, exp by its series, whose tail is a float64."""
    _, _, table, per_step = _constants()
    n = np.rint(x * per_step)
    index = n.astype(np.int64)
    high = _scaled(x, n, (table[0][index % _PARTS], table[1][index % _PARTS]))
    return np.asarray(np.ldexp(high, index // _PARTS))


def _power_of_ten(x: float) -> float:
    """Return one power: the same operations on Python's float, which cost a fiftieth of those on an array."""
    _, _, table, per_step = _constants()
    index = round(x * per_step)
    high = _scaled(x, float(index), (float(table[0][index % _PARTS]), float(table[1][index % _PARTS])))
    return math.ldexp(high, index // _PARTS)


def _scaled(x: Any, n: Any, base: tuple[Any, Any]) -> Any:
    """Return the power without its whole powers of two, which ``ldexp`` gives it."""
    ten, step, _, _ = _constants()
    r = _minus(_times(x, ten), _times(n, step))
    square = _product(r, r)
    tail = r[0] * square[0] * (1 / 6 + r[0] * (1 / 24 + r[0] * (1 / 120 + r[0] * (1 / 720))))
    grown = _plus(_plus((square[0] * 0.5, square[1] * 0.5), (tail, 0.0 * tail)), r)
    return _plus(_product(base, grown), base)[0]


@cache
def _constants() -> tuple[tuple[float, float], tuple[float, float], _Pair, float]:
    """Return ln 10, ln 2 / 64 and the table of 2**(i / 64) as pairs, and how many steps there are in one decade."""
    with localcontext(prec=_DIGITS):
        ten, step = Decimal(10).ln(), Decimal(2).ln() / _PARTS
        pairs = [_pair(Decimal(2) ** (Decimal(i) / _PARTS)) for i in range(_PARTS)]
        table = tuple(np.array(column, dtype=np.float64) for column in zip(*pairs, strict=True))
        return _pair(ten), _pair(step), (table[0], table[1]), float(ten / step)


def _pair(value: Decimal) -> tuple[float, float]:
    high = float(value)
    return high, float(value - Decimal(high))


def _two_sum(a: Floats, b: Floats) -> _Pair:
    """Return a + b and what its rounding lost (Knuth, The Art of Computer Programming, vol. 2, section 4.2.2)."""
    total = a + b
    other = total - a
    return total, (a - (total - other)) + (b - other)


def _split(a: Floats | float) -> tuple[Floats | float, Floats | float]:
    """Return two halves of 26 bits (Dekker, Numerische Mathematik 18, 1971)."""
    scaled = 134_217_729.0 * a
    high = scaled - (scaled - a)
    return high, a - high


def _two_product(a: Floats, b: Floats | float) -> _Pair:
    """Return a * b and what its rounding lost (Dekker)."""
    total = a * b
    (ah, al), (bh, bl) = _split(a), _split(b)
    return total, ((ah * bh - total) + ah * bl + al * bh) + al * bl


def _times(x: Floats, constant: tuple[float, float]) -> _Pair:
    high, low = _two_product(x, constant[0])
    return _two_sum(high, low + x * constant[1])


def _product(a: _Pair, b: _Pair) -> _Pair:
    high, low = _two_product(a[0], b[0])
    return _two_sum(high, low + (a[0] * b[1] + a[1] * b[0]))


def _plus(a: _Pair, b: _Pair) -> _Pair:
    high, low = _two_sum(a[0], b[0])
    return _two_sum(high, low + (a[1] + b[1]))


def _minus(a: _Pair, b: _Pair) -> _Pair:
    return _plus(a, (-b[0], -b[1]))
