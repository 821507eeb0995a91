"""A whole program beside its Keras model, as a section of the page: what ``make program`` answered, with its curves."""

import json
from pathlib import Path
from typing import Any

from markupsafe import Markup

from parity.report.answer import picture
from parity.report.facts import Facts
from parity.report.markup import render
from parity.report.numbers import begun

FOLDER = Path("reports/program")
_STATES = {"ROUNDING": "agrees", "ALIKE": "agrees", "UNSEEN": "not seen", "UNDECIDED": "undecided"}


def program(facts: Facts) -> Markup:
    """Return the section, or nothing where a report is of somebody's own class, or the answer cannot be read."""
    if not facts.ours:
        return Markup()
    try:
        document = json.loads((FOLDER / "answer.json").read_text("utf-8"))
        stages: dict[str, list[str]] = {}
        for row in document["quantities"]:
            stages.setdefault(row["name"], []).append(_STATES.get(row["outcome"], "parts"))
        curves = picture((FOLDER / "curves.svg").read_text("utf-8"))
        return render("program.html", **_words(document), ladder=_worst(stages), curves=curves)
    except (OSError, ValueError, KeyError, TypeError):
        return Markup()


def _worst(stages: dict[str, list[str]]) -> list[tuple[str, str]]:
    order = ("parts", "undecided", "not seen", "agrees")
    return [(name, min(states, key=order.index)) for name, states in stages.items()]


def _words(document: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": str(document["program"]),
        "keras": str(document["keras"]),
        "first": document["first"]["name"] if document["first"] else "",
        "why": [f"{begun(each['sentence'])}." for each in document["explanation"]],
        "lines": [(each["line"], each["was"], each["becomes"]) for each in document["repairs"]],
    }
