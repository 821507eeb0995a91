"""Whether a shape fits: two steps on two small tensors move both, and neither with the other's gradients.

The weights are float32, and float64 where that hides a step: Adadelta's first ones are a billionth of them.
"""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from parity.errors import MisbehavedError, UnsupportedError
from parity.subjects.binding.drivers.shape import Driver, Make, Shape

_USUAL: Final = 1e-3


def after_steps(shape: Shape, make: Make, before: Callable[[Driver, int], None] | None = None) -> Any:
    """Return where a small tensor is after two steps, None where they cannot be made; ``before`` comes before each."""
    found = _moved(shape, make, _FIRST, [], before)
    return _moved(shape, make, _FIRST, [], before, scale=_SMALL) if found is None else found


def way(shape: Shape, make: Make, raised: list[BaseException], rate: float = _USUAL) -> Any:
    """Return how far a small tensor went down its gradient in two steps, None where they cannot be made.

    Below zero where it went up. ``rate`` is the learning rate of who is handed it with each step.
    """
    after = _moved(shape, make, _FIRST, raised, rate=rate)
    return None if after is None else -(after - _START["parity b"]) * np.sign(_SECOND)


def descends(shape: Shape, make: Make) -> bool:
    """Whether every element of a small tensor goes down its gradient in two steps."""
    gone = way(shape, make, [])
    return gone is not None and bool(np.all(np.greater(gone, 0)))


def fits(shape: Shape, make: Make) -> bool:
    """Whether an optimizer made in this way moves two small tensors in a shape."""
    return any(_moved(shape, make, _FIRST, [], scale=scale) is not None for scale in (1.0, _SMALL))


@contextmanager
def unheard() -> Iterator[None]:
    """Let what a trial prints or warns of go nowhere: a shape that does not fit says nothing of its optimizer."""
    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


MIXED: Final = "what one tensor does depends on another's gradients"
"""What is said of a shape that moves two tensors, each with the other's gradients."""
NO, FITS, APART, RAISES, LOST, STILL = "no", "fits", "apart", "raises", "lost", "still"
_MISFITS: Final = (TypeError, KeyError, AttributeError, IndexError, ValueError, MisbehavedError, UnsupportedError)
"""What an optimizer raises that is handed another container, or something else, than it takes."""
_START: Final = {
    "parity a": np.array([100.0, 200.0, 300.0], dtype=np.float32),
    "parity b": np.array([400.0, 500.0, 600.0], dtype=np.float32),
}
_FIRST: Final = np.array([1.0, -2.0, 0.5], dtype=np.float32)
_SECOND: Final = np.array([-3.0, 0.25, 2.0], dtype=np.float32)
_NEAR: Final = 50.0
"""Steps of a trial stay below it, and gradients are farther from the weights: what is mixed up shows."""
_STEPS: Final = 2
_SMALL: Final = 1e-3
"""Of the weights that are tried where nothing fits: who keeps them in a range, such as [-1, 1], loses larger ones."""


def trial(shape: Shape, make: Make, raised: list[BaseException], small: bool = False) -> str:
    """Make two steps on two tensors of one shape: whether both move, and neither with the other's gradients.

    What it raises is added to ``raised``; ``small`` is whether the weights are below one.
    """
    before, scale = len(raised), _SMALL if small else 1.0
    once = _tried(shape, make, _FIRST, raised, scale=scale)
    if once is _STILL:
        return STILL
    if once is None:
        if any(isinstance(error, _LostError) for error in raised[before:]):
            return LOST
        return RAISES if any(not _is_misfit(error) for error in raised[before:]) else NO
    other = _moved(shape, make, 3 * _FIRST, raised, scale=scale)
    return APART if other is not None and np.array_equal(once, other) else FITS


def _is_misfit(error: BaseException) -> bool:
    """Whether an optimizer raised because of what it was handed: it says so by the kind, or names a class of ours."""
    return isinstance(error, _MISFITS) or _OURS in str(error)


_OURS: Final = __name__.partition(".")[0] + ".subjects"


