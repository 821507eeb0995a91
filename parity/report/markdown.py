"""The report for a job summary: the verdict table, with rows that read alike in one, then each failing pair."""

import re
from collections import Counter

from parity.report.catch import blind, sentence, total
from parity.report.details import shown
from parity.report.facts import (
    LOOKS,
    WORST_FIRST,
    Facts,
    command,
    difference,
    factor,
    headline,
    name,
    outcome,
    representative,
)
from parity.report.numbers import clean, exact, many, real, short, times
from parity.verdicts import cause
from parity.verdicts.results import Comparison, Divergence, Pair, Run
from parity.verdicts.verdict import Verdict

FILENAME = "summary.md"
MAX_BYTES = 1_000_000
MAX_ROWS = 400
MAX_FAILURES = 50
MAX_BLIND = 10


def render(run: Run) -> str:
    """Return the summary; a very large run lists fewer failures, and results.json has all of them."""
    facts = Facts(run)
    for limit in (MAX_FAILURES, 10, 0):
        room = _worst(facts), _catches(facts), _unseen(facts)
        parts = (_opening(facts), _table(facts), _failures(facts, limit), *room, _circumstances(facts))
        document = "\n\n".join(part for part in parts if part) + "\n"
        if len(document.encode()) <= MAX_BYTES:
            break
    return document


def _unseen(facts: Facts) -> str:
    return "\n".join(f"- {literal(who)}: {prose(line)}" for who, lines in facts.run.unseen.items() for line in lines)


def literal(value: object) -> str:
    """Return a name as a code span, which shows every character as it is, also inside a table."""
    line = " ".join(clean(value).split())
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}".replace("|", "\\|") if line else ""


def prose(value: object) -> str:
    """Return a sentence in which nothing is markup."""
    return re.sub(r"([\\`*_\[\]<>|~&#])", r"\\\1", " ".join(clean(value).split()))


def _opening(facts: Facts) -> str:
    counts = " · ".join(
        f"{facts.counts[v]:,} {LOOKS[v].symbol} {LOOKS[v].word}" for v in WORST_FIRST if facts.counts[v]
    )
    parts = [f"# {prose(headline(facts))}", counts]
    for subject, found in facts.run.causes.items():
        first, *more = cause.lines(found)
        parts.append(f"**Why** {literal(subject)} diverges: {prose(first)}")
        parts += ["\n".join(f"    {clean(line)}" for line in more)] if more else []
    return "\n\n".join(parts)


def _table(facts: Facts) -> str:
    rows: dict[str, dict[str, Pair]] = {}
    for pair in facts.pairs:
        rows.setdefault(pair.case, {})[pair.subject] = pair
    groups: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for case, row in rows.items():
        words = tuple(_word(row.get(subject)) for subject in facts.subjects)
        stem, failing = case.partition("[")[0], any(outcome(pair).fails for pair in row.values())
        place = stem if failing else stem.rpartition("/")[0]
        groups.setdefault((facts.rule(case).name, place, words), []).append(case)
    ranked = sorted(groups.items(), key=lambda group: (-max(_rank(rows[case]) for case in group[1]), group[1]))
    lines = ["| rule | case | " + " | ".join(literal(subject) for subject in facts.subjects) + " |"]
    lines.append("| --- | --- |" + " --- |" * len(facts.subjects))
    lines += [
        f"| {literal(rule)} | {_cases(cases)} | {' | '.join(words)} |" for (rule, _, words), cases in ranked[:MAX_ROWS]
    ]
    if len(ranked) > MAX_ROWS:
        lines.append(f"\n{len(ranked) - MAX_ROWS:,} more rows are in results.json.")
    return "## Verdicts\n\n" + "\n".join(lines)


def _cases(cases: list[str]) -> str:
    if len(cases) <= 2:
        return ", ".join(map(literal, cases))
    variants = Counter(case.partition("[")[0] for case in cases)
    named = ", ".join(literal(stem) + (f" × {count}" if count > 1 else "") for stem, count in variants.items())
    return f"{many(len(cases), 'case')}: {named}"


