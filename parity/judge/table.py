"""The table of a comparison: one row of statistics for each step, slot and tensor, as columns that stay small."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from parity.bounds.drift import Drift, drift
from parity.bounds.numerics import Array, Indices, bits
from parity.judge.gaps import Gaps
from parity.judge.pieces import Seen
from parity.trajectory.layout import Layout
from parity.verdicts.results import TABLE_COLUMNS, StepTable

_TEXT = ("slot", "tensor")

MAX_ROWS = 40_000
"""Rows of a table that are kept: beyond, the worst of every few steps."""

AT_THE_END = 1_000_000
"""Rows of those that were opened last that are kept at full resolution; only thousands of tensors have as many."""


class Peak(NamedTuple):
    """The largest ratio of some differences: at which of them, and how many learning rates its row is off."""

    at: int
    ratio: float
    in_steps: float


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one slot over some steps, tensor by tensor: without a difference until one is written."""

    columns: dict[str, Any]
    layout: Layout

    def write(self, gaps: Gaps, learning_rate: Callable[[int], float]) -> Peak:
        """Write the rows that differ; ``learning_rate`` is asked for a row's step within the block."""
        part, layout = self.columns, self.layout
        tensor = layout.tensor_of(gaps.position)
        place = gaps.row * len(layout.names) + tensor
        first = np.flatnonzero(np.concatenate([[True], place[1:] != place[:-1]]))
        rows = place[first]
        signed, ratio = gaps.signed, gaps.ratio
        magnitude = np.abs(signed)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            relative = np.where(gaps.expected == 0, np.inf, magnitude / np.abs(gaps.expected))
            largest = np.maximum.reduceat(magnitude, first)
            part["max_rel"][rows] = np.maximum.reduceat(relative, first)
            part["signed_mean"][rows] = np.add.reduceat(signed, first) / part["size"][rows]
        rank = np.where(np.isnan(ratio), -1.0, ratio)
        worst = _first_largest(rank, first)
        part["differing"][rows] = np.diff(np.append(first, len(place)))
        part["max_abs"][rows] = largest
        part["max_ulp"][rows] = np.maximum.reduceat(gaps.ulp, first)
        part["ratio"][rows], part["bound"][rows] = ratio[worst], gaps.bound[worst]
        part["index"][rows] = gaps.position[worst] - layout.starts[tensor[worst]]
        part["obtained"][rows], part["expected"][rows] = gaps.obtained[worst], gaps.expected[worst]
        if gaps.slot == "parameter":
            part["in_steps"][rows] = _in_steps(largest, gaps.row[first], learning_rate)
        best = int(np.argmax(rank[worst].astype(np.float64)))
        return Peak(int(worst[best]), float(ratio[worst[best]]), float(part["in_steps"][rows[best]]))

    def add(self, row: int, seen: Seen, rate: float) -> None:
        """Add what differs in a piece of a row's tensor to the statistics."""
        part, at = self.columns, row * len(self.layout.names) + seen.tensor
        worst, first = seen.worst, part["differing"][at] == 0
        ratio = float(worst.ratio[0])
        if first or _ranked(ratio) > _ranked(part["ratio"][at]):
            part["ratio"][at], part["bound"][at] = ratio, worst.bound[0]
            part["index"][at] = worst.position[0] - self.layout.starts[seen.tensor]
            part["obtained"][at], part["expected"][at] = worst.obtained[0], worst.expected[0]
        part["differing"][at] += seen.differing
        part["signed_mean"][at] += seen.total / part["size"][at]
        for column, value in (("max_abs", seen.largest), ("max_rel", seen.relative), ("max_ulp", seen.ulp)):
            part[column][at] = np.maximum(part[column][at], value)
        if seen.slot == "parameter":
            part["in_steps"][at] = part["max_abs"][at] / rate if rate else np.nan

    def in_steps(self, row: int, tensor: int) -> float | None:
        """Return the largest difference of a row's tensor in learning rates; None in another slot than a parameter."""
        at = row * len(self.layout.names) + tensor
        return float(self.columns["in_steps"][at]) if self.columns["slot"][at] == "parameter" else None

    def write_drift(
        self,
        row: int,
        obtained: Array,
        expected: Array,
        learning_rate: float,
        measure: Callable[[Array, Array], Drift] = drift,
    ) -> int:
        """Write one step whose differences have no bound, from whole flat rows; return how many elements differ.

        Worst is the largest difference. Most elements differ there, so nothing is gathered.
        """
        part, total = self.columns, 0
        for number, (start, end) in enumerate(zip(self.layout.starts, self.layout.ends, strict=True)):
            a, b = obtained[start:end], expected[start:end]
            if not (bits(a) != bits(b)).any():
                continue
            apart = measure(a, b)
            if not apart.differing:
                continue
            total += apart.differing
            at = row * len(self.layout.names) + number
            part["differing"][at], part["index"][at], part["max_abs"][at] = apart.differing, apart.at, apart.largest
            part["max_rel"][at], part["max_ulp"][at] = apart.relative, apart.ulp
            part["signed_mean"][at] = apart.total / a.size
            part["ratio"][at], part["bound"][at] = np.nan, np.inf
            part["obtained"][at], part["expected"][at] = a[apart.at], b[apart.at]
            if part["slot"][at] == "parameter":
                part["in_steps"][at] = apart.largest / learning_rate if learning_rate else np.nan
        return total

    def largest(self, row: int) -> tuple[int, float, float]:
        """Return where in a flat row the largest difference of a step is, how large it is, and in learning rates."""
        tensors = len(self.layout.names)
        number = int(np.argmax(self.columns["max_abs"][row * tensors : (row + 1) * tensors]))
        at = row * tensors + number
        index, largest, in_steps = (self.columns[name][at] for name in ("index", "max_abs", "in_steps"))
        return int(index + self.layout.starts[number]), largest, in_steps


