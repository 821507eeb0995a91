"""``parity program``: somebody's whole program beside his Keras model, for people or as one JSON document."""

import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from parity.errors import UsageError, printable

EXAMPLES = """\
  parity program mine.py --keras model.py:build                      recognised by its names
  parity program mine.py:net --keras model.py:build --data mnist     what holds the weights has a name
  parity program mine.py --keras model.py:build --bind weights=W1.T,b1,W2.T,b2 --bind 'predict=forward(x)[-1]'
  parity program mine.py --keras model.py:build --bind mine.toml --json
  parity program mine.py --keras model.py:build --page answer.html   with curves, of some seconds' training

--bind says what no name says: weights, paths in the model's order (.T where they are held the other way round); make,
an expression that makes what holds them; predict, loss, grads and step, expressions over the file's names, x, y and
rate, whose value is the model's output, a number, and a gradient for each weight; metric, a number; epoch, which trains
on all of x and y. A file that trains in a loop at its top is asked by --bind 'step=loop(X=x, y=y)': the loop's body
runs once with these names set, and 'loss=loop(X=x, y=y).loss' is what it leaves behind.
Statements go before the last expression, with semicolons: --bind 'grads=net.forward(x); net.backward(y)'.
"""


def configure(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("program", metavar="MINE.py[:NAME]", help="a program, and in it what holds its weights")
    parser.add_argument(
        "--keras", required=True, metavar="MODEL.py:build", help="a function that returns a compiled model"
    )
    text = "an NPZ with x and y, FILE.py:function, or mnist; else the function data of MODEL.py, else numbers that fit"
    parser.add_argument("--data", default="", metavar="DATA", help=text)
    text = "KEY=TEXT, or a TOML file of such keys; may be given again"
    parser.add_argument("--bind", action="append", default=[], metavar="KEY=TEXT", help=text)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    text = "a page of the answer, with the curves of both sides and of the program with its lines changed"
    parser.add_argument("--page", default="", metavar="FILE.html", help=text)
    text = "seconds that all of it may take; unless given 300"
    parser.add_argument("--time-limit", type=_seconds, default=300.0, metavar="S", help=text)


def main(arguments: Namespace) -> int:
    """Compare, print, and return 0 if they agree, 1 if they part or are no numbers, 3 if nothing was compared."""
    from parity.explain.whole.answering import ask, bound_by_hand

    bind = bound_by_hand(_bound(arguments.bind))
    if arguments.page:
        _require_place(Path(arguments.page))
    document = ask(
        arguments.program,
        arguments.keras,
        arguments.data,
        bind,
        arguments.time_limit,
        bool(arguments.page),
        meanwhile=lambda: import_module("parity.explain.whole.text"),
    )
    if arguments.page:
        _write(arguments.page, document)
    if arguments.json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
    else:
        from parity.explain.whole.text import render

        print("\n".join(printable(line) for line in render(document).split("\n")))
    return {"DIVERGED": 1, "NOT_COMPARABLE": 1, "ROUNDING": 0}.get(str(document["verdict"]), 3)


def _require_place(path: Path) -> None:
    """Refuse a page that cannot be written before anything is worked out."""
    why = ""
    if path.is_dir():
        why = "it is a folder"
    elif not path.parent.is_dir():
        why = f"there is no folder {path.parent}"
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        why = "its place does not let itself be written to"
    if why:
        raise UsageError(f"--page {path}: {why}. Allowed: a file in a folder that is there, such as answer.html.")


def _write(name: str, document: Mapping[str, Any]) -> None:
    from parity.circumstances.files import write_file
    from parity.explain.whole.page import page

    write_file(Path(name), page(document).encode())


def _bound(texts: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        pairs = _of_file(text) if text.endswith(".toml") and "=" not in text else [_pair(text)]
        for key, value in pairs:
            if found.setdefault(key, value) != value:
                raise UsageError(f"--bind {key}: received {found[key]!r} and {value!r}; give each key once.")
    return found


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        from parity.explain.whole.answering import FORM

        raise UsageError(f"--bind {text!r}: no '=' in it. Allowed: {FORM}, or a TOML file of such keys.")
    return key.strip(), value.strip()


def _of_file(name: str) -> list[tuple[str, str]]:
    import tomllib

    try:
        table = tomllib.loads(Path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"--bind {name}: cannot be read: {error}.") from error
    return [(key, ",".join(value) if isinstance(value, list) else value) for key, value in table.items()]


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e9:
        raise ArgumentTypeError(f"received {text!r}; allowed: a number of seconds above 0")
    return number
