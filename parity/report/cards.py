"""Where they part: one card for each failing subject, with the place that shows it most plainly."""

from collections import Counter
from itertools import takewhile
from typing import NamedTuple

from markupsafe import Markup

from parity.report.details import chain, hides_state
from parity.report.facts import Facts, difference, factor, outcome, parting_subjects, representative
from parity.report.markup import render
from parity.report.numbers import exact, many, short, times
from parity.verdicts.cause import Cause
from parity.verdicts.results import Comparison, Divergence, Pair
from parity.verdicts.verdict import Verdict

MAX_CARDS = 12
MAX_LINKS = 40


class Link(NamedTuple):
    """A stage of an update: its formula, and whether it is before, at or after the one that broke, in a word too."""

    stage: str
    formula: str
    state: str
    word: str


class Value(NamedTuple):
    """A number of a divergence: the digits that its counterpart has too, then those that differ."""

    key: str
    same: str
    differing: str = ""


class Others(NamedTuple):
    """More failing cases of a subject: what they are to its cause, and whether they are worth seeing at once."""

    words: str
    pairs: list[Pair]
    shown: bool = False


class Card(NamedTuple):
    """A failing subject: how many of the cases that it ran fail, and the pair that shows most plainly where it parts.

    ``size`` is the difference over its bound. Without a ``place`` of the first divergence there is the ``reason``.
    """

    pair: Pair
    verdict: Verdict
    failing: int
    ran: int
    first_stages: list[tuple[str, int]]
    place: Divergence | None
    reason: str
    size: str
    cause: Cause | None
    chain: list[Link]
    values: list[Value]
    others: list[Others]


def cards(facts: Facts) -> Markup:
    """Return the section, or nothing when every subject agrees."""
    parting = parting_subjects(facts)
    if not parting:
        return Markup()
    shown = [_card(facts, subject, pairs) for subject, pairs in parting[:MAX_CARDS]]
    return render("cards.html", cards=shown, rest=len(parting) - MAX_CARDS, most_links=MAX_LINKS)


def _card(facts: Facts, subject: str, pairs: list[Pair]) -> Card:
    pair, item = representative(pairs)
    place = item.first_divergence if item else None
    return Card(
        pair,
        verdict=outcome(pair),
        failing=len(pairs),
        ran=sum(other.subject == subject for other in facts.pairs),
        first_stages=_first_stages(pairs),
        place=place,
        cause=facts.run.causes.get(subject),
        reason=(item.reason or item.outcome.value) if item else "no comparison came back",
        size=times(factor(place)) if place else "",
        chain=_links(facts, pair.case, item, place.stage) if item and place else [],
        values=_values(place, facts.dtype(pair.case)) if place else [],
        others=_others([other for other in pairs if other is not pair], facts.run.causes.get(subject)),
    )


def _others(pairs: list[Pair], cause: Cause | None) -> list[Others]:
    """Return the other failing cases, those that the cause explains apart from those that it does not."""
    if cause is None or not cause.known:
        return [Others(many(len(pairs), "more case"), pairs)] if pairs else []
    explained = [pair for pair in pairs if pair.case in cause.explained]
    otherwise = [pair for pair in pairs if pair.case in cause.otherwise]
    rest = [pair for pair in pairs if pair not in explained and pair not in otherwise]
    groups = [
        Others(f"{many(len(otherwise), 'case')} that it does not explain", otherwise, shown=True),
        Others(f"{many(len(explained), 'more case')} that it explains", explained),
        Others(f"{many(len(rest), 'more case')} on which it was not checked", rest),
    ]
    return [group for group in groups if group.pairs]


def _first_stages(pairs: list[Pair]) -> list[tuple[str, int]]:
    """Return the stages at which several failing cases part first: the hint that leads to the cause."""
    if len(pairs) == 1:
        return []
    places = [item.first_divergence for _, item in map(representative, ([pair] for pair in pairs)) if item]
    return Counter(place.stage for place in places if place).most_common()


def _links(facts: Facts, case: str, item: Comparison, broken: str) -> list[Link]:
    """Return the stages of one update with what became of each; nothing where the broken one is not among them.

    Of who shows no state nobody knows whether the stages before agree.
    """
    stages = chain(facts.cells.get(case, {}), facts.rule(case), broken)
    names = [stage for stage, _ in stages]
    if broken not in names:
        return []
    at, hidden = names.index(broken), hides_state(item)
    links = []
    for position, (stage, formula) in enumerate(stages):
        state = "ok" if position < at else "broken" if position == at else "after"
        word = {"ok": "agrees", "broken": "parts here", "after": "follows"}[state]
        if state == "ok" and hidden and stage != "gradient":
            state, word = "after", "not shown"
        links.append(Link(stage, formula, state, word))
    return links


def _values(place: Divergence, dtype: str) -> list[Value]:
    obtained, expected = exact(place.obtained, dtype), exact(place.expected, dtype)
    equal = takewhile(lambda pair: pair[0] == pair[1], zip(obtained, expected, strict=False))
    same = len(list(equal))
    return [
        Value("obtained", obtained[:same], obtained[same:]),
        Value("expected", expected[:same], expected[same:]),
        Value("difference", difference(place)),
        Value("bound", short(place.bound)),
    ]
