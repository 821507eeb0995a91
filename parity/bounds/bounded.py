"""An array that carries a value and a running error bound, so that the reference page derives its own bounds.

The reference page runs on it unchanged. After each operation ``value`` is the exact result (computed in a wider
dtype) and ``error`` bounds ``|computed - value|`` for every evaluation in the narrow dtype that uses the operations of
the page, each rounded by at most one unit roundoff, in any of the forms that compilers choose: contracted (FMA),
carried in excess precision, constants rounded or not, division done as multiplication by a reciprocal (root) that is a
normal number, ``a - b + c`` added in any order, the scalars of a product gathered (``_gathered``), and a share taken
away by one factor (``_shrunk``).
Source of the method: N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.3.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from parity.bounds.numerics import Array, Format, format_of
from parity.circumstances.promises import ROUNDINGS, division_roundings
from parity.reference.optimizer import Single

_SINGLE = format_of(np.float32)


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
        error = error + (value.error if isinstance(value, Rate) else 0.0)
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

    def __getitem__(self, index: Any) -> "Bounded":
        """Return some of the values, or all of them in more dimensions, each with its bound."""
        return self._each(lambda array: array[index])

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Apply one operation to values and bounds; unknown operations are refused, never approximated."""
        rule = _RULES.get(ufunc)
        if rule is None or method != "__call__" or kwargs:
            return NotImplemented
        operands = [item if isinstance(item, Bounded) else self.dtype.type(item) for item in inputs]
        with np.errstate(all="ignore"):
            result = rule(*operands)
        if isinstance(result, Truth):
            return result
        result.constant = all(operand.constant for operand in operands)
        return result

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Support what pages need beside ufuncs: zeros, sums and means, and the same values in another shape."""
        if function is np.zeros_like:
            return Bounded(np.zeros_like(self.value), np.zeros_like(self.error), self.format)
        if function is np.where and len(args) == 3 and isinstance(args[0], Truth):
            return _where(args[0], *(each if isinstance(each, Bounded) else self.dtype.type(each) for each in args[1:]))
        reduction = _REDUCTIONS.get(function)
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
    """What a comparison of bounded arrays says, and where every evaluation says so."""

    value: Array
    sure: Array

    def __and__(self, other: "Truth") -> "Truth":
        """Return whether both hold: a sure no is sure whatever the other is."""
        no = (self.sure & ~self.value) | (other.sure & ~other.value)
        return Truth(self.value & other.value, no | (self.sure & other.sure))


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


def _rounded(
    value: Array, error: Array, fmt: Format, roundings: float = 1.0, floor: Array | float | None = None
) -> Bounded:
    """Add what one narrow operation may do to a result, and what the wide arithmetic itself did to the value."""
    slack = fmt.unit * roundings + 4 * float(np.finfo(fmt.wide).eps)
    magnitude = np.abs(value) + error
    total = magnitude * slack
    total = total + error
    total = total + fmt.underflow
    if not np.max(magnitude, initial=0) * (1 + slack) + fmt.underflow <= fmt.largest:
        total = np.where(np.abs(value) + total > fmt.largest, np.inf, total)
    if floor is not None:
        floor = np.maximum(floor * (1 - 2 * slack) - fmt.underflow, 0)
    return Bounded(value, total, fmt, floor)


def _add(x: Bounded, y: Bounded) -> Bounded:
    """Add; a difference and a third number may be added in another order, whose first sum is at most all three."""
    floor = None if x.floor is None or y.floor is None else x.floor + y.floor
    error = x.error + y.error
    if x.parts is not None:
        largest = sum(np.abs(part.value) + part.error for part in (*x.parts, y))
        error = error + x.format.unit * largest
    return _mean_of_two(_rounded(x.value + y.value, error, x.format, floor=floor), x, y)


def _mean_of_two(total: Bounded, x: Bounded, y: Bounded) -> Bounded:
    """Allow ``x + (new - x) * a`` with a scalar to be formed as ``x * (1 - a) + new * a``, and keep its floor.

    One form is torch's (torch/optim/adam.py, ``lerp_``), the other that of papers and tutorials. With a share from 0
    to 1, rounding is monotonic in the first form: the change is at most what there was, and nothing becomes negative.
    """
    if y.factors is None or y.factors[0].parts is None or y.factors[0].parts[1] is not x:
        return total
    (new, _), share = y.factors[0].parts, y.factors[1]
    rest = x.dtype.type(1.0).value - share.value
    kept = Bounded(rest, share.error + x.format.unit * np.abs(rest), x.format)
    other = _rounded(total.value, _product(x, kept).error + _product(new, share).error, x.format)
    total.error = np.maximum(total.error, other.error)
    if x.floor is not None and new.floor is not None and 0 <= share.value - share.error <= 1 - share.error:
        total.floor = 0.0
    return total


def _subtract(x: Bounded, y: Bounded) -> Bounded:
    difference = _rounded(x.value - y.value, x.error + y.error, x.format)
    difference.parts = x, y
    return _shrunk(difference, x, y)


def _shrunk(difference: Bounded, x: Bounded, y: Bounded) -> Bounded:
    """Allow ``x - x * a`` with a scalar to be formed as ``x * (1 - a)``, which rounds the factor and the product.

    So decays torch (torch/optim/adamw.py, ``param.mul_(1 - lr * weight_decay)``), and so do programs after it. The
    factor is near one, so that both roundings are of x, where the difference has one of x and those of its small part.
    """
    if y.factors is not None and y.factors[0] is x:
        one, scalar = x.dtype.type(1.0), y.factors[1]
        if scalar.value == 0 and scalar.error == 0:
            return difference  # one less nothing is one, and so is what it multiplies left alone
        factor = _rounded(one.value - scalar.value, scalar.error, x.format)
        difference.error = np.maximum(difference.error, _product(x, factor).error)
    return difference


def _multiply(x: Bounded, y: Bounded) -> Bounded:
    product = _product(x, y)
    if _is_scalar(y, x):
        return _gathered(product, x, y)
    return _gathered(product, y, x) if _is_scalar(x, y) else product


def _product(x: Bounded, y: Bounded) -> Bounded:
    error = np.abs(x.value) * y.error + np.abs(y.value) * x.error + x.error * y.error
    floor = None if x.floor is None or y.floor is None else x.floor * y.floor
    return _rounded(x.value * y.value, error, x.format, floor=floor)


def _is_scalar(x: Bounded, beside: Bounded) -> bool:
    """Return whether ``x`` multiplies all elements of another array alike: a constant, or a norm without dimensions."""
    return not beside.constant and (x.constant or (x.shape == () and beside.shape != ()))


def _gathered(result: Bounded, x: Bounded, scalar: Bounded) -> Bounded:
    """Allow a product with a scalar to be formed as ``x * (a * b)`` where it is ``(x * a) * b``.

    So do XLA (xla/hlo/transforms/simplifiers/algebraic_simplifier.cc, HandleMultiply; HandleDivide makes a division by
    a constant a product) and Grappler (tensorflow/core/grappler/optimizers/constant_folding.cc, ConstantPushDown and
    ReduceDivToReciprocalMul). There are as many roundings either way, and they are relative, unless the product of the
    scalars is no normal number: a subnormal one keeps few digits or none, and an infinite one makes all infinite.
    """
    if x.factors is not None:
        x, first = x.factors
        scalar = _scalars(first, scalar)
    result.factors = x, scalar
    magnitude = np.abs(scalar.value)
    if not np.isfinite(scalar.error):
        result.error = result.error + np.inf
    elif magnitude > 0 and magnitude - scalar.error < scalar.format.normal:
        result.error = np.maximum(result.error, _product(x, scalar).error)
    return result


def _scalars(x: Bounded, y: Bounded) -> Bounded:
    """Multiply two scalars; a zero makes an exact one."""
    product = _product(x, y)
    none = (x.value == 0 and x.error == 0) or (y.value == 0 and y.error == 0)
    return Bounded(product.value, np.zeros_like(product.error), x.format) if none else product


def _square(x: Bounded) -> Bounded:
    product = _product(x, x)
    return Bounded(product.value, product.error, x.format, 0.0)


def _divide(x: Bounded, y: Bounded) -> Bounded:
    """Divide; by a constant also as a product with its reciprocal, which may be subnormal, or infinite."""
    quotient = _quotient(x, y)
    if not y.constant or x.constant:
        return quotient
    return _gathered(quotient, x, _quotient(y.dtype.type(1.0), y))


def _quotient(x: Bounded, y: Bounded) -> Bounded:
    quotient = x.value / y.value
    nearest = np.abs(y.value) - y.error
    nearest = nearest if y.floor is None else np.maximum(nearest, y.floor)
    error = np.where(nearest > 0, (x.error + np.abs(quotient) * y.error) / nearest, np.inf)
    # A share of what is never negative is not either.
    positive = x.floor is not None and not x.constant and y.constant and y.value - y.error > 0
    roundings = division_roundings(x.format.name, x.format.unit)
    return _rounded(quotient, error, x.format, roundings, 0.0 if positive else None)


def _sqrt(x: Bounded) -> Bounded:
    root, low = np.sqrt(x.value), x.low
    # By the slope, or near zero, where that has no end, by the root of the difference, below which two roots stay.
    apart = np.fmin(x.error / (root + np.sqrt(np.maximum(low, 0))), np.sqrt(x.error))
    error = np.where(low >= 0, apart, np.inf)
    error = np.where((x.error == 0) & (x.value >= 0), 0.0, error)
    return _rounded(root, error, x.format, floor=None if x.floor is None else np.sqrt(x.floor))


def _power(x: Bounded, y: Bounded) -> Bounded:
    """Raise to a power: bounded by its derivatives at the worst corner; near a base of zero, by its magnitude there.

    A base that rounding makes negative may yield NaN, which no finite bound excuses.
    """
    low = x.value - x.error
    value = x.value**y.value
    near = np.abs(value) + (np.abs(x.value) + x.error) ** y.value
    moved = np.abs(y.value) * np.log(x.value / low) + np.abs(np.log(low)) * y.error
    # Of 16 bits it is computed in float32, and rounded once.
    own = ROUNDINGS["pow"] if x.format.dtype.itemsize > 2 else 1 + ROUNDINGS["pow"] * _SINGLE.unit / x.format.unit
    power = _rounded(value, np.abs(value) * np.expm1(moved), x.format, own)
    return Bounded(value, np.where(low <= 0, near, power.error), x.format)


def _maximum(x: Bounded, y: Bounded) -> Bounded:
    floors = [np.asarray(each.floor) for each in (x, y) if each.floor is not None]
    floor = None if not floors or x.constant or y.constant else np.maximum(*floors) if len(floors) > 1 else floors[0]
    return Bounded(np.maximum(x.value, y.value), np.maximum(x.error, y.error), x.format, floor)


def _minimum(x: Bounded, y: Bounded) -> Bounded:
    return Bounded(np.minimum(x.value, y.value), np.maximum(x.error, y.error), x.format)


def _sign(x: Bounded) -> Bounded:
    """Take the sign: exact where the error does not reach over zero; elsewhere it may turn, which is a whole step.

    What is zero, but for operations that flush, was made of zeros.
    """
    sign, none = np.sign(x.value), (x.value == 0) & (x.error <= 4 * x.format.underflow)
    error = np.maximum(np.sign(x.value + x.error) - sign, sign - np.sign(x.low))
    return Bounded(sign, np.where(none, 0.0, error), x.format)


def _greater(x: Bounded, y: Bounded) -> Truth:
    apart = (x.low > y.value + y.error) | (x.value + x.error < y.low)
    return Truth(x.value > y.value, apart | ((x.error == 0) & (y.error == 0)))


def _where(truth: Truth, x: Bounded, y: Bounded) -> Bounded:
    """Choose; where it is not sure which, the other may be taken as well."""
    value = np.where(truth.value, x.value, y.value)
    error = np.where(truth.value, x.error, y.error)
    with np.errstate(all="ignore"):
        other = np.abs(x.value - y.value) + np.where(truth.value, y.error, x.error)
    return Bounded(value, np.where(truth.sure, error, np.fmax(error, other)), x.format)


def _negative(x: Bounded) -> Bounded:
    return Bounded(-x.value, x.error, x.format)


def _absolute(x: Bounded) -> Bounded:
    return Bounded(np.abs(x.value), x.error, x.format, 0.0)


def _floor(x: Bounded) -> Bounded:
    return _stepped(np.floor, x)


def _ceil(x: Bounded) -> Bounded:
    return _stepped(np.ceil, x)


def _stepped(function: Callable[[Array], Array], x: Bounded) -> Bounded:
    """Round to an integer: exact, unless the error reaches over one; an exact integer is what IEEE division yields."""
    same = (function(x.value - x.error) == function(x.value + x.error)) | (x.value == np.rint(x.value))
    return Bounded(function(x.value), np.where(same, 0.0, np.inf), x.format)


def _sum(x: Bounded, axis: Any = None, keepdims: bool = False) -> Bounded:
    """Sum in any order: each of the n - 1 additions rounds a partial sum of at most the sum of magnitudes.

    Where none of them is negative, no order makes a negative sum.
    """

    def total(array: Array) -> Array:
        return np.asarray(np.sum(np.broadcast_to(array, x.value.shape), axis=axis, keepdims=keepdims))

    value, floor = total(x.value), None if x.floor is None else 0.0
    count = x.value.size // max(value.size, 1)
    roundings = max(count - 1, 1) * x.format.unit
    if roundings >= 1:
        return Bounded(value, np.full_like(value, np.inf), x.format, floor)
    magnitude = total(np.abs(x.value) + x.error)
    error = total(x.error) + roundings / (1 - roundings) * magnitude + count * x.format.underflow
    return Bounded(value, error, x.format, floor)


def _mean(x: Bounded, axis: Any = None, keepdims: bool = False) -> Bounded:
    """Sum, and divide by how many there are, or multiply by the reciprocal of that."""
    summed = _sum(x, axis, keepdims)
    mean = _divide(summed, x.dtype.type(x.value.size // max(summed.value.size, 1)))
    mean.floor = summed.floor
    return mean


_REDUCTIONS: dict[Any, Callable[..., Bounded]] = {np.sum: _sum, np.mean: _mean}
_ARRANGEMENTS = frozenset({np.expand_dims, np.squeeze, np.reshape, np.transpose, np.broadcast_to})
"""What moves values to other places and computes nothing."""


_RULES: dict[np.ufunc, Callable[..., Any]] = {
    np.add: _add,
    np.subtract: _subtract,
    np.multiply: _multiply,
    np.divide: _divide,
    np.square: _square,
    np.sqrt: _sqrt,
    np.power: _power,
    np.sign: _sign,
    np.greater: _greater,
    np.maximum: _maximum,
    np.minimum: _minimum,
    np.negative: _negative,
    np.absolute: _absolute,
    np.floor: _floor,
    np.ceil: _ceil,
}


class BoundedFloat32:
    """The arithmetic of a learning-rate schedule with bounds; see ``reference.schedules.Schedule``."""

    _format = format_of(np.float32)

    def number(self, value: float) -> Bounded:
        """Return a number that may be rounded to float32."""
        return BoundedDtype(self._format).type(value)

    def power(self, base: Bounded, exponent: Bounded) -> Bounded:
        """Bound base ** exponent."""
        with np.errstate(all="ignore"):
            return _power(base, exponent)

    def cosine(self, angle: Bounded) -> Bounded:
        """Bound cos by its slope, at most one."""
        return _rounded(np.cos(angle.value), angle.error, self._format, ROUNDINGS["cos"])

    def logarithm(self, x: Bounded) -> Bounded:
        """Bound log by its slope at the low end."""
        low = x.value - x.error
        error = x.error / low if low > 0 else np.asarray(np.inf)
        return _rounded(np.log(x.value), error, self._format, ROUNDINGS["log"])
