"""Numbers in, SVG out: the few shapes that the answer's pictures are made of, and scales that know their ticks."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from jinja2 import Environment

from parity.report.markup import environment

INK: Final = "#1f2933"
FAINT: Final = "#d9dee4"
MUTED: Final = "#616e7c"
A_COLOUR: Final = "#c2410c"
B_COLOUR: Final = "#1d4ed8"
FIXED_COLOUR: Final = "#15803d"
Point = tuple[float, float]


class Scale:
    """Maps values of one axis to pixels, linearly or by the logarithm."""

    def __init__(self, low: float, high: float, start: float, end: float, log: bool = False) -> None:
        self.log, self.start, self.end = log, start, end
        self.low, self.high = self._of(low), self._of(high)

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        share = (self._of(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def _of(self, value: float) -> float:
        return math.log10(value) if self.log else value


class Drawing:
    """An SVG document that grows shape by shape; coordinates are pixels from the top left."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.width, self.height, self.title = width, height, title
        self.shapes: list[dict[str, Any]] = []

    def line(self, points: Sequence[Point], colour: str = INK, width: float = 1.0, dash: str = "") -> None:
        """Draw an open line through points."""
        self._add("line", points=points, colour=colour, width=width, dash=dash)

    def area(self, upper: Sequence[Point], lower: Sequence[Point], colour: str) -> None:
        """Fill between two lines that run the same way."""
        self._add("area", points=[*upper, *reversed(lower)], colour=colour)

    def dot(self, x: float, y: float, colour: str) -> None:
        """Draw one published point."""
        self._add("dot", x=x, y=y, colour=colour)

    def box(self, x: float, y: float, width: float, height: float, colour: str, opacity: float = 1.0) -> None:
        """Fill a rectangle with slightly round corners."""
        self._add("box", x=x, y=y, width=max(width, 0.8), height=max(height, 0.8), colour=colour, opacity=opacity)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 13,
        colour: str = INK,
        anchor: str = "start",
        bold: bool = False,
    ) -> None:
        """Write one line of text whose baseline is at y."""
        self._add("text", x=x, y=y, text=text, size=size, colour=colour, anchor=anchor, bold=bold)

    def _add(self, kind: str, **shape: Any) -> None:
        self.shapes.append({"kind": kind, **shape})

    def svg(self) -> str:
        """Return the document."""
        template = _templates().get_template("drawing.svg")
        return template.render(width=self.width, height=self.height, title=self.title, shapes=self.shapes)


@cache
def _templates() -> Environment:
    templates = environment("parity.explain")
    templates.filters |= {"pixels": _pixels, "path": _path}
    return templates


def _pixels(value: float) -> str:
    """Write a coordinate with one digit after the point, so that rounding noise does not change the file."""
    return f"{value:.1f}".rstrip("0").rstrip(".") if abs(value) >= 1 else f"{value:.2f}"


def _path(points: Sequence[Point]) -> str:
    return " ".join(f"{_pixels(x)},{_pixels(y)}" for x, y in points)
