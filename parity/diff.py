"""Statistics of a difference: one row of numbers for each step, slot and tensor, as columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parity.numerics import Array, differs, format_of, ulp_distance
from parity.results import TABLE_COLUMNS, StepTable

_ZERO_ROW = ("differing", "max_abs", "max_rel", "max_ulp", "signed_mean", "ratio")
_INTEGER = ("step", "size", "differing", "index")
_TEXT = ("slot", "tensor")


@dataclass(frozen=True, slots=True)
class Difference:
    """Where and how far two arrays of one tensor differ: flat indices, and values there in the wide dtype."""

    index: NDArray[np.int64]
    obtained: Array
    expected: Array
    ulp: NDArray[np.float64]

    @property
    def signed(self) -> Array:
        """Obtained minus expected; NaN where either is, infinite where one overflowed."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.obtained - self.expected)


def difference(obtained: Array, expected: Array, where: NDArray[np.bool_] | None = None) -> Difference:
    """Return the elements of two equally shaped arrays whose bits differ, which ``where`` may already tell."""
    index = np.flatnonzero(differs(obtained, expected) if where is None else where)
    a, b = obtained.reshape(-1)[index], expected.reshape(-1)[index]
    wide = format_of(expected.dtype).wide
    return Difference(index, a.astype(wide), b.astype(wide), ulp_distance(a, b))


def ratios(magnitude: Array, bound: Array) -> Array:
    """Return |difference| / bound: 0 where nothing differs, NaN where the bound is infinite.

    It is infinite where the bound is zero, and where the difference is no number although the bound is one.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = magnitude / bound
    ratio = np.where(magnitude == 0, 0.0, np.where(np.isnan(magnitude), np.inf, ratio))
    return np.asarray(np.where(np.isfinite(bound), ratio, np.nan))


@dataclass(slots=True)
class TableBuilder:
    """Collects rows; identical stretches cost one call, whatever their length."""

    _parts: list[dict[str, Any]] = field(default_factory=list)

    def identical(self, start: int, count: int, slot: str, tensor: str, size: int) -> dict[str, Any]:
        """Add ``count`` rows without a difference and return their columns, to be overwritten where one differs."""
        part: dict[str, Any] = {name: np.zeros(count, dtype=np.float64) for name in TABLE_COLUMNS if name not in _TEXT}
        part |= {name: np.zeros(count, dtype=np.int64) for name in _INTEGER}
        part |= {"slot": [slot] * count, "tensor": [tensor] * count}
        part["step"] += np.arange(start, start + count, dtype=np.int64)
        part["size"] += size
        part["index"] -= 1
        for name in ("bound", "obtained", "expected", "in_steps"):
            part[name] += np.nan
        if slot == "parameter":
            part["in_steps"] = np.zeros(count, dtype=np.float64)
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
        order = np.argsort(joined["step"], kind="stable")
        return {name: ([c[i] for i in order] if name in _TEXT else c[order]) for name, c in joined.items()}


def _concatenate(columns: Sequence[Array]) -> Array:
    return np.concatenate(columns) if columns else np.zeros(0, dtype=np.float64)


def fill(part: dict[str, Any], row: int, found: Difference, bound: Array, learning_rate: float) -> int:
    """Write one differing row and return the position, among the differing elements, of the worst of them."""
    with np.errstate(invalid="ignore", over="ignore"):
        magnitude = np.abs(found.signed)
        relative = np.where(found.expected == 0, np.inf, magnitude / np.abs(found.expected))
    ratio = ratios(magnitude, bound)
    worst = int(np.argmax(np.where(np.isnan(ratio), -1.0, ratio)))
    part["differing"][row] = len(found.index)
    part["max_abs"][row] = np.max(magnitude)
    part["max_rel"][row] = np.max(relative)
    part["max_ulp"][row] = np.max(found.ulp)
    part["signed_mean"][row] = float(np.sum(found.signed)) / part["size"][row]
    part["ratio"][row] = ratio[worst]
    part["bound"][row], part["index"][row] = bound[worst], found.index[worst]
    part["obtained"][row], part["expected"][row] = found.obtained[worst], found.expected[worst]
    if part["slot"][row] == "parameter":
        part["in_steps"][row] = float(np.max(magnitude)) / learning_rate if learning_rate else np.nan
    return worst
