"""A run as a stream of blocks: columns ``[steps, *shape]`` for each slot and tensor, in memory that does not grow."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parity.bounds.numerics import Array
from parity.case.rule import Rule, find, scaled
from parity.errors import did_you_mean
from parity.problem.problems import Problem
from parity.trajectory.drawn import Drawn
from parity.trajectory.layout import Layout, layout_of_problem

BLOCK_BYTES = 64_000_000
"""What the states of a block hold at most, unless one step holds more; a block costs some milliseconds of its own."""
BLOCK_TENSORS = 200_000
"""How many tensors the steps of a block have at most: who judges them is not to wait for all."""
Columns = dict[str, dict[str, Array]]


class NotComparable(Exception):
    """Names, shapes or dtypes of what a subject shows differ from the case's: verdict NOT_COMPARABLE."""

    def __init__(self, step: int, slot: str, tensor: str, message: str) -> None:
        super().__init__(message)
        self.step, self.slot, self.tensor = step, slot, tensor


@dataclass(frozen=True, slots=True)
class Block:
    """``count`` consecutive steps from ``start`` on; a slot lies in one flat row, as ``layout.of(slot)`` says.

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

    def after(self, slot: str, first: int, last: int) -> Array:
        """Return what some steps of the block end in, ``[last - first, size]``; "gradient" is what went into them.

        Raises:
            KeyError: the subject does not show it.
        """
        if slot != "gradient":
            return self.rows[slot][first + 1 : last + 1]
        if self.gradient_rows is None:
            raise KeyError(slot)
        return self.gradient_rows[first:last]

    def among(self, first: int, last: int) -> "Block":
        """Return some of its steps, from row ``first`` to before ``last``, as a block that shares their memory."""
        rows = {slot: row[first : last + 1] for slot, row in self.rows.items()}
        gradients, losses = (None if part is None else part[first:last] for part in (self.gradient_rows, self.losses))
        return Block(self.start + first, last - first, self.layout, rows, gradients, losses)

    @property
    def columns(self) -> Columns:
        """The states as views ``[count + 1, *shape]`` for each slot and tensor."""
        return {slot: self.layout.of(slot).split(rows) for slot, rows in self.rows.items()}

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
        states = [(self.capacity + 1, self.layout.of(slot).size) for slot in self.slots]
        return [*states, (self.capacity, self.layout.size)]

    def block(self, place: Array, start: int, count: int, gradients: bool, losses: NDArray[np.float64] | None) -> Block:
        """Return the first ``count`` steps of what was written to ``place``, bytes ``[nbytes]``."""
        rows, own = self.rows(place)
        states = {slot: written[: count + 1] for slot, written in rows.items()}
        return Block(start, count, self.layout, states, own[:count] if gradients else None, losses)

    def rows(self, place: Array) -> tuple[dict[str, Array], Array]:
        """Return the rows of the slots ``[capacity + 1, size]`` and of gradients ``[capacity, size]`` in ``place``."""
        shapes = self._shapes()
        ends = np.cumsum([math.prod(shape) * self.dtype.itemsize for shape in shapes])
        *states, gradients = (
            piece.view(self.dtype).reshape(shape)
            for piece, shape in zip(np.split(place, ends[:-1]), shapes, strict=True)
        )
        return dict(zip(self.slots, states, strict=True)), gradients


Hold = Callable[[Plan], list[Array]]
"""Returns the stretches that blocks are written to in turn, bytes ``[nbytes]`` each."""


def in_one_place(plan: Plan) -> list[Array]:
    """Return one stretch of this process: a block is written where the one before it was."""
    return [np.empty(plan.nbytes, dtype=np.uint8)]


class Recorder:
    """Collects rows into preallocated columns and hands out a block when they are full.

    Of a ``Drawn`` problem it is shown whole tensors and keeps what is drawn of them.
    """

    def __init__(self, problem: Problem, first: Mapping[str, Mapping[str, Any]], hold: Hold = in_one_place) -> None:
        self._drawn = problem if isinstance(problem, Drawn) else None
        rule = find(problem.cell.rule, problem.cell.folder)
        # Where no scale moves, who shows a slot of one means another.
        self._rule = rule._replace(slots={**rule.slots, **scaled()}) if problem.cell.loss_scale else rule
        _require_slots(first, ["parameter"], self._rule, 0)
        layout, slots = layout_of_problem(problem), tuple(first)
        row_bytes = sum(layout.of(slot).size for slot in slots) * problem.dtype.itemsize
        most = min(256, BLOCK_BYTES // max(row_bytes, 1), BLOCK_TENSORS // max(len(layout.names), 1))
        capacity = max(1, min(most, problem.cell.steps))
        self._plan = Plan(slots, capacity, layout, problem.dtype)
        self._places = hold(self._plan)
        self._has_gradients = True
        self._has_losses = False
        self._losses = np.full(capacity, np.nan, dtype=np.float64)
        self._count = self._start = 0
        self._open()
        for slot in slots:
            self._copy(slot, first[slot], 0, 0)

    def add(
        self, shown: Mapping[str, Mapping[str, Any]], gradients: Mapping[str, Any] | None, loss: float | None
    ) -> None:
        """Record the state after a step, with the gradients and the loss that led to it.

        Raises:
            NotComparable: a name, shape or dtype is not the case's.
        """
        step = self._start + self._count
        _require_slots(shown, self._plan.slots, self._rule, step)
        for slot in self._plan.slots:
            self._copy(slot, shown[slot], step, self._count + 1)
        self._has_gradients = self._has_gradients and gradients is not None
        if self._has_gradients and gradients is not None:
            self._copy("gradient", gradients, step, self._count)
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
        states = {slot: rows[: n + 1] for slot, rows in self._rows.items()}
        gradients = self._gradients[:n] if self._has_gradients else None
        yield Block(self._start, n, self._plan.layout, states, gradients, losses)
        last = {slot: rows[n] for slot, rows in self._rows.items()}
        self._places.append(self._places.pop(0))
        self._open()
        for slot, row in last.items():
            self._rows[slot][0] = row
        self._start, self._count = self._start + n, 0

    def _open(self) -> None:
        """Take up the first place."""
        self._rows, self._gradients = self._plan.rows(self._places[0])
        rows = {**self._rows, "gradient": self._gradients}
        self._columns = {slot: self._plan.layout.of(slot).split(each) for slot, each in rows.items()}

    def _copy(self, slot: str, tensors: Mapping[str, Any], step: int, index: int) -> None:
        """Write what a subject shows of a slot into a row, if its names, shapes and dtypes are the case's."""
        columns, is_own = self._columns[slot], slot in self._plan.layout.own
        unknown = [str(name) for name in tensors if name not in columns]
        if unknown:
            whose = "the rule's" if is_own else "the case"
            message = f"{slot} has a tensor {unknown[0]!r}; {whose} has {', '.join(map(repr, columns))}."
            raise NotComparable(step, slot, unknown[0], message)
        for name, column in columns.items():
            if name not in tensors:
                message = f"{slot} has no tensor {name!r}; it has {', '.join(map(repr, tensors)) or 'none'}."
                raise NotComparable(step, slot, name, message)
            array = np.asarray(tensors[name])
            shape = self._drawn.shapes[name] if self._drawn else column.shape[1:]
            if array.shape != shape:
                whose = "the rule's" if is_own else "the parameter"
                message = f"{slot} of {name} has shape {array.shape}; {whose} has {shape}."
                raise NotComparable(step, slot, name, message)
            if array.dtype != column.dtype:
                raise NotComparable(step, slot, name, _wrong_dtype(slot, name, array, column))
            column[index] = self._drawn.take(name, array) if self._drawn else array