def _word(pair: Pair | None) -> str:
    if pair is None:
        return "not run"
    look = LOOKS[outcome(pair)]
    return f"**{look.symbol} {look.word}**" if outcome(pair).fails else f"{look.symbol} {look.word}"


def _rank(row: dict[str, Pair]) -> int:
    return max(len(WORST_FIRST) - WORST_FIRST.index(outcome(pair)) for pair in row.values())


def _failures(facts: Facts, limit: int) -> str:
    failing = [pair for pair in facts.pairs if outcome(pair).fails]
    if not failing:
        return ""
    shown_ = "\n\n".join(_failure(facts, pair) for pair in failing[:limit])
    rest = f"\n\n{len(failing) - limit:,} more are in results.json." if len(failing) > limit else ""
    return f"## Failing pairs\n\n{shown_}{rest}"


def _failure(facts: Facts, pair: Pair) -> str:
    _, item = representative([pair])
    reason = prose(item.reason or item.outcome.value) if item else "no comparison came back"
    mode = f"{item.gradients} gradients, {item.comparison}: " if item else ""
    lines = [f"### {literal(pair.subject)} in {literal(pair.case)}: {LOOKS[outcome(pair)].word}", f"{mode}{reason}"]
    found = facts.run.causes.get(pair.subject)
    lines += [prose(said)] if found and (said := cause.of_case(found, pair.case)) else []
    if item and item.first_divergence:
        lines.append(_place(item.first_divergence, facts.dtype(pair.case)))
    lines.append(f"Reproduce: {literal(command(pair.selector, pair.subject))}")
    return "\n\n".join(lines)


def _place(place: Divergence, dtype: str) -> str:
    size = f" ({times(factor(place))} times the bound)" if factor(place) == factor(place) else ""
    return (
        f"First divergence: step {place.step}, {prose(name(place.slot))} of {literal(place.tensor)} {place.index}, "
        f"stage **{prose(name(place.stage))}**\n\n"
        "| obtained | expected | difference | bound |\n| --- | --- | --- | --- |\n"
        f"| {literal(exact(place.obtained, dtype))} | {literal(exact(place.expected, dtype))} "
        f"| {difference(place)}{size} | {short(place.bound)} |"
    )


def _worst(facts: Facts) -> str:
    """Name the difference that comes nearest its bound among those inside: how much room the bound leaves."""
    inside = [item for item in facts.comparisons if item.outcome is Verdict.ROUNDING and item.worst]
    judged = [item for item in inside if real(_ratio(item)) == real(_ratio(item))]
    if not judged:
        return ""
    item = max(judged, key=lambda one: real(_ratio(one)))
    where = f"{literal(item.subject)} in {literal(item.case)} ({item.gradients} gradients, {item.comparison})"
    return f"Nearest to the bound among all that are inside: {times(_ratio(item))} of it, {where}."


def _ratio(item: Comparison) -> float | str | None:
    return item.worst.ratio if item.worst else None


def _catches(facts: Facts) -> str:
    """Say how much the bounds would catch, and name agreeing pairs in which it is little."""
    words = sentence(total(facts.comparisons))
    found = list(dict.fromkeys(f"{literal(item.subject)} in {literal(item.case)}" for item in blind(facts.comparisons)))
    more = f" and {len(found) - MAX_BLIND:,} more" if len(found) > MAX_BLIND else ""
    listed = f" Most steps of some slot could double unseen: {', '.join(found[:MAX_BLIND])}{more}."
    return f"{prose(words[0].upper() + words[1:])}.{listed if found else ''}" if words else ""


def _circumstances(facts: Facts) -> str:
    rows = [f"| {prose(key)} | {prose(shown(value))} |" for key, value in facts.run.circumstances.items()]
    table = "\n".join(["| | |", "| --- | --- |", *rows])
    took = f"Started {prose(facts.run.started)}, took {facts.run.seconds:.1f} s."
    folded = "<details><summary>Versions, device, threads</summary>"
    return f"## Circumstances\n\n{folded}\n\n{table}\n\n</details>\n\n{took}"
