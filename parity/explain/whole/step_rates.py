"""A program's step at several rates: what it takes from the weights, and whether that is a multiple of the rate."""

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from parity.bounds.numerics import Array
from parity.explain.whole.asked import Asked
from parity.explain.whole.batches import Batch
from parity.explain.whole.calls import STEP
from parity.explain.whole.keras_side import KerasSide
from parity.explain.whole.settling import Settled, evaluated

_FAR: Final = 2.0**20
"""A rate at which a step is nearly all gradient: what a weight in float32 adds to its rounding is far below it."""
_NEAR: Final = 2.0**-20
"""A rate at which a step is nearly a multiple of it: what rounding adds and what bends are both far below float32's."""


class Rates(NamedTuple):
    """A program, asked to step at rates that it is given."""

    side: KerasSide
    asked: Asked
    settled: Settled

    def expressions(self) -> list[str]:
        """Return the step as expressions that a rate can be given to: its own, or one with the rate that it holds."""
        expression = self.settled.calls.get(STEP, "")
        if not expression or re.search(r"\brate\b", expression):
            return [expression] if expression else []
        return [f"{held} = rate; {expression}" for held in self.asked.opened.rates]

    def multiples(self, batch: Batch, expression: str) -> dict[str, Any]:
        """Return what steps at several rates take from the weights, nothing where it is no multiple of them."""
        steps = self.at(batch, expression, (1.0, 2.0))
        if steps is None:
            return {}
        straight = _straight(batch, *steps)
        # A program may keep its weights in float32, whatever they are set to.
        narrow = not all(straight) and is_narrow(batch, steps)
        if narrow:
            straight = _straight(batch, *steps, eps=float(np.finfo(np.float32).eps))
        curved = [at for at, each in enumerate(straight) if not each] if any(straight) else []
        taken: list[Array] | None = steps[0] if all(straight) else None
        if narrow:
            far = self.at(batch, expression, (_FAR,)) if taken is not None else None
            taken = [each / _FAR for each in far[0]] if far else None
        elif curved:
            near = self.at(batch, expression, (_NEAR, _NEAR / 2))
            # Richardson's extrapolation to a rate of zero.
            taken = [(4 * h - f) / _NEAR for f, h in zip(*near, strict=True)] if near else None
        return {"taken": taken, "curved": curved, "narrow": narrow} if taken is not None or curved else {}

    def at(self, batch: Batch, expression: str, rates: Sequence[float]) -> list[list[Array]] | None:
        """Return what a step takes from each tensor at several rates, None where one raises."""
        form, taken = self.settled.form_of(STEP), []
        for rate in rates:
            places, calls = self.settled.places, {STEP: expression}
            end = evaluated(self.side, self.asked, places, calls, form, batch, wide=True, rate=rate)[STEP]
            if "error" in end:
                return None
            taken.append([w.astype(np.float64) - new for w, new in zip(batch.weights, end["steps"][0], strict=True)])
        return taken


def is_narrow(batch: Batch, steps: Sequence[Sequence[Array]]) -> bool:
    """Whether what steps leave are numbers of float32, all of them."""
    ends = [w.astype(np.float64) - each for step in steps for w, each in zip(batch.weights, step, strict=True)]
    return all(bool((end.astype(np.float32) == end).all()) for end in ends)


def _straight(
    batch: Batch, one: list[Array], two: list[Array], *, eps: float = float(np.finfo(np.float64).eps)
) -> list[bool]:
    """Return for each tensor whether a step at twice the rate took twice as much, up to rounding."""
    found = []
    for before, once, twice in zip(batch.weights, one, two, strict=True):
        slack = 8 * eps * (np.abs(before.astype(np.float64)) + np.abs(twice))
        found.append(bool((np.abs(twice - 2 * once) <= slack).all()))
    return found
