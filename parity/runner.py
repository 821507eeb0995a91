"""The only step loop: a cell and a subject in, a pair of verdicts with their evidence out."""

import time
import traceback
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import xxhash

from parity import problem as problems
from parity import subjects
from parity.errors import MisbehavedError, NotInstalledError, ParityError, UnsupportedError
from parity.free import Free
from parity.judge import Judge
from parity.lockstep import Lockstep
from parity.problem import Problem
from parity.results import Comparison, Pair
from parity.spec import Cell
from parity.subjects import Adapter
from parity.trajectory import Block, NotComparable, Recorder
from parity.verdict import Verdict

ABLATION_STEPS = 50


def run_pair(cell: Cell, name: str, adapter: Adapter | None = None) -> Pair:
    """Run one case cell against one subject.

    Args:
        cell: what to run.
        name: the subject's name, for the records.
        adapter: the subject itself, if it was made by the caller; otherwise it is created by name.

    Raises:
        ParityError: the cell's data cannot be read, or the subject's name means nothing.
    """
    began = time.perf_counter()
    problem = problems.make(cell)
    try:
        adapter = adapter or subjects.create(name)
        with np.errstate(all="ignore"):
            comparisons = _compare(problem, adapter, name)
            comparisons = _explained(problem, adapter, comparisons)
    except NotInstalledError as error:
        comparisons = _without(cell, name, Verdict.NOT_INSTALLED, str(error))
    resolved = getattr(adapter, "resolved", "") or name
    circumstances = dict(getattr(adapter, "circumstances", {}))
    return Pair(cell.id, cell.summary, name, resolved, comparisons, circumstances, time.perf_counter() - began)


def blocks(problem: Problem, adapter: Adapter) -> Iterator[Block]:
    """Drive an opened subject through all steps and yield its trajectory in blocks, each alive until the next.

    Raises:
        NotComparable: the subject shows names, shapes or dtypes that are not the case's.
    """
    replayed = problem.cell.gradients == "replayed"
    recorder = Recorder(problem, adapter.read(), wants_gradients=True)
    for number in range(problem.cell.steps):
        gradients = problem.gradients(number) if replayed else None
        taken = adapter.step(number, gradients)
        recorder.add(adapter.read(), gradients if replayed else taken.gradients, taken.loss)
        # A library reuses the memory of what nobody holds, which is in the caches.
        del taken
        if recorder.full:
            yield from recorder.take()
    yield from recorder.take()


def _compare(problem: Problem, adapter: Adapter, name: str) -> list[Comparison]:
    cell = problem.cell
    judges = _judges(problem)
    digests: dict[str, Any] = {}
    step = 0
    try:
        adapter.open(problem)
        for block in blocks(problem, adapter):
            _digest(digests, block)
            for judge in judges:
                judge.feed(block)
            step = block.start + block.count
    except UnsupportedError as error:
        return _without(cell, name, Verdict.UNSUPPORTED, str(error))
    except NotComparable as error:
        return _without(cell, name, Verdict.NOT_COMPARABLE, f"at step {error.step}: {error}")
    except ParityError as error:
        if not isinstance(error, MisbehavedError):
            raise
        return _without(cell, name, Verdict.FAILED, f"{error} (after {step} compared steps)")
    except Exception as error:  # whatever a subject raises is its own failure, and other cases go on
        return _without(cell, name, Verdict.FAILED, _raised(error))
    finally:
        adapter.close()
    finished = [judge.finish(name) for judge in judges if judge.mode in cell.comparisons]
    return [msgspec.structs.replace(item, digest=_joined(digests)) for item in finished]


def _judges(problem: Problem) -> list[Judge]:
    """Return the judges a case asks for; free comparison of computed gradients needs the local steps too."""
    wanted = problem.cell.comparisons
    needs_local = "lockstep" in wanted or problem.cell.gradients == "computed"
    local = Lockstep(problem) if needs_local else None
    found: list[Judge] = [local] if local else []
    return [*found, Free(problem, local)] if "free" in wanted else found


def _digest(digests: dict[str, Any], block: Block) -> None:
    """Take a block into one digest for each slot, so that the result does not depend on where blocks end."""
    for slot, rows in block.rows.items():
        digests.setdefault(slot, xxhash.xxh3_128()).update(rows[1:].reshape(-1).view(np.uint8).data)


def _joined(digests: dict[str, Any]) -> str:
    lines = [f"{name} {digests[name].hexdigest()}\n" for name in sorted(digests)]
    return xxhash.xxh3_128("".join(lines).encode()).hexdigest()


def _without(cell: Cell, name: str, verdict: Verdict, reason: str) -> list[Comparison]:
    return [Comparison(cell.id, name, cell.gradients, mode, verdict.name, reason) for mode in cell.comparisons]


def _raised(error: Exception) -> str:
    """Return what was raised and where, in one line: the last frame of the traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    where = f" in {last.filename.rpartition('/')[2]}, line {last.lineno}: {last.line}" if last else ""
    hint = ""
    if isinstance(error, ValueError) and "read-only" in str(error):
        hint = ". step changed its inputs in place: return new arrays, or offer update(params, grads) instead"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Keras puts a whole traceback into its message; the last line is what was wrong.
    said = lines[-1] if lines else ""
    return f"raised {type(error).__name__}: {said[:400]}{where}{hint}"


def _explained(problem: Problem, adapter: Adapter, comparisons: list[Comparison]) -> list[Comparison]:
    """Say which of a subject's own ablations makes it bit-identical, by running it."""
    ablations = getattr(adapter, "ablations", {})
    inexact = any(item.outcome in (Verdict.ROUNDING, Verdict.DIVERGED) for item in comparisons)
    if not ablations or not inexact or problem.cell.gradients == "computed":
        return comparisons
    cell = msgspec.structs.replace(
        problem.cell, steps=min(problem.cell.steps, ABLATION_STEPS), comparisons=["lockstep"]
    )
    short = problems.make(cell)
    notes = []
    for reason, make in ablations.items():
        (item,) = _compare(short, make(), "")
        if item.outcome is Verdict.IDENTICAL:
            notes.append(f"Cause: {reason}. With it turned off, every bit is equal ({item.compared} element-steps).")
        else:
            notes.append(
                f"Not the whole cause: {reason}. With it turned off, {item.differing} of {item.compared} differ."
            )
    return [msgspec.structs.replace(item, notes=[*item.notes, *notes]) for item in comparisons]
