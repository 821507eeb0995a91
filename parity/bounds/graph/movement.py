"""Operations that move values and compute nothing: shapes, places, casts."""

import math
from typing import Any, Final

import numpy as np

from parity.bounds.bounded import Bounded, Truth, rounded
from parity.bounds.functions import lifted
from parity.bounds.graph.rules import Rule, joined, moved, no_rule, shape_of, sure, whole
from parity.bounds.numerics import Array, format_of


def _cast(attribute: Any, x: Any) -> Any:
    target = np.dtype(attribute("DstT").as_numpy_dtype)
    try:
        fmt = format_of(target)
    except TypeError:
        if isinstance(x, Truth) and target == np.bool_:
            return x
        if isinstance(x, Bounded):  # labels that were floats for a moment
            if np.any(x.error):
                raise no_rule("a cast of a rounded number to an integer") from None
            return x.value.astype(target)
        return sure(x).astype(target)
    if isinstance(x, Bounded):
        wider = fmt.unit <= x.format.unit
        value, error = x.value.astype(fmt.wide), np.asarray(x.error).astype(fmt.wide)
        return Bounded(value, error, fmt, x.floor) if wider else rounded(value, error, fmt)
    if isinstance(x, Truth):
        return Bounded(x.value.astype(fmt.wide), x.unsure.astype(fmt.wide), fmt)
    plain = np.asarray(x)
    value = plain.astype(fmt.wide)
    return Bounded(value, np.abs(plain.astype(target).astype(fmt.wide) - value), fmt)


