"""A cell and a subject in, a pair of verdicts with their evidence out."""

import time
from contextlib import closing
from typing import Final

import msgspec
import numpy as np

from parity import subjects
from parity.case.spec import Cell
from parity.errors import MisbehavedError, NotInstalledError, ParityError, UnsupportedError, raised
from parity.judge.beside import Judging, judging
from parity.judge.scope import until
from parity.problem import problems
from parity.problem.problems import Problem
from parity.runner.course import Course, Stopped
from parity.runner.refusal import refusal
from parity.runner.repeat import require_repeatable
from parity.runner.steps import blocks
from parity.subjects.adapter import Adapter
from parity.trajectory.blocks import NotComparable
from parity.trajectory.drawn import drawn
from parity.verdicts.results import Comparison, Explained, Pair
from parity.verdicts.verdict import Verdict

ABLATION_STEPS = 50
_NOT_AROUND: Final = {
    "absent": "it is handed a gradient of each tensor; here some have none.",
    "frozen": "it is driven with every tensor; here some are not trained at some steps.",
    "constraints": "it is driven without constraints on weights; the case has some.",
    "loss_scale": "it is driven without a loss scale that moves; the case has one.",
}
"""Why who does not know of something that stands around an update is not driven; see ``Cell.surroundings``."""


def run_pair(
    cell: Cell, name: str, adapter: Adapter | None = None, beside: bool = False, course: Course | None = None
) -> Pair:
    """Run one case cell against one subject.

    Args:
        cell: what to run.
        name: the subject's name, for the records.
        adapter: the subject itself, if it was made by the caller; otherwise it is created by name.
        beside: whether there is a core to spare: a long run is then judged by another process while the subject goes
            on. The results are the same.
        course: may stop the run: its comparisons are then of what was made until then.

    Raises:
        ParityError: the cell's data cannot be read, or the subject's name means nothing.
        Stopped: the run was stopped before its first step was made.
    """
    course = course or Course()
    began = time.perf_counter()
    problem = problems.make(cell)
    try:
        loaded = adapter is None
        adapter = adapter or subjects.create(name)
        if subjects.is_users(name):
            with course:
                require_repeatable(name, adapter, loaded, cell.rule, cell.folder)
        with np.errstate(all="ignore"):
            try:
                comparisons = compare(problem, adapter, name, beside, course)
            finally:
                course.end()
            comparisons = comparisons if course.stopped else _explained(problem, adapter, comparisons)
    except (NotInstalledError, MisbehavedError) as error:
        comparisons = _without(cell, name, *refusal(error))
    resolved = getattr(adapter, "resolved", "") or name
    circumstances = dict(getattr(adapter, "circumstances", {}))
    return Pair(cell.id, cell.summary, name, resolved, comparisons, circumstances, time.perf_counter() - began)


def compare(
    problem: Problem, adapter: Adapter, name: str, beside: bool = False, course: Course | None = None
) -> list[Comparison]:
    """Run a problem that is there already against a subject; see ``run_pair``, which makes it from a cell."""
    try:
        judged = drawn(problem)
    except UnsupportedError as error:
        return _without(problem.cell, name, *refusal(error))
    with closing(judging(judged, beside)) as judges:
        return _driven(problem, judged, adapter, name, judges, course or Course())


def _driven(
    problem: Problem, judged: Problem, adapter: Adapter, name: str, judges: Judging, course: Course
) -> list[Comparison]:
    cell = problem.cell
    step = 0
    try:
        for what in cell.surroundings:
            if what not in getattr(adapter, "knows", ()):
                raise UnsupportedError(_NOT_AROUND[what])
        with course:
            adapter.open(problem)
        for block in blocks(problem, adapter, judges.hold, judged, course):
            judges.feed(block)
            step = block.start + block.count
    except (UnsupportedError, NotComparable) as error:
        return _without(cell, name, *refusal(error))
    except ParityError as error:
        if not isinstance(error, MisbehavedError):
            raise
        return _without(cell, name, Verdict.FAILED, f"{error} (after {step} compared steps)")
    except Exception as error:  # whatever a subject raises is its own failure, and other cases go on
        return _without(cell, name, Verdict.FAILED, _raised(error))
    finally:
        adapter.close()
    if not step:
        raise Stopped
    try:
        comparisons = judges.finish(name)
    except MisbehavedError as error:
        return _without(cell, name, *refusal(error))
    return comparisons if step == cell.steps else [until(item, judged, step - 1) for item in comparisons]


def _without(cell: Cell, name: str, verdict: Verdict, reason: str) -> list[Comparison]:
    return [Comparison(cell.id, name, cell.gradients, mode, verdict.name, reason) for mode in cell.comparisons]


def _raised(error: Exception) -> str:
    hint = ""
    if isinstance(error, ValueError) and "read-only" in str(error):
        hint = ". step changed its inputs in place: return new arrays, or offer update(params, grads) instead"
    if isinstance(error, IndexError) and "0-dimensional" in str(error):
        hint = (
            ". The case has a tensor without dimensions, such as a scale: x[...] takes any shape, x[:] does not; "
            "`parity diagnose` looks at the others"
        )
    return f"{raised(error)}{hint}"


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
    notes, shown = [], []
    for reason, make in ablations.items():
        (item,) = compare(short, make(), "")
        if item.outcome is Verdict.IDENTICAL:
            shown.append(reason)
            notes.append(f"Cause: {reason}. With it turned off, every bit is equal ({item.compared} element-steps).")
        else:
            notes.append(
                f"Not the whole cause: {reason}. With it turned off, {item.differing} of {item.compared} differ."
            )
    return [_with_ablations(item, notes, shown) for item in comparisons]


def _with_ablations(item: Comparison, notes: list[str], shown: list[str]) -> Comparison:
    """Add what the ablations said; one that removes every difference explains those of the steps that it ran."""
    ran = 0
    if item.comparison == "lockstep" and item.table is not None:
        # Of a long run the table has only some rows, so that no more is claimed than what is seen in them.
        early = np.asarray(item.table["step"]) < ABLATION_STEPS
        ran = int(np.asarray(item.table["differing"])[early].sum())
    explained = [Explained(reason, ran) for reason in shown if ran]
    return msgspec.structs.replace(item, notes=[*item.notes, *notes], explained=[*item.explained, *explained])
