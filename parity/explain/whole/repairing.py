"""Lines to change, tried: the program is taken with one line changed, and what parted must agree on every batch."""

import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from parity.bounds.bounded import Bounded
from parity.errors import ParityError
from parity.explain.whole import layer_stage, update_stage
from parity.explain.whole.calls import LOSS
from parity.explain.whole.edits import Edit, edits, starts
from parity.explain.whole.quantity import Answer, Outcome, agrees
from parity.explain.whole.sides import LOSS_PLACE, Sides

_SECONDS: Final = 12.0
"""What trying may take for one stage."""


@dataclass(frozen=True, slots=True)
class Repair:
    """A line that was changed, and what agrees since."""

    edit: Edit
    stages: tuple[str, ...]

    def document(self) -> dict[str, object]:
        """Return the JSON form."""
        return {"line": self.edit.line, "was": self.edit.was, "becomes": self.edit.becomes, "agrees": list(self.stages)}


def repaired(sides: Sides, found: Answer, text: str) -> tuple[list[Repair], str]:
    """Return the lines whose change makes parted stages agree, one after the other, and the text with all of them.

    What was right stays right: each change is judged by all stages up to its own.
    """
    factors = tuple(stage.factor for stage in found.stages if stage.factor)
    repairs: list[Repair] = []
    seen = {stage.name for stage in found.stages if stage.outcome is not Outcome.UNSEEN}
    wrong = {stage.name for stage in found.stages if stage.outcome.parts}
    for name, check in _CHECKS.items():
        # An update is judged by the program's own gradients: what was changed before does not mend it.
        if name not in wrong or (repairs and name != "update" and _holds(sides, text, check)):
            continue
        edit = _first(sides, text, name, seen, factors)
        if edit is None:
            break  # what comes after is judged from what this one leaves
        others = [each for each in _CHECKS if each in wrong and each not in (name, "update")]
        agreeing = [name, *(each for each in others if _holds(sides, edit.text, _CHECKS[each]))]
        wrong -= {*agreeing}
        repairs.append(Repair(edit, tuple(agreeing)))
        text = edit.text
    return repairs, text


def _first(sides: Sides, text: str, name: str, seen: Container[str], factors: Sequence[float]) -> Edit | None:
    """Return the first change after which a stage and all before it that were seen agree."""
    before = [check for each, check in _CHECKS.items() if each in _up_to(name) and each in seen]
    ends = time.monotonic() + _SECONDS
    for edit in edits(text, tuple(factors)):
        if (name == "update") != starts(edit):
            continue
        if time.monotonic() > ends:
            return None
        if all(_holds(sides, edit.text, check) for check in reversed(before)):
            return edit
    return None


def _up_to(name: str) -> list[str]:
    names = list(_CHECKS)
    return names[: names.index(name) + 1]


def _holds(sides: Sides, text: str, check: Callable[[Sides], bool]) -> bool:
    """Whether a stage agrees in a changed program."""
    try:
        sides.asked.take(text)
        with np.errstate(all="ignore"):
            return check(sides.afresh())
    except ParityError:
        return False


def _layer(sides: Sides) -> bool:
    return all(stage.outcome is Outcome.ROUNDING for stage in layer_stage.judged(sides))


def _prediction(sides: Sides) -> bool:
    for batch in (*sides.search, *sides.confirm):
        own, expected = sides.prediction(batch), sides.output(batch)
        if own is None or not isinstance(expected, Bounded) or not agrees(own, expected):
            return False
        if batch is sides.search[0] and not sides.repeats(batch, expected):
            return False
    return True


def _loss(sides: Sides) -> bool:
    if "loss" not in sides.settled.calls:
        return True
    for batch in (*sides.search, *sides.confirm):
        own, expected = sides.loss(batch), sides.followed(batch, LOSS)[LOSS_PLACE]
        if own is None or not agrees(own, expected):
            return False
    return True


def _gradient(sides: Sides) -> bool:
    for batch in (*sides.search, *sides.confirm):
        own = sides.gradients(batch)
        if own is None or not all(agrees(array, sides.gradient(batch, at)) for at, array in enumerate(own)):
            return False
    return True


def _update(sides: Sides) -> bool:
    stages = update_stage.judged(sides, sides.plain)[0]
    return all(stage.outcome is Outcome.ROUNDING for stage in stages)


_CHECKS: Final[dict[str, Callable[[Sides], bool]]] = {
    "layer": _layer,
    "prediction": _prediction,
    "loss": _loss,
    "gradient": _gradient,
    "update": _update,
}
