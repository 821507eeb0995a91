"""How near each subject comes: one panel a subject with its share of differing bits, its worst ratio, and why."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from markupsafe import Markup

from parity.report.facts import WORST_FIRST, Facts
from parity.report.markup import render
from parity.report.numbers import many, real
from parity.verdicts.results import Comparison
from parity.verdicts.verdict import Verdict


class Tally(NamedTuple):
    """How many values were ``compared`` in a way, and how many of them differ in some bit; in words, ``where``."""

    where: str
    compared: int
    differing: int


class Share(NamedTuple):
    """So many of the values that differ in single steps, and why they do, or that no cause was shown."""

    part: str
    values: int
    why: str


class Panel(NamedTuple):
    """A subject: its verdicts, and how many values differ in single steps, and where each side goes on by itself.

    ``why`` adds up to the values that differ in single steps: those that a cause was shown for, and those without one.
    ``nearest`` is the comparison whose difference reached the largest ``ratio`` to its bound.
    """

    subject: str
    counts: list[tuple[Verdict, int]]
    tallies: list[Tally]
    reason: str
    why: list[Share]
    nearest: Comparison | None
    ratio: float


WHERE = {"lockstep": "in single steps, each from equal values", "free": "where each side goes on by itself"}


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
        tallies=[tally for mode in WHERE if (tally := _tally(mode, judged)).compared],
        reason=next((item.reason for item in items if item.reason), "Nothing was compared."),
        why=[] if any(verdict.fails for verdict in counts) else list(_why(_of("lockstep", judged))),
        nearest=nearest,
        ratio=_ratio(nearest) if nearest else 0.0,
    )


def _of(mode: str, items: Iterable[Comparison]) -> list[Comparison]:
    return [item for item in items if item.comparison == mode]


def _tally(mode: str, judged: list[Comparison]) -> Tally:
    items = _of(mode, judged)
    return Tally(WHERE[mode], sum(item.compared for item in items), sum(item.differing for item in items))


def _why(steps: list[Comparison]) -> Iterator[Share]:
    """Say of the values that differ in single steps how many have a cause that was shown, and where the others are."""
    differing = sum(item.differing for item in steps)
    causes, places = _counts(steps)
    for cause, values in causes.most_common():
        yield Share(_part(values, differing), values, f"{cause}, shown in {_cases(steps, cause)}")
    for place, values in places.most_common():
        yield Share(_part(values, differing), values, place)


def _counts(steps: list[Comparison]) -> tuple[Counter[str], Counter[str]]:
    """Return how many differing values each cause was shown for, and how many are left, by where they are.

    A value for which two causes were shown counts once, for the one that explains most of its comparison.
    """
    causes: Counter[str] = Counter()
    places: Counter[str] = Counter()
    for item in steps:
        rest = item.differing
        for each in sorted(item.explained, key=lambda each: -each.values):
            causes[each.cause] += min(each.values, rest)
            rest -= min(each.values, rest)
        places[_place(item)] += rest
    return +causes, +places


def _place(item: Comparison) -> str:
    if item.outcome is Verdict.KNOWN_DIVERGENCE:
        return "in cases that are listed as known to diverge, each with its reason"
    if item.gradients == "computed":
        return "no cause was shown; there each side computes the gradients itself"
    return "no cause was shown"


def _cases(steps: list[Comparison], cause: str) -> str:
    return many(len({item.case for item in steps if any(each.cause == cause for each in item.explained)}), "case")


def _part(values: int, whole: int) -> str:
    share = 100 * values / whole
    if values == whole:
        return "All"
    return "Less than 0.1 %" if share < 0.1 else "More than 99.9 %" if share > 99.9 else f"{share:.1f} %"


def _nearest(items: list[Comparison]) -> Comparison | None:
    listed = [item for item in items if item.outcome is not Verdict.KNOWN_DIVERGENCE] or items
    near = [item for item in listed if item.worst and _ratio(item) == _ratio(item)]
    # The two comparisons are never mixed in one number: the gauge is about single steps wherever there are any.
    near = [item for item in near if item.comparison == "lockstep"] or near
    return max(near, key=_ratio, default=None)


def _ratio(item: Comparison) -> float:
    return real(item.worst.ratio) if item.worst else 0.0
