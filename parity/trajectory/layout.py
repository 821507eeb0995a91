"""How the values of each slot of a case lie beside each other in one flat row, and how a rule takes them from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.bounds.numerics import Array, Indices
from parity.bounds.rule import reference_rule
from parity.problem.problems import Problem


@dataclass(frozen=True, slots=True)
class Layout:
    """The tensors of a case in one flat row, in the order of the case.

    A rule that treats every element alone takes a row as it is; one that sums over a tensor, or treats tensors
    differently by name, takes them ``by_name``. That is chosen once, and ``unravel`` and ``ravel`` are all that asks.

    A slot lies as the parameters do, unless the rule gives it shapes of its own, such as a mean for each row of a
    tensor, or keeps it for some tensors alone: ``own`` has the layouts of those slots, and ``of`` that of any.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    starts: Indices
    ends: Indices
    by_name: bool = False
    own: Mapping[str, "Layout"] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Elements in a row."""
        return int(self.ends[-1]) if len(self.ends) else 0

    @property
    def tensors(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor."""
        return dict(zip(self.names, self.shapes, strict=True))

    def of(self, slot: str) -> "Layout":
        """Return the layout of a slot, or of the parameters or gradients."""
        return self.own.get(slot, self)

    @property
    def sizes(self) -> Indices:
        """Elements of each tensor."""
        return self.ends - self.starts

    def unravel(self, rows: Array) -> dict[str, Array]:
        """Return flat rows as the tensors that the rule takes: one of all elements, without a name, or each by name.

        Rows of several steps, ``[steps, size]``, are for a rule that takes them as they are; by name there is one.
        """
        return self.split(rows.reshape(-1)) if self.by_name else {"": rows}

    def ravel(self, tensors: Mapping[str, Any]) -> Array:
        """Return what the rule made of ``unravel``'s tensors as flat rows again."""
        return self.join(tensors) if self.by_name else np.asarray(tensors[""])

    def split(self, rows: Array) -> dict[str, Array]:
        """Return views of flat rows ``[..., size]``, one for each tensor, ``[..., *shape]``."""
        pieces = zip(self.names, self.shapes, self.starts, self.ends, strict=True)
        return {name: rows[..., start:end].reshape((*rows.shape[:-1], *shape)) for name, shape, start, end in pieces}

    def join(self, tensors: Mapping[str, Any]) -> Array:
        """Return the tensors as one flat row of its own."""
        return np.concatenate([np.asarray(tensors[name]).reshape(-1) for name in self.names])

    def tensor_of(self, positions: Indices) -> Indices:
        """Return the number of the tensor that each position of a flat row belongs to."""
        return np.searchsorted(self.ends, positions, side="right")

    def index(self, position: int) -> tuple[str, list[int]]:
        """Return the tensor and the index in it of one position of a flat row."""
        number = int(self.tensor_of(np.asarray(position, dtype=np.int64)))
        shape = self.shapes[number]
        inside = np.unravel_index(position - int(self.starts[number]), shape) if shape else ()
        return self.names[number], [int(i) for i in inside]


def layout_of(
    tensors: Mapping[str, Array], by_name: bool = False, slots: Mapping[str, Mapping[str, Any]] | None = None
) -> Layout:
    """Return the layout of tensors in their order.

    Args:
        tensors: the parameters, or the tensors of one slot.
        by_name: whether the rule takes them by name; it does in any case where a slot has shapes of its own.
        slots: what the rule keeps beside them, as it starts.
    """
    ends = np.cumsum([array.size for array in tensors.values()], dtype=np.int64)
    sizes = np.array([array.size for array in tensors.values()], dtype=np.int64)
    shapes = {name: array.shape for name, array in tensors.items()}
    own = {
        slot: layout_of(held, by_name=True)
        for slot, held in (slots or {}).items()
        if {name: array.shape for name, array in held.items()} != shapes
    }
    return Layout(tuple(shapes), tuple(shapes.values()), ends - sizes, ends, by_name or bool(own), own)


def layout_of_problem(problem: Problem, by_name: bool = False) -> Layout:
    """Return the layout of a case: of its tensors, and of the slots to which its rule gives shapes of their own."""
    rule = reference_rule(problem.cell)
    return layout_of(problem.params, by_name, rule.slots(rule.init(problem.params)))
