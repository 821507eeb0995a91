"""``parity check``: cells and subjects in; what is not as the baseline has it out, for people, programs and GitHub."""

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from parity.case.spec import Cell
from parity.circumstances import terminal
from parity.commands.cli import complain
from parity.commands.work import add_work_arguments, gather, installed_defaults, named, with_data, work_on
from parity.errors import ParityError, SubjectError

if TYPE_CHECKING:
    from parity.baseline.compare import Finding
    from parity.baseline.gate import Outcome
    from parity.verdicts.results import Run

EXAMPLES = """\
  parity check rmsprop/plain --subject mine.py:RMSprop  against reports/baseline/, whatever that holds
  parity check                                    what the baseline holds, its subjects and cases; all if it is empty
  parity check '*'                                every case, new ones too
  parity check --report reports/latest            the report of the same run as well
  parity accept                                   makes what was obtained the baseline, if it is right
"""
_STYLES = {"CHANGED": "bold red", "FIXED": "bold red", "ABSENT": "bold red", "MISSING": "yellow", "BETTER": "green"}
_SHOWN = 20


def configure(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_work_arguments(parser, steps=False)
    folder = "reports/baseline"
    parser.add_argument("--baseline", type=Path, default=Path(folder), metavar="DIR", help=f"unless given {folder}")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write the report of this run there too")
    text = "judge bits on another processor than the baseline's too, and fail for unused entries"
    parser.add_argument("--strict", action="store_true", help=text)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def main(arguments: Namespace) -> int:
    """Run, compare, leave what may be accepted, print; 1 if anything is not as accepted, 3 if nothing was compared."""
    plan = _plan(arguments)
    cells, problems = plan.cells, plan.problems
    from parity.baseline import gate, store
    from parity.baseline.held import accept
    from parity.commands.why import explained

    # A damaged baseline, or a place for none, is told now and not after minutes.
    with store.locked(arguments.baseline):
        store.records(arguments.baseline)
    try:
        run = explained(work_on(cells, plan.subjects, arguments, plan.holds), cells)
    except SubjectError as error:
        if arguments.subject:
            raise
        again = accept(arguments.baseline, "--moved", "OLD", "NEW")
        raise SubjectError(f"{error} The baseline holds it; if it has another name now: {again}") from error
    outcome = gate.settle(run, arguments.baseline, plan.whole, not arguments.subject, arguments.strict)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from parity.baseline.github import annotations

        for line in annotations(outcome, cells):
            print(line, file=sys.stderr)  # the runner reads both streams, and this one never carries a document
    if arguments.json:
        import json

        from parity.baseline.telling import document

        print(json.dumps(document(outcome, run, arguments.strict), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        _show(outcome)
    if arguments.report:
        page = _report(run, outcome, arguments.report)
        print(page, file=sys.stderr if arguments.json else sys.stdout)
    if outcome.problem:
        raise outcome.problem
    return 2 if problems else outcome.status(arguments.strict)


class _Plan(NamedTuple):
    """What a check runs, and what kept the rest out, which was printed."""

    cells: list[Cell]
    subjects: list[str]
    problems: list[ParityError]
    whole: bool = False
    """Whether every case runs, so that an entry without one is unused."""
    pairs: frozenset[tuple[str, str]] | None = None

    def holds(self, cell: Cell, subject: str) -> bool:
        """Whether a pair is among what runs."""
        return self.pairs is None or (cell.id, subject) in self.pairs


def _plan(arguments: Namespace) -> _Plan:
    """Return what runs: the subjects and cases that are named, and of what is not, those that the baseline holds."""
    from parity.baseline import held, store

    chosen = named(arguments.subject or (), arguments.bind)
    cells, problems = gather(arguments.cases, None) if arguments.cases else ([], [])
    records = store.records(arguments.baseline)
    if chosen:
        records = [record for record in records if record.subject in chosen]
    else:
        records, gone = held.present(records, arguments.baseline)
        problems += _told(gone, anything=bool(records))
        chosen = [record.subject for record in records] or installed_defaults()
    if arguments.cases:
        return _Plan(cells, chosen, problems, whole="*" in arguments.cases and not problems)
    again = held.cells_of(records, arguments.baseline)
    new = {*chosen} - {record.subject for record in records}
    every, more = gather([], None, [*new]) if new else ([], [])
    usable, unreadable = with_data(again.cells)
    problems += _told([*again.gone, *unreadable], anything=bool(usable or every)) + more
    cells = list({cell.id: cell for cell in [*usable, *every]}.values())
    pairs = again.pairs | {(cell.id, subject) for cell in every for subject in new}
    return _Plan(cells, chosen, problems, not records and not problems, pairs)


def _told(gone: list[ParityError], anything: bool) -> list[ParityError]:
    """Print what is gone of a baseline; where nothing else is left to run, that is what the call ends with."""
    for problem in gone if anything else gone[:-1]:
        complain(problem)
    if gone and not anything:
        raise gone[-1]
    return gone


def _report(run: "Run", outcome: "Outcome", folder: Path) -> Path:
    """Write the report of the run and, beside it, what the check says; return the path of the page."""
    from parity import report
    from parity.baseline.page import FILENAME, render
    from parity.circumstances.files import write_file

    page = report.write(run, folder)
    write_file(folder / FILENAME, render(outcome, run.started).encode())
    return page


def _show(outcome: "Outcome") -> None:
    """Print the findings by kind, what is told beside them, the headline and how to go on."""
    from parity.baseline.compare import Kind
    from parity.baseline.telling import asides, headline, next_steps, reasons, why

    columns = terminal.width()
    for kind in (Kind.MISSING, Kind.BETTER, Kind.ABSENT, Kind.FIXED, Kind.CHANGED):
        _show_kind(kind.name, outcome.of(kind), columns)
    likely = reasons(outcome)
    lines = [f"Likely {'reasons:' if len(likely) > 1 else 'reason: ' + likely[0]}"] if likely else []
    lines += [f"  {reason}" for reason in likely] if len(likely) > 1 else []
    lines += [*why(outcome), *asides(outcome)]
    if outcome.new and outcome.failing:
        lines.append(f"There is no baseline in {outcome.folder} for what ran.")
    terminal.say([*lines, headline(outcome), *next_steps(outcome)], columns)


def _show_kind(word: str, findings: "list[Finding]", columns: int) -> None:
    from parity.baseline.telling import others, reproduction, subject_of
    from parity.report.numbers import clean

    for finding in findings[:_SHOWN]:
        terminal.say_in(_STYLES[word], f"{word:8} {subject_of(finding)}", columns)
        lines = [f"         {clean(finding.says or finding.kind.value)}"]
        lines += [f"         reproduce: {reproduction(finding)}"] * finding.now.outcome.fails
        terminal.say(lines, columns)
    if len(findings) > _SHOWN:
        terminal.say([f"{word:8} {others(findings[_SHOWN:])}; --json lists all"], columns)
