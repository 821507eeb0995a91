"""Outputs of the layers in between, as far as a program leaves them behind: in what it returns, or in what it keeps."""

import numpy as np

from parity.bounds.bounded import Bounded
from parity.explain.whole import forms
from parity.explain.whole.quantity import Outcome, Stage, agrees
from parity.explain.whole.sides import Sides
from parity.explain.whole.traced import LAYER, Place


def judged(sides: Sides) -> list[Stage]:
    """Return a row for each layer but the last: it agrees where some array that the program leaves behind is it.

    An array of that size which is not it may be anything, so that none is accused.
    """
    kept = [sides.kept(batch) for batch in sides.search]
    stages = []
    for number, name in enumerate(sides.side.layers[:-1]):
        outputs = [sides.values(batch)[Place(LAYER, number)] for batch in sides.search]
        if not all(isinstance(output, Bounded) for output in outputs):
            stages.append(Stage("layer", name, Outcome.UNDECIDED, "the model uses what has no bound here"))
            continue
        found = [
            any(_is(sides, array, batch.size, output) for array in arrays)
            for batch, arrays, output in zip(sides.search, kept, outputs, strict=True)
        ]
        if all(found):
            stages.append(Stage("layer", name, Outcome.ROUNDING, "an array that the program leaves behind is it"))
        else:
            stages.append(Stage("layer", name, Outcome.UNSEEN, "nothing that the program leaves behind is it"))
    return stages


def _is(sides: Sides, array: np.ndarray[tuple[int, ...], np.dtype[np.float64]], size: int, output: Bounded) -> bool:
    layout = sides.settled.form.layout
    own = forms.output(array, size, output.shape[1:], layout)
    return own is not None and agrees(own, output)