def _require_slots(shown: Mapping[str, Any], needed: Iterable[str], rule: Rule, step: int) -> None:
    unknown = [slot for slot in shown if slot not in rule.slots and slot != "parameter"]
    if unknown:
        raise NotComparable(step, unknown[0], "", _unknown_slot(unknown[0], rule))
    missing = [slot for slot in needed if slot not in shown]
    if missing:
        raise NotComparable(step, missing[0], "", f"slots() showed {missing[0]!r} at first and no longer does.")


def _unknown_slot(slot: str, rule: Rule) -> str:
    hint = did_you_mean(slot, list(rule.slots))
    return f"slots() names {slot!r}, which is no slot of {rule.name}.{hint} Allowed: {', '.join(rule.slots)}."


def _wrong_dtype(slot: str, name: str, array: Array, param: Array) -> str:
    hint = ""
    if param.dtype.name == "bfloat16":
        hint = " NumPy turns bfloat16 array * Python float into float32; make constants with array.dtype.type(x)."
    elif array.dtype == np.float64:
        hint = (
            " np.zeros(shape) without a dtype is float64 (np.zeros_like keeps the weights'), and float64 arrays and"
            " scalars promote float32 (NEP 50); cases with float64 weights judge the rule."
        )
    return f"{slot} of {name} has dtype {array.dtype}; the parameter has {param.dtype}.{hint}"
