"""Operations that add up: products of matrices, sums, means, convolution and pooling (NHWC, the direct algorithm)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from parity.bounds.bounded import Bounded
from parity.bounds.functions import bilinear, gamma, high, hull, magnitude, matmul
from parity.bounds.graph.rules import Rule, floating, moved, no_rule, sure, whole
from parity.bounds.numerics import Array


def _matrices(attribute: Any, x: Bounded, y: Bounded) -> Bounded:
    x = moved(np.transpose, x) if attribute("transpose_a") else x
    y = moved(np.transpose, y) if attribute("transpose_b") else y
    return matmul(x, y)


def _batches(attribute: Any, x: Bounded, y: Bounded) -> Bounded:
    def turned(array: Array) -> Array:
        return np.swapaxes(array, -1, -2)

    x = moved(turned, x) if attribute("adj_x") else x
    y = moved(turned, y) if attribute("adj_y") else y
    return matmul(x, y)


def _einsum(attribute: Any, *xs: Bounded) -> Bounded:
    equation = attribute("equation").decode()
    inputs, _, output = equation.partition("->")
    if len(xs) != 2 or "..." in equation:
        raise no_rule(f"Einsum {equation}")
    sizes = dict(zip(inputs.replace(",", ""), xs[0].shape + xs[1].shape, strict=True))
    terms = math.prod(size for letter, size in sizes.items() if letter not in output)
    return bilinear(lambda a, b: np.einsum(equation, a, b), *xs, terms)


def _axes(axis: Any, ndim: int) -> tuple[int, ...]:
    return tuple(each % ndim for each in whole(axis))


def _summed(attribute: Any, x: Any, axis: Any) -> Any:
    keep = attribute("keep_dims")
    if not isinstance(x, Bounded):
        return np.sum(sure(x), axis=whole(axis), keepdims=keep)
    axes = _axes(axis, x.ndim)
    return np.sum(x, axis=axes, keepdims=keep) if axes else x  # type: ignore[call-overload]  # the array's own


def _averaged(attribute: Any, x: Bounded, axis: Any) -> Any:
    axes = _axes(axis, x.ndim)
    return np.mean(x, axis=axes, keepdims=attribute("keep_dims")) if axes else x  # type: ignore[call-overload]  # the array's


def _reduced(name: str) -> Rule:
    function: Any = {"Prod": np.prod, "Max": np.max, "Min": np.min, "All": np.all, "Any": np.any}[name]

    def rule(attribute: Any, x: Any, axis: Any) -> Any:
        how = {"axis": whole(axis), "keepdims": attribute("keep_dims")}
        if not floating(x):
            return function(sure(x), **how)
        if name not in ("Max", "Min"):
            raise no_rule(name)
        value, least, most = (function(each, **how) for each in (x.value, x.low, high(x)))
        return hull(value, least, most, x.format)

    return rule


def _channels_last(attribute: Any) -> None:
    if attribute("data_format") != b"NHWC":
        raise no_rule("an operation whose channels come first")


def _bias(attribute: Any, x: Bounded) -> Any:
    _channels_last(attribute)
    return np.sum(x, axis=tuple(range(x.ndim - 1)))  # type: ignore[call-overload]  # the array's own


def _segments(attribute: Any, x: Bounded, places: Any, count: Any) -> Bounded:
    """Add rows into the places that they name, in any order."""
    at = sure(places)

    def scattered(array: Array) -> Array:
        total = np.zeros((*whole(count), *array.shape[at.ndim :]), dtype=array.dtype)
        np.add.at(total, at, array)
        return total

    most = int(np.bincount(at.ravel(), minlength=1).max())
    error = scattered(np.broadcast_to(x.error, x.shape)) + gamma(max(most - 1, 0), x.format) * scattered(magnitude(x))
    return Bounded(scattered(x.value), error, x.format)


@dataclass(frozen=True, slots=True)
class _Windows:
    """The places of a kernel over an image: strides, dilations, padding and outputs in each of two dimensions."""

    kernel: tuple[int, int]
    size: tuple[int, int]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    outputs: tuple[int, ...]

    def __iter__(self) -> Iterator[tuple[int, int, tuple[slice, ...]]]:
        """Yield a place in the kernel, and the inputs that it meets at all of the outputs."""
        for row in range(self.kernel[0]):
            for column in range(self.kernel[1]):
                begin = row * self.dilations[0], column * self.dilations[1]
                spans = [
                    slice(b, b + (n - 1) * s + 1, s) for b, n, s in zip(begin, self.outputs, self.strides, strict=True)
                ]
                yield row, column, (slice(None), *spans)

    def padded(self, array: Array, fill: float = 0.0) -> Array:
        """Return an image with its border."""
        return np.pad(array, ((0, 0), *self.padding, (0, 0)), constant_values=fill)

    def cut(self, array: Array) -> Array:
        """Return an image without its border."""
        (top, _), (left, _) = self.padding
        return array[:, top : top + self.size[0], left : left + self.size[1]]


def _windows(attribute: Any, size: tuple[int, ...], kernel: tuple[int, ...], dilated: bool = True) -> _Windows:
    _channels_last(attribute)
    strides = tuple(attribute("strides")[1:3])
    dilations = tuple(attribute("dilations")[1:3]) if dilated else (1, 1)
    padding, outputs = [], []
    for length, width, stride, dilation in zip(size, kernel, strides, dilations, strict=True):
        reach = (width - 1) * dilation + 1
        kind = attribute("padding")
        if kind not in (b"SAME", b"VALID"):
            raise no_rule(f"padding {kind.decode()}")
        same = kind == b"SAME"
        out = -(-length // stride) if same else (length - reach) // stride + 1
        missing = max((out - 1) * stride + reach - length, 0) if same else 0
        padding.append((missing // 2, missing - missing // 2))
        outputs.append(out)
    return _Windows(kernel, size, strides, dilations, tuple(padding), tuple(outputs))  # type: ignore[arg-type]  # two each


def _convolved(attribute: Any, x: Bounded, w: Bounded) -> Bounded:
    rows, columns, inputs, _ = w.shape
    if x.shape[3] != inputs:
        raise no_rule("Conv2D in groups")
    windows = _windows(attribute, x.shape[1:3], (rows, columns))

    def product(a: Array, b: Array) -> Array:
        image = windows.padded(a)
        return np.asarray(sum(image[at] @ b[i, j] for i, j, at in windows))

    return bilinear(product, x, w, rows * columns * inputs)


def _input_gradient(attribute: Any, sizes: Any, w: Bounded, g: Bounded) -> Bounded:
    rows, columns, _, outputs = w.shape
    size = whole(sizes)
    windows = _windows(attribute, size[1:3], (rows, columns))

    def product(b: Array, a: Array) -> Array:
        total = windows.padded(np.zeros(size, dtype=a.dtype))
        for i, j, at in windows:
            total[at] += a @ b[i, j].T
        return windows.cut(total)

    return bilinear(product, w, g, rows * columns * outputs)


def _kernel_gradient(attribute: Any, x: Bounded, sizes: Any, g: Bounded) -> Bounded:
    rows, columns, inputs, outputs = whole(sizes)
    windows = _windows(attribute, x.shape[1:3], (rows, columns))

    def product(a: Array, b: Array) -> Array:
        image, flat = windows.padded(a), b.reshape(-1, outputs)
        total = np.zeros((rows, columns, inputs, outputs), dtype=a.dtype)
        for i, j, at in windows:
            total[i, j] = image[at].reshape(-1, inputs).T @ flat
        return total

    return bilinear(product, x, g, g.size // outputs)


def _pool(attribute: Any, x: Bounded) -> _Windows:
    return _windows(attribute, x.shape[1:3], tuple(attribute("ksize")[1:3]), dilated=False)


def _max_pooled(attribute: Any, x: Bounded) -> Bounded:
    windows = _pool(attribute, x)

    def top(array: Array) -> Array:
        image = windows.padded(array, -math.inf)
        return np.asarray(np.max([image[at] for *_, at in windows], axis=0))

    return hull(top(x.value), top(x.low), top(high(x)), x.format)


def _max_pool_gradient(attribute: Any, x: Bounded, y: Bounded, g: Bounded) -> Bounded:
    """Hand each gradient to the place of the maximum; where rounding may decide it, to any that may be it, ties too."""
    windows = _pool(attribute, x)
    value, upper, lower = (windows.padded(each, -math.inf) for each in (x.value, high(x), x.low))
    places = [at for *_, at in windows]
    top = np.max([lower[at] for at in places], axis=0)
    first = np.argmax([value[at] for at in places], axis=0)
    may = [(upper[at] >= top) & np.isfinite(upper[at]) for at in places]
    several = sum(each.astype(int) for each in may) > 1
    total, error, largest = (windows.padded(np.zeros(x.shape, dtype=g.format.wide)) for _ in range(3))
    for number, (at, candidate) in enumerate(zip(places, may, strict=True)):
        total[at] += np.where(first == number, g.value, 0)
        error[at] += np.where(candidate, np.where(several, magnitude(g), g.error), 0)
        largest[at] += np.where(candidate, magnitude(g), 0)
    spread = gamma(len(places), g.format) * windows.cut(largest)
    return Bounded(windows.cut(total), windows.cut(error) + spread, g.format)


def _mean_pooled(attribute: Any, x: Bounded) -> Bounded:
    windows = _pool(attribute, x)

    def total(array: Array) -> Array:
        image = windows.padded(array)
        return np.asarray(sum(image[at] for *_, at in windows))

    count = total(np.ones(x.shape, dtype=x.format.wide))
    terms = math.prod(windows.kernel)
    error = total(np.broadcast_to(x.error, x.shape)) + gamma(terms, x.format) * total(magnitude(x))
    mean: Bounded = Bounded(total(x.value), error, x.format) / Bounded(count, np.zeros_like(count), x.format)
    return mean


def _mean_pool_gradient(attribute: Any, sizes: Any, g: Bounded) -> Bounded:
    size = whole(sizes)
    windows = _windows(attribute, size[1:3], tuple(attribute("ksize")[1:3]), dilated=False)
    ones = windows.padded(np.ones(size, dtype=g.format.wide))
    count = np.asarray(sum(ones[at] for *_, at in windows))
    share = g / Bounded(count, np.zeros_like(count), g.format)

    def spread(array: Array) -> Array:
        total = windows.padded(np.zeros(size, dtype=array.dtype))
        for *_, at in windows:
            total[at] += array
        return windows.cut(total)

    error = spread(share.error) + gamma(math.prod(windows.kernel), g.format) * spread(magnitude(share))
    return Bounded(spread(share.value), error, g.format)


RULES: Final[dict[str, Rule]] = {
    "MatMul": _matrices,
    "BatchMatMulV2": _batches,
    "BatchMatMulV3": _batches,
    "Einsum": _einsum,
    "Sum": _summed,
    "Mean": _averaged,
    **{name: _reduced(name) for name in ("Prod", "Max", "Min", "All", "Any")},
    "BiasAddGrad": _bias,
    "UnsortedSegmentSum": _segments,
    "Conv2D": _convolved,
    "Conv2DBackpropInput": _input_gradient,
    "Conv2DBackpropFilter": _kernel_gradient,
    "MaxPool": _max_pooled,
    "MaxPoolGrad": _max_pool_gradient,
    "AvgPool": _mean_pooled,
    "AvgPoolGrad": _mean_pool_gradient,
}
