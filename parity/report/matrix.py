"""The matrix of libraries and the kill matrix, as a section of the page: what ``make matrix`` measured."""

import json
from pathlib import Path
from typing import Any

from parity.diagnosis.publish import MODES, by_subject, catches, cell_text
from parity.report.facts import Facts
from parity.report.markup import section, text

FILE = Path("reports/matrix/matrix.json")


def matrix(_: Facts) -> str:
    """Return the section, or nothing where the committed measurement is not at hand or cannot be read."""
    try:
        document = json.loads(FILE.read_text("utf-8"))
        body = _libraries(document["subjects"]) + _kills(document["kill"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""
    return section("matrix", "What RMSprop means in each library", body)


def _libraries(records: list[dict[str, Any]]) -> str:
    head = "".join(f"<th scope='col'>{text(mode.replace('_', ' '))}</th>" for mode in MODES)
    rows = []
    for subject, modes in by_subject(records).items():
        cells = "".join(f"<td>{text(cell_text(modes[m]) if m in modes else '–')}</td>" for m in MODES)
        rows.append(f"<tr><th scope='row'>{text(subject)}</th>{cells}</tr>")
    return (
        '<div class="prose"><p>Each library was probed and explained without being told what it is: = every bit equals '
        "tf.keras, ≈ equal within the derived bound, otherwise the choices that reproduce it.</p></div>"
        f"<div class='wide' tabindex='0' role='region' aria-label='Matrix of libraries'><table class='matrix'><thead>"
        f"<tr><th scope='col'>subject</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _kills(records: list[dict[str, Any]]) -> str:
    rows = []
    for mistake, cases in sorted(catches(records).items()):
        named = ", ".join(
            f"<b>{text(case)}</b>" if promised else text(case) for case, promised in sorted(cases.items())
        )
        rows.append(f"<tr><th scope='row'>{text(mistake)}</th><td>{len(cases)}</td><td>{named}</td></tr>")
    return (
        "<details><summary>The kill matrix: which case catches which mistake</summary>"
        "<p>A mutant is the reference with one mistake planted; cases in bold say that they exist to catch it. "
        "The suite fails if one of them does not, or if a mutant lives.</p>"
        "<div class='wide' tabindex='0' role='region' aria-label='Kill matrix'>"
        "<table class='matrix'><thead><tr><th scope='col'>mistake</th><th scope='col'>cases</th>"
        f"<th scope='col'>caught by</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div></details>"
    )
