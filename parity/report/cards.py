"""Where they part: one card for each failing subject, with the place that shows it most plainly."""

from collections import Counter

from parity.report.details import chain
from parity.report.facts import (
    Facts,
    command,
    difference,
    factor,
    moment,
    name,
    outcome,
    parting_subjects,
    representative,
)
from parity.report.markup import chip, digits, link, section, text
from parity.report.numbers import exact, many, short, times
from parity.verdicts.results import Comparison, Divergence, Pair

MAX_CARDS = 12
MAX_LINKS = 40


def cards(facts: Facts) -> str:
    """Return the section, or nothing when every subject agrees."""
    parting = parting_subjects(facts)
    if not parting:
        return ""
    shown = "".join(_card(facts, subject, pairs) for subject, pairs in parting[:MAX_CARDS])
    rest = len(parting) - MAX_CARDS
    more = f"<p>{many(rest, 'more subject')} below.</p>" if rest > 0 else ""
    return section("parting", "Where they part", shown + more)


def _card(facts: Facts, subject: str, pairs: list[Pair]) -> str:
    pair, item = representative(pairs)
    ran = sum(other.subject == subject for other in facts.pairs)
    place = item.first_divergence if item else None
    return (
        f'<article class="card"><header><h3>{text(subject)}</h3>{chip(outcome(pair))}'
        f"<span>in {len(pairs)} of {many(ran, 'case')}</span></header>"
        f"{_stages(pairs)}{_place(facts, pair, item, place)}"
        f'<p class="go"><a class="button" href="{link(pair.case, subject)}">Open this pair</a> '
        f"<code>{text(command(pair.selector, subject))}</code></p>{_others(pair, pairs)}</article>"
    )


def _place(facts: Facts, pair: Pair, item: Comparison | None, place: Divergence | None) -> str:
    where = f'<a href="{link(pair.case, pair.subject)}">{text(pair.case)}</a>'
    if place is None:
        reason = (item.reason or item.outcome.value) if item else "no comparison came back"
        return f'<p class="lead">{where}</p><p class="reason">{text(reason)}</p>'
    known = chain(facts.cells.get(pair.case, {}), facts.rule(pair.case), place.stage)
    size = times(factor(place))
    return (
        f'<p class="lead">{text(moment(place.step)).capitalize()} of {where}, the <b>{text(name(place.slot))}</b> of '
        f"<code>{text(place.tensor)}{text(place.index)}</code> is outside its bound"
        f"{f': the difference is <b>{text(size)} times</b> what rounding can explain' if size != 'NaN' else ''}.</p>"
        f"{stages(known, place.stage)}{_values(place, facts.dtype(pair.case))}"
        f"{f'<p>{text(place.note)}</p>' if place.note else ''}"
    )


def stages(known: list[tuple[str, str]], broken: str) -> str:
    """Return the chain of one update as a list, with the link that broke."""
    items = []
    names = [stage for stage, _ in known]
    if broken not in names:
        return f"<p>Stage: {text(name(broken))}</p>"
    at = names.index(broken)
    for position, (stage, formula) in enumerate(known):
        state = "ok" if position < at else "broken" if position == at else "after"
        word = {"ok": "agrees", "broken": "parts here", "after": "follows"}[state]
        items.append(f'<li class="{state}"><b>{text(name(stage))}</b><code>{text(formula)}</code><em>{word}</em></li>')
    return f'<ol class="chain" aria-label="stages of one update">{"".join(items)}</ol>'


def _values(place: Divergence, dtype: str) -> str:
    obtained, expected = exact(place.obtained, dtype), exact(place.expected, dtype)
    rows = (
        ("obtained", digits(obtained, expected)),
        ("expected", digits(expected, obtained)),
        ("difference", text(difference(place))),
        ("bound", text(short(place.bound))),
    )
    cells = "".join(f"<div><dt>{key}</dt><dd>{value}</dd></div>" for key, value in rows)
    return f'<dl class="values">{cells}</dl>'


def _stages(pairs: list[Pair]) -> str:
    """Say at which stage the subject's failing cases part first: the hint that leads to the cause."""
    places = [item.first_divergence for _, item in map(representative, ([pair] for pair in pairs)) if item]
    counts = Counter(place.stage for place in places if place)
    if not counts or len(pairs) == 1:
        return ""
    named = ", ".join(f"<b>{text(name(stage))}</b> in {count}" for stage, count in counts.most_common())
    return f"<p>The first stage that parts: {named}.</p>"


def _others(shown: Pair, pairs: list[Pair]) -> str:
    others = [pair for pair in pairs if pair is not shown]
    if not others:
        return ""
    items = "".join(f'<li><a href="{link(p.case, p.subject)}">{text(p.case)}</a></li>' for p in others[:MAX_LINKS])
    more = f"<li>and {len(others) - MAX_LINKS} more in the table</li>" if len(others) > MAX_LINKS else ""
    return f"<details><summary>{many(len(others), 'more case')}</summary><ul>{items}{more}</ul></details>"
