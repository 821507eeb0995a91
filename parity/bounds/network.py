"""How far rounding may move the loss and gradients of the network, at given parameters: bounds for computed gradients.

The same running error analysis as in ``bounds``, for products of matrices in any order of summation. Where the sign of
a ReLU's pre-activation is within rounding of zero, its unit may be on or off: the bound of what it passes back is then
the whole gradient, and the unit is returned as a candidate for a branch flip.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.bounds.numerics import Array, Format, format_of
from parity.circumstances.promises import ROUNDINGS


@dataclass(frozen=True, slots=True)
class _Value:
    """Exact value and error bound of a matrix in float64 (or wider)."""

    v: Array
    e: Array


@dataclass(frozen=True, slots=True)
class _Product:
    """``inputs.T @ delta``, which is computed only where it is asked for when the batch is one example."""

    inputs: _Value
    delta: _Value
    format: Format

    def whole(self) -> _Value:
        return _matmul(_transposed(self.inputs), self.delta, self.format)

    def at(self, index: Array) -> _Value:
        if len(self.delta.v) > 1:
            whole = self.whole()
            return _Value(whole.v.reshape(-1)[index], whole.e.reshape(-1)[index])
        row, column = np.divmod(index, self.delta.v.shape[1])
        x, d = self.inputs.v[0][row], self.delta.v[0][column]
        xe, de = self.inputs.e[0][row], self.delta.e[0][column]
        largest = np.abs(d) + de
        propagated = xe * largest + np.abs(x) * de
        rounded = _gamma(1, self.format) * ((np.abs(x) + xe) * largest) + self.format.underflow
        return _Value(x * d, propagated + rounded)


@dataclass(frozen=True, slots=True)
class GradientBounds:
    """Bounds on |gradient - exact| for each tensor, on the loss, and for each hidden layer its pre-activations' own."""

    parts: dict[str, Any]
    loss: float
    loss_error: float
    hidden: list[_Value]

    def at(self, name: str, index: Array) -> tuple[Array, Array]:
        """Return exact gradients (in the wide dtype) and bounds at flat indices of one tensor."""
        part = self.parts[name]
        if isinstance(part, _Product):
            part = part.at(index)
            return part.v, part.e
        return part.v.reshape(-1)[index], part.e.reshape(-1)[index]

    @property
    def values(self) -> dict[str, Array]:
        """The exact gradients of each tensor (in the wide dtype) that the bounds surround."""
        return {name: self._whole(name).v for name in self.parts}

    @property
    def errors(self) -> dict[str, Array]:
        """The bounds of each tensor."""
        return {name: self._whole(name).e for name in self.parts}

    def _whole(self, name: str) -> _Value:
        part = self.parts[name]
        value: _Value = part.whole() if isinstance(part, _Product) else part
        return value


def known_bounds(values: Mapping[str, Array], errors: Mapping[str, Array]) -> GradientBounds:
    """Return bounds that were derived elsewhere, of a problem without hidden layers."""
    return GradientBounds({name: _Value(values[name], errors[name]) for name in values}, 0.0, float("inf"), [])


def gradient_bounds(params: Mapping[str, Array], x: Array, y: Array, scale: float = 1.0) -> GradientBounds:
    """Return bounds for one batch: ``x`` [n, features], one-hot ``y`` [n, classes], parameters as in the network page.

    ``scale`` multiplies the loss before it is differentiated.
    """
    fmt = format_of(x.dtype)
    count = len(params) // 2
    biases = [_exact(params[f"dense_{i}/bias"], fmt) for i in range(1, count + 1)]
    weights = [_exact(params[f"dense_{i}/kernel"], fmt) for i in range(2, count + 1)]
    inputs = [_exact(x, fmt)]
    pre: list[_Value] = []
    for layer, bias in enumerate(biases):
        first = layer == 0
        product = (
            _first_product(x, params["dense_1/kernel"], fmt) if first else _matmul(inputs[-1], weights[layer - 1], fmt)
        )
        z = _plus(product, bias, fmt)
        pre.append(z)
        inputs.append(_Value(np.maximum(z.v, 0), z.e))
    probabilities = _softmax(pre[-1], fmt)
    loss, loss_error = _loss(pre[-1], y.astype(fmt.wide), fmt)
    delta = _delta(probabilities, y.astype(fmt.wide), fmt)
    delta = _Value(delta.v * scale, (delta.e + fmt.unit * np.abs(delta.v)) * scale if scale != 1.0 else delta.e)
    parts: dict[str, Any] = {}
    for layer in range(count, 0, -1):
        bias = _matmul(_exact(np.ones((1, len(x)), dtype=x.dtype), fmt), delta, fmt)
        parts[f"dense_{layer}/kernel"] = _Product(inputs[layer - 1], delta, fmt)
        parts[f"dense_{layer}/bias"] = _Value(bias.v[0], bias.e[0])
        if layer > 1:
            delta = _through_relu(_matmul(delta, _transposed(weights[layer - 2]), fmt), pre[layer - 2])
    return GradientBounds(parts, loss, loss_error, pre[:-1])