def _index(attribute: Any, begin: Any, end: Any, strides: Any) -> tuple[Any, ...]:
    masks = {name: attribute(f"{name}_mask") for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    index: list[Any] = []
    for place, (first, last, step) in enumerate(zip(whole(begin), whole(end), whole(strides), strict=True)):
        on = {name: bool(mask >> place & 1) for name, mask in masks.items()}
        if on["ellipsis"]:
            index.append(Ellipsis)
        elif on["new_axis"]:
            index.append(None)
        elif on["shrink_axis"]:
            index.append(first)
        else:
            index.append(slice(None if on["begin"] else first, None if on["end"] else last, step))
    return tuple(index)


def _strided(attribute: Any, x: Any, begin: Any, end: Any, strides: Any) -> Any:
    index = _index(attribute, begin, end, strides)
    return moved(lambda array: array[index], x)


def _strided_gradient(attribute: Any, shape: Any, begin: Any, end: Any, strides: Any, g: Any) -> Any:
    index = _index(attribute, begin, end, strides)

    def placed(array: Array) -> Array:
        total = np.zeros(whole(shape), dtype=array.dtype)
        total[index] = array
        return total

    return moved(placed, g)


def _broadcast_axes(attribute: Any, a: Any, b: Any) -> tuple[Array, Array]:
    """Return the axes along which each of two shapes was repeated to fit the other."""
    first, second = whole(a), whole(b)
    length = max(len(first), len(second))
    left, right = (1,) * (length - len(first)) + first, (1,) * (length - len(second)) + second

    def axes(own: tuple[int, ...], other: tuple[int, ...], ndim: int) -> Array:
        repeated = [i for i in range(length) if own[i] == 1 and (other[i] != 1 or i < length - ndim)]
        return np.array(repeated, dtype=np.int32)

    return axes(left, right, len(first)), axes(right, left, len(second))


def _filled(attribute: Any, shape: Any, x: Any) -> Any:
    return moved(lambda array: np.full(whole(shape), array), x)


def _ones(attribute: Any, x: Any) -> Any:
    return lifted(np.ones(x.shape), x.format) if isinstance(x, Bounded) else np.ones_like(sure(x))


def _zeros(attribute: Any, x: Any) -> Any:
    return moved(np.zeros_like, x)


def _one_hot(attribute: Any, indices: Any, depth: Any, on: Any, off: Any) -> Any:
    at, count, axis = sure(indices), int(sure(depth)), attribute("axis")
    hot = np.moveaxis(at[..., None] == np.arange(count), -1, axis)
    if not isinstance(on, Bounded):
        return np.where(hot, sure(on), sure(off))
    return Bounded(np.where(hot, on.value, off.value), np.where(hot, on.error, off.error), on.format)


def _unpacked(attribute: Any, x: Any) -> tuple[Any, ...]:
    axis = attribute("axis")
    return tuple(_gathered(attribute, x, i, axis) for i in range(attribute("num")))


def _split(attribute: Any, axis: Any, x: Any) -> tuple[Any, ...]:
    count, at = attribute("num_split"), int(sure(axis))
    each = shape_of(x)[at] // count
    return tuple(_gathered(attribute, x, range(i * each, (i + 1) * each), at) for i in range(count))


def _sliced(attribute: Any, x: Any, begin: Any, size: Any) -> Any:
    spans = tuple(slice(b, None if n < 0 else b + n) for b, n in zip(whole(begin), whole(size), strict=True))
    return moved(lambda array: array[spans], x)


def _gathered(attribute: Any, x: Any, indices: Any, axis: Any) -> Any:
    return moved(lambda array: np.take(array, sure(indices), int(sure(axis))), x)


def _stitched(attribute: Any, *xs: Any) -> Array:
    """Put integers, such as the parts of a shape, into the places that others name; the last one wins."""
    count = attribute("N")
    places, parts = [sure(x) for x in xs[:count]], [sure(x) for x in xs[count:]]
    most = max(int(place.max(initial=-1)) for place in places) + 1
    merged = np.zeros((most, *parts[0].shape[places[0].ndim :]), parts[0].dtype)
    for place, part in zip(places, parts, strict=True):
        merged[place] = part
    return merged


def _as_is(attribute: Any, x: Any) -> Any:
    return x


RULES: Final[dict[str, Rule]] = {
    **dict.fromkeys(("Identity", "StopGradient", "PreventGradient", "CheckNumerics"), _as_is),
    "IdentityN": lambda attribute, *xs: xs,
    "NoOp": lambda attribute: (),
    "Assert": lambda attribute, *xs: (),
    "Cast": _cast,
    "Reshape": lambda attribute, x, shape: moved(lambda a: np.reshape(a, whole(shape)), x),
    "Transpose": lambda attribute, x, axes: moved(lambda a: np.transpose(a, whole(axes)), x),
    "ExpandDims": lambda attribute, x, axis: moved(lambda a: np.expand_dims(a, int(sure(axis))), x),
    "Squeeze": lambda attribute, x: moved(lambda a: np.squeeze(a, tuple(attribute("squeeze_dims")) or None), x),
    "Tile": lambda attribute, x, times: moved(lambda a: np.tile(a, whole(times)), x),
    "BroadcastTo": lambda attribute, x, shape: moved(lambda a: np.broadcast_to(a, whole(shape)), x),
    "Pad": lambda attribute, x, padding: moved(lambda a: np.pad(a, sure(padding)), x),
    "ReverseV2": lambda attribute, x, axis: moved(lambda a: np.flip(a, whole(axis)), x),
    "Pack": lambda attribute, *xs: joined(lambda parts: np.stack(parts, attribute("axis")), [*xs]),
    "ConcatV2": lambda attribute, *xs: joined(lambda parts: np.concatenate(parts, int(sure(xs[-1]))), [*xs[:-1]]),
    "Unpack": _unpacked,
    "Split": _split,
    "Slice": _sliced,
    "StridedSlice": _strided,
    "StridedSliceGrad": _strided_gradient,
    "GatherV2": _gathered,
    "ResourceGather": lambda attribute, x, indices: _gathered(attribute, x, indices, 0),
    "OneHot": _one_hot,
    "Fill": _filled,
    "OnesLike": _ones,
    "ZerosLike": _zeros,
    "Shape": lambda attribute, x: np.array(shape_of(x), attribute("out_type").as_numpy_dtype),
    "ShapeN": lambda attribute, *xs: tuple(np.array(shape_of(x), np.int32) for x in xs),
    "VariableShape": lambda attribute, x: np.array(shape_of(x), np.int32),
    "Size": lambda attribute, x: np.asarray(math.prod(shape_of(x)), np.int32),
    "Rank": lambda attribute, x: np.asarray(len(shape_of(x)), np.int32),
    "Range": lambda attribute, first, last, step: np.arange(*(each.item() for each in map(sure, (first, last, step)))),
    "BroadcastGradientArgs": _broadcast_axes,
    "DynamicStitch": _stitched,
}
