"""``parity matrix``: every installed subject against every other, in each mode, as a table or one JSON document."""

import os
import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from parity.circumstances import terminal
from parity.commands.work import add_subject_argument, named

EXAMPLES = """\
  parity matrix                                   every installed subject against every other
  parity matrix --subject torch --subject tf1     some of them
  parity matrix --json                            for programs
"""
_SYMBOLS = {"IDENTICAL": "=", "ROUNDING": "≈", "UNSUPPORTED": "–", "UNEXPLAINED": "?"}


def configure(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_subject_argument(parser, "all that are installed")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def main(arguments: Namespace) -> int:
    """Observe all subjects, print, and return 3 if there were not two to compare, else 0."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from parity.diagnosis import matrix

    names = named(arguments.subject or matrix.installed(), arguments.bind)
    found = matrix.rows(names, lambda name: print(f"{name} …", file=sys.stderr))
    own, pairs = matrix.subject_records(found), matrix.matrix_records(found)
    if arguments.json:
        import msgspec

        document = {"schema": 1, "subjects": own, "pairs": pairs}
        print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
    else:
        print("\n".join(render(own, pairs, terminal.width())))
    return 0 if len(found) > 1 else 3


def render(own: list[dict[str, Any]], pairs: list[dict[str, Any]], columns: int) -> list[str]:
    """Return the two tables, each subject against tf.keras and every pair, as lines of at most ``columns``."""
    head = "Each subject against tf.keras RMSprop (= every bit, ≈ rounding, – not there, ? unexplained)"
    rows = [(item["subject"], item["mode"], _against_keras(item)) for item in own]
    both = [(f"{item['a']} | {item['b']}", item["mode"], _apart(item)) for item in pairs]
    tables = [
        [*terminal.fitted([title], columns), *_table(each, columns)]
        for title, each in ((head, rows), ("Every pair", both))
    ]
    return [*tables[0], "", *tables[1]]


def _table(rows: list[tuple[str, str, str]], columns: int) -> list[str]:
    """Return rows as lines, a name of several modes once."""
    before = ["", *(name for name, _, _ in rows)]
    shown = [
        ("" if name == last else name, f"{mode:12}", said)
        for last, (name, mode, said) in zip(before, rows, strict=False)
    ]
    return terminal.table(("", "", ""), shown, columns)


def _against_keras(item: dict[str, Any]) -> str:
    likely = f" (rounding: {_spelled(item['rounding'])})" if item["rounding"] else ""
    mark = "≠" if item["verdict"] == "EXPLAINED" else _SYMBOLS[item["verdict"]]
    return f"{mark} {_spelled(item['switches'])}{likely}".rstrip()


def _apart(item: dict[str, Any]) -> str:
    said = ", ".join(f"{key} {a}|{b}" for key, (a, b) in item["switches"].items())
    return f"{_SYMBOLS.get(item['outcome'], '≠')} {said}".rstrip()


def _spelled(switches: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in switches.items())
