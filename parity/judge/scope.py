"""What less than all of a case was judged: said in the verdict; places in a sample become those in whole tensors."""

from bisect import bisect_right
from typing import Any

import numpy as np
from msgspec.structs import replace

from parity.problem.problems import Problem
from parity.trajectory.drawn import Drawn
from parity.verdicts.results import Comparison


def scoped(item: Comparison, problem: Problem) -> Comparison:
    """Return a comparison of what was judged of a problem, which says so, with places in whole tensors."""
    steps, every = problem.cell.steps, problem.cell.every
    if every > 1:
        item = replace(item, every=every)
    if isinstance(problem, Drawn):
        item = _in_whole_tensors(replace(item, elements=sum(map(len, problem.chosen.values()))), problem)
    if not item.scope:
        return item
    notes = []
    if every > 1:
        notes.append(
            f"{len(problem.numbers):,} of {steps:,} steps were judged: the first, then {_each(item)}, the last"
        )
    if isinstance(problem, Drawn):
        seed = problem.cell.seed
        notes.append(f"{item.elements:,} of {problem.whole:,} elements were judged, drawn with seed {seed}")
    return replace(item, reason=f"{item.reason}; judged: {item.scope}", notes=[*notes, *item.notes])


def _each(item: Comparison) -> str:
    return replace(item, elements=None, judged_until=None).scope


def until(item: Comparison, problem: Problem, step: int) -> Comparison:
    """Return a comparison of a run that was stopped after a zero-based step, which says what it judged last."""
    step = problem.numbers[bisect_right(problem.numbers, step) - 1]
    before, _, _ = item.reason.partition("; judged: ")
    item = replace(item, judged_until=step)
    return replace(item, reason=f"{before}; judged: {item.scope}")


def _in_whole_tensors(item: Comparison, problem: Drawn) -> Comparison:
    first, worst = (
        None if place is None else replace(place, index=problem.index(place.tensor, place.index[0]))
        for place in (item.first_divergence, item.worst)
    )
    return replace(item, first_divergence=first, worst=worst, table=_table(item.table, problem))


def _table(table: dict[str, Any] | None, problem: Drawn) -> dict[str, Any] | None:
    if table is None:
        return None
    index = np.array(table["index"], dtype=np.int64)
    for at in np.flatnonzero(index >= 0):
        index[at] = problem.flat(table["tensor"][at], index[at])
    return {**table, "index": index}
