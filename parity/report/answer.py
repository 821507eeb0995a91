"""The question that started it, as a section of the page: what ``make answer`` measured, with its pictures."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.report.facts import Facts
from parity.report.markup import section, text

FOLDER = Path("reports/answer")
PICTURES = {
    "curves.svg": "Both curves, as published and as reproduced",
    "interaction.svg": "The four combinations of the two causes",
    "waterfall.svg": "What each difference is worth, alone and together",
}


def answer(_: Facts) -> str:
    """Return the section, or nothing where the committed answer is not at hand or cannot be read."""
    try:
        document = json.loads((FOLDER / "answer.json").read_text("utf-8"))["question"]
        pictures = {name: (FOLDER / name).read_text("utf-8") for name in PICTURES}
        body = _body(document, pictures)
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return section("answer", "The question behind this project", body)


def _body(document: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    conclusion = "".join(f"<li>{text(line)}</li>" for line in document["conclusion"])
    figures = "".join(
        f"<figure>{_svg(pictures[name])}<figcaption>{text(title)}</figcaption></figure>"
        for name, title in PICTURES.items()
    )
    return (
        f'<div class="prose"><p class="lead">{text(document["summary"])}</p><ul>{conclusion}</ul></div>'
        f'<div class="figures">{figures}</div>'
        f"<p>How it was measured, and a verdict on each supposed reason: <code>reports/answer/README.md</code>, "
        f"made by <code>make answer</code>.</p>"
    )


def _svg(picture: str) -> str:
    """Return a picture that scales with the page: ours, from a file that `make answer` wrote, so it is not escaped."""
    start = picture.find("<svg")
    if start < 0 or "<script" in picture.lower() or "onload" in picture.lower():
        raise ValueError("not one of our pictures")
    head, _, rest = picture[start:].partition(">")
    kept = " ".join(part for part in head.split(" ") if not part.startswith(("width=", "height=")))
    return f"{kept}>{rest}"
