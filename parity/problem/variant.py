"""Weights and gradients made from another problem's: rearranged, shortened or simplified; gradients are replayed."""

from collections.abc import Sequence

import msgspec
import numpy as np

from parity.bounds.numerics import Array
from parity.case.spec import Hyperparameters
from parity.problem.data import Tensors, frozen
from parity.problem.problems import Problem, Slices


class Variant(Problem):
    """Weights and gradients made from another problem's.

    Args:
        base: the problem whose cell it keeps.
        params: weights by tensor name.
        rows: the gradients of each step.
        given: other hyperparameters than the cell's, if any.
        slices: for each step, what the sparse ones among its gradients consist of; unless given all are dense.
        rotates: whether the rows come in the order in which each step takes its tensors.
    """

    def __init__(
        self,
        base: Problem,
        params: Tensors,
        rows: Sequence[Tensors],
        given: Hyperparameters | None = None,
        slices: Sequence[dict[str, Slices]] = (),
        rotates: bool = False,
    ) -> None:
        self.cell = msgspec.structs.replace(
            base.cell, steps=len(rows), gradients="replayed", hyperparameters=given or base.cell.hyperparameters
        )
        self.dtype, self.scale = base.dtype, base.scale
        self.params = {name: _kept(array) for name, array in params.items()}
        self.shapes = {name: array.shape for name, array in self.params.items()}
        self._rows = [{name: _kept(array) for name, array in row.items()} for row in rows]
        self._slices, self._rotates = list(slices), rotates

    @property
    def rotates(self) -> bool:
        """Whether the tensors come in another order at each step."""
        return self._rotates

    def gradients(self, step: int) -> Tensors:
        """Return the gradients of a step, read-only."""
        return self._rows[step]

    def slices(self, step: int) -> dict[str, Slices]:
        """Return the rows that the gradients of a step consist of, for those tensors whose gradient is sparse."""
        return self._slices[step] if self._slices else {}


def _kept(array: Array) -> Array:
    return frozen(np.array(array))
