"""A check as Markdown, for the summary of a job: what is not as accepted, why it may be so, and how to go on."""

from parity.baseline.compare import Finding, Kind
from parity.baseline.gate import Outcome
from parity.baseline.telling import asides, headline, next_steps, reasons, reproduction
from parity.report.markdown import literal, prose
from parity.report.numbers import clean
from parity.verdicts import cause

FILENAME = "check.md"
MAX_ROWS = 60
"""A job summary holds one mebibyte, and the report takes the most of it."""
_MAX_WORDS = 400


def render(outcome: Outcome, started: str) -> str:
    """Return the section on the check of the run that started then."""
    told = outcome.failing
    parts = [f"# Check: {prose(headline(outcome))}", _table(told), _listed("Likely reasons", reasons(outcome))]
    for subject, known in outcome.causes.items():
        first, *rest = map(clean, cause.lines(known))
        parts += [f"**Why** {literal(subject)} diverges: {prose(first)}", "\n".join(f"    {line}" for line in rest)]
    parts += [_listed("Beside it", asides(outcome)), *map(prose, next_steps(outcome))]
    parts.append(f"Started {prose(started)}.")
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(told: list[Finding]) -> str:
    if not told:
        return ""
    lines = ["| | case | subject | comparison | what | again |", "| --- | --- | --- | --- | --- | --- |"]
    lines += [_row(finding) for finding in told[:MAX_ROWS]]
    if len(told) > MAX_ROWS:
        lines.append(f"\n{len(told) - MAX_ROWS:,} more; `parity check --json` lists all.")
    return "\n".join(lines)


def _row(finding: Finding) -> str:
    item, word = finding.item, finding.kind.name.lower()
    says = finding.says if len(finding.says) <= _MAX_WORDS else f"{finding.says[:_MAX_WORDS]}…"
    kind = word if finding.kind is Kind.BETTER else f"**{word}**"
    cells = (
        kind,
        literal(item.case),
        literal(item.subject),
        item.comparison,
        prose(says),
        literal(reproduction(finding)),
    )
    return f"| {' | '.join(cells)} |"


def _listed(title: str, lines: list[str]) -> str:
    return f"**{title}**\n\n" + "\n".join(f"- {prose(line)}" for line in lines) if lines else ""
