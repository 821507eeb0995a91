"""The matrix of libraries and the kill matrix, as a section of the page: what ``make matrix`` measured."""

import json
from pathlib import Path
from typing import Any

from markupsafe import Markup

from parity.diagnosis.publish import MODES, behind, by_subject, catches, cell_text, constructors
from parity.report.facts import Facts
from parity.report.markup import render

FILE = Path("reports/matrix/matrix.json")


def matrix(_: Facts) -> Markup:
    """Return the section, or nothing where the committed measurement is not at hand or cannot be read."""
    try:
        document = json.loads(FILE.read_text("utf-8"))
        libraries = _libraries(document["subjects"])
        places, kills = constructors(document["kill"]), _kills(document["kill"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Markup()
    return render("matrix.html", modes=MODES, libraries=libraries, constructors=places, kills=kills)


def _kills(records: list[dict[str, Any]]) -> list[tuple[str, list[tuple[str, bool]], list[str]]]:
    """Return each mistake, the cases that catch it behind Keras' constructor, and what is said of each other one."""
    keras, *small = constructors(records)
    tables = [behind(records, name) for name in small]
    return [
        (mistake, sorted(cases.items()), [table.get(mistake, "–") for table in tables])
        for mistake, cases in sorted(catches(records, keras).items())
    ]


def _libraries(records: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Return each subject with what it is in each mode."""
    return [
        (subject, [cell_text(modes[mode]) if mode in modes else "–" for mode in MODES])
        for subject, modes in by_subject(records).items()
    ]
