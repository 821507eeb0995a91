"""What a program holds comes in, a copy of it goes out, in which what shares memory goes on sharing it."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

import numpy as np

from parity.bounds.numerics import Array

_DEPTH: Final = 6
_MOST: Final = 10_000
Value = TypeVar("Value")


def copied(value: Value) -> Value:
    """Return a deep copy, in which views of an array are views of the copied array.

    What is kept by the identity of objects, as optimizers keep their state, is kept by that of their copies.
    """
    memo: dict[int, Any] = {}
    for view in _views(value):
        owner = _owner(view)
        if id(owner) not in memo:
            memo[id(owner)] = owner.copy()
        offset = view.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
        memo[id(view)] = np.ndarray(view.shape, view.dtype, memo[id(owner)], offset, view.strides)
    result = copy.deepcopy(value, memo)
    for each in _held(result):
        if isinstance(each, dict) and each and all(type(key) is int and key in memo for key in each):
            entries = [(id(memo[key]), entry) for key, entry in each.items()]
            each.clear()
            each.update(entries)
    return result


def _owner(view: Array) -> Array:
    owner = view
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    return owner


def _views(value: Any) -> Iterator[Array]:
    """Yield arrays that are views of another one, whose numbers lie one after the other."""
    for one in _held(value):
        if type(one) is np.ndarray:
            owner = _owner(one)
            plain = type(owner) is np.ndarray and owner.flags.c_contiguous and owner.dtype == one.dtype
            if owner is not one and plain and owner.dtype != object:
                yield one


def _held(value: Any) -> Iterator[Any]:
    """Yield what a value holds, itself first."""
    stack, seen = [(value, 0)], set[int]()
    while stack and len(seen) < _MOST:
        one, depth = stack.pop()
        if id(one) in seen or depth > _DEPTH:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, Mapping):
            stack += [(each, depth + 1) for each in one.values()]
        elif isinstance(one, list | tuple | set):
            stack += [(each, depth + 1) for each in one]
        elif hasattr(one, "__dict__") and not isinstance(one, type):
            stack.append((vars(one), depth))
