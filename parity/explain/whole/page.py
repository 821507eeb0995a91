"""An answer as a page: what parts first, the stages as a ladder beside the curves, why, what to change."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from jinja2 import Template
from markupsafe import Markup

from parity.explain.picture import A_COLOUR, B_COLOUR, FAINT, FIXED_COLOUR, MUTED, Drawing, Scale
from parity.explain.whole.curves import CHANGED, KERAS, YOURS
from parity.explain.whole.text import NO_REASON, unexplained
from parity.report.markup import environment
from parity.report.numbers import begun

_COLOURS: Final = {YOURS: A_COLOUR, KERAS: B_COLOUR, CHANGED: FIXED_COLOUR}


def page(document: Mapping[str, Any]) -> str:
    """Return the page of one answer, from its JSON form; it needs nothing beside it."""
    picture = Markup(curves(document["curves"])) if document["curves"] else None  # an SVG of our own
    return _template().render(
        answer=document,
        begun=begun,
        picture=picture,
        ladder=list(_ladder(document)),
        rest=list(unexplained(document)),
        parting=_parting(document),
    )


@cache
def _template() -> Template:
    return environment("parity.explain.whole").get_template("program.html")


def _ladder(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a rung for each stage: how it ends, and its tensors."""
    rungs: dict[str, dict[str, Any]] = {}
    for row in document["quantities"]:
        rung = rungs.setdefault(row["name"], {"name": row["name"], "rows": [], "state": ""})
        rung["rows"].append(row)
    order = ("FAILED", "NOT_COMPARABLE", "NON_FINITE", "DIVERGED", "UNDECIDED", "UNSEEN", "ALIKE", "ROUNDING")
    first = document["first"]
    for rung in rungs.values():
        rung["why"] = _why(document, rung)
        worst = min((row["outcome"] for row in rung["rows"]), key=order.index)
        rung["state"] = {"ROUNDING": "same", "ALIKE": "same", "UNSEEN": "unseen", "UNDECIDED": "undecided"}.get(
            worst, "parts"
        )
        rung["first"] = first is not None and rung["name"] == first["name"]
        rung["outcome"] = worst
    return list(rungs.values())


def _parting(document: Mapping[str, Any]) -> list[str]:
    """Return the stages that part, the first first."""
    rows = document["quantities"]
    return list(dict.fromkeys(row["name"] for row in rows if row["outcome"] in ("DIVERGED", "NON_FINITE", "FAILED")))


def _why(document: Mapping[str, Any], rung: Mapping[str, Any]) -> list[str]:
    """Return what a rung parts by, in a sentence each."""
    said = [each["sentence"] for each in document["explanation"] if each["stage"] == rung["name"]]
    notes = [row["note"] for row in rung["rows"] if row["outcome"] == "DIVERGED" and row["note"]]
    if all(row["outcome"] != "DIVERGED" for row in rung["rows"]):
        return []
    left = [row["tensor"] for row in rung["rows"] if row["note"] == NO_REASON]
    if said and left:
        return [*said, f"No known mistake explains that of {', '.join(left)}"]
    return said or list(dict.fromkeys(notes))


def curves(found: Mapping[str, Any]) -> str:
    """Draw the loss of each side over the steps."""
    steps, lines = found["steps"], found["curves"]
    positive = [loss for losses in lines.values() for loss in losses if loss > 0]
    low, high = min(positive), max(positive)
    low, high = min(low, high / 10) * 0.8, high * 1.25
    drawing = Drawing(640, 360, "The loss of each side while it trains")
    x, y = Scale(0, max(steps[-1], 1), 60, 560), Scale(low, high, 310, 66, log=True)
    exponents = range(-9, 7)
    for loss in (10.0**e for e in exponents if low <= 10.0**e <= high):
        drawing.line([(60, y(loss)), (560, y(loss))], FAINT)
        drawing.text(52, y(loss) + 4, f"{loss:g}", size=12, colour=MUTED, anchor="end")
    for step in (0, steps[len(steps) // 2], steps[-1]):
        drawing.text(x(step), 330, f"{step:,}", size=12, colour=MUTED, anchor="middle")
    drawing.text(310, 350, f"steps of {found['batch']}", size=12, colour=MUTED, anchor="middle")
    drawing.text(52, 56, "loss", size=12, colour=MUTED, anchor="end")
    places: list[float] = []
    for number, (name, losses) in enumerate(lines.items()):
        drawing.line([(60, 10 + 18 * number), (84, 10 + 18 * number)], _COLOURS[name], 3, _dashes(name))
        drawing.text(92, 14 + 18 * number, name, size=14, colour=_COLOURS[name], bold=True)
        points = [
            (x(step), y(min(max(loss, low), high))) for step, loss in zip(steps, losses, strict=True) if loss == loss
        ]
        if not points:
            continue
        # The changed program may run on Keras' own line: drawn last and dashed, both are seen.
        drawing.line(points, _COLOURS[name], 2.4, _dashes(name))
        place = points[-1][1] + 4
        while any(abs(place - other) < 16 for other in places):
            place += 4
        places.append(place)
        drawing.text(568, place, f"{losses[-1]:.3g}", size=13, colour=_COLOURS[name], bold=True)
    return drawing.svg()


def _dashes(name: str) -> str:
    return "7 5" if name == CHANGED else ""
