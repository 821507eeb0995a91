"""Elementary functions, products, sums and choices on the array that carries a bound: what networks need.

Importing this teaches the array ``np.exp``, ``np.log``, ``np.tanh``, ``np.matmul`` and others of their kind.
"""

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from parity.bounds.bounded import Bounded, Truth, rounded
from parity.bounds.bounded.array import OPERATIONS
from parity.bounds.numerics import Array, Format
from parity.circumstances.promises import ROUNDINGS

Function = Callable[[Array], Array]


def truth(x: Any) -> Truth:
    """Return truth values as such; those of a plain array are sure."""
    return x if isinstance(x, Truth) else Truth(np.asarray(x), np.zeros(np.shape(x), dtype=bool))


def gamma(terms: int, fmt: Format) -> float:
    """n*u / (1 - n*u): what n roundings may do relative to the sum of magnitudes (Higham, lemma 3.1)."""
    roundings = terms * (fmt.unit + float(np.finfo(fmt.wide).eps))
    return roundings / (1 - roundings) if roundings < 1 else math.inf


def lifted(array: Any, fmt: Format) -> Bounded:
    """Return values that are exact by construction, such as zeros that an operation makes: one zero is all errors."""
    value = np.asarray(array, dtype=fmt.wide)
    return Bounded(value, np.zeros((), dtype=fmt.wide), fmt)


def magnitude(x: Bounded) -> Array:
    """Return the largest magnitude that an evaluation may have."""
    largest: Array = np.abs(x.value)
    return largest + x.error if np.any(x.error) else largest


def high(x: Bounded) -> Array:
    """Return the largest value that an evaluation may have."""
    above: Array = x.value + x.error
    return above


def hull(value: Array, low: Array, high: Array, fmt: Format, floor: float | None = None) -> Bounded:
    """Return values that may lie anywhere between two ends."""
    error = np.maximum(np.maximum(high - value, value - low), 0)
    return Bounded(value, np.where(np.isnan(error), np.inf, error), fmt, floor)


def monotone(
    function: Function, roundings: float, domain: float = -math.inf, floor: float | None = None
) -> Callable[[Bounded], Bounded]:
    """Return a non-decreasing function on bounded arrays: its own roundings beside what its argument's bound does.

    Where the argument may lie below the domain, nothing is known.
    """

    def apply(x: Bounded) -> Bounded:
        low = x.value - x.error
        value = function(x.value)
        error = np.maximum(np.abs(function(np.maximum(low, domain)) - value), np.abs(function(high(x)) - value))
        error = np.where(x.error == 0, 0.0, np.where(low < domain, np.inf, error))
        error = np.where(np.isnan(error), np.inf, error)
        return rounded(value, error, x.format, roundings, floor)

    return apply


def _expit(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1 / (1 + small), small / (1 + small)))


_erf = np.vectorize(math.erf, otypes=[np.float64])
_erfc = np.vectorize(math.erfc, otypes=[np.float64])

exp: Final = monotone(np.exp, ROUNDINGS["exp above zero"], floor=0.0)
expm1: Final = monotone(np.expm1, ROUNDINGS["expm1"])
log: Final = monotone(np.log, ROUNDINGS["log"], 0.0)
log1p: Final = monotone(np.log1p, ROUNDINGS["log1p"], -1.0)
tanh: Final = monotone(np.tanh, ROUNDINGS["tanh"])
sigmoid: Final = monotone(_expit, ROUNDINGS["sigmoid"], floor=0.0)
softplus: Final = monotone(lambda x: np.logaddexp(x, np.zeros_like(x)), ROUNDINGS["softplus"], floor=0.0)
erf: Final = monotone(_erf, ROUNDINGS["erf"])


def erfc(x: Bounded) -> Bounded:
    """Bound the complementary error function, which TensorFlow makes of an exponential of the square beyond one."""
    falling = monotone(lambda a: -_erfc(a), 0.0)(x)
    extra = ROUNDINGS["erf"] + 2 * np.maximum(x.value, 0) ** 2
    value, error = -falling.value, falling.error
    return Bounded(value, error + (np.abs(value) + error) * extra * x.format.unit + x.format.underflow, x.format, 0.0)


def maximum(x: Bounded, y: Bounded) -> Bounded:
    """Return the larger of two; where one of them surely is, its bound alone counts."""
    largest = np.maximum(x.value, y.value)
    floors = [operand.floor for operand in (x, y) if operand.floor is not None]
    floor = 0.0 if any(np.all(np.asarray(each) >= 0) for each in floors) else None
    return hull(largest, np.maximum(x.low, y.low), np.maximum(high(x), high(y)), x.format, floor)


def relu(x: Bounded) -> Bounded:
    """Return what is above zero, zero elsewhere."""
    return hull(np.maximum(x.value, 0), np.maximum(x.low, 0), np.maximum(high(x), 0), x.format, 0.0)


def squared(x: Bounded) -> Bounded:
    """Return the square, which is not negative."""
    return np.square(x)  # type: ignore[no-any-return]  # the array's own


def chosen(condition: Any, x: Bounded, y: Bounded) -> Bounded:
    """Return one or the other; where rounding may decide which, the bound covers both."""
    test = truth(condition)
    value = np.where(test.value, x.value, y.value)
    mine, other = np.where(test.value, x.error, y.error), np.where(test.value, y.error, x.error)
    error = np.where(test.unsure, np.maximum(mine, np.abs(x.value - y.value) + other), mine)
    return Bounded(value, np.where(np.isnan(error), np.inf, error), x.format)


def above(x: Bounded, level: float = 0.0) -> Truth:
    """Return where a value is above a level, and where rounding may decide it; an exact value on it is not above."""
    return Truth(x.value > level, (high(x) > level) & (x.low <= level) & (x.error > 0))


def compared(function: Callable[[Array, Array], Array], x: Bounded, y: Bounded) -> Truth:
    """Return a comparison, and where rounding may turn it: within both bounds of each other, unless both are exact."""
    reach = x.error + y.error
    return Truth(function(x.value, y.value), (np.abs(x.value - y.value) <= reach) & (reach > 0))


def bilinear(function: Callable[[Array, Array], Array], x: Bounded, y: Bounded, terms: int) -> Bounded:
    """Bound what is linear in each of two arrays and adds up so many products an element, in any order.

    ``|fl(sum) - sum| <= gamma_n sum |x||y|`` (Higham, section 3.1), beside what the operands' own bounds do.
    """
    largest = magnitude(y)
    total = function(magnitude(x), largest)
    error = gamma(terms, x.format) * total + np.minimum(terms * x.format.underflow, total)
    if np.any(x.error):
        error = error + function(np.broadcast_to(x.error, x.shape), largest)
    if np.any(y.error):
        error = error + function(np.abs(x.value), np.broadcast_to(y.error, y.shape))
    return Bounded(function(x.value, y.value), np.where(np.isnan(error), np.inf, error), x.format)


def matmul(x: Bounded, y: Bounded) -> Bounded:
    """Multiply matrices, the last two dimensions; sums in any order."""
    return bilinear(np.matmul, x, y, x.shape[-1])


OPERATIONS.update(
    {
        np.exp: exp,
        np.expm1: expm1,
        np.log: log,
        np.log1p: log1p,
        np.tanh: tanh,
        np.matmul: matmul,
    }
)
