"""What every way of showing a check shares: its one sentence, the likely reasons, what to do next, and the document."""

import shlex
from collections import Counter
from typing import Any

import msgspec

from parity.baseline.compare import Finding, Kind
from parity.baseline.elsewhere import why_unjudged
from parity.baseline.gate import Outcome
from parity.baseline.store import FOLDER
from parity.case.tomlfile import show_path
from parity.report.facts import command
from parity.report.numbers import clean, many, plain
from parity.verdicts import cause
from parity.verdicts.results import Run

SCHEMA = 1
_WORDS = {
    Kind.CHANGED: "changed",
    Kind.BETTER: "better",
    Kind.MISSING: "missing from the baseline",
    Kind.FIXED: "fixed",
    Kind.ABSENT: "not installed",
}


def headline(outcome: Outcome) -> str:
    """Return the one sentence that says how a check ended."""
    same = len(outcome.of(Kind.SAME, Kind.BITS, Kind.ELSEWHERE))
    far = _far(len(outcome.of(Kind.BITS)), len(outcome.of(Kind.ELSEWHERE)))
    counts = [f"{len(outcome.of(kind)):,} {word}" for kind, word in _WORDS.items() if outcome.of(kind)]
    if outcome.status() == 3:
        return "Nothing was compared, so nothing was checked."
    if not counts:
        return (f"All {same:,} comparisons are as accepted" if same > 1 else "The one comparison is as accepted") + far
    return f"{', '.join(counts)}; {same:,} as accepted{far}"


def _far(bits: int, agree: int) -> str:
    """Return how far what is as accepted was judged on another machine than the baseline's."""
    parts = [f"{bits:,} of them but for bits that the processor decides"] if bits else []
    parts += [f"{agree:,} as far as that they agree"] if agree else []
    return "".join(f", {part}" for part in parts) + "."


def asides(outcome: Outcome) -> list[str]:
    """Return what is told and does not fail: what another processor decides, unused entries, subjects that stood by."""
    lines = []
    accepted = Counter(f.before.verdict for f in outcome.of(Kind.SAME) if f.before and f.before.outcome.fails)
    for verdict, count in sorted(accepted.items()):
        lines.append(f"{many(count, 'comparison')} of those as accepted {'are' if count > 1 else 'is'} {verdict}.")
    lines += _elsewhere(outcome)
    if outcome.unused:
        lines.append(_unused(outcome))
    if outcome.idle:
        lines.append(f"Not run, though the baseline holds them: {', '.join(map(clean, outcome.idle))}.")
    return lines


def _elsewhere(outcome: Outcome) -> list[str]:
    """Return what was not judged because the baseline was made on another machine, by its reasons."""
    bits, agree = outcome.of(Kind.BITS), outcome.of(Kind.ELSEWHERE)
    if not bits and not agree:
        return []
    lines = ["The baseline was made on another machine (--strict judges every bit)."]
    by = Counter(reason.value for finding in bits for reason in finding.by)
    if bits:
        lines.append(f"Bits not judged in {many(len(bits), 'comparison')}, decided by {_counted(by)}.")
    why = Counter(why_unjudged(finding.before, finding.now) for finding in agree if finding.before)
    if agree:
        lines.append(f"Not judged, but for that they agree, {many(len(agree), 'comparison')}: {_counted(why)}.")
    return lines


def _counted(reasons: Counter[str]) -> str:
    return "; ".join(f"{reason} ({count:,})" for reason, count in reasons.most_common())


def _unused(outcome: Outcome) -> str:
    cases = sorted({f"{clean(entry.case)} of {clean(subject)}" for subject, entry in outcome.unused})
    named = ", ".join(cases[:3]) + (", …" if len(cases) > 3 else "")
    count = many(len(outcome.unused), "entry", "entries")
    return f"Unused: {count} of the baseline, which no case asks for: {named}. `parity accept --prune` removes them."


def reasons(outcome: Outcome) -> list[str]:
    """Return why what changed may have changed, the most frequent reason first."""
    changed = outcome.of(Kind.CHANGED, Kind.BETTER)
    counts = Counter(reason for finding in changed for reason in finding.reasons)
    if changed and not counts:
        return ["versions and processor are those of the baseline, so it is the code that changed"]
    return [
        reason if count == len(changed) else f"{reason} ({count:,} of {len(changed):,})"
        for reason, count in counts.most_common(12)
    ]


def why(outcome: Outcome) -> list[str]:
    """Return why each person's own subject diverges that is not as accepted: the cause, and what belongs to it."""
    found = []
    for subject, known in outcome.causes.items():
        first, *rest = map(clean, cause.lines(known))
        found += [f"why {clean(subject)} diverges: {first}", *rest]
    return found


def next_steps(outcome: Outcome) -> list[str]:
    """Return how to go on."""
    lines = []
    if outcome.of(Kind.FIXED):
        lines.append("Remove what is fixed from cases/known_divergences.toml; it cannot be accepted.")
    if outcome.waiting:
        where = ", ".join(show_path(path) for path in outcome.waiting)
        folder = "" if outcome.folder == FOLDER else f" --baseline {shlex.quote(str(outcome.folder))}"
        now = any(finding.kind.acceptable for finding in outcome.findings)
        what = "What was obtained stands" if now else "What an earlier check obtained of other cases still waits"
        lines.append(f"{what} in {where}. If it is right: parity accept{folder}")
    return lines


def others(findings: list[Finding]) -> str:
    """Return what the findings that are not listed end in, in one line."""
    counts = Counter(finding.now.verdict for finding in findings)
    return f"and {len(findings):,} more: " + ", ".join(f"{n:,} {verdict}" for verdict, n in sorted(counts.items()))


def subject_of(finding: Finding) -> str:
    """Return case, subject and way of comparing in one line."""
    return clean(f"{finding.item.case} · {finding.item.subject} · {finding.item.comparison}")


def reproduction(finding: Finding) -> str:
    """Return the command that shows the comparison again."""
    return command(finding.item.selector, finding.item.subject)


def document(outcome: Outcome, run: Run, strict: bool) -> dict[str, Any]:
    """Return the check for programs: each finding that is not as accepted, counts, reasons, circumstances."""
    told = [finding for finding in outcome.findings if finding.kind is not Kind.SAME]
    found: dict[str, Any] = plain(
        {
            "schema": SCHEMA,
            "status": outcome.status(strict),
            "baseline": str(outcome.folder),
            "summary": headline(outcome),
            "counts": {kind.name.lower(): len(outcome.of(kind)) for kind in Kind},
            "reasons": reasons(outcome),
            "causes": {subject: known.document() for subject, known in outcome.causes.items()},
            "findings": [_record(finding) for finding in told],
            "unused": [
                {"subject": subject, "case": entry.case, "comparison": entry.comparison}
                for subject, entry in outcome.unused
            ],
            "idle": outcome.idle,
            "obtained": [show_path(path) for path in outcome.waiting],
            "circumstances": run.circumstances,
        }
    )
    return found


def _record(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind.name.lower(),
        "case": finding.item.case,
        "subject": finding.item.subject,
        "comparison": finding.item.comparison,
        "fails": finding.kind.fails,
        "says": finding.says,
        "reasons": list(finding.reasons),
        "decided_by": [reason.value for reason in finding.by],
        "accepted": None if finding.before is None else msgspec.to_builtins(finding.before),
        "obtained": msgspec.to_builtins(finding.now),
        "reproduce": reproduction(finding),
    }
