"""The report for people: one page without network; each section is one function, and page.js opens the pairs."""

from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any, Final

from parity.case.words import MODES, SOURCES
from parity.report.answer import answer
from parity.report.cards import cards
from parity.report.catch import MEANING, UNSEEN, blind, sentence, total
from parity.report.details import data, shown
from parity.report.facts import WORST_FIRST, Facts, headline, outcome
from parity.report.markup import chip, section, text
from parity.report.matrix import matrix
from parity.report.numbers import many, times
from parity.report.subjects import panels
from parity.report.table import table
from parity.verdicts.results import Run

FILENAME = "index.html"
MAX_BYTES = 2_000_000
POINTS = (80, 48, 24, 12, 0)
ASSETS = ("page.css", "curves.js", "pair.js", "page.js")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def render(run: Run) -> str:
    """Return the page; of a very large run the curves become coarser until it has at most ``MAX_BYTES``."""
    facts = Facts(run)
    body = "".join(part(facts) for part in SECTIONS)
    style, *scripts = (files("parity.report").joinpath(name).read_text("utf-8") for name in ASSETS)
    script = "".join(scripts)
    page = ""
    for points in POINTS:
        page = _page(facts, body, style, script, data(facts, points))
        if len(page.encode()) <= MAX_BYTES:
            break
    return page


