"""How far rounding may move the loss and gradients of the network, at given parameters: bounds for computed gradients.

The network page on the array that carries a bound, with products of matrices in any order of summation. Where the sign
of a ReLU's pre-activation is within rounding of zero, its unit may be on or off: the bound of what it passes back is
then the whole gradient, and the unit is returned as a candidate for a branch flip.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.bounds import functions as f
from parity.bounds.bounded import Bounded
from parity.bounds.numerics import Array, Format, format_of
from parity.circumstances.promises import ROUNDINGS


@dataclass(frozen=True, slots=True)
class _Product:
    """``inputs.T @ delta``, which is computed only where it is asked for when the batch is one example."""

    inputs: Bounded
    delta: Bounded

    def whole(self) -> Bounded:
        return f.matmul(self.inputs.T, self.delta)

    def at(self, index: Array) -> Bounded:
        row, column = np.divmod(index, self.delta.shape[1])
        if len(self.delta.value) > 1:
            return self.whole()[row, column]
        return f.bilinear(np.multiply, self.inputs[0][row], self.delta[0][column], 1)


@dataclass(frozen=True, slots=True)
class GradientBounds:
    """Bounds on |gradient - exact| for each tensor, on the loss, and for each hidden layer its pre-activations' own."""

    parts: dict[str, "Bounded | _Product"]
    loss: float
    loss_error: float
    hidden: list[Bounded]

    def at(self, name: str, index: Array) -> tuple[Array, Array]:
        """Return exact gradients (in the wide dtype) and bounds at flat indices of one tensor."""
        part: Any = self.parts[name]
        if isinstance(part, _Product):
            some = part.at(index)
        else:
            flat: Any = np.reshape(part, (-1,))
            some = flat[index]
        return some.value, some.error

    @property
    def values(self) -> dict[str, Array]:
        """The exact gradients of each tensor (in the wide dtype) that the bounds surround."""
        return {name: self._whole(name).value for name in self.parts}

    @property
    def errors(self) -> dict[str, Array]:
        """The bounds of each tensor."""
        return {name: self._whole(name).error for name in self.parts}

    def _whole(self, name: str) -> Bounded:
        part = self.parts[name]
        return part.whole() if isinstance(part, _Product) else part


def known_bounds(values: Mapping[str, Array], errors: Mapping[str, Array], fmt: Format) -> GradientBounds:
    """Return bounds that were derived elsewhere, of a problem without hidden layers."""
    parts: dict[str, Any] = {name: Bounded(values[name], errors[name], fmt) for name in values}
    return GradientBounds(parts, 0.0, float("inf"), [])


def gradient_bounds(params: Mapping[str, Array], x: Array, y: Array, scale: float = 1.0) -> GradientBounds:
    """Return bounds for one batch: ``x`` [n, features], one-hot ``y`` [n, classes], parameters as in the network page.

    ``scale`` multiplies the loss before it is differentiated.
    """
    fmt = format_of(x.dtype)
    count = len(params) // 2
    biases = [f.lifted(params[f"dense_{i}/bias"], fmt) for i in range(1, count + 1)]
    weights = [f.lifted(params[f"dense_{i}/kernel"], fmt) for i in range(2, count + 1)]
    inputs = [f.lifted(x, fmt)]
    pre: list[Bounded] = []
    for layer, bias in enumerate(biases):
        first = layer == 0
        product = _first_product(x, params["dense_1/kernel"], fmt) if first else inputs[-1] @ weights[layer - 1]
        pre.append(product + bias)
        inputs.append(f.relu(pre[-1]))
    loss, loss_error = _loss(pre[-1], y.astype(fmt.wide))
    delta = _delta(_softmax(pre[-1]), y.astype(fmt.wide))
    delta = delta * delta.dtype.type(scale) if scale != 1.0 else delta
    ones = f.lifted(np.ones((1, len(x))), fmt)
    parts: dict[str, Any] = {}
    for layer in range(count, 0, -1):
        parts[f"dense_{layer}/kernel"] = _Product(inputs[layer - 1], delta)
        parts[f"dense_{layer}/bias"] = (ones @ delta)[0]
        if layer > 1:
            below = pre[layer - 2]
            delta = f.chosen(f.above(below), delta @ weights[layer - 2].T, f.lifted(np.zeros(below.shape), fmt))
    return GradientBounds(parts, loss, loss_error, pre[:-1])


def _first_product(x: Array, kernel: Array, fmt: Format) -> Bounded:
    """Bound ``x @ kernel`` for exact inputs; those that are zero in the whole batch, most pixels, add nothing."""
    used = np.flatnonzero(np.any(x != 0, axis=0))
    return f.bilinear(np.matmul, f.lifted(x[:, used], fmt), f.lifted(kernel[used], fmt), x.shape[1])


def _softmax(z: Bounded) -> Bounded:
    """Each logit moves by at most its bound, so each ratio of exponentials by at most exp of twice the largest."""
    fmt, shifted = z.format, z.value - z.value.max(axis=-1, keepdims=True)
    powers = np.exp(shifted)
    p = powers / powers.sum(axis=-1, keepdims=True)
    shift = 2 * z.error.max(axis=-1, keepdims=True) + fmt.unit * 2 * np.abs(shifted)
    relative = np.expm1(shift) + (1 + np.expm1(shift)) * (2 * ROUNDINGS["exp"] + p.shape[-1] + 2) * fmt.unit
    return Bounded(p, p * relative + fmt.underflow, fmt)


def _delta(p: Bounded, y: Array) -> Bounded:
    fmt, batch = p.format, len(p.value)
    difference = p.value - y
    error = p.error + fmt.unit * (np.abs(difference) + p.error)
    rounded = 2 * fmt.unit if batch & (batch - 1) else 0.0
    error = (error + rounded * (np.abs(difference) + error)) / batch + fmt.underflow
    return Bounded(difference / batch, error, fmt)


def _loss(z: Bounded, y: Array) -> tuple[float, float]:
    fmt, shifted = z.format, z.value - z.value.max(axis=-1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=-1))
    each = log_sum - (y * shifted).sum(axis=-1)
    moved = 2 * z.error.max(axis=-1) + fmt.unit * 2 * np.abs(shifted).max(axis=-1)
    roundings = ROUNDINGS["exp"] + ROUNDINGS["log"] + z.shape[-1] + 2
    error = moved + fmt.unit * roundings * (1 + np.abs(log_sum) + np.abs(each))
    spread = f.gamma(len(each) + 1, fmt) * float(np.mean(np.abs(each) + error))
    return float(np.mean(each)), float(np.mean(error)) + spread


def undecided_units(bounds: GradientBounds) -> list[tuple[int, int, int]]:
    """Return (layer, example, unit) of every pre-activation whose sign rounding may decide; layers count from one."""
    units: list[tuple[int, int, int]] = []
    for layer, pre in enumerate(bounds.hidden, start=1):
        units += [(layer, int(row), int(unit)) for row, unit in np.argwhere(f.above(pre).unsure)]
    return units


__all__: list[Any] = ["GradientBounds", "gradient_bounds", "known_bounds", "undecided_units"]
