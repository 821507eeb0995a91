"""A program's own arrays in the place of what the model computes, where they may be the same quantity."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from parity.bounds.bounded import Bounded
from parity.bounds.numerics import Array
from parity.explain.whole.quantity import agrees

_TIGHT: Final = 1e-4
"""A bound in parts of the largest value up to which what lies inside it is taken for a layer's: a wide one has any."""


def anchored(computed: Bounded, arrays: Sequence[Array]) -> Bounded:
    """Return what a program has where the model has what is computed; that itself where no array is inside its bound.

    Several arrays may be inside it, such as one before and after it is rounded: the error reaches to all of them.
    """
    error = np.broadcast_to(computed.error, computed.shape)
    with np.errstate(all="ignore"):
        if not float(np.max(error, initial=0.0)) <= _TIGHT * float(np.max(np.abs(computed.value), initial=0.0)):
            return computed
        fitting = [array for array in arrays if agrees(array, computed)]
        if not fitting:
            return computed
        found = rounded(fitting[0], computed)
        spread = np.max([np.abs(each - found.value) for each in fitting], axis=0)
    return Bounded(found.value, found.error + spread, found.format)


def is_copy(value: Any, array: Array) -> bool:
    """Whether a layer passes on what it is given, in another shape if at all."""
    return (
        isinstance(value, Bounded) and value.size == array.size and np.array_equal(value.value.ravel(), array.ravel())
    )


def rounded(array: Array, like: Bounded) -> Bounded:
    """Return an array as it is, or as it may be once it is rounded to the format of a model."""
    value = array.astype(like.value.dtype)
    return Bounded(value, np.abs(value) * np.finfo(like.format.dtype).eps, like.format)
