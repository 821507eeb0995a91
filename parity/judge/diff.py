"""Statistics of a difference: one row of numbers for each step, slot and tensor, as columns."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parity.bounds.drift import Drift, drift
from parity.bounds.numerics import Array, Indices, bits, format_of, ratios, ulp_distance
from parity.trajectory.blocks import Layout
from parity.verdicts.results import TABLE_COLUMNS, StepTable

_INTEGER = ("step", "size", "differing", "index")
_TEXT = ("slot", "tensor")

MAX_ROWS = 40_000
"""Rows of a table that are kept: beyond, the worst of every few steps."""


@dataclass(frozen=True, slots=True)
class Gaps:
    """Every element of one slot that differs over some steps, in the order of steps and positions.

    ``row`` counts steps within the block, ``position`` elements within the flat row; values are in the wide dtype.
    """

    row: Indices
    position: Indices
    obtained: Array
    expected: Array
    ulp: NDArray[np.float64]

    @property
    def signed(self) -> Array:
        """Obtained minus expected; NaN where either is, infinite where one overflowed."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.obtained - self.expected)

    def broken(self, bound: Array, declared: bool) -> NDArray[np.bool_]:
        """Return where a side is not finite; where that is ``declared``, where one is not although its bound is."""
        obtained, expected = np.isfinite(self.obtained), np.isfinite(self.expected)
        if declared:
            return np.asarray(np.isfinite(bound) & (obtained != expected))
        return np.asarray(~(obtained & expected))

    def among(self, chosen: Any) -> "Gaps":
        """Return some of the elements."""
        return Gaps(*(column[chosen] for column in (self.row, self.position, self.obtained, self.expected, self.ulp)))


def gaps(row: Indices, position: Indices, obtained: Array, expected: Array) -> Gaps:
    """Return differing elements as columns; values arrive in the narrow dtype."""
    wide = format_of(expected.dtype).wide
    return Gaps(row, position, obtained.astype(wide), expected.astype(wide), ulp_distance(obtained, expected))


@dataclass(slots=True)
class TableBuilder:
    """Collects rows, one part a block and slot; identical stretches cost one call, whatever their length."""

    _parts: list[dict[str, Any]] = field(default_factory=list)
    _window: int = 1

    def open(self, start: int, count: int, slot: str, layout: Layout) -> dict[str, Any]:
        """Add a row without a difference for each step and tensor; return the columns, which ``fill`` overwrites."""
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
        return part

    def table(self) -> StepTable:
        """Return all rows ordered by step; within a step in the order in which they were added."""
        joined: dict[str, Any] = {}
        for name in TABLE_COLUMNS:
            if name in _TEXT:
                joined[name] = [value for part in self._parts for value in part[name]]
            else:
                joined[name] = _concatenate([part[name] for part in self._parts])
        return _taken(joined, np.argsort(joined["step"], kind="stable"))

    def thin(self) -> None:
        """Keep the worst row alone of each window of steps, wider ones as a run grows: a long run's table stays small.

        What was opened is written by now: a part that is opened later starts at full resolution.
        """
        if sum(len(part["step"]) for part in self._parts) <= MAX_ROWS:
            return
        table = _thinned(self.table(), self._window)
        while len(table["step"]) > MAX_ROWS // 2 and self._window <= int(table["step"][-1]):
            self._window *= 2
            table = _thinned(table, self._window)
        self._parts = [table]


