"""Both sides train on the same batches in the same order, and the program with its lines changed: three curves."""

from typing import Any, Final

import numpy as np

from parity.errors import ParityError
from parity.explain.whole.batches import loss_name
from parity.explain.whole.calls import LOSS, STEP
from parity.explain.whole.sides import Sides

_SECONDS: Final = 4.0
"""What a program may train for the curve."""
_EXAMPLES: Final = 100
"""How many examples each point of a curve is a mean over."""
YOURS, KERAS, CHANGED = "yours", "Keras", "yours with these lines changed"


def curves(sides: Sides, text: str, changed: str, weights_differ: bool) -> dict[str, Any] | None:
    """Return the loss of each side over its steps, or None where the program cannot train or shows no loss.

    Args:
        sides: both sides.
        text: the program.
        changed: the program with its lines changed.
        weights_differ: whether it begins with other weights than the model; changed, it begins with the model's.
    """
    if not {LOSS, STEP} <= sides.settled.calls.keys():
        return None
    size = 1 if sides.settled.form.single else min(32, len(sides.data.x))
    order = np.random.default_rng(19).permutation(np.arange(4096) % len(sides.data.x))
    start = [array.astype(np.float64) for array in sides.side.build().get_weights()]
    if [array.shape for array in start] != list(sides.side.shapes):
        return None
    try:
        own = _program(sides, text, None, order, size, [])
        steps = own["steps"]
        found = {YOURS: own["losses"], KERAS: _keras(sides, start, order, size, steps)}
        if changed != text or weights_differ:
            found[CHANGED] = _program(sides, changed, start, order, size, steps)["losses"]
    except ParityError:
        return None
    return {"steps": steps, "batch": size, "loss": loss_name(sides.side), "curves": found}


def _program(sides: Sides, text: str, weights: Any, order: Any, size: int, marks: list[int]) -> dict[str, Any]:
    form = {call: sides.settled.form_of(call) for call in (LOSS, STEP)}
    request = {
        "weights": weights,
        "order": order,
        "size": size,
        "marks": marks,
        "seconds": _SECONDS,
        "x": sides.data.x,
        "y": sides.data.y,
        "shown": min(_EXAMPLES, len(sides.data.x)),
        "classes": int(np.prod(sides.side.classes)),
        "forms": {call: [each.layout, each.image, each.labels] for call, each in form.items()},
        "calls": {call: sides.settled.calls[call] for call in (LOSS, STEP)},
        "rate": sides.rate,
    }
    return sides.asked.train(sides.settled.places, text, request)


def _keras(sides: Sides, start: Any, order: Any, size: int, steps: list[int]) -> list[float]:
    """Return the model's loss at the same steps, on the same batches."""
    model = sides.side.build()
    model.set_weights([array.astype(sides.side.dtype) for array in start])
    shown = min(_EXAMPLES, len(sides.data.x))
    losses = []
    done = 0
    for stop in steps:
        while done < stop:
            at = np.take(order, range(done * size, (done + 1) * size), mode="wrap")
            model.train_on_batch(sides.data.x[at], sides.data.y[at])
            done += 1
        result = model.test_on_batch(sides.data.x[:shown], sides.data.y[:shown])
        losses.append(float(np.ravel(result)[0]))
    return losses
