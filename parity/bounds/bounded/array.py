"""An array that carries a value and a running error bound, so that the reference page derives its own bounds.

The reference page runs on it unchanged. After each operation ``value`` is the exact result (computed in a wider
dtype) and ``error`` bounds ``|computed - value|`` for every evaluation in the narrow dtype that uses the operations of
the page, each rounded by at most one unit roundoff, in any of the forms that compilers choose: contracted (FMA),
carried in excess precision, constants rounded or not, division done as multiplication by a reciprocal (root) that is a
normal number, ``a - b + c`` added in any order, the scalars of a product gathered (``_gathered``), and a share taken
away by one factor (``_shrunk``).
Source of the method: N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.3.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Final

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from parity.bounds.numerics import Array, Format, format_of
from parity.reference.optimizer import Single

OPERATIONS: Final[dict[Any, Callable[..., Any]]] = {}
"""What each ufunc does to bounded operands: ``arithmetic`` and ``functions`` write themselves down here."""

REDUCTIONS: Final[dict[Any, Callable[..., "Bounded"]]] = {}
"""The same of functions along axes."""

CHOICES: Final[dict[Any, Callable[..., "Bounded"]]] = {}
"""The same of functions of a truth and two operands."""

_SPREADS = frozenset({np.add, np.subtract, np.multiply, np.divide, np.square, np.sqrt, np.negative, np.absolute})
"""What makes NaN of NaN in every evaluation; what chooses among its operands may drop it."""

_ARRANGEMENTS = frozenset({np.expand_dims, np.squeeze, np.reshape, np.transpose, np.broadcast_to})
"""What moves values to other places and computes nothing."""


@dataclass(frozen=True, slots=True)
class BoundedDtype:
    """Stands where the page asks an array for its dtype; ``type(x)`` makes a constant."""

    format: Format

    @property
    def itemsize(self) -> int:
        """Bytes of one wide value: a constant arrives unrounded."""
        return self.format.wide.itemsize

    def type(self, value: Any) -> "Bounded":
        """Return a constant that may be kept as it is, rounded to the narrow dtype, or first to float32 on the way."""
        exact = np.asarray(value, dtype=self.format.wide)
        with np.errstate(over="ignore"):
            once = exact.astype(self.format.dtype).astype(self.format.wide)
            twice = exact.astype(np.float32).astype(self.format.dtype).astype(self.format.wide)
        error = np.abs(exact - once)
        if self.format.dtype.itemsize == 2:
            error = np.maximum(error, np.abs(exact - twice))
        error = error + (value.error if isinstance(value, Rate | Single) else 0.0)
        if isinstance(value, Single) and self.format.dtype.itemsize <= 4:
            error = np.maximum(error, np.abs(self.format.wide.type(value.given) - exact))  # kept as it was
        if abs(exact) < self.format.underflow:
            error = np.maximum(error, abs(exact))  # a subnormal constant may be taken for zero
        least = exact - error
        number = Bounded(exact, error, self.format, least if least >= 0 else None)
        number.constant = True
        return number


class Rate(float):
    """A learning rate with a bound on its own error, made where float32 computes a schedule."""

    error: float = 0.0

    def __mul__(self, factor: float) -> "Rate":
        """Multiply by a number; where the rate may be off, so may the rounding of the product."""
        product = Rate(float(self) * factor)
        product.error = self.error * abs(factor) + (2.0**-23 * abs(product) if self.error else 0.0)
        return product


class Bounded(NDArrayOperatorsMixin):
    """Exact values with an absolute error bound for each; see the module for what the bound promises.

    Args:
        value: exact values in the format's wide dtype.
        error: non-negative bounds, broadcastable to ``value``, same dtype.
        format: the narrow format whose roundings are bounded.
        floor: what no evaluation falls below, if that is known and not negative: a sum of squares is at least zero,
            however large its error bound.
        parts: of a difference, what was subtracted from what; see ``_add``.

    ``constant`` says whether a compiler knows the value, and ``factors`` are, of a product with scalars, what they
    multiply and their own product; see ``_gathered``.
    """

    __slots__ = ("constant", "error", "factors", "floor", "format", "parts", "value")
    __array_priority__ = 1000.0

    def __init__(
        self,
        value: Array,
        error: Array,
        format: Format,
        floor: Array | float | None = None,
        parts: "tuple[Bounded, Bounded] | None" = None,
    ) -> None:
        self.value, self.error, self.format, self.floor, self.parts = value, error, format, floor, parts
        self.constant = False
        self.factors: tuple[Bounded, Bounded] | None = None

    @property
    def low(self) -> Array:
        """The lowest value that an evaluation may have."""
        below: Array = self.value - self.error
        return below if self.floor is None else np.maximum(below, self.floor)

    @property
    def certainly_nan(self) -> Array:
        """Where every evaluation is NaN: no number, and no error in it."""
        return np.asarray(np.isnan(self.value) & (self.error == 0))

    @property
    def dtype(self) -> Any:
        """What the page takes for a NumPy dtype."""
        return BoundedDtype(self.format)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the values."""
        return self.value.shape

    @property
    def ndim(self) -> int:
        """How many dimensions the values have."""
        return self.value.ndim

    @property
    def size(self) -> int:
        """How many values there are."""
        return self.value.size

    @property
    def T(self) -> "Bounded":  # as NumPy says
        """The same values with their dimensions in reverse."""
        return self._each(np.transpose)

    def __getitem__(self, index: Any) -> "Bounded":
        """Return some of the values, or all of them in more dimensions, each with its bound."""
        return self._each(lambda array: array[index])

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Apply one operation to values and bounds; unknown operations are refused, never approximated."""
        rule = OPERATIONS.get(ufunc)
        if rule is None or method != "__call__" or kwargs:
            return NotImplemented
        operands = [item if isinstance(item, Bounded) else self.dtype.type(item) for item in inputs]
        with np.errstate(all="ignore"):
            result = rule(*operands)
        if isinstance(result, Truth):
            return result
        result.constant = all(operand.constant for operand in operands)
        if self.format.certain:
            result.error = np.where(np.isnan(result.value), _error_of_nan(ufunc, operands), result.error)
        return result

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Support what pages need beside ufuncs: constants, sums and means, and the same values in another shape."""
        if function is np.zeros_like:
            return Bounded(np.zeros_like(self.value), np.zeros_like(self.error), self.format)
        if function is np.full_like and isinstance(args[1], Bounded):
            value, error = (np.full_like(self.value, each) for each in (args[1].value, args[1].error))
            return Bounded(value, error, self.format, args[1].floor)
        choice = CHOICES.get(function)
        if choice is not None and len(args) == 3 and isinstance(args[0], Truth):
            return choice(args[0], *(each if isinstance(each, Bounded) else self.dtype.type(each) for each in args[1:]))
        reduction = REDUCTIONS.get(function)
        if reduction is not None and len(args) <= 2 and kwargs.keys() <= {"axis", "keepdims"}:
            with np.errstate(all="ignore"):
                return reduction(*args, **kwargs)
        if function in _ARRANGEMENTS and args and args[0] is self:
            return self._each(lambda array: function(array, *args[1:], **kwargs))
        return NotImplemented

    def _each(self, arrange: Callable[[Array], Array]) -> "Bounded":
        """Return what moves values to other places, done to values, bounds and floors alike."""
        shape = self.value.shape
        floor = None if self.floor is None else arrange(np.broadcast_to(np.asarray(self.floor), shape))
        moved = Bounded(arrange(self.value), arrange(np.broadcast_to(self.error, shape)), self.format, floor)
        moved.constant = self.constant
        return moved