def _first_product(x: Array, kernel: Array, fmt: Format) -> _Value:
    """Bound ``x @ kernel`` for exact inputs; those that are zero in the whole batch, most pixels, add nothing."""
    used = np.flatnonzero(np.any(x != 0, axis=0))
    inputs, weights = x[:, used].astype(fmt.wide), kernel[used].astype(fmt.wide)
    terms = x.shape[1]
    error = _gamma(terms, fmt) * (np.abs(inputs) @ np.abs(weights)) + terms * fmt.underflow
    return _Value(inputs @ weights, error)


def _exact(array: Array, fmt: Format) -> _Value:
    value = array.astype(fmt.wide)
    return _Value(value, np.zeros_like(value))


def _transposed(x: _Value) -> _Value:
    return _Value(x.v.T, x.e.T)


def _gamma(terms: int, fmt: Format) -> float:
    """n*u / (1 - n*u): what n roundings may do relative to the sum of magnitudes (Higham, lemma 3.1)."""
    roundings = terms * fmt.unit
    return roundings / (1 - roundings) if roundings < 1 else float("inf")


def _matmul(x: _Value, y: _Value, fmt: Format) -> _Value:
    magnitude = np.abs(x.v) + x.e
    propagated = x.e @ (np.abs(y.v) + y.e) + np.abs(x.v) @ y.e
    terms = x.v.shape[1]
    error = propagated + _gamma(terms, fmt) * (magnitude @ (np.abs(y.v) + y.e)) + terms * fmt.underflow
    return _Value(x.v @ y.v, error)


def _plus(x: _Value, y: _Value, fmt: Format) -> _Value:
    total = x.v + y.v
    error = x.e + y.e
    return _Value(total, error + fmt.unit * (np.abs(total) + error))


def _softmax(z: _Value, fmt: Format) -> _Value:
    """Each logit moves by at most its bound, so each ratio of exponentials by at most exp of twice the largest."""
    powers = np.exp(z.v - z.v.max(axis=-1, keepdims=True))
    p = powers / powers.sum(axis=-1, keepdims=True)
    shift = 2 * z.e.max(axis=-1, keepdims=True) + fmt.unit * 2 * np.abs(z.v - z.v.max(axis=-1, keepdims=True))
    relative = np.expm1(shift) + (1 + np.expm1(shift)) * (2 * ROUNDINGS["exp"] + p.shape[-1] + 2) * fmt.unit
    return _Value(p, p * relative + fmt.underflow)


def _delta(p: _Value, y: Array, fmt: Format) -> _Value:
    batch = len(p.v)
    difference = p.v - y
    error = p.e + fmt.unit * (np.abs(difference) + p.e)
    rounded = 2 * fmt.unit if batch & (batch - 1) else 0.0
    return _Value(difference / batch, (error + rounded * (np.abs(difference) + error)) / batch + fmt.underflow)


def _through_relu(delta: _Value, pre: _Value) -> _Value:
    undecided = np.abs(pre.v) <= pre.e
    passes = pre.v > 0
    value = np.where(passes, delta.v, 0.0)
    error = np.where(undecided, np.abs(delta.v) + delta.e, np.where(passes, delta.e, 0.0))
    return _Value(value, error)


def _loss(z: _Value, y: Array, fmt: Format) -> tuple[float, float]:
    shifted = z.v - z.v.max(axis=-1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=-1))
    each = log_sum - (y * shifted).sum(axis=-1)
    moved = 2 * z.e.max(axis=-1) + fmt.unit * 2 * np.abs(shifted).max(axis=-1)
    roundings = ROUNDINGS["exp"] + ROUNDINGS["log"] + z.v.shape[-1] + 2
    error = moved + fmt.unit * roundings * (1 + np.abs(log_sum) + np.abs(each))
    spread = (_gamma(len(each) + 1, fmt)) * float(np.mean(np.abs(each) + error))
    return float(np.mean(each)), float(np.mean(error)) + spread


def undecided_units(bounds: GradientBounds) -> list[tuple[int, int, int]]:
    """Return (layer, example, unit) of every pre-activation whose sign rounding may decide; layers count from one."""
    units: list[tuple[int, int, int]] = []
    for layer, pre in enumerate(bounds.hidden, start=1):
        units += [(layer, int(row), int(unit)) for row, unit in np.argwhere(np.abs(pre.v) <= pre.e)]
    return units


__all__: list[Any] = ["GradientBounds", "gradient_bounds", "known_bounds", "undecided_units"]
