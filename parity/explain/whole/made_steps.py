"""Steps that a program makes: what each started from, its own gradients there, and what it ended in."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from parity.bounds.numerics import Array
from parity.explain.whole.batches import batches
from parity.explain.whole.calls import GRADS, STEP
from parity.explain.whole.sides import Sides

STEPS: Final = 6


class Steps(NamedTuple):
    """Steps that a program made: weights before, its own gradients, weights after, a list of tensors each.

    ``anew`` has the gradients that it yields at the same weights when nothing was called before.
    """

    before: list[list[Array]]
    gradients: list[list[Array]]
    after: list[list[Array]]
    anew: Sequence[list[Array]] = ()

    @property
    def carried(self) -> list[int]:
        """The tensors whose gradient in a step depends on what was called before it."""
        pairs = list(zip(self.gradients, self.anew, strict=False))
        return [at for at in range(len(self.before[0])) if not all(near(own[at], first[at]) for own, first in pairs)]


def near(one: Array, other: Array) -> bool:
    """Whether two answers of one program are the same but for rounding.

    It tells what is carried from what is not and judges no number: a program may keep its weights in float32 or not.
    """
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        return np.array_equal(one, other, equal_nan=True)
    # Not derived: far above what float32 rounds, far below a gradient more or less.
    return bool(np.linalg.norm(one - other) <= 1e-4 * float(np.linalg.norm(other)))


def made_by(sides: Sides, seed: int, rate: float) -> Steps | str:
    """Return steps of the program on batches, or what it raised."""
    size = 1 if sides.settled.form.single else sides.search[0].size
    drawn = batches(sides.side, sides.data, [size] * STEPS, seed)
    form = sides.settled.form_of(STEP)
    classes = int(np.prod(sides.side.classes))
    pairs = [(form.inputs(b.x).astype(np.float64), _as_taken(form.targets(b.y, classes))) for b in drawn]
    calls = sides.settled.calls.get(GRADS, ""), sides.settled.calls[STEP]
    weights = [array.astype(np.float64) for array in drawn[0].weights]
    answer = sides.asked.steps(sides.settled.places, calls, weights, pairs, rate)
    if "error" in answer:
        return str(answer["error"])
    own = answer["anew" if sides.settled.anew else "gradients"]
    return Steps(answer["before"], own, answer["after"], answer["anew"])


def _as_taken(y: Array) -> Array:
    return y.astype(np.float64) if y.dtype.kind == "f" else y
