"""What rules of operations share: which operands are bounded, what must be exact, how what has no rule is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np

from parity.bounds.bounded import Bounded, Truth
from parity.bounds.functions import lifted
from parity.bounds.numerics import Array, Format

Rule = Callable[..., Any]
"""``rule(attribute, *inputs)``: ``attribute`` returns an attribute of the operation by its name."""


class UnruledError(Exception):
    """An operation has no rule; ``operation`` is what a message calls it."""

    def __init__(self, operation: str) -> None:
        super().__init__(operation)
        self.operation = operation


def no_rule(operation: str) -> UnruledError:
    """Return the refusal of an operation."""
    return UnruledError(operation)


def floating(*xs: Any) -> bool:
    """Whether any of them is a bounded array."""
    return any(isinstance(x, Bounded) for x in xs)


def format_in(*xs: Any) -> Format:
    """Return the format of the bounded ones."""
    return next(x.format for x in xs if isinstance(x, Bounded))


def numbers(x: Any, fmt: Format) -> Bounded:
    """Return an operand as a bounded array; a plain one is exact."""
    return x if isinstance(x, Bounded) else lifted(x, fmt)


def sure(x: Any) -> Array:
    """Return a value that steers shapes, places and branches, which rounding must not decide.

    Raises:
        UnruledError: it may.
    """
    if isinstance(x, Truth):
        if x.unsure.any():
            raise no_rule("a branch that rounding may decide")
        return x.value
    if isinstance(x, Bounded):
        raise no_rule("a shape or place that was computed in floats")
    return np.asarray(x)


def shape_of(x: Any) -> tuple[int, ...]:
    """Return the shape of any operand."""
    return np.shape(x.value) if isinstance(x, Bounded | Truth) else np.shape(x)


def whole(x: Any) -> tuple[int, ...]:
    """Return a vector of integers, such as a shape, as a tuple; empty for none."""
    return tuple(int(each) for each in np.atleast_1d(sure(x))) if np.size(sure(x)) else ()


def moved(function: Callable[[Array], Array], x: Any) -> Any:
    """Apply what moves values to other places and computes nothing."""
    if isinstance(x, Bounded):
        result = x._each(function)
        result.constant = x.constant and result.ndim == 0  # a compiler gathers scalars, not arrays of one number
        return result
    if isinstance(x, Truth):
        return Truth(function(x.value), function(x.unsure))
    return function(np.asarray(x))


def joined(function: Callable[[list[Array]], Array], xs: list[Any]) -> Any:
    """Apply what puts several arrays beside each other."""
    if not floating(*xs):
        return function([sure(x) for x in xs])
    fmt = format_in(*xs)
    parts = [numbers(x, fmt) for x in xs]
    errors = [np.broadcast_to(x.error, x.shape) for x in parts]
    return Bounded(function([x.value for x in parts]), function(errors), fmt)