def _moved(
    shape: Shape,
    make: Make,
    gradient: Any,
    raised: list[BaseException],
    before: Callable[[Driver, int], None] | None = None,
    rate: float = _USUAL,
    scale: float = 1.0,
) -> Any:
    """Return where the second tensor is after two steps, None where the shape does not fit.

    ``gradient`` is that of the first; ``scale`` is that of the weights, and of the steps that fit.
    """
    found = _tried(shape, make, gradient, raised, before, rate, scale)
    return None if found is _STILL else found


def _tried(
    shape: Shape,
    make: Make,
    gradient: Any,
    raised: list[BaseException],
    before: Callable[[Driver, int], None] | None = None,
    rate: float = _USUAL,
    scale: float = 1.0,
) -> Any:
    """Return what ``_moved`` does, ``_STILL`` where a tensor stays where it is in any dtype."""
    found: Any = _STILL
    for kind in (np.float32, np.float64):
        first: list[BaseException] = []
        starts = {name: (array * np.float32(scale)).astype(kind) for name, array in _START.items()}
        found = _walked(shape, make, gradient, first, before, rate, starts, scale)
        if found is not _STILL:
            break
    raised += first
    return found


_STILL: Final = object()
"""What becomes of tensors one of which stays where it is to the bit."""


def _walked(
    shape: Shape,
    make: Make,
    gradient: Any,
    raised: list[BaseException],
    before: Callable[[Driver, int], None] | None,
    rate: float,
    starts: Mapping[str, Any],
    scale: float,
) -> Any:
    """Return what ``_moved`` does for weights of a dtype, ``_STILL`` where a tensor does not move in it."""
    params = {name: array.copy() for name, array in starts.items()}
    kind = params["parity a"].dtype
    grads = [each.astype(kind) for each in (gradient, _SECOND)]
    try:
        with unheard(), contextlib.closing(shape.drive(make, params, lambda step: rate, _STEPS)) as driver:
            for step in range(_STEPS):
                if before is not None:
                    before(driver, step)
                driver.step(dict(zip(params, (each.copy() for each in grads), strict=True)))
                if not all(_near(driver.params[name], array, scale, -1.0) for name, array in starts.items()):
                    if all(
                        _near(_kept(driver.params[name], array), array, scale, -1.0) for name, array in starts.items()
                    ):
                        raise _LostError("makes NaN or infinity of the weights.")
                    if all(_is_limited(driver.params[name], array) for name, array in starts.items()):
                        raise _LostError("limits all weights to one magnitude.")
                    return None  # two that are swapped at each step are back after two
                if shape.owns_loop and _any_still(driver, starts):
                    if kind != np.float64:
                        return _STILL
                    raise MisbehavedError("yields the weights before a gradient is used: yield what comes out of it.")
            still = _any_still(driver, starts)
            after = {name: driver.params[name] for name in starts}
    except (Exception, SystemExit) as error:  # another shape may fit; the last word is a refusal
        error.add_note(shape.title)
        raised.append(error)
        return None
    if still:
        return _STILL
    fits = [_near(after[name], array, scale) for name, array in starts.items()]
    return np.array(after["parity b"]) if all(fits) else None


class _LostError(ArithmeticError):
    """A step lost the weights, to what is not finite or to one limit of all, as no wrong shape would."""


def _kept(after: Any, before: Any) -> Any:
    """Return weights with what they were in place of what is not finite."""
    if not isinstance(after, np.ndarray) or after.shape != before.shape or after.dtype.kind != "f":
        return after
    return np.where(np.isfinite(after), after, before)


def _is_limited(after: Any, before: Any) -> bool:
    """Return whether all weights have come down to one number that is not zero, as clipped ones do."""
    if not isinstance(after, np.ndarray) or after.shape != before.shape or after.dtype.kind != "f":
        return False
    return bool(np.all(after == after[0]) and 0 < after[0] < np.min(before))


def _any_still(driver: Driver, starts: Mapping[str, Any]) -> bool:
    return any(np.array_equal(driver.params[name], array) for name, array in starts.items())


def _near(after: Any, before: Any, scale: float, least: float = 0.0) -> bool:
    if not isinstance(after, np.ndarray) or after.shape != before.shape or after.dtype == object:
        return False
    distance = np.abs(after.astype(np.float64) - before)
    return bool(np.all(np.isfinite(distance)) and np.any(distance > least) and np.all(distance < _NEAR * scale))
