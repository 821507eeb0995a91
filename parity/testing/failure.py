"""The text of a failing parity test, in its fixed order: what, where, why, and how to see it again."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from parity.api import Results
from parity.case.spec import Cell
from parity.report.facts import LOOKS, evidence, representative
from parity.report.numbers import clean, exact, many, short
from parity.testing import again, cause
from parity.verdicts.results import Comparison, Pair
from parity.verdicts.verdict import Verdict

if TYPE_CHECKING:
    from parity.testing.bench import Bench

MOST_OTHERS = 8
DIAGNOSABLE = frozenset({Verdict.DIVERGED, Verdict.NON_FINITE, Verdict.ROUNDING})
"""Verdicts whose cause a diagnosis can name; the others carry it in their reason."""


class Objection(NamedTuple):
    """A comparison that fails a test; ``said`` is the demand it misses, empty where its verdict fails by itself."""

    cell: Cell
    pair: Pair
    item: Comparison
    said: str


def text(
    subject: str | Callable[..., Any],
    results: Results,
    objections: Sequence[Objection],
    bench: "Bench",
    diagnose: bool = True,
) -> str:
    """Return the failure: the plainest comparison in full, then how many others fail."""
    shown = _plainest(objections)
    name, reason = subject if isinstance(subject, str) else "", ""
    if not isinstance(subject, str):
        name, reason = again.loadable(subject, shown.cell, shown.pair, bench.session)
    lines = [evidence(shown.item, shown.cell.dtype)]
    lines += [f"  {shown.said}"] * bool(shown.said)
    lines += _nearest_to_bound(shown) if shown.item.first_divergence is None else []
    if diagnose and shown.item.outcome in DIAGNOSABLE:
        lines += _cause(subject, name, shown, bench)
    test = bench.test or again.running_test()
    lines.append(again.how(shown.item.selector, name, reason, test))
    return "\n".join([*lines, *_others(results, objections, shown)])


def nothing(results: Results) -> str:
    """Return the failure of a test in which nothing was compared."""
    counts = Counter(f"{item.verdict}: {clean(item.reason)}" for item in results.comparisons)
    subject = clean(results.pairs[0].subject)
    head = f"subject {subject}: nothing was compared, and no comparison is not a pass"
    rows = [f"  {said} ({many(count, 'comparison')})" for said, count in counts.most_common(MOST_OTHERS)]
    return "\n".join([head, *rows, *[f"  and {len(counts) - len(rows)} more reasons"] * (len(counts) > len(rows))])


def counted(comparisons: Sequence[Comparison]) -> str:
    """Return how many comparisons ended in which verdict: ``2 identical, 44 rounding``."""
    counts = Counter(item.outcome for item in comparisons)
    return ", ".join(f"{counts[verdict]} {LOOKS[verdict].word}" for verdict in Verdict if counts[verdict])


def _plainest(objections: Sequence[Objection]) -> Objection:
    """Return what shows the fault best: the earliest plain divergence, else the difference nearest to its bound."""
    failing = [objection for objection in objections if objection.item.outcome.fails]
    if failing:
        _, item = representative(objection.pair for objection in failing)
        return next((objection for objection in failing if objection.item is item), failing[0])
    return max(objections, key=lambda objection: _ratio(objection.item))


def _ratio(item: Comparison) -> float:
    ratio = item.worst.ratio if item.worst is not None else -1.0
    return ratio if isinstance(ratio, float) else -1.0


def _nearest_to_bound(shown: Objection) -> list[str]:
    worst, dtype = shown.item.worst, shown.cell.dtype
    if worst is None:
        return []
    return [
        f"largest difference: step {worst.step}, slot {clean(worst.slot)}, tensor {clean(worst.tensor)}, "
        f"index {worst.index}",
        f"  obtained    {exact(worst.obtained, dtype)}",
        f"  expected    {exact(worst.expected, dtype)}",
        f"  difference  {short(worst.difference)}",
        f"  bound       {short(worst.bound)}",
    ]


def _cause(subject: str | Callable[..., Any], name: str, shown: Objection, bench: "Bench") -> list[str]:
    if isinstance(subject, str) and subject.startswith("golden:"):
        return ["likeliest explanation: not sought; a recorded trajectory cannot be run on probes"]
    if shown.cell.rule.endswith(".py"):
        return ["likeliest explanation: not sought; the choices that are known are those of the rules that are shipped"]
    place = shown.item.first_divergence
    if place is not None and shown.item.outcome is Verdict.NON_FINITE and place.obtained == place.expected:
        return ["likeliest explanation: not sought; both sides agree, so it is the case that leads there"]
    # Of one class, the name says what was bound, and a rule what it was held against.
    whose = (subject, shown.item.subject, shown.cell.rule)
    document = next((found for known, found in bench.diagnoses if known == whose), None)
    if document is None or (document["explanations"] and shown.cell.id not in document["cases"]):
        if name or isinstance(subject, str):
            document = cause.diagnosed(name, shown.cell, document)
        else:
            document = cause.diagnosed_here(subject, shown.item.subject, shown.cell, document)
        bench.diagnoses = [(known, found) for known, found in bench.diagnoses if known != whose]
        bench.diagnoses.append((whose, document))
    case = cause.sought(shown.cell, rounding=not shown.item.outcome.fails)
    return [clean(line) for line in cause.lines(document, case)]


def _others(results: Results, objections: Sequence[Objection], shown: Objection) -> list[str]:
    lines = [f"in all: {many(len(results.comparisons), 'comparison')}: {counted(results.comparisons)}"]
    others = [objection.item for objection in objections if objection is not shown]
    lines += [f"  also {_row(item)}" for item in others[:MOST_OTHERS]]
    more = len(others) - MOST_OTHERS
    return lines + [f"  and {more} more"] * (more > 0)


def _row(item: Comparison) -> str:
    place = item.first_divergence
    where = f" at step {place.step}, {clean(place.slot)} of {clean(place.tensor)}" if place else ""
    return f"{clean(item.case)}, {item.comparison}: {item.verdict}{where}"
