"""Step tables in, small curves out: the largest error over its bound per slot, squeezed to what a screen can show.

A curve of many steps keeps the smallest and the largest value of each bucket, so no peak is lost. Values travel as
two letters of base 64 between the curve's own lowest and highest value; three codes mark zero, infinity and a gap.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from parity.verdicts.results import Comparison

Floats = npt.NDArray[np.float64]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
LEVELS, ZERO, INFINITE, GAP = 4092, 4093, 4094, 4095


def curves(item: Comparison, points: int) -> dict[str, Any]:
    """Return the curves of one comparison, each of at most ``points`` values; an empty dict where there is nothing."""
    drawn: dict[str, Any] = {}
    if points and item.table is not None and item.verdict != "IDENTICAL" and len(item.table["step"]):
        drawn["slots"] = _slots(item.table, points)
    if points and item.envelope:
        drawn["envelope"] = _envelope(item.envelope, points)
    if points and item.losses:
        drawn["losses"] = _losses(item.losses, points)
    return {key: value for key, value in drawn.items() if value}


def _slots(table: dict[str, Any], points: int) -> list[dict[str, Any]]:
    steps = np.asarray(table["step"], dtype=np.int64)
    names = np.asarray(table["slot"]).astype(str)
    found = []
    for slot in sorted(set(names.tolist()), key=lambda name: (name != "parameter", name)):
        here = names == slot
        moments, largest = _per_step(steps[here], _measure(table, "ratio")[here])
        curve: dict[str, Any] = {"slot": slot, "measure": "ratio"}
        if not np.any(np.isfinite(largest) & (largest > 0) | np.isinf(largest)):
            moments, largest = _per_step(steps[here], _measure(table, "max_abs")[here])
            curve["measure"] = "max_abs"
        if np.nanmax(np.append(largest, 0.0)) == 0:
            found.append({"slot": slot, "equal": True})
            continue
        outside = largest > 1 if curve["measure"] == "ratio" else np.zeros(len(largest), dtype=bool)
        found.append({**curve, **_line(moments, {"y": largest}, outside, points)})
    return found


def _measure(table: dict[str, Any], name: str) -> Floats:
    if name not in table:
        return np.full(len(table["step"]), np.nan)
    return np.asarray(table[name], dtype=np.float64)


def _per_step(steps: npt.NDArray[np.int64], values: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return each step once, with the largest of its tensors' values; NaN only where all of them are NaN."""
    order = np.argsort(steps, kind="stable")
    moments, starts = np.unique(steps[order], return_index=True)
    return moments, np.fmax.reduceat(values[order], starts)


def _both(sides: dict[str, list[float]], one: str, other: str) -> tuple[Floats, Floats]:
    """Return two series as far as both go; empty where one is not there."""
    count = min(len(sides.get(one, [])), len(sides.get(other, [])))
    first, second = (np.asarray(sides.get(key, [])[:count], dtype=np.float64) for key in (one, other))
    return first, second


def _envelope(sides: dict[str, list[float]], points: int) -> dict[str, Any]:
    drift, limit = _both(sides, "drift", "envelope")
    if not len(drift):
        return {}
    return _line(np.arange(len(drift)), {"y": drift, "limit": limit}, drift > limit, points)


def _losses(sides: dict[str, list[float]], points: int) -> dict[str, Any]:
    obtained, expected = _both(sides, "obtained", "expected")
    count = len(obtained)
    if not count:
        return {}
    equal = bool(np.array_equal(obtained, expected, equal_nan=True))
    stretch = -(-count // points)
    values = {"y": obtained} if equal else {"y": obtained, "limit": expected}
    means = {key: _encoded(_means(series, stretch), False) for key, series in values.items()}
    return {"steps": [0, count - 1, -(-count // stretch)], "stretch": stretch, "equal": equal, **means}


def _means(series: Floats, stretch: int) -> Floats:
    """Return the mean of each stretch: the loss of single examples is too rough to show where two sides part."""
    starts = np.arange(0, len(series), stretch)
    means: Floats = np.add.reduceat(series, starts) / np.diff(np.append(starts, len(series)))
    return means


def _line(
    steps: npt.NDArray[np.int64], values: dict[str, Floats], outside: npt.NDArray[np.bool_], points: int
) -> dict[str, Any]:
    buckets = 0 if len(steps) <= points else max(points // 2, 1)
    edges = np.linspace(0, len(steps), buckets + 1).astype(int) if buckets else np.arange(len(steps) + 1)
    line: dict[str, Any] = {"steps": [int(steps[0]), int(steps[-1]), len(steps)]}
    if buckets:
        line["buckets"] = buckets
    for name, series in values.items():
        line[name] = _encoded(_squeezed(series, edges) if buckets else series, True)
    marks = np.nonzero(np.logical_or.reduceat(outside, edges[:-1]))[0]
    if len(marks):
        line["outside"] = marks.tolist()
    return line


def _squeezed(series: Floats, edges: npt.NDArray[np.int64]) -> Floats:
    lowest = np.fmin.reduceat(series, edges[:-1])
    highest = np.fmax.reduceat(series, edges[:-1])
    return np.stack([lowest, highest], axis=1).ravel()


def _encoded(series: Floats, logarithmic: bool) -> list[Any]:
    """Return ``[lowest, highest, letters]``; logarithmic values are powers of ten."""
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.log10(series) if logarithmic else series
    finite = np.isfinite(values)
    low = float(values[finite].min()) if finite.any() else 0.0
    high = float(values[finite].max()) if finite.any() else 1.0
    span = high - low or 1.0
    codes = np.full(len(series), GAP)
    codes[finite] = np.rint((values[finite] - low) / span * LEVELS).astype(int)
    codes[np.isposinf(values)] = INFINITE
    if logarithmic:
        codes[series == 0] = ZERO
    return [float(f"{low:.5g}"), float(f"{high:.5g}"), _letters(codes.tolist())]


def _letters(codes: Sequence[int]) -> str:
    return "".join(LETTERS[code >> 6] + LETTERS[code & 63] for code in codes)
