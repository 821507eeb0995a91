"""An epoch of the program comes in, how it goes over the data and what it prints of it comes out, beside ``fit``."""

from typing import Any, Final

import numpy as np

from parity.errors import ParityError
from parity.explain.whole.calls import EPOCH, LOSS, STEP
from parity.explain.whole.epochs import LASTS, PRINTED
from parity.explain.whole.quantity import Mistake, Outcome, Stage
from parity.explain.whole.sides import Sides

_EXAMPLES: Final = 43
"""How many examples the epoch has: a prime, so that every size of a batch but one leaves a smaller last one."""
_REPAIRS: Final = {
    "dropped": "train on the last, smaller batch, too: range(0, n, size) and x[i : i + size]",
    "short": "let the last batch end at n, not at n - 1: every example belongs to an epoch",
}
_SHOWS: Final = {
    "unweighted": "weigh each batch's loss by its examples",
    "after": "compare it with model.evaluate after the epoch, or average the losses of the batches while it trains",
    "last": "average the losses of the batches, weighted by their examples",
    "summed": "divide by the number of batches",
}


def judged(sides: Sides) -> tuple[list[Stage], list[Mistake]]:
    """Return how an epoch of the program goes over the data, and what the loss is that it shows."""
    unseen = [Stage("epoch", "", Outcome.UNSEEN, _why(sides)), Stage("printed", "", Outcome.UNSEEN, _why(sides))]
    if not {EPOCH, STEP} <= sides.settled.calls.keys():
        return unseen, []
    try:
        found = _asked(sides)
    except ParityError as error:
        said = str(error).rstrip(".")
        return [Stage("epoch", "", Outcome.FAILED, said), unseen[1]], []
    if not found["size"]:
        note = "its end is that of no batches of one size, in whatever order"
        return [Stage("epoch", "", Outcome.UNSEEN, note), Stage("printed", "", Outcome.UNSEEN, note)], []
    last, order = found["last"], found["order"]
    way = {"given": "in the given order, which fit shuffles unless told otherwise"}.get(order, "shuffled, as fit does")
    said = f"batches of {found['size']}, {LASTS[last]}, {way}; a schedule is not seen"
    stage = Stage("epoch", "", Outcome.ALIKE if last == "kept" else Outcome.DIVERGED, said)
    mistakes = []
    if last != "kept":
        sentence = f"of an epoch's batches of {found['size']}, {LASTS[last]}; fit trains on every example"
        evidence = f"so stepped through, {_EXAMPLES} examples end in the same weights"
        name = "last_batch" if last == "dropped" else "last_example"
        mistakes.append(Mistake(name, "epoch", sentence, evidence, _REPAIRS[last], True))
    shown, more = _shown(found["printed"], order)
    return [stage, shown], mistakes + more


def _shown(printed: str, order: str) -> tuple[Stage, list[Mistake]]:
    if not printed:
        note = "its batches are shuffled, so that it is not known which" if order == "shuffled" else "it shows no loss"
        return Stage("printed", "", Outcome.UNSEEN, f"the epoch's loss: {note}"), []
    sentence = f"the loss that it shows of an epoch is {PRINTED[printed]}"
    if printed == "running":
        return Stage("printed", "", Outcome.ALIKE, sentence), []
    mistake = Mistake("printed_loss", "printed", sentence, "so taken, the number agrees", _SHOWS[printed], True)
    return Stage("printed", "", Outcome.DIVERGED, sentence), [mistake]


def _why(sides: Sides) -> str:
    missing = [call for call in (EPOCH, STEP) if call not in sides.settled.calls]
    return f"the program has no call for {' and '.join(missing)}" if missing else "its epoch was not taken apart"


def _asked(sides: Sides) -> dict[str, Any]:
    at = np.arange(_EXAMPLES) % len(sides.data.x)
    calls = {call: sides.settled.calls[call] for call in (EPOCH, STEP, LOSS) if call in sides.settled.calls}
    forms = {call: sides.settled.form_of(call) for call in calls}
    start = [array.astype(np.float64) for array in sides.search[0].weights]
    return sides.asked.epoch(
        sides.settled.places,
        {
            "weights": start,
            "x": sides.data.x[at],
            "y": sides.data.y[at],
            "rate": sides.rate,
            "classes": int(np.prod(sides.side.classes)),
            "calls": calls,
            "forms": {call: [form.layout, form.image, form.labels] for call, form in forms.items()},
        },
    )
