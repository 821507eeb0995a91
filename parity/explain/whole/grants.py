"""A change of the model that is granted to a program: weights and inputs multiplied, tensors turned."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from parity.bounds.bounded import Bounded
from parity.bounds.functions import lifted
from parity.bounds.numerics import Array, format_of
from parity.explain.whole.factors import scaled


@dataclass(frozen=True, slots=True)
class Grant:
    """A change of the model's forward pass: each tensor multiplied by a number and turned, the inputs multiplied.

    ``turned`` is its own inverse, such as a transposition.
    """

    factors: tuple[float, ...]
    inputs: float = 1.0
    turned: dict[int, Callable[[Array], Array]] = field(default_factory=dict)

    def weights(self, arrays: Sequence[Array]) -> list[Bounded]:
        """Return the weights that the model needs to be changed so, unrounded."""
        result = []
        for at, (array, factor) in enumerate(zip(arrays, self.factors, strict=True)):
            fmt = format_of(array.dtype)
            wide = array.astype(fmt.wide) * factor
            result.append(lifted(self.turned[at](wide) if at in self.turned else wide, fmt))
        return result

    def gradient(self, at: int, expected: Bounded) -> Bounded:
        """Return the gradient in a tensor from that in the one that the model has (the chain rule).

        A tensor that is left out has none: what a program computes for it is held against what it would be if used.
        """
        if at in self.turned:
            turn = self.turned[at]
            error = np.broadcast_to(expected.error, expected.shape)
            expected = Bounded(turn(expected.value), turn(error), expected.format)
        return scaled(expected, self.factors[at] or 1.0)

    def with_(self, other: "Grant") -> "Grant":
        """Return both changes."""
        factors = tuple(one * two for one, two in zip(self.factors, other.factors, strict=True))
        return Grant(factors, self.inputs * other.inputs, self.turned | other.turned)


def less(x: Bounded, y: Bounded) -> Bounded:
    """Return the difference of two exact values; the bounds of both count."""
    return Bounded(x.value - y.value, np.asarray(x.error) + np.asarray(y.error), x.format)


def combined(x: Bounded, first: float, y: Bounded | None, second: float) -> Bounded:
    """Return a sum of multiples of exact values; the bounds of both count."""
    if y is None:
        return scaled(x, first)
    error = np.asarray(x.error) * abs(first) + np.asarray(y.error) * abs(second)
    return Bounded(x.value * first + y.value * second, error, x.format)
