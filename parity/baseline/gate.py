"""The check: what a run obtained is held against the baseline, and what differs is left beside it to be accepted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from parity import subjects
from parity.baseline import store
from parity.baseline.compare import Finding, Kind, judge
from parity.baseline.elsewhere import decided
from parity.baseline.held import CaseFiles
from parity.baseline.record import Circumstances, Entry, Key, circumstances_of, definition_of, entry_of
from parity.baseline.store import Change, Pending, Record
from parity.errors import DataError, SubjectError, UsageError
from parity.report.numbers import plain
from parity.verdicts.cause import Cause
from parity.verdicts.results import Comparison, Run


@dataclass(frozen=True)
class Outcome:
    """What a check found, the most severe outcomes first, then by subject and case, and the files that wait.

    ``unused`` and ``idle`` are told only where the whole set ran: entries that no case has, and subjects whose record
    stands there but who did not run. ``problem`` is why something could not be left beside the baseline. ``causes`` say
    why a person's own subject diverges where that is not as accepted.
    """

    folder: Path
    findings: list[Finding]
    unused: list[tuple[str, Entry]] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    waiting: list[Path] = field(default_factory=list)
    new: bool = False
    problem: UsageError | None = None
    causes: dict[str, Cause] = field(default_factory=dict)

    def of(self, *kinds: Kind) -> list[Finding]:
        """Return the findings of some kinds."""
        return [finding for finding in self.findings if finding.kind in kinds]

    @cached_property
    def failing(self) -> list[Finding]:
        """The findings that make the check fail."""
        return [finding for finding in self.findings if finding.kind.fails]

    def status(self, strict: bool = False) -> int:
        """Return 1 if anything is not as accepted, 3 if nothing was compared, else 0."""
        if any(finding.kind is not Kind.ABSENT for finding in self.failing) or (strict and self.unused):
            return 1
        if not any(finding.item.outcome.compared for finding in self.findings):
            return 3
        return 1 if self.failing else 0


def settle(run: Run, folder: Path, whole: bool, everyone: bool, strict: bool = False) -> Outcome:
    """Hold a run against the baseline, and leave beside each record what may be accepted in its place.

    Args:
        run: the run, none of its cases shortened.
        folder: where the baseline stands.
        whole: whether every case ran, so that an entry without one is unused.
        everyone: whether the subjects were not chosen by hand.
        strict: judge bits also where the baseline was made on another processor.

    Raises:
        DataError: the baseline is damaged.
        UsageError: the folder cannot be made or opened.
    """
    cells = {str(cell["id"]): cell for cell in run.cells}
    by_subject = _by_subject(run)
    found: list[Finding] = []
    waiting: list[Path] = []
    problem = None
    with store.locked(folder):
        before = {subject: store.read(store.place(folder, subject)) for subject in by_subject}
        for subject, items in by_subject.items():
            here = circumstances_of(run.circumstances, subject)
            judged = [_judged(item, cells.get(item.case, {}), before[subject], here, strict) for item in items]
            found += judged
            try:
                path = _leave(folder, subject, judged, before[subject], here, run.circumstances)
                waiting += [path] if path else []
            except UsageError as error:  # what was found must not be lost with it
                problem = error
        others = [record for record in store.records(folder) if record.subject not in by_subject] if everyone else []
    found.sort(key=lambda finding: finding.urgency)
    kept = [record for record in before.values() if record]
    spare = [(r.subject, entry) for r in [*kept, *others] for entry in unused(r, run.cells)] if whole else []
    idle = [record.subject for record in others if _exists(record.subject)]
    parting = {each.item.subject for each in found if each.kind.fails and each.now.outcome.fails}
    causes = {subject: cause for subject, cause in run.causes.items() if subject in parting}
    return Outcome(folder, found, spare, idle, waiting, new=not kept, problem=problem, causes=causes)


def _by_subject(run: Run) -> dict[str, list[Comparison]]:
    """Return the comparisons of each subject by case, whatever order they finished in."""
    groups: dict[str, list[Comparison]] = {}
    items = [item for pair in run.pairs for item in pair.comparisons]
    for item in sorted(items, key=lambda item: (item.subject, item.case, item.comparison)):
        groups.setdefault(item.subject, []).append(item)
    return groups


def unused(record: Record, cells: Iterable[Mapping[str, Any]]) -> list[Entry]:
    """Return the entries of a record that no case asks for any more.

    Args:
        record: the accepted outcomes of a subject.
        cells: every cell of the cases, described.
    """
    if not _exists(record.subject):
        return list(record.entries)
    asked = {(str(cell["id"]), str(mode)) for cell in cells for mode in cell["comparisons"]}
    spare = [entry for entry in record.entries if entry.key not in asked]
    files = CaseFiles(entry for entry in spare if entry.selector)
    return [entry for entry in spare if not files.stands(entry)]


def is_there(subject: str) -> bool:
    """Whether a name is that of a subject, and the file and class that it names are there."""
    try:
        subjects.check_name(subject)
    except (UsageError, SubjectError):
        return False
    return True


def _exists(subject: str) -> bool:
    # A user's class that is not here now is one all the same.
    return subjects.is_users(subject) or is_there(subject)


def _judged(
    item: Comparison, cell: Mapping[str, Any], record: Record | None, here: Circumstances, strict: bool
) -> Finding:
    now = entry_of(item, definition_of(cell) if cell else "", here.name)
    before = record.by_key.get(now.key) if record else None
    then = record.circumstances[before.under] if record and before else None
    return judge(item, before, now, then, here, decided(cell, item.subject), strict)


def _leave(
    folder: Path,
    subject: str,
    judged: list[Finding],
    record: Record | None,
    here: Circumstances,
    circumstances: Mapping[str, Any],
) -> Path | None:
    """Write what may be accepted; what an earlier check left stays where this one did not look and still fits."""
    accepted = record.by_key if record else {}
    covered = {finding.now.key for finding in judged}
    earlier = _earlier(folder, subject)
    kept = [c for c in earlier.entries if c.entry.key not in covered and c.was == _mark(accepted, c.entry.key)]
    commit = str(circumstances.get("commit") or "")
    new = [
        Change(
            finding.kind.name.lower(), str(plain(finding.says)), _mark(accepted, finding.now.key), commit, finding.now
        )
        for finding in judged
        if finding.kind.acceptable
    ]
    table = {**earlier.circumstances, here.name: here}
    return store.write_pending(folder, Pending(store.SCHEMA, subject, table, [*kept, *new]))


def _earlier(folder: Path, subject: str) -> Pending:
    nothing = Pending(store.SCHEMA, subject, {}, [])
    try:
        return store.read_pending(store.place(folder, subject)) or nothing
    except DataError:  # it was generated, and what this check obtains takes its place
        return nothing


def _mark(accepted: Mapping[Key, Entry], key: Key) -> str:
    return accepted[key].mark if key in accepted else ""
