"""Comparisons as a notebook shows them: a table with place, number and reason, and the error against its bound."""

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from parity.verdicts.results import Comparison

_HEADS = ("case", "subject", "comparison", "verdict", "differing", "/ bound", "first divergence, or reason")
_WIDTH, _HEIGHT, _PAD = 640, 200, 36


def html(comparisons: Sequence[Comparison], unseen: Sequence[str] = ()) -> str:
    """Return the comparisons as a table, and below it what they did not see."""
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _row(item))}</tr>" for item in comparisons)
    heads = "".join(f"<th>{head}</th>" for head in _HEADS)
    told = "".join(f"<p>{escape(line)}</p>" for line in unseen)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{told}"


def _row(item: Comparison) -> list[str]:
    place, worst = item.first_divergence, item.worst
    where = item.reason if item.outcome.fails or not item.outcome.compared else ""
    if place is not None:
        where = f"step {place.step}, {place.slot} of {place.tensor} at {place.index}"
        where += f": obtained {place.obtained}, expected {place.expected}"
    differing = f"{item.differing:,} of {item.compared:,}" if item.compared else ""
    ratio = "" if worst is None else f"{float(worst.ratio):.3g}"
    return [item.case, item.subject, item.comparison, item.verdict, differing, ratio, where]


class Picture:
    """The largest error of each step in parts of its bound, a line for each comparison; a notebook shows it as SVG."""

    def __init__(self, comparisons: Sequence[Comparison]) -> None:
        self._lines = [(item, _curve(item)) for item in comparisons if item.table]

    def _repr_svg_(self) -> str:
        points = [y for _, curve in self._lines for _, y in curve if y > 0]
        low, high = (min([*points, 1e-3]), max([*points, 2.0])) if points else (1e-3, 2.0)
        last = max((x for _, curve in self._lines for x, _ in curve), default=1) or 1

        def place(x: float, y: float) -> tuple[float, float]:
            share = (math.log(max(y, low)) - math.log(low)) / (math.log(high) - math.log(low))
            return _PAD + x / last * (_WIDTH - 2 * _PAD), _HEIGHT - _PAD - share * (_HEIGHT - 2 * _PAD)

        _, one = place(0, 1.0)
        body = [
            f'<line x1="{_PAD}" x2="{_WIDTH - _PAD}" y1="{one:.1f}" y2="{one:.1f}" stroke="#888" stroke-dasharray="4"/>'
        ]
        body.append(f'<text x="{_WIDTH - _PAD}" y="{one - 4:.1f}" font-size="11" text-anchor="end">the bound</text>')
        for item, curve in self._lines:
            path = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in curve if y > 0)
            colour = "#b00020" if item.outcome.fails else "#1a7f37"
            title = escape(f"{item.case} {item.subject} {item.comparison}")
            body.append(f'<polyline points="{path}" fill="none" stroke="{colour}"><title>{title}</title></polyline>')
        body.append(f'<text x="{_PAD}" y="{_HEIGHT - 8}" font-size="11">step 0</text>')
        body.append(f'<text x="{_WIDTH - _PAD}" y="{_HEIGHT - 8}" font-size="11" text-anchor="end">step {last}</text>')
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img">'
        return f"{head}<title>largest error over its bound</title>{''.join(body)}</svg>"

    def __repr__(self) -> str:
        return f"Picture of {len(self._lines)} comparisons: the largest error of each step in parts of its bound (SVG)"


def _curve(item: Comparison) -> list[tuple[int, float]]:
    """Return (step, largest ratio over slots and tensors), steps with none left out."""
    table: dict[str, Any] = item.table or {}
    largest: dict[int, float] = {}
    for step, ratio in zip(table["step"], table["ratio"], strict=True):
        value = float(ratio)
        if math.isfinite(value):
            largest[int(step)] = max(largest.get(int(step), 0.0), value)
    return sorted(largest.items())
