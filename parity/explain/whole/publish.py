"""``make program``: the program of the question beside its Keras model, answered and kept for the report's page."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Final

import msgspec

from parity.explain.whole.answering import program
from parity.explain.whole.page import curves, page

_EXAMPLES: Final = Path("tests/program")
_BIND: Final = {"step": "update(backward(x, y))"}
"""The posted program's update is passed gradients, which no name says."""


def main() -> int:
    """Answer, and write ``answer.json``, ``curves.svg`` and ``index.html`` into a folder."""
    parser = ArgumentParser(prog="python -m parity.explain.whole.publish", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("reports/program"), metavar="DIR")
    folder: Path = parser.parse_args().output
    mine, keras = _EXAMPLES / "posted_program.py", _EXAMPLES / "question_model.py"
    answer = program(str(mine), f"{keras}:build", "mnist", _BIND, curves=True)
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "answer.json": msgspec.json.format(msgspec.json.encode(answer), indent=1).decode() + "\n",
        "curves.svg": curves(answer["curves"]),
        "index.html": page(answer),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    print(folder / "index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
