"""Whether a wrapper works when it is pasted: two steps down gradients, and no weight with the gradient of another."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

from parity.bounds.numerics import Array
from parity.errors import one_line
from parity.subjects.binding.wrappers.text import title

START: Final = np.array([[100.0, 200.0, 300.0], [400.0, 500.0, 600.0]], dtype=np.float32)
GRADIENTS: Final = tuple(
    np.array(values, dtype=np.float32)
    for values in ([[1.0, -2.0, 0.5], [3.0, -0.25, -1.0]], [[2.0, -1.0, 3.0], [0.5, -4.0, -1.5]])
)
"""Two of the same signs, so that who keeps a mean of them goes down both."""
_OTHERS: Final = tuple(np.append(3 * each.ravel()[:-1], each.ravel()[-1:]).reshape(each.shape) for each in GRADIENTS)
"""The same, but for all elements before the last."""
_NEAR: Final = 50.0
_STAYS: Final = "did not take weights down their gradient"
_WHOLE: Final = "took steps of one and more, as a direction is that nobody has multiplied by a learning rate"
MIXES: Final = "took weights down their gradient, and what one does depends on another's gradient"


def fault_of(text: str, kind: Callable[..., Any]) -> str:
    """Return what is wrong with a wrapper, pasted below what it wraps; nothing if its two steps go down gradients."""
    space: dict[str, Any] = {title(kind): kind, "np": np}
    try:
        exec(text, space)
        places, others = (_walked(space["Wrapped"](), gradients) for gradients in (GRADIENTS, _OTHERS))
    except (Exception, SystemExit) as error:
        return f"raised {one_line(error).rstrip('.')}"
    if any(place.shape != START.shape or place.dtype == object for place in places):
        return _STAYS
    if not all(_opposes(b - a, g) for (a, b), g in zip(pairwise(places), GRADIENTS, strict=True)):
        return _STAYS
    if "learning_rate" not in text and np.all(np.abs(places[1] - places[0]) >= 1):
        return _WHOLE
    # What the last element does is its own affair, so that nothing is spread over the others.
    return "" if np.array_equal(places[-1].ravel()[-1:], others[-1].ravel()[-1:]) else MIXES


def _walked(wrapped: Any, gradients: Sequence[Array]) -> list[Array]:
    """Return where weights are before and after each step."""
    places = [START]
    for gradient in gradients:
        places.append(np.array(wrapped.update(places[-1].copy(), gradient.copy())))
    return places


def _opposes(step: Array, gradient: Array) -> bool:
    return bool(np.all(step * gradient < 0) and np.all(np.abs(step) < _NEAR))
