"""``parity doctor``: the facts about this machine and installation that may change numbers."""

from argparse import ArgumentParser, Namespace
from typing import Any

import msgspec

from parity.circumstances.doctor import examine

EXAMPLES = """\
  parity doctor          for people; takes as long as importing TensorFlow
  parity doctor --json   for programs and bug reports: neither names of hosts nor of users
"""

_TITLES = {"numpy": "NumPy", "tensorflow": "TensorFlow"}


def configure(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def main(arguments: Namespace) -> int:
    """Print what was found; whatever it is, the status is 0."""
    found = examine()
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode({"schema": 1, **found}), indent=2).decode())
        return 0
    for title, content in found.items():
        rows = content if isinstance(content, dict) else {"": content}
        width = max(map(len, rows), default=0)
        lines = [f"  {key:{width}}  {_text(value)}" for key, value in rows.items()] or ["  nothing set"]
        print(f"{_TITLES.get(title, title.capitalize())}\n" + "\n".join(lines), end="\n\n")
    return 0


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(inner)}" for key, inner in value.items())
    return "not installed" if value is None else str(value)
