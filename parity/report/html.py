"""The report for people: one page without network; each section is one function, and page.js opens the pairs."""

from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from typing import Any, Final

from markupsafe import Markup

from parity.case.words import MODES, SOURCES
from parity.report import markup
from parity.report.answer import answer
from parity.report.cards import cards
from parity.report.catch import MEANING, UNSEEN, blind, sentence, total
from parity.report.details import data, shown
from parity.report.facts import WORST_FIRST, Facts, clauses, headline, outcome, parting_subjects
from parity.report.matrix import matrix
from parity.report.numbers import many
from parity.report.program import program
from parity.report.subjects import panels
from parity.report.table import table
from parity.verdicts.results import Run

FILENAME = "index.html"
OTHERS = ("summary.md", "results.json", "junit.xml", "steps.parquet")
MAX_BYTES = 2_000_000
POINTS = (80, 48, 24, 12, 0)
STYLE = "page.css"
SCRIPTS = ("curves.js", "pair.js", "page.js")


def render(run: Run) -> str:
    """Return the page; of a very large run the curves become coarser until it has at most ``MAX_BYTES``."""
    facts = Facts(run)
    parts = {
        "title": headline(facts),
        "about": _about(run),
        "sections": [part(facts) for part in SECTIONS],
        "others": OTHERS,
        "style": _asset(STYLE),
        "script": Markup().join(map(_asset, SCRIPTS)),
    }
    page = ""
    for points in POINTS:
        page = markup.render("page.html", document=data(facts, points), **parts)
        if len(page.encode()) <= MAX_BYTES:
            break
    return str(page)


def _asset(name: str) -> Markup:
    """Return a file of ours that is a part of the page as it is."""
    return Markup(files("parity.report").joinpath(name).read_text("utf-8"))


def _about(run: Run) -> list[str]:
    """Return when the run began, of which commit it is, and how long it took."""
    commit = run.circumstances.get("commit")
    about = [
        run.started.replace("T", " "),
        f"commit {str(commit)[:10]}" if commit else "",
        many(round(run.seconds), "second"),
    ]
    return [part for part in about if part]


def _opening(facts: Facts) -> Markup:
    failing = any(outcome(pair).fails for pair in facts.pairs)
    nothing = not any(item.outcome.compared for item in facts.comparisons)
    first, *rest = clauses(facts) if failing and not nothing else [headline(facts).removesuffix(".")]
    known = facts.run.causes.get(parting_subjects(facts)[0][0]) if failing else None
    return markup.render(
        "opening.html",
        facts=facts,
        headline=f"{first}.",
        rest=[f"{clause[0].upper()}{clause[1:]}." for clause in rest],
        formula=known.formula if known else [],
        good=not failing and not nothing,
        compared=sum(item.compared for item in facts.comparisons),
        catch=sentence(total(facts.comparisons)),
        blind=len(blind(facts.comparisons)),
        unseen=[(subject, line) for subject, lines in facts.run.unseen.items() for line in lines],
        counts=[(verdict, facts.counts[verdict]) for verdict in WORST_FIRST if facts.counts[verdict]],
    )


def _circumstances(facts: Facts) -> Markup:
    entries = facts.run.circumstances.items()
    return markup.render(
        "circumstances.html",
        flat=_definitions((key, value) for key, value in entries if not isinstance(value, Mapping)),
        nested=[(key, _definitions(value.items())) for key, value in entries if isinstance(value, Mapping)],
    )


def _definitions(entries: Iterable[tuple[str, Any]]) -> list[tuple[str, str]]:
    return [(key, shown(value)) for key, value in entries]


def _reading(_: Facts) -> Markup:
    return markup.render(
        "reading.html",
        meaning=MEANING,
        unseen=UNSEEN,
        modes=[(mode, f"{meaning}.") for mode, meaning in MODES.items()],
        sources=[(source, f"{meaning}.") for source, meaning in SOURCES.items()],
        verdicts=WORST_FIRST,
    )


SECTIONS: Final[tuple[Callable[[Facts], Markup], ...]] = (
    _opening,
    cards,
    panels,
    table,
    answer,
    program,
    matrix,
    _circumstances,
    _reading,
)
"""In the order of the page; a further section is one more function from facts to HTML, with a template."""
