"""``make matrix``: what each installed library's RMSprop is, and which case catches which mistake, as page and JSON."""

import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import msgspec

from parity.case.rule import DEFAULT
from parity.case.spec import Mlp
from parity.diagnosis.kill import survivors

MODES = ("plain", "momentum", "centered", "both", "weight_decay")
MARKS = {"IDENTICAL": "= identical", "ROUNDING": "≈ rounding", "UNSUPPORTED": "–", "UNEXPLAINED": "? unexplained"}
_INTRODUCTION = """\
# What RMSprop means in each library

Made by `make matrix`: every installed subject was probed and explained by `parity diagnose`, none was told what it is.
`=` every bit equals tf.keras in eager mode; `≈` equal within the derived bound; otherwise the choices that reproduce
it, as switches of `reference/family.py`. In brackets: what explains differences that are mere rounding.
"""
_KILL = """\
## The kill matrix: which case catches which mistake

A mutant is the reference with one mistake planted. A case is counted where it catches at least one variant of the
mistake; **bold** cases say that they exist to catch it. The suite fails if a promise is not kept, or a mutant lives.
"""
_SMALL = """\
### Behind a small constructor

A class whose constructor lacks an argument is UNSUPPORTED in the cases that set it, so fewer cases can catch its
mistakes: those that promise to are counted here. – is a mistake that only a class with more arguments can make.
"""


_RULES = """\
### Every rule, and Keras' own tests

Mutants of each rule: its choices turned, its numbers changed, and what no choice is. Beside the cases stand the tests
of Keras' own suite (`keras/src/optimizers/*_test.py`): the golden values, the single step, the decay, the clips, the
average, accumulation, tensors without a gradient, constraints, and the loss scale that moves.
"""


def main() -> int:
    """Measure everything and write ``matrix.json`` and ``README.md`` into a folder."""
    parser = ArgumentParser(prog="python -m parity.diagnosis.publish", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("reports/matrix"), metavar="DIR")
    folder: Path = parser.parse_args().output
    document = measured()
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "matrix.json", msgspec.json.format(msgspec.json.encode(document), indent=1).decode() + "\n")
    _write(folder / "README.md", page(document))
    print(folder / "README.md")
    return 0


def measured() -> dict[str, Any]:
    """Return the records of the matrix and of the kill matrix, with the versions they were measured with."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from parity.case.cells import all_cells
    from parity.case.rule import names
    from parity.circumstances.doctor import circumstances
    from parity.diagnosis import kill, matrix

    cells = all_cells()
    own = {rule: [c for c in cells if c.rule == rule and not isinstance(c.problem, Mlp)] for rule in names()}
    found = matrix.rows(matrix.installed(), lambda name: print(f"{name} …", file=sys.stderr))
    return {
        "schema": 1,
        "circumstances": circumstances(),
        "subjects": matrix.subject_records(found),
        "pairs": matrix.matrix_records(found),
        "kill": kill.telling(kill.kill_records(cell for cell in cells if cell.rule == DEFAULT)),
        "rules": [record for rule in names() for record in kill.keras_records(rule, own[rule])],
    }


def cell_text(record: dict[str, Any]) -> str:
    """Return what a subject is in one mode: a mark, or its switches."""
    switches = spelled(record.get("switches", {}))
    likely = spelled(record.get("rounding", {}))
    said = switches or MARKS.get(record["verdict"], record["verdict"].lower())
    return said + (f" [{likely}]" if likely else "")


def spelled(switches: dict[str, Any]) -> str:
    """Return switches as ``name value, name value``."""
    return ", ".join(f"{name} {value}" for name, value in switches.items())


def by_subject(records: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the records by subject and mode."""
    table: dict[str, dict[str, dict[str, Any]]] = {}
    for record in records:
        table.setdefault(record["subject"], {})[record["mode"]] = record
    return table


def catches(records: list[dict[str, Any]], constructor: str) -> dict[str, dict[str, bool]]:
    """Return, for each mistake behind a constructor, the cases that catch it, and whether each of them promises to."""
    table: dict[str, dict[str, bool]] = {}
    for record in records:
        if record["caught"] and record["constructor"] == constructor:
            found = table.setdefault(record["mistake"], {})
            found[record["case"]] = found.get(record["case"], False) or record["probed"]
    return table


def constructors(records: list[dict[str, Any]]) -> list[str]:
    """Return the names of the constructors that mistakes were made behind, Keras' first."""
    return list(dict.fromkeys(record["constructor"] for record in records))


def behind(records: list[dict[str, Any]], constructor: str) -> dict[str, str]:
    """Return, for each mistake that was made behind a constructor, which cases catch it, and which variants live."""
    own = [record for record in records if record["constructor"] == constructor]
    caught, lives = catches(own, constructor), survivors(own)
    table = {}
    for mistake in dict.fromkeys(record["mistake"] for record in own):
        cases = sorted(caught.get(mistake, {}))
        living = [variant for name, variant, _ in lives if name == mistake]
        table[mistake] = f"{len(cases)}: {', '.join(cases)}" if cases else "none"
        table[mistake] += f"; lives: {', '.join(living)}" if living else ""
    return table


def page(document: dict[str, Any]) -> str:
    """Return the Markdown page."""
    lines = [_INTRODUCTION, f"| subject | {' | '.join(MODES)} |", f"| --- |{' --- |' * len(MODES)}"]
    for subject, modes in by_subject(document["subjects"]).items():
        cells = [cell_text(modes[mode]) if mode in modes else "–" for mode in MODES]
        lines.append(f"| `{subject}` | {' | '.join(cells)} |")
    lines += ["", _KILL, "| mistake | caught by |", "| --- | --- |"]
    keras, *small = constructors(document["kill"])
    caught = catches(document["kill"], keras)
    for mistake, cases in sorted(caught.items()):
        named = ", ".join(f"**{case}**" if promised else case for case, promised in sorted(cases.items()))
        lines.append(f"| {mistake} | {len(cases)}: {named} |")
    lines += ["", _SMALL, f"| mistake | {' | '.join(small)} |", f"| --- |{' --- |' * len(small)}"]
    tables = [behind(document["kill"], name) for name in small]
    for mistake in sorted(caught):
        lines.append(f"| {mistake} | {' | '.join(table.get(mistake, '–') for table in tables)} |")
    lines += _every_rule(document.get("rules", []))
    given = document["circumstances"]
    versions = ", ".join(f"{name} {value}" for name, value in _versions(given))
    lines += ["", f"Measured on {given.get('cpu', 'a processor that was not noted')} with: {versions}."]
    return "\n".join(lines) + "\n"


def _every_rule(records: list[dict[str, Any]]) -> list[str]:
    """Return how many mutants of each rule die in its cases, and how many Keras' own tests of it would notice."""
    if not records:
        return []
    lines = ["", _RULES, "| rule | mutants | caught by cases | noticed by Keras' tests |", "| --- | --- | --- | --- |"]
    for rule in dict.fromkeys(record["rule"] for record in records):
        own = [record for record in records if record["rule"] == rule]
        cases, keras = (sum(record[key] for record in own) for key in ("by_cases", "by_keras"))
        lines.append(f"| {rule} | {len(own)} | {cases} | {keras} |")
    return lines


def _versions(given: dict[str, Any]) -> list[tuple[str, str]]:
    packages = given.get("packages", given.get("versions", {}))
    return [(name, str(value)) for name, value in packages.items() if value]


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


if __name__ == "__main__":
    raise SystemExit(main())
