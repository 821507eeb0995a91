"""The verdict table: cases by subjects in groups of one folder, what fails first; every cell opens its pair."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from markupsafe import Markup

from parity.report.catch import Mark, marks
from parity.report.facts import WORST_FIRST, Facts, name, outcome, representative
from parity.report.markup import render
from parity.report.numbers import real, times
from parity.verdicts.results import Pair
from parity.verdicts.verdict import Verdict

WIDE = 6

Rows = dict[str, dict[str, Pair]]
Counts = list[tuple[Verdict, int]]


class Cell(NamedTuple):
    """A pair in the table: its verdict, what tells it from the next, what the cause of the subject says of it, and how
    much its bounds would catch.
    """

    pair: Pair
    verdict: Verdict
    hint: str
    told: str
    marks: list[Mark]


class Row(NamedTuple):
    """A case in parts, with its rule; ``again`` is a further variant of the case above, whose summary is there already.

    The filter looks into ``words``; a subject that did not run the case has no cell.
    """

    rule: str
    stem: str
    label: str | None
    summary: str
    again: bool
    words: str
    cells: list[Cell | None]


class Group(NamedTuple):
    """The cases of one folder."""

    folder: str
    counts: Counts
    rows: list[Row]


def table(facts: Facts) -> Markup:
    """Return the section with its filters; it reads without scripts, which only add the filtering."""
    rows: Rows = {}
    for pair in facts.pairs:
        rows.setdefault(pair.case, {})[pair.subject] = pair
    groups: dict[str, list[str]] = {}
    for case in rows:
        groups.setdefault(case.rpartition("[")[0].rpartition("/")[0] or case.rpartition("/")[0], []).append(case)
    ranked = sorted(groups, key=lambda folder: (-max(_rank(rows[case]) for case in groups[folder]), folder))
    return render(
        "table.html",
        subjects=[(one, _counts(pair for pair in facts.pairs if pair.subject == one)) for one in facts.subjects],
        rules=facts.rules,
        counts=_counts(facts.pairs),
        wide=len(facts.subjects) > WIDE,
        groups=[_group(facts, folder, groups[folder], rows) for folder in ranked],
    )


def _counts(pairs: Iterable[Pair]) -> Counts:
    """Return how many pairs end in each verdict, the worst first."""
    counts = Counter(outcome(pair) for pair in pairs)
    return [(verdict, counts[verdict]) for verdict in WORST_FIRST if counts[verdict]]


def _rank(row: dict[str, Pair]) -> int:
    return max(len(WORST_FIRST) - WORST_FIRST.index(outcome(pair)) for pair in row.values())


def _group(facts: Facts, folder: str, cases: list[str], rows: Rows) -> Group:
    stems: dict[str, list[str]] = {}
    for case in cases:
        stems.setdefault(case.partition("[")[0], []).append(case)
    ordered = sorted(stems.values(), key=lambda variants: (-max(_rank(rows[case]) for case in variants), variants))
    body = [
        _row(facts, case, folder, rows[case], again=number > 0)
        for variants in ordered
        for number, case in enumerate(sorted(variants, key=lambda case: (-_rank(rows[case]), case)))
    ]
    return Group(folder, _counts(pair for case in cases for pair in rows[case].values()), body)


def _row(facts: Facts, case: str, folder: str, row: dict[str, Pair], *, again: bool) -> Row:
    summary = next(iter(row.values())).summary
    stem, bracket, label = case.removeprefix(f"{folder}/").partition("[")
    return Row(
        facts.rule(case).name,
        stem,
        label=label[:-1] if bracket else None,
        summary=summary,
        again=again,
        words=f"{case} {summary}".lower(),
        cells=[_cell(facts, row[subject]) if subject in row else None for subject in facts.subjects],
    )


def _cell(facts: Facts, pair: Pair) -> Cell:
    verdict = outcome(pair)
    return Cell(pair, verdict, _hint(pair, verdict), _told(facts, pair, verdict), marks(pair))


def _told(facts: Facts, pair: Pair, verdict: Verdict) -> str:
    """Return whether a failing case is explained; nothing where the subject has no cause that is known."""
    cause = facts.run.causes.get(pair.subject)
    if not verdict.fails or cause is None or not cause.known:
        return ""
    return "explained" if pair.case in cause.explained else "not explained" if pair.case in cause.otherwise else ""


def _hint(pair: Pair, verdict: Verdict) -> str:
    """Return what tells one cell from the next: where it parts first, or how near the bound it comes."""
    _, item = representative([pair])
    if verdict.fails and item and item.first_divergence:
        return f"step {item.first_divergence.step:,}, {name(item.first_divergence.stage)}"
    ratios = [real(item.worst.ratio) for item in pair.comparisons if item.worst and item.comparison == "lockstep"]
    return f"{times(max(ratios))} of bound" if verdict is Verdict.ROUNDING and ratios else ""
