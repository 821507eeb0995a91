"""Whether a program's gradient is the derivative of its own loss: central differences in float64, without Keras."""

from typing import Final

import numpy as np

from parity.bounds.graph.interpreter import Unknown
from parity.bounds.numerics import Array
from parity.explain.whole import gradient_stage
from parity.explain.whole.batches import Batch
from parity.explain.whole.calls import GRADS, LOSS
from parity.explain.whole.factors import told
from parity.explain.whole.grants import Grant
from parity.explain.whole.quantity import Outcome, Stage
from parity.explain.whole.settling import evaluated
from parity.explain.whole.sides import Sides
from parity.explain.whole.slopes import Slope, slope

_BLURRED: Final = "its loss is rounded too coarsely for differences to show its derivative"


def judged(sides: Sides, grant: Grant | None) -> tuple[list[Stage], dict[str, dict[str, float]] | None]:
    """Return how each gradient compares with the derivative of the program's own loss, and that as plain data.

    Each tensor's is in one direction: what the gradient claims, what differences measure, and how unsure these are.
    """
    settled = sides.settled
    missing = [call for call in (LOSS, GRADS) if call not in settled.calls]
    name = "own gradient"
    if missing:
        of_no_use = [f"its call for {call} yields nothing of use" for call in missing if settled.tried[call]]
        absent = [call for call in missing if not settled.tried[call]]
        said = [*of_no_use, *([f"the program has no call for {' and '.join(absent)}"] if absent else [])]
        return [Stage(name, "", Outcome.UNSEEN, "; ".join(said))], None
    stages: list[Stage] = []
    document: dict[str, dict[str, float]] = {}
    batch = sides.search[-1]
    claimed = sides.gradients(batch)
    if claimed is None:
        return [Stage(name, "", Outcome.UNSEEN, sides.unanswered(GRADS, name).note)], None
    for at, tensor in enumerate(sides.side.names):
        found = _slope(sides, batch, at, claimed[at], grant)
        if found is None:
            stages.append(Stage(name, tensor, Outcome.UNSEEN, "its loss raised, or has a kink here"))
            continue
        if found.blurred:
            stages.append(Stage(name, tensor, Outcome.UNSEEN, _BLURRED))
            continue
        if not found.right and gradient_stage.clips(sides, grant):
            stages.append(Stage(name, tensor, Outcome.UNSEEN, "what it calls its gradient is clipped"))
            continue
        ratio = None if found.right else found.ratio
        note = "" if ratio is None else _times(_rounded(ratio, found), batch.size)
        outcome = Outcome.ROUNDING if found.right else Outcome.DIVERGED
        stages.append(Stage(name, tensor, outcome, note, None, ratio))
        document[tensor] = {"gradient": found.claimed, "differences": found.measured, "unsure": found.unsure}
    return stages, document


def _times(ratio: float, size: int) -> str:
    of_batch = {size: ", which is its batch's size", 1 / size: ", one over its batch's size"} if size > 1 else {}
    return f"it is {told(ratio)} times the derivative of the program's own loss{of_batch.get(ratio, '')}"


def _rounded(ratio: float, found: Slope) -> float:
    """Return a ratio as a whole number or one over one, if it may be that, and else to the digits that are known."""
    if not ratio:
        return 0.0
    unsure = found.unsure / abs(found.measured) + found.hidden
    for number in (round(ratio), 1 / round(1 / ratio) if abs(ratio) < 1 and round(1 / ratio) else 0):
        # Not derived, and judges nothing: a sentence says the whole number that a ratio is within a millionth of.
        if number not in (0, 1) and abs(ratio / number - 1) <= max(unsure, 1e-6):
            return float(number)
    digits = next((d for d in range(4, 9) if float(f"{ratio:.{d}g}") != 1), 9)
    return float(f"{ratio:.{digits}g}")


def _slope(sides: Sides, batch: Batch, at: int, claimed: Array, grant: Grant | None) -> Slope | None:
    """Return the derivatives in the direction of the model's gradient, in which the loss moves most."""
    direction = _direction(sides, batch, at, grant)
    own = float(np.sum(claimed * direction))
    hidden = _hidden(sides, batch, at, direction, grant)
    return slope(lambda step: _loss(sides, batch, at, direction * step), own, hidden)


def _hidden(sides: Sides, batch: Batch, at: int, direction: Array, grant: Grant | None) -> float:
    """Return what part of a derivative the rounding of the model's own gradient may hide.

    Less than that is no mistake: a constant that keeps a logarithm finite, such as 1e-7, has a derivative that nobody
    writes down.
    """
    value = sides.gradient(batch, at, grant if grant is not None and grant.factors else None)
    if isinstance(value, Unknown):
        return 0.0
    error = np.broadcast_to(value.error, np.shape(value.value))
    slope = abs(float(np.sum(value.value * direction)))
    part = float(np.sum(error * np.abs(direction))) / slope if slope else 0.0
    return part if np.isfinite(part) and part < 0.01 else 0.0


def _direction(sides: Sides, batch: Batch, at: int, grant: Grant | None) -> Array:
    value = sides.gradient(batch, at, grant if grant is not None and grant.factors else None)
    plain = np.zeros(sides.side.shapes[at]) if isinstance(value, Unknown) else np.asarray(value.value, dtype=np.float64)
    if not np.isfinite(plain).all() or not plain.any():
        plain = np.random.default_rng(at).standard_normal(sides.side.shapes[at])
    return plain / np.linalg.norm(plain)


def _loss(sides: Sides, batch: Batch, at: int, move: Array) -> float:
    """Return the program's loss at moved weights, NaN where it raises."""
    weights = [array.astype(np.float64) for array in batch.weights]
    weights[at] = weights[at] + move
    calls = {LOSS: sides.settled.calls[LOSS]}
    moved = Batch(batch.x, batch.y, tuple(weights))
    answer = evaluated(
        sides.side, sides.asked, sides.settled.places, calls, sides.settled.form_of(LOSS), moved, wide=True
    )[LOSS]
    return np.nan if "error" in answer else float(answer["number"])
