"""A run as a stream of blocks: columns ``[steps, *shape]`` for each slot and tensor, in memory that does not grow."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parity.errors import did_you_mean
from parity.numerics import Array
from parity.problem import Problem, Tensors
from parity.words import SLOTS

BLOCK_BYTES = 32_000_000
Columns = dict[str, dict[str, Array]]


class NotComparable(Exception):
    """Names, shapes or dtypes of what a subject shows differ from the case's: verdict NOT_COMPARABLE."""

    def __init__(self, step: int, slot: str, tensor: str, message: str) -> None:
        super().__init__(message)
        self.step, self.slot, self.tensor = step, slot, tensor


@dataclass(frozen=True, slots=True)
class Block:
    """``count`` consecutive steps from ``start`` on.

    ``columns[slot][tensor]`` has ``count + 1`` rows: row i is the state before step ``start + i``, the last row the
    state after the block. ``gradients[tensor]`` and ``losses`` have ``count`` rows, or are None where the subject
    keeps them to itself.
    """

    start: int
    count: int
    columns: Columns
    gradients: dict[str, Array] | None
    losses: NDArray[np.float64] | None

    def before(self, index: int) -> Columns:
        """Return the state before the index-th step of this block."""
        return {
            slot: {name: column[index] for name, column in tensors.items()} for slot, tensors in self.columns.items()
        }

    def gradient(self, index: int) -> Tensors:
        """Return the gradients of the index-th step of this block."""
        assert self.gradients is not None
        return {name: column[index] for name, column in self.gradients.items()}


class Recorder:
    """Collects rows into preallocated columns and hands out a block when they are full."""

    def __init__(self, problem: Problem, first: Mapping[str, Mapping[str, Any]], wants_gradients: bool) -> None:
        self._problem = problem
        self._slots = {"parameter", *(slot for slot in first if slot in SLOTS)}
        checked = self._checked(first, 0)
        row_bytes = sum(array.nbytes for tensors in checked.values() for array in tensors.values())
        capacity = max(1, min(256, problem.cell.steps, BLOCK_BYTES // max(row_bytes, 1)))
        self._columns = _columns(checked, capacity + 1)
        self._gradients = _columns({"gradient": problem.params}, capacity)["gradient"] if wants_gradients else None
        self._losses = np.full(capacity, np.nan, dtype=np.float64)
        self._capacity, self._count, self._start = capacity, 0, 0
        self._put(self._columns, checked, 0)

    def add(
        self, shown: Mapping[str, Mapping[str, Any]], gradients: Mapping[str, Any] | None, loss: float | None
    ) -> None:
        """Record the state after a step, with the gradients and the loss that led to it.

        Raises:
            NotComparable: a name, shape or dtype is not the case's.
        """
        step = self._start + self._count
        self._put(self._columns, self._checked(shown, step), self._count + 1)
        if self._gradients is not None:
            if gradients is None:
                self._gradients = None
            else:
                wanted = self._compared("gradient", gradients, step)
                self._put({"gradient": self._gradients}, {"gradient": wanted}, self._count)
        self._losses[self._count] = np.nan if loss is None else loss
        self._count += 1

    @property
    def full(self) -> bool:
        """Whether the next row needs a new block."""
        return self._count == self._capacity

    def take(self) -> Iterator[Block]:
        """Yield the block collected so far, if it holds a step; its columns are reused once the consumer is done."""
        if not self._count:
            return
        n = self._count
        columns = {s: {name: c[: n + 1] for name, c in tensors.items()} for s, tensors in self._columns.items()}
        gradients = None if self._gradients is None else {name: c[:n] for name, c in self._gradients.items()}
        losses = None if np.isnan(self._losses[:n]).all() else self._losses[:n].copy()
        yield Block(self._start, n, columns, gradients, losses)
        for tensors in self._columns.values():
            for column in tensors.values():
                column[0] = column[n]
        self._start, self._count = self._start + n, 0

    def _checked(self, shown: Mapping[str, Mapping[str, Any]], step: int) -> Columns:
        unknown = [slot for slot in shown if slot not in SLOTS and slot != "parameter"]
        if unknown:
            raise NotComparable(step, unknown[0], "", _unknown_slot(unknown[0]))
        missing = [slot for slot in self._slots if slot not in shown]
        if missing:
            raise NotComparable(step, missing[0], "", f"slots() showed {missing[0]!r} at first and no longer does.")
        return {slot: self._compared(slot, shown[slot], step) for slot in shown if slot in self._slots}

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

    @staticmethod
    def _put(columns: Columns, rows: Columns, index: int) -> None:
        for slot, tensors in rows.items():
            for name, array in tensors.items():
                columns[slot][name][index] = array


def _columns(like: Mapping[str, Mapping[str, Array]], rows: int) -> Columns:
    return {
        slot: {name: np.empty((rows, *array.shape), dtype=array.dtype) for name, array in tensors.items()}
        for slot, tensors in like.items()
    }


def _unknown_slot(slot: str) -> str:
    hint = did_you_mean(slot, list(SLOTS))
    return f"slots() names {slot!r}, which is no slot of RMSprop.{hint} Allowed: {', '.join(SLOTS)}."


def _wrong_dtype(slot: str, name: str, array: Array, wanted: Array) -> str:
    hint = ""
    if wanted.dtype.name == "bfloat16":
        hint = " NumPy turns bfloat16 array * Python float into float32; make constants with array.dtype.type(x)."
    elif array.dtype == np.float64:
        hint = " np.float64 scalars and float64 arrays promote float32 (NEP 50); keep hyperparameters Python floats."
    return f"{slot} of {name} has dtype {array.dtype}; the parameter has {wanted.dtype}.{hint}"
