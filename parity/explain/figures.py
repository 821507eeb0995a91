"""The answer's three pictures: the curves over the published points, the waterfall of the gap, the two-by-two."""

from collections.abc import Sequence
from statistics import median

from parity.explain.attribution import Attribution
from parity.explain.explanation import Corner
from parity.explain.picture import A_COLOUR, B_COLOUR, FAINT, FIXED_COLOUR, INK, MUTED, Drawing, Scale

LOWEST = 0.0003
"""Loss at the bottom of the picture; what lies below is drawn there."""

Curve = list[tuple[float, float]]


def curves(published: dict[str, Curve], runs: dict[str, tuple[str, list[Curve]]], target: float, title: str) -> str:
    """Draw loss over epochs, both axes logarithmic: published points over bands and medians of the reproductions.

    ``runs`` maps a label to its colour's role (``a``, ``b`` or ``fixed``) and one curve a seed.
    """
    drawing = Drawing(860, 500, title)
    x, y = Scale(1, 100, 70, 830, log=True), Scale(LOWEST, 3, 440, 70, log=True)
    drawing.text(70, 28, title, size=16, bold=True)
    drawing.text(
        70,
        47,
        "Points: as published. Bands: lowest to highest of the seeds. Lines: their median.",
        size=12,
        colour=MUTED,
    )
    _grid(drawing, x, y, target)
    for label, (role, seeds) in runs.items():
        _band(drawing, x, y, label, _colour(role), seeds)
    for role, points in published.items():
        for epoch, loss in points:
            if epoch >= 1:
                drawing.dot(x(epoch), y(loss), _colour(role))
    return drawing.svg()


def _colour(role: str) -> str:
    return {"a": A_COLOUR, "b": B_COLOUR, "fixed": FIXED_COLOUR}[role]


def _grid(drawing: Drawing, x: Scale, y: Scale, target: float) -> None:
    for loss in (0.001, 0.01, 0.1, 1):
        drawing.line([(70, y(loss)), (830, y(loss))], FAINT)
        drawing.text(62, y(loss) + 4, f"{loss:g}", size=12, colour=MUTED, anchor="end")
    for epoch in (1, 2, 5, 10, 20, 50, 100):
        drawing.line([(x(epoch), 440), (x(epoch), 445)], MUTED)
        drawing.text(x(epoch), 460, str(epoch), size=12, colour=MUTED, anchor="middle")
    drawing.text(450, 484, "epoch", size=12, colour=MUTED, anchor="middle")
    drawing.text(62, 74, "loss", size=12, colour=MUTED, anchor="end")
    drawing.line([(70, y(target)), (830, y(target))], INK, 1, "4 3")
    drawing.text(826, y(target) - 5, f"asked for: {target:g}", size=12, anchor="end")


