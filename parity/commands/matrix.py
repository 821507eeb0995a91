"""``parity matrix``: every installed subject against every other, in each mode, as a table or one JSON document."""

import os
import sys
from argparse import ArgumentParser, Namespace
from typing import Any

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
        print("\n\n".join([_against_keras(own), _pairs(pairs)]))
    return 0 if len(found) > 1 else 3


def _against_keras(own: list[dict[str, Any]]) -> str:
    lines = ["Each subject against tf.keras RMSprop (= every bit, ≈ rounding, – not there, ? unexplained)"]
    width = max(len(item["subject"]) for item in own)
    last = ""
    for item in own:
        name = item["subject"] if item["subject"] != last else ""
        last = item["subject"]
        said = _spelled(item["switches"])
        likely = f" (rounding: {_spelled(item['rounding'])})" if item["rounding"] else ""
        mark = "≠" if item["verdict"] == "EXPLAINED" else _SYMBOLS[item["verdict"]]
        lines.append(f"  {name:{width}}  {item['mode']:12}  {mark} {said}{likely}".rstrip())
    return "\n".join(lines)


def _pairs(pairs: list[dict[str, Any]]) -> str:
    lines = ["Every pair"]
    width = max((len(f"{item['a']} | {item['b']}") for item in pairs), default=0)
    last = ""
    for item in pairs:
        name = f"{item['a']} | {item['b']}"
        shown, last = (name if name != last else ""), name
        said = ", ".join(f"{key} {a}|{b}" for key, (a, b) in item["switches"].items())
        lines.append(f"  {shown:{width}}  {item['mode']:12}  {_SYMBOLS.get(item['outcome'], '≠')} {said}".rstrip())
    return "\n".join(lines)


def _spelled(switches: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in switches.items())
