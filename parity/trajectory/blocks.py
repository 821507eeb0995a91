"""A run as a stream of blocks: columns ``[steps, *shape]`` for each slot and tensor, in memory that does not grow."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parity.bounds.numerics import Array
from parity.case.rule import find
from parity.errors import did_you_mean
from parity.problem.problems import Problem

BLOCK_BYTES = 64_000_000
"""What the states of a block hold at most, unless one step holds more; a block costs some milliseconds of its own."""
Columns = dict[str, dict[str, Array]]


class NotComparable(Exception):
    """Names, shapes or dtypes of what a subject shows differ from the case's: verdict NOT_COMPARABLE."""

    def __init__(self, step: int, slot: str, tensor: str, message: str) -> None:
        super().__init__(message)
        self.step, self.slot, self.tensor = step, slot, tensor


@dataclass(frozen=True, slots=True)
class Layout:
    """How the tensors of a case lie beside each other in one flat row, in the order of the case."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @property
    def size(self) -> int:
        """Elements in a row."""
        return int(self.ends[-1]) if len(self.ends) else 0

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Elements of each tensor."""
        return self.ends - self.starts

    def split(self, rows: Array) -> dict[str, Array]:
        """Return views of flat rows ``[..., size]``, one for each tensor, ``[..., *shape]``."""
        pieces = zip(self.names, self.shapes, self.starts, self.ends, strict=True)
        return {name: rows[..., start:end].reshape((*rows.shape[:-1], *shape)) for name, shape, start, end in pieces}

    def join(self, tensors: Mapping[str, Any]) -> Array:
        """Return the tensors as one flat row of its own."""
        return np.concatenate([np.asarray(tensors[name]).reshape(-1) for name in self.names])

    def tensor_of(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the tensor that each position of a flat row belongs to."""
        return np.searchsorted(self.ends, positions, side="right")

    def index(self, position: int) -> tuple[str, list[int]]:
        """Return the tensor and the index in it of one position of a flat row."""
        number = int(self.tensor_of(np.asarray(position, dtype=np.int64)))
        shape = self.shapes[number]
        inside = np.unravel_index(position - int(self.starts[number]), shape) if shape else ()
        return self.names[number], [int(i) for i in inside]


def layout_of(tensors: Mapping[str, Array]) -> Layout:
    """Return the layout of tensors in their order."""
    ends = np.cumsum([array.size for array in tensors.values()], dtype=np.int64)
    sizes = np.array([array.size for array in tensors.values()], dtype=np.int64)
    return Layout(tuple(tensors), tuple(array.shape for array in tensors.values()), ends - sizes, ends)


@dataclass(frozen=True, slots=True)
class Block:
    """``count`` consecutive steps from ``start`` on; all tensors of a slot lie in one flat row, as ``layout`` says.

    ``rows[slot]`` is ``[count + 1, size]``: row i is the state before step ``start + i``, the last row the state after
    the block. ``gradient_rows`` ``[count, size]`` and ``losses`` ``[count]`` are None where the subject keeps them to
    itself.
    """

    start: int
    count: int
    layout: Layout
    rows: dict[str, Array]
    gradient_rows: Array | None
    losses: NDArray[np.float64] | None

    @property
    def columns(self) -> Columns:
        """The states as views ``[count + 1, *shape]`` for each slot and tensor."""
        return {slot: self.layout.split(rows) for slot, rows in self.rows.items()}

    @property
    def gradients(self) -> dict[str, Array] | None:
        """The gradients as views ``[count, *shape]`` for each tensor."""
        return None if self.gradient_rows is None else self.layout.split(self.gradient_rows)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a stretch of memory holds that blocks of a run are written to: rows of every slot, then of gradients."""

    slots: tuple[str, ...]
    capacity: int
    layout: Layout
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        """Bytes of the stretch."""
        return sum(map(math.prod, self._shapes())) * self.dtype.itemsize

    def _shapes(self) -> list[tuple[int, int]]:
        size = self.layout.size
        return [*((self.capacity + 1, size) for _ in self.slots), (self.capacity, size)]

    def block(self, place: Array, start: int, count: int, gradients: bool, losses: NDArray[np.float64] | None) -> Block:
        """Return the first ``count`` steps of what was written to ``place``, bytes ``[nbytes]``."""
        rows, own = self.rows(place)
        states = {slot: written[: count + 1] for slot, written in rows.items()}
        return Block(start, count, self.layout, states, own[:count] if gradients else None, losses)

    def rows(self, place: Array) -> tuple[dict[str, Array], Array]:
        """Return the rows of the slots ``[capacity + 1, size]`` and of gradients ``[capacity, size]`` in ``place``."""
        shapes = self._shapes()
        ends = np.cumsum([math.prod(shape) * self.dtype.itemsize for shape in shapes])
        *found, own = (
            piece.view(self.dtype).reshape(shape)
            for piece, shape in zip(np.split(place, ends[:-1]), shapes, strict=True)
        )
        return dict(zip(self.slots, found, strict=True)), own


Hold = Callable[[Plan], list[Array]]
"""Returns the stretches that blocks are written to in turn, bytes ``[nbytes]`` each."""


def in_one_place(plan: Plan) -> list[Array]:
    """Return one stretch of this process: a block is written where the one before it was."""
    return [np.empty(plan.nbytes, dtype=np.uint8)]


class Recorder:
    """Collects rows into preallocated columns and hands out a block when they are full."""

    def __init__(self, problem: Problem, first: Mapping[str, Mapping[str, Any]], hold: Hold = in_one_place) -> None:
        self._problem = problem
        self._known = find(problem.cell.rule, problem.cell.folder).slots
        self._slots = {"parameter", *(slot for slot in first if slot in self._known)}
        self._layout = layout_of(problem.params)
        checked = self._checked(first, 0)
        row_bytes = len(checked) * self._layout.size * problem.dtype.itemsize
        capacity = max(1, min(256, problem.cell.steps, BLOCK_BYTES // max(row_bytes, 1)))
        self._plan = Plan(tuple(checked), capacity, self._layout, problem.dtype)
        self._places = hold(self._plan)
        self._has_gradients = True
        self._has_losses = False
        self._losses = np.full(capacity, np.nan, dtype=np.float64)
        self._count = self._start = 0
        self._open()
        _put(self._columns, checked, 0)

    def add(
        self, shown: Mapping[str, Mapping[str, Any]], gradients: Mapping[str, Any] | None, loss: float | None
    ) -> None:
        """Record the state after a step, with the gradients and the loss that led to it.

        Raises:
            NotComparable: a name, shape or dtype is not the case's.
        """
        step = self._start + self._count
        _put(self._columns, self._checked(shown, step), self._count + 1)
        self._has_gradients = self._has_gradients and gradients is not None
        if self._has_gradients and gradients is not None:
            _put({"": self._gradients}, {"": self._compared("gradient", gradients, step)}, self._count)
        self._has_losses = self._has_losses or loss is not None
        self._losses[self._count] = np.nan if loss is None else loss
        self._count += 1

    @property
    def full(self) -> bool:
        """Whether the next row needs a new block."""
        return self._count == self._plan.capacity

    def take(self) -> Iterator[Block]:
        """Yield the block collected so far, if it holds a step; the next one goes to the next place, in turn."""
        if not self._count:
            return
        n = self._count
        losses = self._losses[:n].copy() if self._has_losses else None
        yield self._plan.block(self._places[0], self._start, n, self._has_gradients, losses)
        last = {slot: rows[n] for slot, rows in self._rows.items()}
        self._places.append(self._places.pop(0))
        self._open()
        for slot, rows in self._rows.items():
            rows[0] = last[slot]
        self._start, self._count = self._start + n, 0

    def _open(self) -> None:
        """Take up the first place."""
        self._rows, own = self._plan.rows(self._places[0])
        self._columns = {slot: self._layout.split(rows) for slot, rows in self._rows.items()}
        self._gradients = self._layout.split(own)

    def _checked(self, shown: Mapping[str, Mapping[str, Any]], step: int) -> Columns:
        unknown = [slot for slot in shown if slot not in self._known and slot != "parameter"]
        if unknown:
            raise NotComparable(step, unknown[0], "", self._unknown_slot(unknown[0]))
        missing = [slot for slot in self._slots if slot not in shown]
        if missing:
            raise NotComparable(step, missing[0], "", f"slots() showed {missing[0]!r} at first and no longer does.")
        return {slot: self._compared(slot, shown[slot], step) for slot in shown if slot in self._slots}

    def _unknown_slot(self, slot: str) -> str:
        rule, hint = self._problem.cell.rule, did_you_mean(slot, list(self._known))
        return f"slots() names {slot!r}, which is no slot of {rule}.{hint} Allowed: {', '.join(self._known)}."

    def _compared(self, slot: str, tensors: Mapping[str, Any], step: int) -> dict[str, Array]:
        unknown = [str(name) for name in tensors if name not in self._problem.params]
        if unknown:
            message = f"{slot} has a tensor {unknown[0]!r}; the case has {', '.join(map(repr, self._problem.params))}."
            raise NotComparable(step, slot, unknown[0], message)
        for name, wanted in self._problem.params.items():
            if name not in tensors:
                message = f"{slot} has no tensor {name!r}; it has {', '.join(map(repr, tensors)) or 'none'}."
                raise NotComparable(step, slot, name, message)
            array = np.asarray(tensors[name])
            if array.shape != wanted.shape:
                message = f"{slot} of {name} has shape {array.shape}; the parameter has {wanted.shape}."
                raise NotComparable(step, slot, name, message)
            if array.dtype != wanted.dtype:
                raise NotComparable(step, slot, name, _wrong_dtype(slot, name, array, wanted))
        return {name: np.asarray(tensors[name]) for name in self._problem.params}


def _put(columns: Columns, rows: Columns, index: int) -> None:
    for slot, tensors in rows.items():
        for name, array in tensors.items():
            columns[slot][name][index] = array


def _wrong_dtype(slot: str, name: str, array: Array, wanted: Array) -> str:
    hint = ""
    if wanted.dtype.name == "bfloat16":
        hint = " NumPy turns bfloat16 array * Python float into float32; make constants with array.dtype.type(x)."
    elif array.dtype == np.float64:
        hint = " np.float64 scalars and float64 arrays promote float32 (NEP 50); keep hyperparameters Python floats."
    return f"{slot} of {name} has dtype {array.dtype}; the parameter has {wanted.dtype}.{hint}"