def _band(drawing: Drawing, x: Scale, y: Scale, label: str, colour: str, seeds: Sequence[Curve]) -> None:
    columns = [(row[0][0], [point[1] for point in row]) for row in zip(*seeds, strict=True) if row[0][0] >= 1]
    upper = [(x(epoch), y(max(max(losses), LOWEST))) for epoch, losses in columns]
    lower = [(x(epoch), y(max(min(losses), LOWEST))) for epoch, losses in columns]
    middle = [(x(epoch), y(max(median(losses), LOWEST))) for epoch, losses in columns]
    drawing.area(upper, lower, colour)
    drawing.line(middle, colour, 2)
    end_x, end_y = middle[-1]
    if end_x > 700:
        along_x, along_y = middle[len(middle) // 4]
        drawing.text(along_x, along_y - 16, label, colour=colour, bold=True)
    else:
        drawing.text(end_x + 10, min(end_y + 4, 436), label, colour=colour, bold=True)


def waterfall(found: Attribution, start: float, end: float, sides: Sequence[str], least: float = 2.0) -> str:
    """Draw the way from A's loss to B's: what each change adds, what pairs add beyond both alone, and the rest."""
    terms = sorted(found.terms, key=lambda term: (len(term.factors), -abs(term.percent)))
    large = [term for term in terms if len(term.factors) <= 2 and abs(term.percent) >= least]
    shown = [(" × ".join(term.factors), term.percent) for term in large]
    shown.append((f"the other {len(terms) - len(large)} sets together", 100 - sum(value for _, value in shown)))
    height = 150 + 34 * len(shown)
    title = f"From {sides[0]} to {sides[1]}: what each change adds, alone and together"
    drawing = Drawing(860, height, title)
    drawing.text(30, 28, title, size=16, bold=True)
    drawing.text(
        30, 47, f"Percent of the gap ({found.gap:.2f} decades of loss above the target).", size=12, colour=MUTED
    )
    ends = [0.0]
    for _, value in shown:
        ends.append(ends[-1] + value)
    x = Scale(min(*ends, 0) - 4, max(*ends, 100) + 12, 330, 830)
    for mark in (0, 25, 50, 75, 100):
        drawing.line([(x(mark), 64), (x(mark), height - 62)], FAINT)
        drawing.text(x(mark), height - 44, f"{mark} %", size=12, colour=MUTED, anchor="middle")
    for row, (label, _) in enumerate(shown):
        _bar(drawing, x, 72 + 34 * row, label, ends[row], ends[row + 1])
    drawing.text(x(0), height - 22, f"{sides[0]}: {start:.3g}", size=12, colour=A_COLOUR, anchor="middle", bold=True)
    drawing.text(x(100), height - 22, f"{sides[1]}: {end:.3g}", size=12, colour=B_COLOUR, anchor="middle", bold=True)
    return drawing.svg()


def _bar(drawing: Drawing, x: Scale, top: float, label: str, start: float, end: float) -> None:
    colour = FIXED_COLOUR if end >= start else A_COLOUR
    left, right = sorted((x(start), x(end)))
    drawing.box(left, top, right - left, 22, colour, 0.85)
    drawing.text(320, top + 16, label, anchor="end")
    sign = "+" if end >= start else "−"
    drawing.text(right + 6, top + 16, f"{sign}{abs(end - start):.1f}", size=12, colour=colour, bold=True)


def square(corners: Sequence[Corner], pair: Sequence[str], labels: Sequence[tuple[str, str]], target: float) -> str:
    """Draw the four combinations of two factors: neither change alone gets below the target, both together do."""
    one, two = pair
    title = "Neither change alone repairs it, both together do"
    drawing = Drawing(860, 370, title)
    drawing.text(30, 28, title, size=16, bold=True)
    text = f"Loss reached, geometric mean over the seeds (each below); asked for: {target:g}. All else as posted."
    drawing.text(30, 47, text, size=12, colour=MUTED)
    found = {frozenset(corner.switched): corner for corner in corners}
    for column, first in enumerate(((), (one,))):
        drawing.text(345 + 300 * column, 84, labels[0][column], anchor="middle", bold=True)
        for row, second in enumerate(((), (two,))):
            corner = found[frozenset((*first, *second))]
            _cell(drawing, 200 + 300 * column, 98 + 130 * row, corner, target)
    for row, label in enumerate(labels[1]):
        drawing.text(190, 164 + 130 * row, label, anchor="end", bold=True)
    return drawing.svg()


def _cell(drawing: Drawing, left: float, top: float, corner: Corner, target: float) -> None:
    good = corner.typical <= target
    colour = FIXED_COLOUR if good else A_COLOUR
    drawing.box(left, top, 290, 120, colour, 0.9 if good else 0.16)
    ink = "#ffffff" if good else INK
    drawing.text(left + 145, top + 60, f"{corner.typical:.3g}", size=30, colour=ink, anchor="middle", bold=True)
    each = ", ".join(f"{loss:.2g}" for loss in corner.losses)
    drawing.text(left + 145, top + 88, each, size=12, colour=ink, anchor="middle")
