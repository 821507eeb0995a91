"""What a subject shows after each step of a case, and the same with its elements in another order."""

from collections.abc import Mapping

import numpy as np

from parity.bounds.numerics import Array
from parity.problem.problems import Problem
from parity.subjects.adapter import Adapter
from parity.trajectory.blocks import Columns


def states(problem: Problem, adapter: Adapter) -> list[Columns]:
    """Run a subject over a problem and return what it shows before the first and after each step."""
    try:
        adapter.open(problem)
        return [shown(adapter), *advance(problem, adapter, 0, problem.cell.steps)]
    finally:
        adapter.close()


def advance(problem: Problem, adapter: Adapter, start: int, stop: int) -> list[Columns]:
    """Make some steps of an opened subject and return what it shows after each."""
    found = []
    for number in range(start, stop):
        adapter.step(number, problem.gradients(number))
        found.append(shown(adapter))
    return found


def shown(adapter: Adapter) -> Columns:
    """Return what a subject shows now: {slot: {tensor: array}}."""
    return {slot: {n: np.array(a) for n, a in tensors.items()} for slot, tensors in adapter.read().items()}


def mapped(columns: Mapping[str, Mapping[str, Array]], change: Mapping[str, Array]) -> Columns:
    """Return columns with the elements of each tensor, flattened, in another order."""
    return {s: {n: a.reshape(-1)[change[n]].reshape(a.shape) for n, a in t.items()} for s, t in columns.items()}
