"""Records what a subject does: the runner's blocks go straight into a values file, and nothing is judged."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from parity import subjects
from parity.bounds.rule import reference_rule
from parity.case.spec import Cell
from parity.circumstances import doctor
from parity.errors import DataError, MisbehavedError, UsageError, one_line
from parity.problem import problems
from parity.problem.problems import Problem
from parity.runner.refusal import REFUSALS, refusal
from parity.runner.repeat import require_repeatable
from parity.runner.steps import blocks
from parity.subjects.adapter import Adapter
from parity.trajectory.blocks import Block
from parity.trajectory.golden import place, sheet, store, tie, values
from parity.trajectory.layout import layout_of_problem
from parity.verdicts.results import Comparison, Pair

_LASTING = ("parity", "commit", "python", "system", "cpu", "environment")
_PACKAGES = ("numpy", "ml_dtypes")


def record_pair(cell: Cell, name: str, folder: str, most: float) -> Pair:
    """Record one cell of one subject into ``folder`` and return a pair without comparisons: nothing was compared.

    Where the subject cannot run the cell, the pair holds one comparison that says why, and nothing is written.

    Raises:
        ParityError: the cell's data cannot be read, the recording is larger than ``most`` megabytes, or the folder
            cannot be written.
    """
    began = time.perf_counter()
    made = problems.make(cell)
    adapter: Adapter | None = None
    refused: list[Comparison] = []
    try:
        adapter = subjects.create(name)
        if subjects.is_users(name):
            require_repeatable(name, adapter, True, cell.rule, cell.folder)
        with np.errstate(all="ignore"):
            _record(made, adapter, name, Path(folder), most)
    except REFUSALS as error:
        verdict, reason = refusal(error)
        refused = [Comparison(cell.id, name, cell.gradients, "record", verdict.name, reason)]
    resolved = getattr(adapter, "resolved", "") or name
    circumstances = dict(getattr(adapter, "circumstances", {}))
    return Pair(cell.id, cell.summary, name, resolved, refused, circumstances, time.perf_counter() - began)


def _record(made: Problem, adapter: Adapter, name: str, folder: Path, most: float) -> None:
    part = folder / f".{place.stem(made.cell.id)}.{os.getpid()}.part"
    try:
        adapter.open(made)
        slots = list(adapter.read())
        require_room(made, slots, most)
        _write(made, adapter, name, part, slots)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        adapter.close()


def _write(made: Problem, adapter: Adapter, name: str, part: Path, slots: list[str]) -> None:
    folder = part.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder, made.cell)
        kept = _fold(made, adapter, part, slots)
        store.keep(folder, _sheet(made, adapter, name, kept, values.digest_of(part)), part)
    except OSError as error:
        raise UsageError(
            f"{str(folder)!r} cannot be written: {error.strerror or error}. What stood there is unchanged. "
            f"Give a folder that can be written, on a disk with room."
        ) from error


def _driven(made: Problem, adapter: Adapter) -> Iterator[Block]:
    """Yield the runner's blocks; an error of the system in a subject is the subject's, not the folder's."""
    try:
        yield from blocks(made, adapter)
    except OSError as error:
        raise MisbehavedError(f"raised {one_line(error)}") from error


def require_room(made: Problem, slots: list[str] | None, most: float) -> None:
    """Refuse a recording that is larger than ``most`` megabytes; unless ``slots`` are known, the reference's.

    Raises:
        DataError: with the size it would have, and the steps that fit.
    """
    own = made.cell.gradients != "replayed"
    if slots is None:
        rule = reference_rule(made.cell)
        slots = ["parameter", *rule.slots(rule.init(made.params))]
    needed = store.megabytes(made, slots, own)
    if needed > most:
        fits = int(made.cell.steps * most / needed)
        steps = f"; --steps {fits} would fit" if fits else ""
        raise DataError(
            f"{made.cell.id}: a recording of {made.cell.steps} steps takes {needed:,.0f} MB; allowed: {most:g} "
            f"(--max-megabytes){steps}."
        )


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a recording turned out to hold."""

    slots: list[str]
    loss: bool
    finite: bool


def _fold(made: Problem, adapter: Adapter, part: Path, slots: list[str]) -> _Kept:
    """Write all blocks beside the place of the recording; the first one shows what there is to write."""
    own = made.cell.gradients != "replayed"
    with open(part, "wb") as stream:
        writer: values.Writer | None = None
        for block in _driven(made, adapter):
            if writer is None:
                found = [*slots, "gradient"] if own and block.gradients is not None else slots
                loss = own and block.losses is not None
                writer = values.Writer(stream, _shapes(made, found, loss))
            _put(writer, block, found, loss)
        assert writer is not None
        writer.close()
    return _Kept(found, loss, writer.finite)


def _shapes(made: Problem, slots: list[str], loss: bool) -> values.Shapes:
    steps, layout = made.cell.steps, layout_of_problem(made)
    shapes: dict[str, tuple[Any, tuple[int, ...]]] = {
        f"{slot}/{name}": (made.dtype, (steps + (slot != "gradient"), *shape))
        for slot in slots
        for name, shape in layout.of(slot).tensors.items()
    }
    return {**shapes, "loss": (np.dtype(np.float64), (steps,))} if loss else shapes


def _put(writer: values.Writer, block: Block, slots: list[str], loss: bool) -> None:
    for slot in slots:
        if slot == "gradient":
            assert block.gradients is not None
            for name, rows in block.gradients.items():
                writer.put(f"gradient/{name}", block.start, rows)
            continue
        for name, column in block.columns[slot].items():
            writer.put(f"{slot}/{name}", block.start, column)
    if loss:
        assert block.losses is not None
        writer.put("loss", block.start, block.losses)


def _sheet(made: Problem, adapter: Adapter, name: str, kept: _Kept, sha256: str) -> sheet.Sheet:
    cell, found = made.cell, doctor.circumstances()
    lasting = {key: found[key] for key in _LASTING}
    packages = {package: found["packages"][package] for package in _PACKAGES}
    return sheet.Sheet(
        golden=sheet.FORMAT,
        case=cell.id,
        subject=name,
        resolved=adapter.resolved,
        steps=cell.steps,
        dtype=cell.dtype,
        slots=kept.slots,
        loss=kept.loss,
        finite=kept.finite,
        tie=tie.tie(made, cell.steps),
        values=f"{place.stem(cell.id)}.{sha256[:8]}{place.VALUES}",
        sha256=sha256,
        cell=tie.description(cell),
        circumstances={**lasting, **packages, **adapter.circumstances},
        recorded=datetime.now(UTC).date().isoformat(),
    )


def _sweep(folder: Path, cell: Cell) -> None:
    """Delete what killed processes left of this cell; a part belongs to the process whose id is in its name."""
    for part in folder.glob(f".{place.stem(cell.id)}.*.part"):
        owner = part.name.split(".")[-2]
        if not (owner.isdigit() and _lives(int(owner))):
            part.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
