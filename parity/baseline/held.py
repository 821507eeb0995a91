"""What a check repeats that is not told what to run: subjects and cases of its baseline, and what of them is gone."""

import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from parity import subjects
from parity.baseline.record import Entry
from parity.baseline.store import FOLDER, Record
from parity.case.cells import collect, load_cells
from parity.case.spec import Cell
from parity.case.tomlfile import show_path
from parity.errors import ParityError, SpecError, SubjectError, UsageError
from parity.report.numbers import many
from parity.subjects.naming import split_bound
from parity.subjects.source import split_mode

_MOST_FOLDERS: Final = 2_000
"""Folders below the current one in which a file that moved is sought."""
_NOT_OURS: Final = ("__pycache__", "node_modules", "site-packages", "build", "dist")
_SHOWN: Final = 3


class Held(NamedTuple):
    """Cells to run, the pairs of cell and subject that the baseline holds, and an error for each thing that is gone."""

    cells: list[Cell]
    pairs: frozenset[tuple[str, str]]
    gone: list[ParityError]


def present(records: Iterable[Record], folder: Path = FOLDER) -> tuple[list[Record], list[ParityError]]:
    """Return the records whose subjects are there, and an error for each other one that says how to go on."""
    here: list[Record] = []
    gone: list[ParityError] = []
    for record in records:
        try:
            subjects.check_name(record.subject)
            here.append(record)
        except (UsageError, SubjectError) as error:
            gone.append(_subject_gone(record, error, folder))
    return here, gone


def cells_of(records: Sequence[Record], folder: Path = FOLDER) -> Held:
    """Return what some records hold, as far as its cases are there."""
    entries = [(entry, record.subject) for record in records for entry in record.entries]
    files = CaseFiles(entry for entry, _ in entries)
    cells: dict[str, Cell] = {}
    pairs: set[tuple[str, str]] = set()
    missing: dict[str, list[Entry]] = {}
    for entry, subject in entries:
        cell = files.cell(entry)
        if cell is None:
            missing.setdefault(file_of(entry), []).append(entry)
        else:
            cells[cell.id] = cell
            pairs.add((cell.id, subject))
    return Held(list(cells.values()), frozenset(pairs), [_cases_gone(files, *gone, folder) for gone in missing.items()])


def file_of(entry: Entry) -> str:
    """Return the case file of an entry, empty where it lies among the cases."""
    return f"{entry.selector.rpartition('.toml')[0]}.toml" if entry.selector else ""


class CaseFiles:
    """The cells that entries come from, by file and id; a file that cannot be read has its error instead."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.cells: dict[str, dict[str, Cell]] = {}
        self.errors: dict[str, SpecError] = {}
        for file in dict.fromkeys(map(file_of, entries)):
            try:
                cells = load_cells(Path(file)) if file else collect([])[0]
                self.cells[file] = {cell.id: cell for cell in cells}
            except SpecError as error:
                self.errors[file] = error

    def cell(self, entry: Entry) -> Cell | None:
        """Return the cell that an entry is of, None where it is not there."""
        return self.cells.get(file_of(entry), {}).get(entry.case)

    def stands(self, entry: Entry) -> bool:
        """Whether an entry is of a case file of one's own that holds its cell, or that cannot be read as it is."""
        file = file_of(entry)
        return bool(file) and (self.cell(entry) is not None or (file in self.errors and os.path.exists(file)))


def _subject_gone(record: Record, error: ParityError, folder: Path) -> ParityError:
    name = record.subject
    file = split_bound(split_mode(name)[1])[0].rpartition(":")[0] if subjects.is_users(name) else ""
    moved = _elsewhere(file) if file.endswith(".py") and not os.path.exists(file) else ""
    forget = accept(folder, "--prune", "--subject", name)
    how = _how_on(folder, name, name.replace(file, moved, 1) if moved else "", forget)
    return type(error)(f"{error} {_held(len(record.entries))} {how}")


def _cases_gone(files: CaseFiles, file: str, entries: list[Entry], folder: Path) -> ParityError:
    """Return the error of a case file that is gone or broken, or of cases that are not where they were."""
    held, forget = _held(len(entries)), accept(folder, "--prune")
    error = files.errors.get(file)
    if error is not None and os.path.exists(file):
        return SpecError(f"{error} {held}")
    if error is not None:
        return UsageError(f"no file {file!r}. {held} {_how_on(folder, file, _elsewhere(file), forget)}")
    found = {cell.case for cell in files.cells[file].values()}
    cases = list(dict.fromkeys(entry.case.partition("[")[0] for entry in entries))
    # Where the case is there, it is a combination of its matrix that is not.
    absent = cases if not found & {*cases} else list(dict.fromkeys(entry.case for entry in entries))
    # A file of one's own holds one case: what that is called now is what this one was called.
    new = next(iter(found)) if file and absent == cases and len(cases) == len(found) == 1 else ""
    shown = ", ".join(map(repr, absent[:_SHOWN])) + (", …" if len(absent) > _SHOWN else "")
    where = f"{file} holds" if file else "there is"
    how = _how_on(folder, absent[0] if len(absent) == 1 else "OLD", new, forget)
    return UsageError(f"{where} no case {shown}. {held} {how}")


def _held(count: int) -> str:
    return f"The baseline holds {many(count, 'comparison')} of that, not repeated now."


def _how_on(folder: Path, old: str, new: str, forget: str) -> str:
    now = f"it is {new!r}" if new else "it has another name"
    moved = accept(folder, "--moved", old, new or "NEW")
    return f"If {now} now: {moved}; if it is gone for good: {forget}"


def _elsewhere(file: str) -> str:
    """Return where a file of that name lies below the current folder, if one alone does, else nothing."""
    found = list(_walk(Path(file).name))
    return found[0] if len(found) == 1 else ""


def _walk(name: str) -> Iterator[str]:
    for number, (folder, inner, files) in enumerate(os.walk(".")):
        if number == _MOST_FOLDERS:
            return
        inner[:] = [each for each in sorted(inner) if not each.startswith(".") and each not in _NOT_OURS]
        if "pyvenv.cfg" in files:
            inner.clear()
        elif name in files:
            yield show_path(Path(folder, name))


def accept(folder: Path, *words: str) -> str:
    """Return the command that changes the baseline in a folder."""
    where = () if folder == FOLDER else ("--baseline", str(folder))
    return shlex.join(["parity", "accept", *where, *words])
