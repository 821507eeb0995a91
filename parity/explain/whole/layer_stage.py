"""Outputs of the layers in between, as far as a program passes through them: in its names, or in what is returned."""

from collections.abc import Iterator
from typing import Final

from parity.bounds.bounded import Bounded
from parity.explain.whole.calls import PREDICT
from parity.explain.whole.quantity import Outcome, Stage, agrees, held, worst
from parity.explain.whole.sides import Sides
from parity.explain.whole.traced import LAYER, Place

_FOUND: Final = "an array that the program passes through is it"
_NONE: Final = "nothing that the program passes through is it"
_PARTS: Final = "the next layer is computed from an array that is not it"


def judged(sides: Sides) -> list[Stage]:
    """Return a row for each layer but the last: it agrees where some array that the program passes through is it.

    Each is judged from the program's own output of the layer before. An array of that size which is not it may be
    anything, so that none is accused here.
    """
    stages = []
    for number, name in enumerate(sides.side.layers[:-1]):
        outputs = [sides.followed(batch, PREDICT)[Place(LAYER, number)] for batch in sides.search]
        if not all(isinstance(output, Bounded) for output in outputs):
            stages.append(Stage("layer", name, Outcome.UNDECIDED, "the model uses what has no bound here"))
            continue
        found = [
            any(agrees(array, output) for array in sides.shaped(batch, PREDICT, output.shape[1:]))
            for batch, output in zip(sides.search, outputs, strict=True)
        ]
        outcome, note = (Outcome.ROUNDING, _FOUND) if all(found) else (Outcome.UNSEEN, _NONE)
        stages.append(Stage("layer", name, outcome, note))
    return stages


def located(sides: Sides, stages: list[Stage]) -> Iterator[int]:
    """Yield the layers that part, one after the other, each judged from the program's own outputs before it.

    It is the first that was not found, where the one after it is computed from an array that it is not.
    """
    known: set[int] = set()
    while True:
        missing = (at for at, stage in enumerate(stages) if stage.outcome is Outcome.UNSEEN and at not in known)
        number = next(missing, None)
        if number is None:
            return
        used = [sides.used(batch, PREDICT, number) for batch in (*sides.search, *sides.confirm)]
        if any(array is None for array in used):
            return
        outputs = [sides.followed(batch, PREDICT)[Place(LAYER, number)] for batch in sides.search]
        place = worst([held(array, output) for array, output in zip(used, outputs, strict=False) if array is not None])
        known.add(number)
        stages[number] = Stage("layer", stages[number].about, place.outcome, _PARTS, place)
        yield number
        after = judged(sides)
        stages[number + 1 :] = after[number + 1 :]
