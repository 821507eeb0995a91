"""Operations on each element: arithmetic, elementary functions, activations with their gradients, choices."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from parity.bounds import functions as f
from parity.bounds.bounded import Bounded, Truth, rounded
from parity.bounds.functions import chosen, hull, lifted, truth
from parity.bounds.graph.rules import Rule, floating, format_in, no_rule, numbers, sure
from parity.bounds.numerics import Array
from parity.circumstances.promises import ROUNDINGS, division_roundings


def _pair(plain: Callable[[Any, Any], Any], bounded: Callable[[Bounded, Bounded], Bounded]) -> Rule:
    """Return a rule of two operands, of which a plain array beside a bounded one is exact."""

    def rule(attribute: Any, x: Any, y: Any) -> Any:
        if not floating(x, y):
            return plain(x, y)
        fmt = format_in(x, y)
        return bounded(numbers(x, fmt), numbers(y, fmt))

    return rule


def _one(plain: Callable[[Any], Any], bounded: Callable[[Bounded], Bounded]) -> Rule:
    return lambda attribute, x: bounded(x) if isinstance(x, Bounded) else plain(x)


def _compared(function: Callable[[Array, Array], Array]) -> Rule:
    def rule(attribute: Any, x: Any, y: Any) -> Any:
        if not floating(x, y):
            return function(x, y)
        fmt = format_in(x, y)
        return f.compared(function, numbers(x, fmt), numbers(y, fmt))

    return rule


def _minimum(x: Bounded, y: Bounded) -> Any:
    return -f.maximum(-x, -y)


def _or_zero(attribute: Any, x: Bounded, y: Bounded) -> Any:
    """Divide, or return zero where the divisor is zero."""
    return chosen(f.compared(np.equal, y, lifted(0.0, y.format)), lifted(np.zeros(y.shape), y.format), x / y)


def _power(x: Bounded, y: Bounded) -> Any:
    if np.all(y.value == 2) and not np.any(y.error):
        return f.squared(x)
    raise no_rule("Pow with an exponent that is not 2")


def _added(attribute: Any, *xs: Any) -> Any:
    """Add any number of arrays in any order."""
    if not floating(*xs):
        return sum(xs)
    total = sum(f.magnitude(x) for x in xs)
    error = sum(x.error for x in xs) + f.gamma(len(xs) - 1, xs[0].format) * total
    return Bounded(sum(x.value for x in xs), error, xs[0].format)


def _cut(low: float, high: float) -> Callable[[Bounded], Any]:
    def apply(x: Bounded) -> Any:
        value, least, most = (np.clip(each, low, high) for each in (x.value, x.low, f.high(x)))
        return hull(value, least, most, x.format, 0.0 if low >= 0 else None)

    return apply


def _root(x: Bounded) -> Any:
    return np.sqrt(x)


def _reciprocal(x: Bounded) -> Any:
    return lifted(1.0, x.format) / x


def _reciprocal_root(x: Bounded) -> Any:
    """Bound 1 / sqrt(x), one instruction and its refinement, or a division by a root."""
    return _reciprocal(_root(x))


def _sigmoid_gradient(attribute: Any, y: Bounded, g: Bounded) -> Any:
    return (g * y) * (lifted(1.0, y.format) - y)


def _tanh_gradient(attribute: Any, y: Bounded, g: Bounded) -> Any:
    return g * (lifted(1.0, y.format) - f.squared(y))


def _root_gradient(attribute: Any, y: Bounded, g: Bounded) -> Any:
    return (g * lifted(0.5, y.format)) / y


def _reciprocal_root_gradient(attribute: Any, y: Bounded, g: Bounded) -> Any:
    return (f.squared(y) * y) * (g * lifted(-0.5, y.format))


def _relu_gradient(attribute: Any, g: Bounded, x: Bounded) -> Any:
    return chosen(f.above(x), g, lifted(np.zeros(g.shape), g.format))


def _relu6_gradient(attribute: Any, g: Bounded, x: Bounded) -> Any:
    low, high = f.above(x), f.above(x, 6.0)
    at_most = Truth(x.value < 6, high.unsure | ((x.low < 6) & (f.high(x) >= 6) & (x.error > 0)))
    return chosen(_and(low, at_most), g, lifted(np.zeros(g.shape), g.format))


def _slope(attribute: Any, fmt: Any) -> Any:
    return lifted(float(np.float32(attribute("alpha"))), fmt)


def _leaky(attribute: Any, x: Bounded) -> Any:
    return chosen(f.above(x), x, x * _slope(attribute, x.format))


def _leaky_gradient(attribute: Any, g: Bounded, x: Bounded) -> Any:
    return chosen(f.above(x), g, g * _slope(attribute, g.format))


_SELU: Final = (1.0507009873554804934193349852946, 1.6732632423543772848170429916717)


def _elu(scale: float, negative: float) -> Callable[[Any, Bounded], Bounded]:
    """Bound x above zero and exp(x) - 1 below it, which Eigen takes as such: off by roundings of one near zero."""

    def curve(x: Array) -> Array:
        return np.asarray(np.where(x < 0, negative * np.expm1(np.minimum(x, 0)), scale * x))

    def rule(attribute: Any, x: Bounded) -> Any:
        made = f.monotone(curve, ROUNDINGS["expm1"] + 2)(x)
        near = np.where(x.low < 0, (ROUNDINGS["exp"] + 2) * negative * x.format.unit, 0.0)
        return Bounded(made.value, made.error + near, x.format)

    return rule


def _elu_gradient(scale: float, negative: float) -> Callable[[Any, Bounded, Bounded], Bounded]:
    def rule(attribute: Any, g: Bounded, y: Bounded) -> Any:
        below = g * (y + y.dtype.type(negative))
        return chosen(f.compared(np.greater_equal, y, lifted(0.0, y.format)), g * g.dtype.type(scale), below)

    return rule


def _softsign(attribute: Any, x: Bounded) -> Any:
    steps = division_roundings(x.format.name, x.format.unit) + 2
    return f.monotone(lambda a: a / (1 + np.abs(a)), steps)(x)


def _softsign_gradient(attribute: Any, g: Bounded, x: Bounded) -> Any:
    return g / f.squared(lifted(1.0, x.format) + _absolute(x))


def _softplus_gradient(attribute: Any, g: Bounded, x: Bounded) -> Any:
    return g / (_exponential(-x) + lifted(1.0, x.format))


def _exponential(x: Bounded) -> Any:
    return f.exp(x)


def _absolute(x: Bounded) -> Any:
    return hull(np.abs(x.value), np.maximum(np.abs(x.value) - x.error, 0), f.magnitude(x), x.format, 0.0)


def _sign(x: Bounded) -> Any:
    return hull(np.sign(x.value), np.sign(x.low), np.sign(f.high(x)), x.format)


def _and(x: Any, y: Any) -> Truth:
    return truth(x) & truth(y)


def _or(x: Any, y: Any) -> Truth:
    return truth(x) | truth(y)


def _not(x: Any) -> Truth:
    return ~truth(x)


def _selected(attribute: Any, condition: Any, x: Any, y: Any) -> Any:
    if not floating(x, y):
        return np.where(sure(condition), x, y)
    fmt = format_in(x, y)
    return chosen(condition, numbers(x, fmt), numbers(y, fmt))


def _log_of(attribute: Any, x: Bounded) -> Any:
    return f.log(x)


def _product_or_zero(attribute: Any, x: Bounded, y: Bounded) -> Any:
    product = x * y
    none = (x.value == 0) & (x.error == 0)
    return Bounded(np.where(none, 0.0, product.value), np.where(none, 0.0, product.error), x.format)


def _cosine(function: Callable[[Array], Array]) -> Callable[[Bounded], Bounded]:
    return lambda x: rounded(function(x.value), np.minimum(x.error, 2.0), x.format, ROUNDINGS["cos"])


RULES: Final[dict[str, Rule]] = {
    "AddV2": _pair(np.add, lambda x, y: x + y),
    "Add": _pair(np.add, lambda x, y: x + y),
    "BiasAdd": lambda attribute, x, y: x + y,
    "Sub": _pair(np.subtract, lambda x, y: x - y),
    "Mul": _pair(np.multiply, lambda x, y: x * y),
    "RealDiv": _pair(np.divide, lambda x, y: x / y),
    "FloorDiv": _pair(np.floor_divide, lambda x, y: np.floor(x / y)),
    "FloorMod": lambda attribute, x, y: np.mod(sure(x), sure(y)),
    "DivNoNan": _or_zero,
    "MulNoNan": lambda attribute, x, y: _product_or_zero(attribute, y, x),
    "Xlogy": lambda attribute, x, y: _product_or_zero(attribute, x, f.log(y)),
    "Maximum": _pair(np.maximum, f.maximum),
    "Minimum": _pair(np.minimum, _minimum),
    "Pow": _pair(np.power, _power),
    "AddN": _added,
    "Neg": _one(np.negative, lambda x: -x),
    "Abs": _one(np.abs, _absolute),
    "Sign": _one(np.sign, _sign),
    "Square": _one(np.square, f.squared),
    "SquaredDifference": _pair(lambda x, y: (x - y) ** 2, lambda x, y: f.squared(x - y)),
    "Sqrt": lambda attribute, x: _root(x),
    "Rsqrt": lambda attribute, x: _reciprocal_root(x),
    "Reciprocal": lambda attribute, x: _reciprocal(x),
    "Inv": lambda attribute, x: _reciprocal(x),
    "Exp": lambda attribute, x: f.exp(x),
    "Expm1": lambda attribute, x: f.expm1(x),
    "Log": _log_of,
    "Log1p": lambda attribute, x: f.log1p(x),
    "Tanh": lambda attribute, x: f.tanh(x),
    "Sigmoid": lambda attribute, x: f.sigmoid(x),
    "Softplus": lambda attribute, x: f.softplus(x),
    "Erf": lambda attribute, x: f.erf(x),
    "Erfc": lambda attribute, x: f.erfc(x),
    "Sin": lambda attribute, x: _cosine(np.sin)(x),
    "Cos": lambda attribute, x: _cosine(np.cos)(x),
    "Relu": lambda attribute, x: f.relu(x),
    "Relu6": lambda attribute, x: _cut(0.0, 6.0)(x),
    "LeakyRelu": _leaky,
    "Elu": _elu(1.0, 1.0),
    "Selu": _elu(_SELU[0], _SELU[0] * _SELU[1]),
    "Softsign": _softsign,
    "SigmoidGrad": _sigmoid_gradient,
    "TanhGrad": _tanh_gradient,
    "SqrtGrad": _root_gradient,
    "RsqrtGrad": _reciprocal_root_gradient,
    "ReluGrad": _relu_gradient,
    "Relu6Grad": _relu6_gradient,
    "LeakyReluGrad": _leaky_gradient,
    "EluGrad": _elu_gradient(1.0, 1.0),
    "SeluGrad": _elu_gradient(_SELU[0], _SELU[0] * _SELU[1]),
    "SoftsignGrad": _softsign_gradient,
    "SoftplusGrad": _softplus_gradient,
    "Less": _compared(np.less),
    "LessEqual": _compared(np.less_equal),
    "Greater": _compared(np.greater),
    "GreaterEqual": _compared(np.greater_equal),
    "Equal": _compared(np.equal),
    "NotEqual": _compared(np.not_equal),
    "LogicalAnd": lambda attribute, x, y: _and(x, y),
    "LogicalOr": lambda attribute, x, y: _or(x, y),
    "LogicalNot": lambda attribute, x: _not(x),
    "Select": _selected,
    "SelectV2": _selected,
}
