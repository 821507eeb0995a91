"""``parity fuzz``: generated cases in, and for each distinct fault the smallest case that shows it."""

import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from parity import subjects
from parity.case.rule import DEFAULT, find
from parity.circumstances import terminal
from parity.circumstances.files import CACHE
from parity.commands.work import StatusLine, _positive, above_zero, add_jobs_argument, add_subject_argument, named
from parity.errors import NotInstalledError, printable
from parity.fuzz.words import RELATIONS

if TYPE_CHECKING:
    from parity.fuzz.search import Search

EXAMPLES = """\
  parity fuzz                                          tf.keras for five minutes, every relation
  parity fuzz --minutes 20 --jobs 2 --seed 1           the same search again: the seed decides what is generated
  parity fuzz --runs 500 --subject my.py:RMSprop       a class of your own
  parity fuzz --rule adam --minutes 10                 another optimizer of tf.keras
  parity fuzz --relation resume --relation sparse      some of the relations
  parity fuzz --case .parity/fuzz/FINDING.toml --relation split --subject my.py:RMSprop
"""
OUTPUT = CACHE / "fuzz"
DATABASE = CACHE / "hypothesis"
MINUTES = 5.0
SECONDS_BETWEEN_LINES = 10.0


def configure(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    until = parser.add_mutually_exclusive_group()
    until.add_argument(
        "--minutes",
        type=above_zero("minutes", 1e5),
        metavar="M",
        help=f"generate for M minutes; unless given {MINUTES:g}",
    )
    until.add_argument("--runs", type=_positive, metavar="N", help="generate N runs")
    until.add_argument("--case", metavar="FILE", help="generate nothing: ask relations of one case, such as a finding")
    parser.add_argument(
        "--seed", type=_seed, metavar="S", help="makes the search repeatable: no saved example is tried"
    )
    add_subject_argument(parser, "the modes of tf.keras")
    text = f"whose cases are generated; unless given {DEFAULT}"
    parser.add_argument("--rule", default=DEFAULT, metavar="NAME", help=text)
    relations = "; ".join(f"{name}: {sentence}" for name, sentence in RELATIONS.items())
    text = f"may be given again; unless given all. {relations}"
    parser.add_argument("--relation", action="append", choices=list(RELATIONS), metavar="NAME", help=text)
    add_jobs_argument(parser)
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="DIR", help=f"unless given {OUTPUT}")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def main(arguments: Namespace) -> int:
    """Search, print, and return 0 without a finding, 1 with one, 3 if no run compared anything."""
    relations = list(dict.fromkeys(arguments.relation or RELATIONS))
    rule = find(arguments.rule).name
    chosen = _subjects(arguments.subject, arguments.bind)
    if arguments.case is not None:
        return _repeat(arguments, chosen, relations)
    _require_hypothesis()
    from parity.fuzz.search import Search, Wish
    from parity.fuzz.text import document, render

    seconds = None if arguments.runs else 60 * (arguments.minutes or MINUTES)
    seed = int.from_bytes(os.urandom(4)) if arguments.seed is None else arguments.seed
    database = DATABASE if arguments.seed is None else None
    wish = Wish(chosen, relations, seed, arguments.runs, seconds, arguments.jobs, arguments.output, database, rule)
    with StatusLine(SECONDS_BETWEEN_LINES) as line:
        search = Search(wish, lambda search: line.say(_status(search))).run()
    if arguments.json:
        _print_json(document(search))
    else:
        print(render(search, terminal.width()))
    return 1 if search.findings else 0 if search.compared else 3


def _repeat(arguments: Namespace, chosen: list[str], relations: list[str]) -> int:
    """Ask relations of the cells of one case file, each in a worker."""
    from parity.fuzz.repeat import repeat
    from parity.fuzz.text import told

    found = repeat(arguments.case, chosen, relations)
    if arguments.json:
        _print_json({"schema": 1, "outcomes": [item.document() for item in found]})
    else:
        texts = [told(item.outcome, item.relation, item.subject, item.case, item.known) for item in found]
        terminal.say(printable(line) for line in "\n\n".join(texts).split("\n"))
    if any(item.fails for item in found):
        return 1
    return 0 if any(item.outcome.compared for item in found) else 3


def _subjects(asked: list[str] | None, bind: list[str] | None) -> list[str]:
    """Return the subjects to search: those named, else the modes of tf.keras.

    Raises:
        ParityError: a name is no subject, or its library is not installed.
    """
    from parity.fuzz.plan import DEFAULT_SUBJECTS

    chosen = named(asked or DEFAULT_SUBJECTS, bind)
    for name in chosen:
        if not subjects.is_users(name) and not subjects.installed(name):
            needed = subjects.registered()[name].requires[0]
            text = f"{name} needs {needed}: pip install 'optimizer-parity[{needed}]', or name another --subject."
            raise NotInstalledError(text)
    return chosen


def _require_hypothesis() -> None:
    if find_spec("hypothesis") is None:
        raise NotInstalledError("parity fuzz needs Hypothesis: pip install 'optimizer-parity[fuzz]'.")


def _print_json(document: object) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise ArgumentTypeError(f"received {text!r}; allowed: a whole number from 0 on, of at most 19 digits")
    return int(text)


def _status(search: "Search") -> str:
    """Return how far a search has come, in a line."""
    rate = search.runs / search.elapsed if search.phase == "searching" else search.runs / search.seconds
    failing = sum(failure.runs for failure in search.failures.found.values())
    said = f"{search.phase}: {search.runs} runs, {rate:.1f} a second, {failing} failing"
    return f"{said}, not told apart yet" if failing else said
