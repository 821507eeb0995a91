"""The question that started it, as a section of the page: what ``make answer`` measured, with its pictures."""

import json
from pathlib import Path

from markupsafe import Markup

from parity.report.facts import Facts
from parity.report.markup import render

FOLDER = Path("reports/answer")
PICTURES = {
    "curves.svg": "Both curves, as published and as reproduced",
    "interaction.svg": "The four combinations of the two causes",
    "waterfall.svg": "What each difference is worth, alone and together",
}


def answer(facts: Facts) -> Markup:
    """Return the section, or nothing where a report is of somebody's own class, or the answer cannot be read."""
    if not facts.ours:
        return Markup()
    try:
        document = json.loads((FOLDER / "answer.json").read_text("utf-8"))["question"]
        summary, conclusion = document["summary"], list(document["conclusion"])
        pictures = [(title, picture((FOLDER / name).read_text("utf-8"))) for name, title in PICTURES.items()]
    except (OSError, ValueError, KeyError, TypeError):
        return Markup()
    return render("answer.html", summary=summary, conclusion=conclusion, pictures=pictures)


def picture(text: str) -> Markup:
    """Return a picture that scales with the page: ours, from a file that `make answer` wrote, so it is not escaped."""
    start = text.find("<svg")
    if start < 0 or "<script" in text.lower() or "onload" in text.lower():
        raise ValueError("not one of our pictures")
    head, _, rest = text[start:].partition(">")
    kept = " ".join(part for part in head.split(" ") if not part.startswith(("width=", "height=")))
    return Markup(f"{kept}>{rest}")
