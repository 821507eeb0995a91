"""The verdict table: cases by subjects in groups of one folder, what fails first; every cell opens its pair."""

from collections import Counter

from parity.report.catch import mark
from parity.report.facts import LOOKS, WORST_FIRST, Facts, name, outcome, representative
from parity.report.markup import chip, link, section, text
from parity.report.numbers import real, times
from parity.verdicts.results import Pair
from parity.verdicts.verdict import Verdict

WIDE = 6

Rows = dict[str, dict[str, Pair]]


def table(facts: Facts) -> str:
    """Return the section with its filters; it reads without scripts, which only add the filtering."""
    rows: Rows = {}
    for pair in facts.pairs:
        rows.setdefault(pair.case, {})[pair.subject] = pair
    groups: dict[str, list[str]] = {}
    for case in rows:
        groups.setdefault(case.rpartition("[")[0].rpartition("/")[0] or case.rpartition("/")[0], []).append(case)
    ranked = sorted(groups, key=lambda folder: (-max(_rank(rows[case]) for case in groups[folder]), folder))
    bodies = "".join(_group(facts, folder, groups[folder], rows) for folder in ranked)
    wide = " wide" if len(facts.subjects) > WIDE else ""
    keys = '<span class="keys">Arrow keys move, Enter opens, Esc closes.</span>'
    return section(
        "verdicts",
        "Verdicts",
        f'{_filters(facts)}<div class="box{wide}"><table role="table">'
        f'<caption class="quiet">Each cell shows the more severe of its comparisons, and of how '
        f"many sampled values the bound would catch a doubled step. {keys}</caption>"
        f"{_head(facts)}{bodies}</table></div>"
        '<p id="none" role="status" hidden>No case matches the filter.</p>',
    )


def _rank(row: dict[str, Pair]) -> int:
    return max(len(WORST_FIRST) - WORST_FIRST.index(outcome(pair)) for pair in row.values())


def _filters(facts: Facts) -> str:
    subjects = "".join(f"<option>{text(subject)}</option>" for subject in facts.subjects)
    present = Counter(outcome(pair) for pair in facts.pairs)
    verdicts = "".join(_filter(verdict, present[verdict]) for verdict in WORST_FIRST if present[verdict])
    search = '<input id="filter-text" type="search" placeholder="name or summary" autocomplete="off">'
    select = f'<select id="filter-subject"><option value="">all</option>{subjects}</select>'
    return (
        '<form class="filters" role="search" aria-label="Filter the table">'
        f'<div role="group" aria-label="Verdict">{verdicts}</div>'
        f"<label><span>Case</span>{search}</label><label><span>Subject</span>{select}</label>"
        '<button type="reset">Show all</button></form>'
    )


def _filter(verdict: Verdict, count: int) -> str:
    label = chip(verdict, f"{count:,}")
    return f'<button type="button" class="filter" data-verdict="{verdict.name}" aria-pressed="false">{label}</button>'


def _head(facts: Facts) -> str:
    cells = []
    for number, subject in enumerate(facts.subjects):
        counts = Counter(outcome(pair) for pair in facts.pairs if pair.subject == subject)
        tally = " ".join(
            f'<span class="{v.name}" title="{LOOKS[v].word}">{counts[v]}&thinsp;{LOOKS[v].symbol}</span>'
            for v in WORST_FIRST
            if counts[v]
        )
        cells.append(
            f'<th role="columnheader" scope="col" data-subject="{number}">{text(subject)}<small>{tally}</small></th>'
        )
    corner = '<th role="columnheader" scope="col">case</th>'
    return f'<thead role="rowgroup"><tr role="row">{corner}{"".join(cells)}</tr></thead>'


def _group(facts: Facts, folder: str, cases: list[str], rows: Rows) -> str:
    stems: dict[str, list[str]] = {}
    for case in cases:
        stems.setdefault(case.partition("[")[0], []).append(case)
    ordered = sorted(stems.values(), key=lambda variants: (-max(_rank(rows[case]) for case in variants), variants))
    body = "".join(
        _row(facts, case, folder, rows[case], again=number > 0)
        for variants in ordered
        for number, case in enumerate(sorted(variants, key=lambda case: (-_rank(rows[case]), case)))
    )
    counts = Counter(outcome(pair) for case in cases for pair in rows[case].values())
    tally = ", ".join(f"{counts[v]} {LOOKS[v].word}" for v in WORST_FIRST if counts[v])
    head = f'<tr role="row" class="group"><th role="rowheader" scope="rowgroup" colspan="{len(facts.subjects) + 1}">'
    return (
        f'<tbody role="rowgroup">{head}<b>{text(folder or "cases")}</b><small>{tally}</small></th></tr>{body}</tbody>'
    )


def _row(facts: Facts, case: str, folder: str, row: dict[str, Pair], *, again: bool) -> str:
    """Return one case cell; ``again`` is a further variant of the case above, whose summary stands there already."""
    summary = next(iter(row.values())).summary
    short = case.removeprefix(f"{folder}/")
    stem, bracket, label = short.partition("[")
    cells = "".join(_cell(number, row.get(subject), subject) for number, subject in enumerate(facts.subjects))
    variant = f"<code>{text(label[:-1])}</code>" if bracket else ""
    about = "" if again else f"<small>{text(summary)}</small>"
    head = f'<tr role="row"{" class=again" if again else ""} data-text="{text(f"{case} {summary}".lower())}">'
    return f'{head}<th role="rowheader" scope="row"><b>{text(stem)}</b>{variant}{about}</th>{cells}</tr>'


def _cell(number: int, pair: Pair | None, subject: str) -> str:
    if pair is None:
        return f'<td role="cell" data-subject="{number}" data-name="{text(subject)}" class="quiet">not run</td>'
    verdict = outcome(pair)
    hint = _hint(pair, verdict)
    return (
        f'<td role="cell" data-subject="{number}" data-name="{text(subject)}" data-verdict="{verdict.name}">'
        f'<a href="{link(pair.case, subject)}">{chip(verdict)}{f"<small>{text(hint)}</small>" if hint else ""}'
        f"{mark(pair)}</a></td>"
    )


def _hint(pair: Pair, verdict: Verdict) -> str:
    """Return what tells one cell from the next: where it parts first, or how near the bound it comes."""
    _, item = representative([pair])
    if verdict.fails and item and item.first_divergence:
        return f"step {item.first_divergence.step:,}, {name(item.first_divergence.stage)}"
    ratios = [real(item.worst.ratio) for item in pair.comparisons if item.worst and item.comparison == "lockstep"]
    return f"{times(max(ratios))} of bound" if verdict is Verdict.ROUNDING and ratios else ""
