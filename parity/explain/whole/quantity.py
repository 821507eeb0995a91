"""A quantity of both sides, held against the bound: whether they agree, where they part most, and by what factor."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeVar

import numpy as np

from parity.bounds.bounded import Bounded
from parity.bounds.graph.interpreter import Unknown
from parity.bounds.numerics import Array, shown


class Outcome(Enum):
    """What a stage ends in; ``name`` is the word in JSON, ``value`` the sentence for people."""

    ROUNDING = "agrees: every difference is inside the bound"
    ALIKE = "is not told apart"
    UNSEEN = "was not seen"
    UNDECIDED = "is undecided: nothing is known of what rounding may do"
    DIVERGED = "parts: no rounding explains the difference"
    NON_FINITE = "is infinite or not a number on one side alone"
    FAILED = "raised"
    NOT_COMPARABLE = "is text or complex: no number of the model can be compared with it"

    @property
    def parts(self) -> bool:
        """Whether the two sides part here."""
        return self in (Outcome.DIVERGED, Outcome.NON_FINITE, Outcome.FAILED, Outcome.NOT_COMPARABLE)


@dataclass(frozen=True, slots=True)
class Held:
    """One array held against a bounded one; the place is that of the largest difference in parts of its bound."""

    outcome: Outcome
    index: tuple[int, ...] = ()
    obtained: float = 0.0
    expected: float = 0.0
    bound: float = 0.0

    @property
    def difference(self) -> float:
        """What lies between them."""
        return abs(self.obtained - self.expected)


def held(obtained: Array, expected: Bounded | Unknown) -> Held:
    """Hold what a program obtained against what the model's own graph yields, with its bound."""
    if isinstance(expected, Unknown):
        return Held(Outcome.UNDECIDED)
    value = np.asarray(expected.value)
    error = np.broadcast_to(expected.error, value.shape)
    with np.errstate(all="ignore"):
        own = np.asarray(obtained, dtype=value.dtype).reshape(value.shape)
        difference = np.abs(own - value)
        strange = np.isfinite(own) != np.isfinite(value)
        part = np.where(strange, np.inf, np.where(difference == 0, 0.0, difference / error))
        part = np.where(np.isnan(part), 0.0, part)
    at = np.unravel_index(int(np.argmax(part)), part.shape) if part.size else ()
    undecided = bool((~np.isfinite(error) & (difference > 0)).any())
    if strange.any():
        outcome = Outcome.NON_FINITE
    elif (difference > error).any():
        outcome = Outcome.DIVERGED
    else:
        outcome = Outcome.UNDECIDED if undecided else Outcome.ROUNDING
    if not part.size:
        return Held(outcome)
    return Held(outcome, tuple(int(i) for i in at), float(own[at]), float(value[at]), float(error[at]))


Reason = TypeVar("Reason")
_FAR: Final = 10.0
EXACT: Final = 1e-12
"""What part of a quantity may be left where a search ends: float64 rounds less, and float32 far more. Not derived."""
_NOTHING: Final = 1e-13
"""What part of a quantity sums in float64 round away, whichever reason is right: far below what float32 rounds."""


def nearest(reasons: Sequence[Reason], left: Callable[[Reason], float]) -> list[Reason]:
    """Return the reasons that may be the one, in their order: none that leaves ten times what another leaves.

    All of them fit: a bound may be so wide that what is not the reason lies inside it, too.

    Args:
        reasons: all that fit.
        left: what part of the quantity a reason leaves unexplained.
    """
    if len(reasons) < 2:
        return list(reasons)
    parts = [left(reason) for reason in reasons]
    reach = max(_FAR * min(parts), _NOTHING)
    return [reason for reason, part in zip(reasons, parts, strict=True) if part <= reach]


def agrees(obtained: Array, expected: Bounded | Unknown) -> bool:
    """Whether every value lies inside its bound."""
    return held(obtained, expected).outcome is Outcome.ROUNDING


