"""Numbers in, SVG out: the few shapes that the answer's pictures are made of, and scales that know their ticks."""

import math
from collections.abc import Sequence
from html import escape
from typing import Final

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
        self.shapes: list[str] = []

    def line(self, points: Sequence[Point], colour: str = INK, width: float = 1.0, dash: str = "") -> None:
        """Draw an open line through points."""
        path = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        style = f'fill="none" stroke="{colour}" stroke-width="{_n(width)}" stroke-linejoin="round"{dashes}'
        self.shapes.append(f'<polyline points="{path}" {style}/>')

    def area(self, upper: Sequence[Point], lower: Sequence[Point], colour: str) -> None:
        """Fill between two lines that run the same way."""
        path = " ".join(f"{_n(x)},{_n(y)}" for x, y in [*upper, *reversed(lower)])
        self.shapes.append(f'<polygon points="{path}" fill="{colour}" fill-opacity="0.18"/>')

    def dot(self, x: float, y: float, colour: str) -> None:
        """Draw one published point."""
        self.shapes.append(
            f'<circle cx="{_n(x)}" cy="{_n(y)}" r="2.6" fill="#fff" stroke="{colour}" stroke-width="1.4"/>'
        )

    def box(self, x: float, y: float, width: float, height: float, colour: str, opacity: float = 1.0) -> None:
        """Fill a rectangle with slightly round corners."""
        size = f'width="{_n(max(width, 0.8))}" height="{_n(max(height, 0.8))}" rx="2"'
        self.shapes.append(f'<rect x="{_n(x)}" y="{_n(y)}" {size} fill="{colour}" fill-opacity="{_n(opacity)}"/>')

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
        weight = ' font-weight="600"' if bold else ""
        style = f'font-size="{_n(size)}" fill="{colour}" text-anchor="{anchor}"{weight}'
        self.shapes.append(f'<text x="{_n(x)}" y="{_n(y)}" {style}>{escape(text, quote=False)}</text>')

    def svg(self) -> str:
        """Return the document."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" role="img" font-family="system-ui, -apple-system, Segoe UI, sans-serif">'
        )
        back = f'<rect width="{self.width}" height="{self.height}" fill="#fff"/>'
        return "\n".join([head, f"<title>{escape(self.title, quote=False)}</title>", back, *self.shapes, "</svg>", ""])


def _n(value: float) -> str:
    """Write a coordinate with one digit after the point, so that rounding noise does not change the file."""
    return f"{value:.1f}".rstrip("0").rstrip(".") if abs(value) >= 1 else f"{value:.2f}"
