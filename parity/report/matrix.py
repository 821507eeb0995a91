"""The matrix of libraries and the kill matrix, as a section of the page: what ``make matrix`` measured."""

import json
from pathlib import Path
from typing import Any

from markupsafe import Markup

from parity.diagnosis.publish import MODES, by_subject, catches, cell_text
from parity.report.facts import Facts
from parity.report.markup import render

FILE = Path("reports/matrix/matrix.json")


def matrix(_: Facts) -> Markup:
    """Return the section, or nothing where the committed measurement is not at hand or cannot be read."""
    try:
        document = json.loads(FILE.read_text("utf-8"))
        libraries = _libraries(document["subjects"])
        kills = [(mistake, sorted(cases.items())) for mistake, cases in sorted(catches(document["kill"]).items())]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Markup()
    return render("matrix.html", modes=MODES, libraries=libraries, kills=kills)


def _libraries(records: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Return each subject with what it is in each mode."""
    return [
        (subject, [cell_text(modes[mode]) if mode in modes else "–" for mode in MODES])
        for subject, modes in by_subject(records).items()
    ]
