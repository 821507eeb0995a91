"""How near each subject comes: one panel a subject with its share of differing bits, its worst ratio, and why."""

import re
from collections import Counter
from typing import NamedTuple

from markupsafe import Markup

from parity.report.facts import WORST_FIRST, Facts
from parity.report.markup import render
from parity.report.numbers import real
from parity.verdicts.results import Comparison
from parity.verdicts.verdict import Verdict


class Panel(NamedTuple):
    """A subject: its verdicts, how many values were ``compared``, and how many of them differ in some bit.

    ``nearest`` is the comparison whose difference reached the largest ``ratio`` to its bound.
    """

    subject: str
    counts: list[tuple[Verdict, int]]
    compared: int
    differing: int
    reason: str
    why: str
    nearest: Comparison | None
    ratio: float


def panels(facts: Facts) -> Markup:
    """Return the section; a subject that was never compared says why instead."""
    shown = [_panel(subject, [c for c in facts.comparisons if c.subject == subject]) for subject in facts.subjects]
    return render("subjects.html", panels=shown)


def _panel(subject: str, items: list[Comparison]) -> Panel:
    counts = Counter(item.outcome for item in items)
    judged = [item for item in items if item.outcome.compared and item.compared]
    nearest = _nearest(judged)
    return Panel(
        subject,
        counts=[(verdict, counts[verdict]) for verdict in WORST_FIRST if counts[verdict]],
        compared=sum(item.compared for item in judged),
        differing=sum(item.differing for item in judged),
        reason=next((item.reason for item in items if item.reason), "Nothing was compared."),
        why="" if any(verdict.fails for verdict in counts) else _why(items),
        nearest=nearest,
        ratio=_ratio(nearest) if nearest else 0.0,
    )


def _why(items: list[Comparison]) -> str:
    """Return the cause that most comparisons name, whatever numbers it holds; one that was tested goes first."""
    named: dict[str, list[str]] = {}
    for note in (note for item in items if item.outcome is Verdict.ROUNDING for note in item.notes):
        named.setdefault(re.sub(r"[\d,]+", "#", note), []).append(note)
    likeliest = max(named.values(), key=lambda notes: (notes[0].startswith("Cause"), len(notes)), default=[""])
    return likeliest[0]


def _nearest(items: list[Comparison]) -> Comparison | None:
    listed = [item for item in items if item.outcome is not Verdict.KNOWN_DIVERGENCE] or items
    near = [item for item in listed if item.worst and _ratio(item) == _ratio(item)]
    # The two comparisons are never mixed in one number: the gauge is about single steps wherever there are any.
    near = [item for item in near if item.comparison == "lockstep"] or near
    return max(near, key=_ratio, default=None)


def _ratio(item: Comparison) -> float:
    return real(item.worst.ratio) if item.worst else 0.0