@dataclass(slots=True)
class Stage:
    """A row of the answer: one quantity, as it compares from the same inputs.

    Attributes:
        name: the stage: weights, data, layers, prediction, loss, gradient, update, state, metric.
        about: which tensor or layer; empty where it is one quantity.
        outcome: how it ends.
        note: a sentence on it, such as why it was not seen.
        place: the numbers where it parts most.
        factor: what one side is a multiple of the other by, where it is one.
    """

    name: str
    about: str
    outcome: Outcome
    note: str = ""
    place: Held | None = None
    factor: float | None = None

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        held = self.place
        return {
            "name": self.name,
            "tensor": self.about,
            "outcome": self.outcome.name,
            "index": list(held.index) if held else None,
            "obtained": shown(held.obtained) if held else None,
            "expected": shown(held.expected) if held else None,
            "difference": shown(held.difference) if held else None,
            "bound": shown(held.bound) if held else None,
            "factor": self.factor,
            "note": self.note,
        }


@dataclass(slots=True)
class Mistake:
    """A named reason why a quantity parts.

    Attributes:
        name: what it is called.
        stage: where it shows.
        sentence: what the program does.
        evidence: what was measured.
        repair: what to change.
        confirmed: whether the corrected quantity agrees on batches that the search did not use.
    """

    name: str
    stage: str
    sentence: str
    evidence: str
    repair: str
    confirmed: bool = False

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "mistake": self.name,
            "stage": self.stage,
            "sentence": self.sentence,
            "evidence": self.evidence,
            "repair": self.repair,
            "confirmed": self.confirmed,
        }


@dataclass(slots=True)
class Answer:
    """What is said of a program."""

    program: str
    keras: str
    data: str
    stages: list[Stage] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    bound_by: dict[str, str] = field(default_factory=dict)
    slopes: dict[str, dict[str, float]] | None = None
    repairs: list[dict[str, Any]] = field(default_factory=list)
    curves: dict[str, Any] | None = None

    @property
    def first(self) -> Stage | None:
        """The first stage that parts."""
        return next((stage for stage in self.stages if stage.outcome.parts), None)

    @property
    def consistent(self) -> bool | None:
        """Whether the program's gradient is that of its own loss; None where that was not seen."""
        outcomes = [stage.outcome for stage in self.stages if stage.name == "own gradient"]
        seen = [outcome for outcome in outcomes if outcome is not Outcome.UNSEEN]
        return not any(outcome.parts for outcome in seen) if seen else None

    @property
    def verdict(self) -> str:
        """DIVERGED where a stage parts, NOT_COMPARABLE where it does so by its kind alone, UNDECIDED where one is.

        Without any of these ROUNDING where something agrees, else UNSUPPORTED.
        """
        outcomes = [stage.outcome for stage in self.stages]
        parting = {outcome for outcome in outcomes if outcome.parts}
        if parting:
            return "NOT_COMPARABLE" if parting == {Outcome.NOT_COMPARABLE} else "DIVERGED"
        if Outcome.UNDECIDED in outcomes:
            return "UNDECIDED"
        return "ROUNDING" if Outcome.ROUNDING in outcomes else "UNSUPPORTED"

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        first = self.first
        return {
            "schema": 1,
            "program": self.program,
            "keras": self.keras,
            "data": self.data,
            "verdict": self.verdict,
            "quantities": [stage.document() for stage in self.stages],
            "first": None if first is None else {"name": first.name, "tensor": first.about},
            "explanation": [mistake.document() for mistake in self.mistakes],
            "repairs": self.repairs,
            "curves": self.curves,
            "consistent": self.consistent,
            "own_gradient": self.slopes,
            "beside": self.beside,
            "binding": self.bound_by,
        }


def worst(places: Sequence[Held]) -> Held:
    """Return what is worst of several: what parts before what is undecided, and the largest part of a bound."""

    def rank(each: Held) -> tuple[int, float]:
        order = [Outcome.ROUNDING, Outcome.UNDECIDED, Outcome.DIVERGED, Outcome.NON_FINITE].index(each.outcome)
        part = each.difference / each.bound if each.bound and np.isfinite(each.bound) else each.difference
        return order, part if np.isfinite(part) else np.inf

    return max(places, key=rank)
