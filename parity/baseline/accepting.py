"""The only way into the baseline: what a check obtained takes the place of what was accepted, each subject at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from parity.baseline import gate, store
from parity.baseline.record import Entry
from parity.baseline.store import Change, Pending, Record
from parity.case.places import fits
from parity.errors import UsageError


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was taken into the baseline and out of it, by subject, and how much still waits."""

    taken: dict[str, list[Change]]
    removed: dict[str, list[Entry]]
    left: int
    empty: bool


def accept(
    folder: Path,
    patterns: Sequence[str] = (),
    subjects: Sequence[str] = (),
    cells: Iterable[Mapping[str, Any]] | None = None,
) -> Accepted:
    """Take what waits into the baseline; entries that the check did not cover stay as they are.

    Args:
        folder: where the baseline stands.
        patterns: which cases, as on the command line; unless given all.
        subjects: which subjects; unless given all.
        cells: every cell of the cases, described, to remove the entries that none of them asks for; unless given none.

    Raises:
        DataError: a file is damaged.
        UsageError: a pattern fits nothing that waits, the baseline changed since the check, or it cannot be written.
    """
    with store.locked(folder):
        records = {record.subject: record for record in store.records(folder)}
        waiting = [pending for pending in store.waiting(folder) if not subjects or pending.subject in subjects]
        chosen = {pending.subject: [c for c in pending.entries if _fits(c.entry, patterns)] for pending in waiting}
        _refuse_misses(patterns, subjects, waiting, records if cells is not None else {})
        _refuse_stale(chosen, records)
        removed = _without_case(records, subjects, cells)
        for pending in waiting:
            records[pending.subject] = _merged(records.get(pending.subject), pending, chosen[pending.subject])
        for subject, entries in removed.items():
            record, gone = records[subject], {entry.key for entry in entries}
            records[subject] = replace(record, entries=[e for e in record.entries if e.key not in gone])
        for subject in {*removed, *(name for name, changes in chosen.items() if changes)}:
            store.write(folder, records[subject])
        left = 0
        for pending in waiting:
            done = {change.entry.key for change in chosen[pending.subject]}
            rest = [change for change in pending.entries if change.entry.key not in done]
            store.write_pending(folder, replace(pending, entries=rest))
            left += len(rest)
    return Accepted({name: c for name, c in chosen.items() if c}, removed, left, empty=not records)


def _fits(entry: Entry, patterns: Sequence[str]) -> bool:
    names = {entry.case, entry.case.partition("[")[0], entry.selector, entry.selector.rpartition(".toml")[0] + ".toml"}
    return not patterns or any(fits(name, pattern) for pattern in patterns for name in names)


def _refuse_misses(
    patterns: Sequence[str], subjects: Sequence[str], waiting: Sequence[Pending], cleared: Iterable[str]
) -> None:
    """Refuse a name that fits nothing that waits or is cleared: somebody believes he accepted it."""
    entries = [change.entry for pending in waiting for change in pending.entries]
    for subject in subjects:
        if subject not in {*cleared, *(pending.subject for pending in waiting)}:
            raise UsageError(f"nothing of subject {subject!r} waits to be accepted; `parity check` says what changed.")
    for pattern in patterns:
        if not any(_fits(entry, [pattern]) for entry in entries):
            raise UsageError(f"nothing that fits {pattern!r} waits to be accepted; `parity check` says what changed.")


def _refuse_stale(chosen: Mapping[str, list[Change]], records: Mapping[str, Record]) -> None:
    """Refuse what was compared with another entry than the one that stands now, unless it stands there already."""
    stale = []
    for subject, changes in chosen.items():
        accepted = records[subject].by_key if subject in records else {}
        for change in changes:
            entry = accepted.get(change.entry.key)
            if entry != change.entry and (entry.mark if entry else "") != change.was:
                stale.append(f"{change.entry.case} {change.entry.comparison} of {subject}")
    if stale:
        more = f" and {len(stale) - 1} more" if len(stale) > 1 else ""
        raise UsageError(
            f"the baseline of {stale[0]}{more} changed since it was compared, so nothing was accepted; run "
            f"`parity check` again: it says what differs from the baseline that stands now."
        )


def _without_case(
    records: Mapping[str, Record], subjects: Sequence[str], cells: Iterable[Mapping[str, Any]] | None
) -> dict[str, list[Entry]]:
    if cells is None:
        return {}
    known = list(cells)
    # Who names a subject that is gone means all that is held of it.
    found = {
        name: list(record.entries) if name in subjects and not gate.is_there(name) else gate.unused(record, known)
        for name, record in records.items()
        if not subjects or name in subjects
    }
    return {name: entries for name, entries in found.items() if entries}


def _merged(record: Record | None, pending: Pending, changes: Sequence[Change]) -> Record:
    old = record or Record(store.SCHEMA, pending.subject, {}, [])
    entries = {**old.by_key, **{change.entry.key: change.entry for change in changes}}
    return replace(old, circumstances={**old.circumstances, **pending.circumstances}, entries=list(entries.values()))
