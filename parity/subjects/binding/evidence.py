"""What an argument with an ambiguous name does, told from three steps at two values of it, not from its name."""

import contextlib
from collections.abc import Callable
from typing import Any, Final, Literal

import numpy as np

from parity.bounds.numerics import Array
from parity.subjects.binding.drivers.shape import Make, Shape
from parity.subjects.binding.fitting import unheard

Acts = Literal["rate", "memory", "momentum", "decay of the rate", "decay of the weights", "nothing"]
_ONE, _OTHER = 0.5, 0.75
_GRADIENTS: Final = tuple(
    {
        "parity a": scale * np.array([[1.0, -2.0], [0.5, 3.0]]),
        "parity b": -scale * np.array([-4.0, 0.5, 1.5, -0.25]) ** (number + 1),
    }
    for number, scale in enumerate((1.0, -3.0, 0.75))
)
"""Three steps of a matrix and a vector, whose rates may be two: the history of each element is another one."""
_CLOSE: Final = 1e-3
_AWAY: Final = 0.9
"""Weights that are not zero; no decay of a trial, added to a gradient of the first step, makes nothing of it."""


def acts_as(shape: Shape, make: Callable[[float], Make]) -> Acts | None:
    """Return what an argument does, None where the optimizer cannot be tried.

    A learning rate multiplies all steps alike; a decay of the rate multiplies all elements of a step alike, the steps
    not; momentum adds a multiple of the step before; the weight of an old moment treats each element by its history;
    what decays weights does nothing to the first step of those that are zero.

    Args:
        shape: how the optimizer is driven.
        make: returns what makes an instance in which the argument has a value.
    """
    one, other = (_increments(shape, make(value)) for value in (_ONE, _OTHER))
    if one is None or other is None:
        return None
    if _close(one, other):
        return "nothing"
    ratios = [_common(a, b) for a, b in zip(one, other, strict=True)]
    first = ratios[0]
    if first is None:
        return "memory"
    if all(ratio is not None and _close(ratio, first) for ratio in ratios):
        return "rate" if _close(first, _ONE / _OTHER) else "memory"
    if all(ratio is not None for ratio in ratios):
        return "decay of the rate"
    # Nesterov's form takes the momentum of a step along in the step itself.
    looks_ahead = _close(first, (1 + _ONE) / (1 + _OTHER))
    adds = _close(first, 1.0) and _close(one[1] - other[1], (_ONE - _OTHER) * one[0])
    if _close(first, 1.0) and _pulls(shape, make):
        return "decay of the weights"
    return "momentum" if adds or looks_ahead else "memory"


def _pulls(shape: Shape, make: Callable[[float], Make]) -> bool:
    """Return whether an argument changes the first step of weights that are not zero."""
    one, other = (_increments(shape, make(value), _AWAY) for value in (_ONE, _OTHER))
    return one is not None and other is not None and not _close(one[0], other[0])


def reads(shape: Shape, one: Make, other: Make) -> bool:
    """Return whether two ways to make an optimizer make other steps, and each the same steps every time."""
    found = [_increments(shape, make) for make in (one, one, other)]
    if any(each is None for each in found):
        return False
    first, again, second = found
    return _close(first, again) and not _close(first, second)


def _increments(shape: Shape, make: Make, start: float = 0.0) -> list[Array] | None:
    """Return what each step adds to all elements; in float64, from zeros, so that nothing of it is rounded away."""
    params = {name: np.full(gradient.shape, start) for name, gradient in _GRADIENTS[0].items()}
    places = [np.full(8, start)]
    with unheard():
        try:
            with contextlib.closing(shape.drive(make, params, lambda step: 1e-3, len(_GRADIENTS))) as driver:
                for gradients in _GRADIENTS:
                    driver.step({name: array.copy() for name, array in gradients.items()})
                    after = [np.array(driver.params[name], dtype=np.float64).ravel() for name in params]
                    places.append(np.concatenate(after))
        except (Exception, SystemExit):  # the name of the argument is all that there is to go by
            return None
    found = list(np.diff(places, axis=0))
    return found if np.all(np.isfinite(found)) and np.all(found[0]) else None


def _common(one: Array, other: Array) -> float | None:
    """Return the ratio of two steps where it is that of all elements, else None."""
    with np.errstate(all="ignore"):
        ratios = one / other
    middle = float(np.median(ratios))
    return middle if _close(ratios, middle) else None


def _close(one: Any, other: Any) -> bool:
    return bool(np.all(np.abs(np.subtract(one, other)) <= _CLOSE * np.abs(other)))
