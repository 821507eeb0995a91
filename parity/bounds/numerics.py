"""What a dtype means here: its NumPy type, its unit roundoff, its bits, and how floats are written for people."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

import ml_dtypes
import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]
Indices = NDArray[np.int64]

_DTYPES: Final[dict[str, Any]] = {
    "float64": np.float64,
    "float32": np.float32,
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
}
_INTEGER: Final[dict[int, Any]] = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}


@dataclass(frozen=True, slots=True)
class Format:
    """A binary floating-point format and the wider one that its exact values are computed in.

    ``unit`` is the unit roundoff (half an ULP of 1). ``underflow`` bounds the absolute error of one operation whose
    result is subnormal; TensorFlow's thread pools flush subnormals to zero (tsl/platform/denormal.h), so outside
    float16, which is computed in float32, it is the smallest normal number. ``normal`` is that number in each.

    Where ``certain``, what is made of nothing but zeros has no error, so that NaN is known which no evaluation avoids.
    """

    name: str
    dtype: np.dtype[Any]
    wide: np.dtype[Any]
    unit: float
    underflow: float
    normal: float
    largest: float
    certain: bool = False


@cache
def format_of(dtype: DTypeLike) -> Format:
    """Return the format of one of the four dtypes.

    Raises:
        TypeError: the dtype is none of float64, float32, float16 and bfloat16.
    """
    resolved = np.dtype(dtype)
    if resolved.name not in _DTYPES:
        raise TypeError(f"dtype must be one of {', '.join(_DTYPES)}. Received: {resolved.name}")
    info: Any = ml_dtypes.finfo(resolved)  # type: ignore[no-untyped-call]  # ml_dtypes is untyped
    wide = np.dtype(np.longdouble if resolved == np.float64 else np.float64)
    normal = float(info.smallest_normal)
    flushed = float(info.smallest_subnormal) / 2 if resolved == np.float16 else normal
    return Format(resolved.name, resolved, wide, float(info.eps) / 2, flushed, normal, float(info.max))


def dtype_of(name: str) -> np.dtype[Any]:
    """Return the NumPy dtype with one of the four names."""
    dtype: np.dtype[Any] = np.dtype(_DTYPES[name])
    return dtype


def bits(array: Array) -> Array:
    """Return a view of the values' bits as integers (a copy only where the array is not contiguous)."""
    return np.ascontiguousarray(array).reshape(array.shape).view(_INTEGER[array.dtype.itemsize])


def differs(obtained: Array, expected: Array) -> NDArray[np.bool_]:
    """Return where any bit differs; two NaNs are equal whatever their payload, -0.0 and 0.0 are not."""
    mask: NDArray[np.bool_] = bits(obtained) != bits(expected)
    if mask.any():
        mask &= ~(np.isnan(obtained) & np.isnan(expected))
    return mask


class Difference(NamedTuple):
    """Where two arrays differ, as ``unequal`` says it, and whether it was seen that the first is finite everywhere."""

    at: Indices | None
    finite: bool


def difference(obtained: Array, expected: Array) -> Difference:
    """Return where two arrays differ; whether a value is not finite is not looked for."""
    return Difference(unequal(obtained, expected), finite=False)


def unequal(obtained: Array, expected: Array) -> Indices | None:
    """Return where any bit differs, as positions in the flat arrays, or None where none does.

    NaNs are equal whatever their payload.
    """
    mask: NDArray[np.bool_] = bits(obtained) != bits(expected)
    if not mask.any():
        return None
    at = np.flatnonzero(mask)
    # To gather is cheap for a few elements and dear for most of them.
    if len(at) * 8 < mask.size:
        nan = np.isnan(obtained.reshape(-1)[at])
        nan &= np.isnan(expected.reshape(-1)[at])
        at = at[~nan] if nan.any() else at
    elif (nan := np.isnan(obtained)).any():
        at = np.flatnonzero(mask & ~(nan & np.isnan(expected)))
    return at if len(at) else None


def ulp_distance(obtained: Array, expected: Array) -> NDArray[np.float64]:
    """Return how many representable numbers lie between two arrays of one dtype; infinite where one is NaN.

    The count runs through zero, and -0.0 and 0.0 are zero apart.
    """
    distance = np.abs(_ordinal(obtained) - _ordinal(expected))
    nan = np.isnan(obtained) != np.isnan(expected)
    return np.where(nan, np.inf, np.where(np.isnan(obtained), 0.0, distance)).astype(np.float64)


def ratios(magnitude: Array, bound: Array) -> Array:
    """Return |difference| / bound: 0 where nothing differs, NaN where the bound is infinite.

    It is infinite where the bound is zero, and where the difference is no number although the bound is one.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = magnitude / bound
    ratio = np.where(magnitude == 0, 0.0, np.where(np.isnan(magnitude), np.inf, ratio))
    return np.asarray(np.where(np.isfinite(bound), ratio, np.nan))


def _ordinal(array: Array) -> Array:
    # Sign and magnitude to a monotone count. longdouble holds differences of 64-bit counts without overflow.
    raw = bits(array)
    wide: Any = np.longdouble if raw.dtype.itemsize == 8 else np.int64
    magnitude = (raw & np.iinfo(raw.dtype).max).astype(wide)
    return np.where(raw < 0, -magnitude, magnitude)


def shown(value: Any) -> float | str:
    """Return a JSON number that round-trips in the value's own dtype; NaN and infinities become words."""
    number = float(value)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    dtype = getattr(value, "dtype", None)
    return float(str(np.float32(number))) if dtype == np.float32 else number
