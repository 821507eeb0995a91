"""A new name for what the baseline holds: a file that moved, a class or a case that is called otherwise now."""

from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from parity import subjects
from parity.baseline import store
from parity.baseline.held import CaseFiles, file_of
from parity.baseline.record import Entry
from parity.baseline.store import Pending, Record
from parity.errors import UsageError, did_you_mean


def move(folder: Path, old: str, new: str) -> dict[str, int]:
    """Give what the baseline holds of a subject, a case or a case file another name; its outcomes stay as they are.

    Args:
        folder: where the baseline stands.
        old: a subject's name, a case's or a cell's id, or the path of a case file, as the baseline has it.
        new: what that is called now.

    Returns:
        By subject, how many comparisons have the new name.

    Raises:
        DataError: a file is damaged.
        ParityError: the baseline holds nothing of ``old``, ``new`` is not there or is held already, or the baseline
            cannot be written.
    """
    with store.locked(folder):
        records = {record.subject: record for record in store.records(folder)}
        changed = _subject(records, old, new) if old in records else _cases(records, old, new)
        for before, (record, _) in changed.items():
            # What waits was held against entries of other names; the next check obtains it again.
            store.write_pending(folder, Pending(store.SCHEMA, before, {}, []))
            store.write(folder, record)
            if record.subject != before:
                store.write(folder, replace(records[before], entries=[]))
    return {record.subject: count for record, count in changed.values()}


def _subject(records: Mapping[str, Record], old: str, new: str) -> dict[str, tuple[Record, int]]:
    subjects.check_name(new)
    if new in records:
        raise UsageError(f"the baseline holds {new!r} already, so nothing was moved; `parity check` compares with it.")
    return {old: (replace(records[old], subject=new), len(records[old].entries))}


def _cases(records: Mapping[str, Record], old: str, new: str) -> dict[str, tuple[Record, int]]:
    """Return the records that hold a case or a file of that name, with the new one, and how many entries have it."""
    changed: dict[str, tuple[Record, int]] = {}
    moved: list[Entry] = []
    for subject, record in records.items():
        entries = [_called(entry, old, new) for entry in record.entries]
        own = [now for now, entry in zip(entries, record.entries, strict=True) if now != entry]
        if own:
            changed[subject] = replace(record, entries=entries), len(own)
            moved += own
        if len({entry.key for entry in entries}) < len(entries):
            raise UsageError(f"the baseline of {subject} holds {new!r} already, so nothing was moved.")
    if not moved:
        names = [*records, *(name for record in records.values() for entry in record.entries for name in _names(entry))]
        hint = did_you_mean(old, list(dict.fromkeys(names)))
        raise UsageError(f"the baseline holds nothing of {old!r}.{hint} Allowed: a subject, a case, or a case file.")
    files = CaseFiles(moved)
    absent = next((entry for entry in moved if files.cell(entry) is None), None)
    if absent is not None:
        where = file_of(absent)
        raise files.errors.get(where) or UsageError(
            f"{f'{where} holds' if where else 'there is'} no case {absent.case!r}, so nothing was moved; "
            f"`parity list {where or '--cells'}` shows what there is."
        )
    return changed


def _names(entry: Entry) -> list[str]:
    return [name for name in (entry.case.partition("[")[0], file_of(entry)) if name]


def _called(entry: Entry, old: str, new: str) -> Entry:
    case, label = _parts(entry.case)
    file = file_of(entry)
    if old == file:
        return replace(entry, selector=f"{new}{label}")
    if old not in (case, entry.case):
        return entry
    name = new if old == entry.case else f"{new}{label}"
    return replace(entry, case=name, selector=f"{file}{_parts(name)[1]}" if file else "")


def _parts(identity: str) -> tuple[str, str]:
    case, bracket, label = identity.partition("[")
    return case, f"{bracket}{label}"
