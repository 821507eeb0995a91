"""The summary of a search, for people and as plain data."""

from typing import Any

import msgspec

from parity.circumstances import terminal
from parity.errors import printable
from parity.fuzz.search import Search
from parity.fuzz.words import RELATIONS, Outcome
from parity.verdicts.verdict import Verdict


def document(search: Search) -> dict[str, Any]:
    """Return the JSON form of a search."""
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for (subject, relation, verdict), count in sorted(search.counts.items()):
        counts.setdefault(subject, {}).setdefault(relation, {})[verdict] = count
    return {
        "schema": 1,
        "rule": search.wish.rule,
        "seed": search.wish.seed,
        "runs": search.runs,
        "seconds": round(search.seconds, 3),
        "counts": counts,
        "findings": msgspec.to_builtins(search.findings),
        "known": msgspec.to_builtins(search.listed),
    }


def render(search: Search, columns: int = 0) -> str:
    """Return the summary as text: runs by subject and relation, then each finding with the command that repeats it.

    Args:
        search: a search that is over.
        columns: how wide a line may be; 0 is as wide as it is.
    """
    rate = search.runs / search.seconds if search.seconds else 0.0
    lines = [
        f"{search.runs} generated runs in {search.seconds:.0f} s ({rate:.1f} a second), seed {search.wish.seed}",
        "",
    ]
    lines += _table(search, columns)
    for listed in search.listed:
        lines += ["", f"known: {listed.case}, met in {listed.runs} runs", f"  {listed.reason} ({listed.link})"]
    for number, finding in enumerate(search.findings, start=1):
        lines += [
            "",
            f"finding {number}: {finding.relation}, {finding.subject}, {finding.runs} runs: {finding.verdict}",
        ]
        lines += [f"  {line}" for line in _described(finding)]
    new = len(search.findings)
    ending = "no finding" if not new else f"{new} finding{'s' if new > 1 else ''}"
    lines += ["", f"{ending}, {len(search.listed)} known divergences met"]
    return "\n".join(terminal.fitted((printable(line) for text in lines for line in text.split("\n")), columns))


def _described(finding: Any) -> list[str]:
    lines = [finding.reason]
    if finding.features:
        lines.append(f"needs: {', '.join(finding.features)}")
    if finding.place:
        p = finding.place
        lines.append(f"first: step {p['step']}, slot {p['slot']}, tensor {p['tensor']}, index {p['index']}")
        lines.append(f"  obtained {p['obtained']}, expected {p['expected']}, bound {p['bound']}")
    if finding.command:
        lines += [f"case: {finding.case}", f"repeat: {finding.command}"]
    return lines


def _table(search: Search, columns: int) -> list[str]:
    rows = []
    for subject, relation in sorted(
        {(s, r) for s, r, _ in search.counts}, key=lambda p: (p[0], list(RELATIONS).index(p[1]))
    ):
        found = {v: n for (s, r, v), n in search.counts.items() if (s, r) == (subject, relation)}
        ordered = sorted(found, key=lambda verdict: Verdict[verdict].severity)
        rows.append((subject, relation, str(sum(found.values())), ", ".join(f"{v} {found[v]}" for v in ordered)))
    return terminal.table(("", "", "", ""), rows, columns, right=[2])


def told(outcome: Outcome, relation: str, subject: str, case: str, known: str = "") -> str:
    """Return one outcome of one case, as `parity run` would say it; ``known`` is why it is listed."""
    lines = [
        f"case {case}, subject {subject}: relation {relation}",
        f"{outcome.verdict}: {outcome.text or RELATIONS[relation]}",
    ]
    lines += [f"{Verdict.KNOWN_DIVERGENCE.name}: {known}"] * bool(known)
    if outcome.tensor:
        p = outcome.place()
        lines.append(f"first difference: step {p['step']}, slot {p['slot']}, tensor {p['tensor']}, index {p['index']}")
        lines += [f"  {name:10}{p[name]}" for name in ("obtained", "expected", "bound")]
    return "\n".join(lines)