def _thinned(table: StepTable, window: int) -> StepTable:
    """Return the row with the largest ratio, the first among equals, of each window of steps, slot and tensor."""
    names = [f"{slot}\0{tensor}" for slot, tensor in zip(table["slot"], table["tensor"], strict=True)]
    group = np.unique(np.array(names, dtype=np.str_), return_inverse=True)[1]
    ratio = np.where(np.isnan(table["ratio"]), -1.0, table["ratio"])
    # The state before the first step, -1, has a window of its own.
    windows = np.where(table["step"] < 0, -1, table["step"] // window)
    order = np.lexsort((-table["step"], np.nan_to_num(table["max_abs"]), ratio, windows, group))
    last = np.append((np.diff(group[order]) != 0) | (np.diff(windows[order]) != 0), True)
    return _taken(table, np.sort(order[last]))


def _taken(table: StepTable, rows: Indices) -> StepTable:
    return {name: ([c[i] for i in rows] if name in _TEXT else c[rows]) for name, c in table.items()}


def _concatenate(columns: Sequence[Array]) -> Array:
    return np.concatenate(columns) if columns else np.zeros(0, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Filled:
    """What was written: the rows that differ, and where the worst element of each stands among the gaps."""

    rows: Indices
    worst: Indices
    ratio: NDArray[np.float64]


def fill(
    part: dict[str, Any], found: Gaps, bound: Array, layout: Layout, learning_rate: Callable[[int], float]
) -> Filled:
    """Write the rows that differ; ``learning_rate`` is asked for a row's step within the block."""
    tensor = layout.tensor_of(found.position)
    place = found.row * len(layout.names) + tensor
    first = np.flatnonzero(np.concatenate([[True], place[1:] != place[:-1]]))
    rows = place[first]
    magnitude = np.abs(found.signed)
    ratio = ratios(magnitude, bound)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        relative = np.where(found.expected == 0, np.inf, magnitude / np.abs(found.expected))
        largest = np.maximum.reduceat(magnitude, first)
        part["max_rel"][rows] = np.maximum.reduceat(relative, first)
        part["signed_mean"][rows] = np.add.reduceat(found.signed, first) / part["size"][rows]
    worst = _first_largest(np.where(np.isnan(ratio), -1.0, ratio), first)
    part["differing"][rows] = np.diff(np.append(first, len(place)))
    part["max_abs"][rows] = largest
    part["max_ulp"][rows] = np.maximum.reduceat(found.ulp, first)
    part["ratio"][rows], part["bound"][rows] = ratio[worst], bound[worst]
    part["index"][rows] = found.position[worst] - layout.starts[tensor[worst]]
    part["obtained"][rows], part["expected"][rows] = found.obtained[worst], found.expected[worst]
    if part["slot"][int(rows[0])] == "parameter":
        part["in_steps"][rows] = _in_steps(largest, found.row[first], learning_rate)
    return Filled(rows, worst, ratio[worst].astype(np.float64))


def fill_drift(
    part: dict[str, Any],
    row: int,
    obtained: Array,
    expected: Array,
    layout: Layout,
    learning_rate: float,
    measure: Callable[[Array, Array], Drift] = drift,
) -> int:
    """Write one step whose differences have no bound, from whole flat rows; return how many elements differ.

    Worst is the largest difference. Most elements differ there, so nothing is gathered.
    """
    total = 0
    for number, (start, end) in enumerate(zip(layout.starts, layout.ends, strict=True)):
        a, b = obtained[start:end], expected[start:end]
        if not (bits(a) != bits(b)).any():
            continue
        found = measure(a, b)
        if not found.differing:
            continue
        total += found.differing
        at = row * len(layout.names) + number
        part["differing"][at], part["index"][at], part["max_abs"][at] = found.differing, found.at, found.largest
        part["max_rel"][at], part["max_ulp"][at] = found.relative, found.ulp
        part["signed_mean"][at] = found.total / a.size
        part["ratio"][at], part["bound"][at] = np.nan, np.inf
        part["obtained"][at], part["expected"][at] = a[found.at], b[found.at]
        if part["slot"][at] == "parameter":
            part["in_steps"][at] = found.largest / learning_rate if learning_rate else np.nan
    return total


def _first_largest(values: Array, first: Indices) -> Indices:
    """Return, for each stretch that begins at ``first``, the position of its largest value, the first among equals."""
    counts = np.diff(np.append(first, len(values)))
    hit = values == np.repeat(np.maximum.reduceat(values, first), counts)
    return np.minimum.reduceat(np.where(hit, np.arange(len(values)), len(values)), first)


def _in_steps(largest: Array, rows: Iterable[int], learning_rate: Callable[[int], float]) -> Array:
    rates = {row: learning_rate(int(row)) for row in np.unique(np.asarray(rows))}
    each = np.array([rates[row] for row in rows], dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(each != 0, largest.astype(np.float64) / each, np.nan)
