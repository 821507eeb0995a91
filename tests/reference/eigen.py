"""Sums in the order of Eigen's TensorReduction.h, by which TensorFlow adds: lanes of 32 bytes."""

from math import ceil
from typing import Any

import ml_dtypes
import numpy as np


def total(x: Any) -> Any:
    """Return the sum of all elements: a row of lanes, whatever the shape."""
    flat = x.ravel()
    if flat.dtype == ml_dtypes.bfloat16:  # TensorFlow adds these as float32
        return total(flat.astype(np.float32)).astype(flat.dtype)
    return _tree(flat, _lanes(flat), 200 if flat.dtype == np.float16 else 1024)


def along(x: Any, axis: int) -> Any:
    """Return the sums of a matrix, or of a vector, along an axis."""
    if x.dtype == ml_dtypes.bfloat16:
        return along(x.astype(np.float32), axis).astype(x.dtype)
    if axis % x.ndim == x.ndim - 1:
        return np.array([total(row) for row in x]) if x.ndim > 1 else total(x)
    return _columns(x)


def _lanes(x: Any) -> int:
    return 4 if x.dtype == np.float64 else 8


def _tree(x: Any, lanes: int, leaf: int) -> Any:
    """Add lanes four at a time, in leaves of a binary tree."""
    if len(x) > lanes * leaf:
        split = lanes * ceil(ceil(len(x) / 2) / lanes)
        return _tree(x[:split], lanes, leaf) + _tree(x[split:], lanes, leaf)
    unrolled, packed = len(x) // (4 * lanes) * 4 * lanes, len(x) // lanes * lanes
    four = np.zeros((4, lanes), x.dtype)
    for row in x[:unrolled].reshape(-1, 4, lanes):
        four = four + row
    total = ((four[0] + four[1]) + four[2]) + four[3]
    for row in x[unrolled:packed].reshape(-1, lanes):
        total = total + row
    rest = x.dtype.type(0)
    for element in x[packed:]:
        rest = rest + element
    total = total.astype(np.float32) if x.dtype == np.float16 else total
    while len(total) > 1:
        total = total[: len(total) // 2] + total[len(total) // 2 :]
    return total[0].astype(x.dtype) + rest


def _columns(x: Any) -> Any:
    """Add rows one after another; from 16 on by four sums in turn, where columns fill the lanes."""
    plain = _one_by_one(x, np.zeros(x.shape[1], x.dtype))
    if len(x) < 16:
        return plain
    unrolled = len(x) // 4 * 4
    first, *others = (_one_by_one(x[start:unrolled:4], np.zeros(x.shape[1], x.dtype)) for start in range(4))
    four = _one_by_one(x[unrolled:], _one_by_one(others, first))
    return np.where(np.arange(x.shape[1]) < x.shape[1] // _lanes(x) * _lanes(x), four, plain)


def _one_by_one(rows: Any, start: Any) -> Any:
    for row in rows:
        start = start + row
    return start
