"""What arithmetic does to bounded arrays: values, errors, floors, and the other forms that compilers give to it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from parity.bounds.bounded.array import CHOICES, OPERATIONS, REDUCTIONS, Bounded, Truth, rounded
from parity.bounds.numerics import Array, format_of
from parity.circumstances.promises import ROUNDINGS, division_roundings

_SINGLE = format_of(np.float32)


def _add(x: Bounded, y: Bounded) -> Bounded:
    """Add; a difference and a third number may be added in another order, whose first sum is at most all three."""
    floor = None if x.floor is None or y.floor is None else x.floor + y.floor
    error = x.error + y.error
    if x.parts is not None:
        largest = sum(np.abs(part.value) + part.error for part in (*x.parts, y))
        error = error + x.format.unit * largest
    return _mean_of_two(rounded(x.value + y.value, error, x.format, floor=floor), x, y)


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
    other = rounded(total.value, _product(x, kept).error + _product(new, share).error, x.format)
    total.error = np.maximum(total.error, other.error)
    if x.floor is not None and new.floor is not None and 0 <= share.value - share.error <= 1 - share.error:
        total.floor = 0.0
    return total


def _subtract(x: Bounded, y: Bounded) -> Bounded:
    difference = rounded(x.value - y.value, x.error + y.error, x.format)
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
        factor = rounded(one.value - scalar.value, scalar.error, x.format)
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
    return rounded(x.value * y.value, error, x.format, floor=floor)


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
    return rounded(quotient, error, x.format, roundings, 0.0 if positive else None)


def _sqrt(x: Bounded) -> Bounded:
    root, low = np.sqrt(x.value), x.low
    # By the slope, or near zero, where that has no end, by the root of the difference, below which two roots stay.
    apart = np.fmin(x.error / (root + np.sqrt(np.maximum(low, 0))), np.sqrt(x.error))
    error = np.where(low >= 0, apart, np.inf)
    error = np.where((x.error == 0) & (x.value >= 0), 0.0, error)
    return rounded(root, error, x.format, floor=None if x.floor is None else np.sqrt(x.floor))


def power(x: Bounded, y: Bounded) -> Bounded:
    """Raise to a power: bounded by its derivatives at the worst corner; near a base of zero, by its magnitude there.

    A base that rounding makes negative may yield NaN, which no finite bound excuses.
    """
    low = x.value - x.error
    value = x.value**y.value
    near = np.abs(value) + (np.abs(x.value) + x.error) ** y.value
    moved = np.abs(y.value) * np.log(x.value / low) + np.abs(np.log(low)) * y.error
    # Of 16 bits it is computed in float32, and rounded once.
    own = ROUNDINGS["pow"] if x.format.dtype.itemsize > 2 else 1 + ROUNDINGS["pow"] * _SINGLE.unit / x.format.unit
    power = rounded(value, np.abs(value) * np.expm1(moved), x.format, own)
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
    return Truth(x.value > y.value, ~(apart | ((x.error == 0) & (y.error == 0))))


def _where(truth: Truth, x: Bounded, y: Bounded) -> Bounded:
    """Choose; where it is not sure which, the other may be taken as well."""
    value = np.where(truth.value, x.value, y.value)
    error = np.where(truth.value, x.error, y.error)
    with np.errstate(all="ignore"):
        other = np.abs(x.value - y.value) + np.where(truth.value, y.error, x.error)
    return Bounded(value, np.where(truth.unsure, np.fmax(error, other), error), x.format)


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


OPERATIONS.update(
    {
        np.add: _add,
        np.subtract: _subtract,
        np.multiply: _multiply,
        np.divide: _divide,
        np.square: _square,
        np.sqrt: _sqrt,
        np.power: power,
        np.sign: _sign,
        np.greater: _greater,
        np.maximum: _maximum,
        np.minimum: _minimum,
        np.negative: _negative,
        np.absolute: _absolute,
        np.floor: _floor,
        np.ceil: _ceil,
    }
)
REDUCTIONS.update({np.sum: _sum, np.mean: _mean})
CHOICES.update({np.where: _where})
