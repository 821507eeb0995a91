"""A check inside GitHub Actions: annotations at the case files, in the syntax of workflow commands."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from parity.baseline.compare import Finding
from parity.baseline.gate import Outcome
from parity.baseline.store import place
from parity.baseline.telling import headline, subject_of
from parity.case.spec import Cell
from parity.report.numbers import clean, many

MAX_ANNOTATIONS = 10
"""As many as GitHub shows of one kind in one step."""
_MAX_LINES = 12


def annotations(outcome: Outcome, cells: Iterable[Cell], environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return one error for each case file with findings, and one warning for each record with unused entries.

    Source: docs.github.com, "Workflow commands for GitHub Actions", setting an error message.
    """
    homes = {cell.id: Path(cell.folder, cell.file) for cell in cells if cell.file}
    root = environment.get("GITHUB_WORKSPACE") or os.getcwd()
    groups: dict[Path | None, list[Finding]] = {}
    for finding in outcome.failing:
        groups.setdefault(homes.get(finding.item.case), []).append(finding)
    lines = [_error(home, findings, root) for home, findings in groups.items()]
    if len(lines) > MAX_ANNOTATIONS:
        rest = f"{headline(outcome)} {many(len(lines) - MAX_ANNOTATIONS + 1, 'more case')}: see the job summary."
        lines = [*lines[: MAX_ANNOTATIONS - 1], _command("error", None, "parity check", rest, root)]
    unused: dict[str, list[str]] = {}
    for subject, entry in outcome.unused:
        unused.setdefault(subject, []).append(clean(f"{entry.case} · {entry.comparison}"))
    for subject, entries in list(unused.items())[:MAX_ANNOTATIONS]:
        text = "\n".join(["no case asks for these any more; parity accept --prune removes them:", *_clipped(entries)])
        lines.append(_command("warning", place(outcome.folder, subject), f"unused entries of {subject}", text, root))
    return lines


def _error(home: Path | None, findings: list[Finding], root: str) -> str:
    case = findings[0].item.case.partition("[")[0]
    told = [f"{subject_of(finding)}: {finding.says or finding.kind.value}" for finding in findings]
    title = f"{case}: {many(len(findings), 'comparison')} not as accepted"
    return _command("error", home, title, "\n".join(_clipped(told)), root)


def _clipped(lines: list[str]) -> list[str]:
    more = [f"and {len(lines) - _MAX_LINES:,} more"] if len(lines) > _MAX_LINES else []
    return [*lines[:_MAX_LINES], *more]


def _command(level: str, file: Path | None, title: str, message: str, root: str) -> str:
    properties = {"file": _inside(file, root), "title": clean(title)}
    text = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    return f"::{level} {text}::{_data(message)}"


def _inside(file: Path | None, root: str) -> str:
    """Return a path as GitHub wants it, from the root of the checkout; a file elsewhere has none."""
    if file is None:
        return ""
    real, top = os.path.realpath(file), os.path.realpath(root)
    return os.path.relpath(real, top).replace(os.sep, "/") if real.startswith(top + os.sep) else ""


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
