"""A case with its tensors rearranged, and what a subject shows after each step of it."""

from collections.abc import Mapping

import msgspec
import numpy as np

from parity.bounds.numerics import Array
from parity.case.spec import Hyperparameters
from parity.problem.data import Tensors
from parity.problem.problems import Problem, Slices
from parity.subjects.adapter import Adapter
from parity.trajectory.blocks import Columns


class Variant(Problem):
    """Weights and gradients made from another problem's; its gradients are dense.

    Args:
        base: the problem whose cell it keeps.
        params: weights by tensor name.
        rows: the gradients of each step.
        given: other hyperparameters than the cell's, if any.
    """

    def __init__(
        self, base: Problem, params: Tensors, rows: list[Tensors], given: Hyperparameters | None = None
    ) -> None:
        self.cell = msgspec.structs.replace(
            base.cell, steps=len(rows), hyperparameters=given or base.cell.hyperparameters
        )
        self.dtype, self.scale = base.dtype, base.scale
        self.params = {name: _frozen(array) for name, array in params.items()}
        self.shapes = {name: array.shape for name, array in self.params.items()}
        self._rows = [{name: _frozen(array) for name, array in row.items()} for row in rows]

    def gradients(self, step: int) -> Tensors:
        """Return the gradients of a step, read-only."""
        return self._rows[step]

    def slices(self, step: int) -> dict[str, Slices]:
        """Return nothing: every gradient is dense."""
        return {}


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


def _frozen(array: Array) -> Array:
    array = np.array(array)
    array.setflags(write=False)
    return array
