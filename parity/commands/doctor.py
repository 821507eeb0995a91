"""``parity doctor``: the facts about this machine and installation that may change numbers."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Any

import msgspec

from parity.circumstances import terminal
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
    print("\n".join(render(found, terminal.width())))
    return 0


def render(found: dict[str, Any], columns: int) -> Iterator[str]:
    """Yield what was found as lines of at most ``columns``, a paragraph for each subject."""
    for title, content in found.items():
        rows = content if isinstance(content, dict) else {"": content}
        yield _TITLES.get(title, title.capitalize())
        yield from terminal.table(("", ""), [(key, _text(value)) for key, value in rows.items()], columns)
        yield from [] if rows else ["  nothing set"]
        yield ""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(inner)}" for key, inner in value.items())
    return "not installed" if value is None else str(value)