@dataclass(frozen=True, slots=True)
class Truth:
    """Truth values, and where rounding may decide them."""

    value: Array
    unsure: Array

    def __and__(self, other: "Truth") -> "Truth":
        """Return whether both hold: a sure no is sure whatever the other is."""
        may = (self.value | self.unsure) & (other.value | other.unsure)
        return Truth(self.value & other.value, (self.unsure | other.unsure) & may)

    def __or__(self, other: "Truth") -> "Truth":
        """Return whether one holds: a sure yes is sure whatever the other is."""
        return ~(~self & ~other)

    def __invert__(self) -> "Truth":
        """Return whether it does not hold."""
        return Truth(~self.value, self.unsure)


def exact(array: Array, error: Array | float = 0.0, floor: float | None = None) -> Bounded:
    """Return narrow values as bounded ones: exact unless an error is given, never below ``floor`` if that is given.

    What may be subnormal may also be taken for zero: where results are flushed, so are the operands of the first
    operation (``_MM_DENORMALS_ZERO_ON`` beside the flag for results in tsl/platform/denormal.cc).
    """
    fmt = format_of(array.dtype)
    value = array.astype(fmt.wide)
    # What is no array is a symbol, which has no shape (parity/bounds/compiled/symbols.py).
    off: Any = np.asarray(error, dtype=fmt.wide) if isinstance(error, float) else error
    bound = np.broadcast_to(off, value.shape) if isinstance(off, np.ndarray) else off
    magnitude = np.abs(value)
    small = magnitude - bound < fmt.underflow
    if small.any():
        bound = bound + np.where(small, np.minimum(magnitude + bound, fmt.underflow), 0.0)
    return Bounded(value, bound, fmt, floor)


def _error_of_nan(ufunc: np.ufunc, operands: Sequence[Bounded]) -> Array:
    """Return no error where every evaluation is NaN: of NaN, or of nothing by nothing; elsewhere an infinite one."""
    nan = reduce(np.logical_or, [operand.certainly_nan for operand in operands])
    if ufunc is np.divide:
        nan = nan | reduce(np.logical_and, [(each.value == 0) & (each.error == 0) for each in operands])
    return np.where(nan & (ufunc in _SPREADS), 0.0, np.inf)


def in_certain(start: Bounded) -> Bounded:
    """Return the same values in a format that tells where NaN is certain: of what is NaN, or nothing by nothing.

    That costs more than bounds do, and is asked only where a value is NaN.
    """
    return Bounded(start.value, start.error, replace(start.format, certain=True), start.floor)


def rounded(
    value: Array, error: Array, fmt: Format, roundings: float = 1.0, floor: Array | float | None = None
) -> Bounded:
    """Add what one narrow operation may do to a result, and what the wide arithmetic itself did to the value."""
    slack = fmt.unit * roundings + 4 * float(np.finfo(fmt.wide).eps)
    magnitude = np.abs(value) + error
    total = magnitude * slack
    total = total + error
    total = total + fmt.underflow
    if fmt.certain:
        total = np.where(magnitude == 0, 0.0, total)
    if not np.max(magnitude, initial=0) * (1 + slack) + fmt.underflow <= fmt.largest:
        total = np.where(np.abs(value) + total > fmt.largest, np.inf, total)
    if floor is not None:
        floor = np.maximum(floor * (1 - 2 * slack) - fmt.underflow, 0)
    return Bounded(value, total, fmt, floor)