def _page(facts: Facts, body: str, style: str, script: str, document: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="color-scheme" content="light dark">
<title>Parity: {text(headline(facts))}</title>
<link rel="icon" href="data:image/svg+xml,{ICON}">
<style>{style}</style>
</head>
<body>
<a class="skip" href="#verdicts">Skip to the verdicts</a>
{body}
<dialog id="pair" aria-labelledby="pair-title"></dialog>
<script type="application/json" id="data">{document}</script>
<script>(() => {{ "use strict";
{script}}})();</script>
</body>
</html>
"""


ICON: Final = (
    "%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M2 5.5h12M2 10.5h7l2-3 3 6' "
    "stroke='%23c3202f' stroke-width='2' fill='none'/%3E%3C/svg%3E"
)
LOGO: Final = (
    '<svg class="logo" viewBox="0 0 24 24" aria-hidden="true"><path d="M2 8h20"/>'
    '<path class="off" d="M2 16h11l3-4 6 8"/></svg>'
)


def _masthead(facts: Facts) -> str:
    run = facts.run
    commit = run.circumstances.get("commit")
    about = [
        run.started.replace("T", " "),
        f"commit {str(commit)[:10]}" if commit else "",
        many(round(run.seconds), "second"),
    ]
    links = "".join(
        f'<a href="#{anchor}">{title}</a>'
        for anchor, title in (
            ("subjects", "Subjects"),
            ("verdicts", "Verdicts"),
            ("circumstances", "Circumstances"),
            ("reading", "How to read this"),
        )
    )
    return (
        f'<header class="masthead"><p class="brand">{LOGO}parity</p><nav aria-label="Sections">{links}</nav>'
        f'<button type="button" id="theme" aria-label="Switch between light and dark">◐</button>'
        f'<p class="when">{" · ".join(text(part) for part in about if part)}</p></header><main>'
    )


def _opening(facts: Facts) -> str:
    failing = any(outcome(pair).fails for pair in facts.pairs)
    nothing = not any(item.outcome.compared for item in facts.comparisons)
    compared = sum(item.compared for item in facts.comparisons)
    counts = [(verdict, facts.counts[verdict]) for verdict in WORST_FIRST if facts.counts[verdict]]
    bar = "".join(f'<span class="{verdict.name}" style="flex-grow:{count}"></span>' for verdict, count in counts)
    counters = "".join(
        f'<li title="{text(verdict.value)}">{chip(verdict)}<b>{count:,}</b></li>' for verdict, count in counts
    )
    return (
        f'<section class="opening {"bad" if failing or nothing else "good"}"><h1>{text(headline(facts))}</h1>'
        f"<p>{many(len(facts.subjects), 'subject')} against the NumPy reference page in "
        f"{many(len(facts.cases), 'case')}: {many(len(facts.comparisons), 'comparison')} "
        f"over {times(compared)} element-steps.</p>{_catches(facts)}"
        f'<div class="bar" aria-hidden="true">{bar}</div>'
        f'<ul class="counters" aria-label="Comparisons by verdict">{counters}</ul></section>'
    )


def _catches(facts: Facts) -> str:
    """Say how much the bounds would catch in all, and in how many comparisons it is little."""
    words = sentence(total(facts.comparisons))
    if not words:
        return ""
    unseen = len(blind(facts.comparisons))
    more = f" In {many(unseen, 'comparison')} most steps of some slot could double unseen." if unseen else ""
    link = '<a href="#catching">What that means</a>'
    return f"<p>{text(words[0].upper() + words[1:])}.{text(more)} {link}.</p>"


def _circumstances(facts: Facts) -> str:
    flat = [(key, value) for key, value in facts.run.circumstances.items() if not isinstance(value, Mapping)]
    nested = [(key, value) for key, value in facts.run.circumstances.items() if isinstance(value, Mapping)]
    groups = "".join(f"<div><h3>{text(key)}</h3>{_definitions(dict(value))}</div>" for key, value in nested)
    body = f'<div class="groups"><div>{_definitions(dict(flat))}</div>{groups}</div>'
    return section("circumstances", "Circumstances", body)


def _definitions(entries: dict[str, Any]) -> str:
    rows = "".join(
        f"<div><dt>{text(key).replace('_', ' ')}</dt><dd>{text(shown(value))}</dd></div>"
        for key, value in entries.items()
    )
    return f'<dl class="facts">{rows}</dl>'


def _reading(_: Facts) -> str:
    verdicts = "".join(f"<div><dt>{chip(verdict)}</dt><dd>{text(verdict.value)}.</dd></div>" for verdict in WORST_FIRST)
    modes = "".join(f"<div><dt>{mode}</dt><dd>{text(sentence)}.</dd></div>" for mode, sentence in MODES.items())
    sources = "".join(f"<div><dt>{source}</dt><dd>{text(sentence)}.</dd></div>" for source, sentence in SOURCES.items())
    body = f"""<div class="prose">
<p>A <b>subject</b> is an implementation under test. The <b>reference</b> is one page of NumPy that computes RMSprop as
tf.keras does. Both get the same weights, data and hyperparameters, and after every step their parameters and slots are
compared: <b>obtained</b> is the subject's value, <b>expected</b> the reference's.</p>
<h3>The bound</h3>
<p>No tolerance is chosen. The reference also runs on numbers that carry a bound on their own rounding error through
every operation. A difference inside the bound is what rounding may do; outside it, some arithmetic must differ.</p>
<h3 id="catching">What a bound would catch</h3>
<p>{text(MEANING)}.</p>
<p>{text(UNSEEN)}.</p>
<h3>Two comparisons</h3><dl class="facts">{modes}</dl>
<p>A free run is measured against an envelope: how far copies of the reference drift apart from one last bit.</p>
<h3>Three sources of gradients</h3><dl class="facts">{sources}</dl>
<h3>Why ULP stand beside, and never decide</h3>
<p>A unit in the last place shrinks with the value. Near zero and in sums of both signs, thousands of ULP arise without
any fault; so the bound judges, and ULP are printed beside it.</p>
<h3>Verdicts</h3><dl class="facts verdicts">{verdicts}</dl>
</div>"""
    return section("reading", "How to read this", body)


def _footer(_: Facts) -> str:
    names = ("summary.md", "results.json", "junit.xml", "steps.parquet")
    links = ", ".join(f'<a href="{name}">{name}</a>' for name in names)
    return f"</main><footer><p>The same run for other readers: {links}.</p></footer>"


SECTIONS: Final[tuple[Callable[[Facts], str], ...]] = (
    _masthead,
    _opening,
    cards,
    panels,
    table,
    answer,
    matrix,
    _circumstances,
    _reading,
    _footer,
)
"""In the order of the page; a further section is one more function from facts to HTML."""
