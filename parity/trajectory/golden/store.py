"""Recordings in a folder: found and checked before they are used, put away so that a killed writer loses nothing."""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from parity.case.cells import pattern_of
from parity.case.spec import Cell
from parity.case.tomlfile import show_path
from parity.circumstances.files import alone, install, write_file
from parity.errors import DataError, UnsupportedError
from parity.problem.problems import Problem
from parity.trajectory.golden import place, sheet, tie
from parity.trajectory.golden.sheet import Sheet
from parity.trajectory.golden.values import CODES, Reader, digest_of
from parity.trajectory.layout import layout_of_problem


def find(folder: Path, cell: Cell) -> tuple[Path, Sheet]:
    """Return the sheet of a cell's recording and where it stands.

    Raises:
        UnsupportedError: the cell was not recorded, or not for as many steps.
        DataError: the sheet is damaged.
    """
    path = folder / f"{place.stem(cell.id)}{place.SHEET}"
    try:
        entry = sheet.read(path)
    except FileNotFoundError:
        raise UnsupportedError(f"{show_path(folder)} holds no recording of {cell.id}") from None
    if entry.case != cell.id:
        raise sheet.damage(path, f"case: received {entry.case!r}; the file's name says {cell.id!r}")
    if entry.steps < cell.steps:
        raise UnsupportedError(
            f"{show_path(folder)} holds {entry.steps} of the {cell.steps} steps of {cell.id}; "
            f"--steps {entry.steps} compares those"
        )
    return path, entry


def open_recording(folder: Path, problem: Problem) -> tuple[Sheet, Reader]:
    """Return a cell's recording, checked against its case: digest, names, shapes, dtypes and finiteness.

    Raises:
        UnsupportedError: the cell was not recorded, or not for as many steps.
        DataError: the recording is damaged, or its case has changed since.
    """
    path, entry = find(folder, problem.cell)
    if tie.tie(problem, entry.steps) != entry.tie:
        raise DataError(_changed(path, entry, problem.cell))
    values = path.with_name(entry.values)
    try:
        reader = Reader(values, entry.sha256)
    except FileNotFoundError:
        raise sheet.damage(path, f"its values, {entry.values!r}, are not there") from None
    _check(values, entry, problem, reader)
    return entry, reader


def _check(path: Path, entry: Sheet, problem: Problem, reader: Reader) -> None:
    code, layout = CODES[problem.cell.dtype], layout_of_problem(problem)
    expected = {
        f"{slot}/{name}": ((entry.steps + (slot != "gradient"), *shape), code)
        for slot in entry.slots
        for name, shape in layout.of(slot).tensors.items()
    }
    if entry.loss:
        expected["loss"] = ((entry.steps,), "F64")
    received = {name: (reader.shapes[name], reader.dtypes[name]) for name in reader.shapes}
    for name in sorted({*expected, *received}):
        if received.get(name) != expected.get(name):
            raise sheet.damage(path, f"{name!r}: received {_said(received, name)}; allowed: {_said(expected, name)}")
    if entry.finite and not reader.finite():
        raise sheet.damage(path, "it holds NaN or infinity, and its sheet says that it holds none")


def _said(table: dict[str, Any], name: str) -> str:
    return f"{table[name][1]} {list(table[name][0])}" if name in table else "no such tensor"


def _changed(path: Path, entry: Sheet, cell: Cell) -> str:
    lines = tie.changes(entry.cell, tie.description(cell))
    what = "; ".join(lines[:3]) or "the weights or gradients that are drawn from its seed"
    words = ["parity", "record", pattern_of(cell), "--subject", entry.subject]
    if path.parent.name == place.folder_name(entry.subject):
        words += ["--output", show_path(path.parent.parent)]
    return (
        f"{show_path(path)}: the case {cell.id} has changed since it was recorded: {what}. "
        f"Record it again: {shlex.join(words)}"
    )


def keep(folder: Path, new: Sheet, part: Path) -> Path:
    """Put a recording in its place: values under a name that their digest makes, then the sheet, then clean up.

    Killed at any moment, the folder holds the old recording or the new one, whole. Where nothing but the day or the
    commit is new, the old one stays, byte for byte.
    """
    path = folder / f"{place.stem(new.case)}{place.SHEET}"
    values = folder / new.values
    with alone(folder):
        try:
            old: Sheet | None = sheet.read(path)
        except (FileNotFoundError, DataError):
            old = None
        if values.is_file() and not values.is_symlink() and digest_of(values) == new.sha256:
            part.unlink()
        else:
            install(part, values)
        if old is None or not old.same_recording(new):
            write_file(path, sheet.encode(new))
        for stale in folder.glob(f"{place.stem(new.case)}.*{place.VALUES}"):
            if stale != values:
                stale.unlink(missing_ok=True)
    return values


def megabytes(problem: Problem, slots: Iterable[str], gradients: bool) -> float:
    """Return the size of a recording of a cell with these slots, the parameters among them."""
    steps, layout = problem.cell.steps, layout_of_problem(problem)
    values = (steps + 1) * sum(layout.of(slot).size for slot in slots) + (steps * layout.size if gradients else 0)
    return values * problem.dtype.itemsize / 1e6