@dataclass(slots=True)
class Table:
    """Collects rows, one part a block and slot; identical stretches cost one call, whatever their length."""

    layout: Layout
    _parts: list[dict[str, Any]] = field(default_factory=list)
    _window: int = 1

    def open(self, start: int, count: int, slot: str) -> Part:
        """Add a row without a difference for each step and tensor, and return them to be written over."""
        layout = self.layout.of(slot)
        tensors = len(layout.names)
        rows = count * tensors
        part: dict[str, Any] = {name: np.zeros(rows, dtype=np.float64) for name in TABLE_COLUMNS if name not in _TEXT}
        part |= {"slot": [slot] * rows, "tensor": list(layout.names) * count}
        part["step"] = np.repeat(np.arange(start, start + count, dtype=np.int64), tensors)
        part["size"] = np.tile(layout.sizes, count)
        part["differing"] = np.zeros(rows, dtype=np.int64)
        part["index"] = np.full(rows, -1, dtype=np.int64)
        for name in ("bound", "obtained", "expected", *(() if slot == "parameter" else ("in_steps",))):
            part[name] += np.nan
        self._parts.append(part)
        return Part(part, layout)

    def rows(self) -> StepTable:
        """Return all rows ordered by step; within a step in the order in which they were added."""
        if sum(len(part["step"]) for part in self._parts) > AT_THE_END:
            self.thin()
        return self._rows()

    def _rows(self) -> StepTable:
        whole: dict[str, Any] = {}
        for name in TABLE_COLUMNS:
            if name in _TEXT:
                whole[name] = [value for part in self._parts for value in part[name]]
            else:
                whole[name] = _concatenate([part[name] for part in self._parts])
        return _among(whole, np.argsort(whole["step"], kind="stable"))

    def thin(self) -> None:
        """Keep the worst row alone of each window of steps, wider ones as a run grows: a long run's table stays small.

        What was opened is written by now: a part that is opened later starts at full resolution.
        """
        if sum(len(part["step"]) for part in self._parts) <= MAX_ROWS:
            return
        table = _worst_of_windows(self._rows(), self._window)
        while len(table["step"]) > MAX_ROWS // 2 and self._window <= int(table["step"][-1]):
            self._window *= 2
            table = _worst_of_windows(table, self._window)
        self._parts = [table]


def _ranked(ratio: float) -> float:
    return -1.0 if np.isnan(ratio) else float(ratio)


def _worst_of_windows(table: StepTable, window: int) -> StepTable:
    """Return the row with the largest ratio, the first among equals, of each window of steps, slot and tensor."""
    known: dict[tuple[str, str], int] = {}
    names = zip(table["slot"], table["tensor"], strict=True)
    group = np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int64)
    ratio = np.where(np.isnan(table["ratio"]), -1.0, table["ratio"])
    # The state before the first step, -1, has a window of its own.
    windows = np.where(table["step"] < 0, -1, table["step"] // window)
    order = np.lexsort((-table["step"], np.nan_to_num(table["max_abs"]), ratio, windows, group))
    last = np.append((np.diff(group[order]) != 0) | (np.diff(windows[order]) != 0), True)
    return _among(table, np.sort(order[last]))


def _among(table: StepTable, rows: Indices) -> StepTable:
    return {name: ([c[i] for i in rows] if name in _TEXT else c[rows]) for name, c in table.items()}


def _concatenate(columns: Sequence[Array]) -> Array:
    return np.concatenate(columns) if columns else np.zeros(0, dtype=np.float64)


def _first_largest(values: Array, first: Indices) -> Indices:
    """Return, for each stretch that begins at ``first``, the position of its largest value, the first among equals."""
    counts = np.diff(np.append(first, len(values)))
    hit = values == np.repeat(np.maximum.reduceat(values, first), counts)
    return np.minimum.reduceat(np.where(hit, np.arange(len(values)), len(values)), first)


def _in_steps(largest: Array, rows: Iterable[int], learning_rate: Callable[[int], float]) -> Array:
    rates = {row: learning_rate(row) for row in set(np.asarray(rows).tolist())}
    each = np.array([rates[row] for row in rows], dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(each != 0, largest.astype(np.float64) / each, np.nan)
