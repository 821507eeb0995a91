"""Why a person's own subject diverges: the record that every format reads, and its lines, the same words everywhere."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

MOST_NAMED = 5


class Line(Struct, frozen=True):
    """A line of the formula as the subject has it, as tf.keras has it, and where the subject's file computes it."""

    obtained: str
    expected: str
    at: str = ""


class Cause(Struct, frozen=True):
    """What a diagnosis says of a subject that diverges, and of which of its failing cases.

    Attributes:
        sentence: the cause, with every choice and number that differs; or that none is known.
        known: whether it is one.
        formula: the lines that differ.
        confirmed: what confirms it, and on what.
        beside: what else is to be said: what explains it as well, other modes, what no cause explains.
        explained: the failing cases that it reproduces.
        otherwise: those that it does not.
        unchecked: those on which it was not checked.
        diverge: whether all failing cases are DIVERGED; otherwise some are NON_FINITE or NOT_COMPARABLE.
    """

    sentence: str
    known: bool = False
    formula: list[Line] = []
    confirmed: str = ""
    beside: list[str] = []
    explained: list[str] = []
    otherwise: list[str] = []
    unchecked: list[str] = []
    diverge: bool = True

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        record: dict[str, Any] = msgspec.to_builtins(self)
        return record


def pairs(formula: Iterable[Line]) -> list[str]:
    """Return lines of the formula, each beside that of tf.keras."""
    said = []
    for line in formula:
        said.append(f"    it has    {line.obtained}{f'   ({line.at})' if line.at else ''}")
        said.append(f"    tf.keras  {line.expected}")
    return said


def lines(cause: Cause) -> list[str]:
    """Return a cause for people: the sentence, the lines to change, what confirms it, and what it leaves open."""
    rest = [cause.confirmed, *reach(cause), *cause.beside]
    return [cause.sentence, *pairs(cause.formula), *(f"  {line}" for line in rest if line)]


def of_case(cause: Cause, case: str) -> str:
    """Return what a cause says of one failing case, as a sentence."""
    if not cause.known or case in cause.explained:
        return cause.sentence
    said = "does not explain this case" if case in cause.otherwise else "was not checked on this case"
    return f"{cause.sentence.rstrip('.')}; that {said}."


def reach(cause: Cause) -> list[str]:
    """Return which of the failing cases it explains, in sentences; nothing where none is known."""
    if not cause.known:
        return []
    checked = len(cause.explained) + len(cause.otherwise)
    failing = checked + len(cause.unchecked)
    if not failing:
        return []
    verb = "diverge" if cause.diverge else "fail"
    those = f"cases that {verb}" if failing > 1 else f"case that {verb}s"
    found = [f"It reproduces {len(cause.explained):,} of {failing:,} {those}."]
    if cause.otherwise:
        found.append(f"It does not explain {named(cause.otherwise)}.")
    if cause.unchecked:
        found.append(f"Not checked on {named(cause.unchecked)}.")
    return found


def named(cases: list[str]) -> str:
    """Return a few cases by name and how many more there are."""
    more = len(cases) - MOST_NAMED
    return ", ".join(cases[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
