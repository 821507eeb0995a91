"""``parity diagnose``: a subject in, the named cause out, for people or as one JSON document."""

from argparse import ArgumentParser, Namespace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from parity.case.rule import DEFAULT, find
from parity.circumstances import terminal
from parity.commands.work import above_zero, add_bind_argument, named
from parity.errors import printable

if TYPE_CHECKING:
    from parity.verdicts.results import Comparison

_PLAIN = ["rmsprop/defaults", "rmsprop/plain[float32]"]
_MOST = 4
EXAMPLES = """\
  parity diagnose my_optimizer.py:RMSprop          which rule it is, and why it is not tf.keras'
  parity diagnose mine.py:Mine --bind rho=alpha    its alpha is what Keras calls rho
  parity diagnose mine.py:Mine --rule adam         held against tf.keras' Adam
  parity diagnose torch                            how torch departs
  parity diagnose package.module:Class --json      for programs
"""


def configure(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("subject", metavar="SUBJECT", help="a registered name, FILE.py:CLASS or MODULE:CLASS")
    add_bind_argument(parser)
    rule = "the rule that it is held against, such as adam; unless given, it is found out which it is"
    parser.add_argument("--rule", default="", metavar="RULE", help=rule)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    limit = "seconds that the subject may take; unless given 120"
    parser.add_argument("--time-limit", type=above_zero("seconds"), default=120.0, metavar="S", help=limit)


def _import_what_prints() -> None:
    import_module("parity.diagnosis.text")


def _parts(name: str, document: dict[str, Any], time_limit: float) -> "Comparison | None":
    """Return where a subject parts that no choice explains, as a run shows it: in what refutes an answer, if any."""
    from parity.api import run_all
    from parity.case.cells import select
    from parity.diagnosis.arguments import OTHERWISE
    from parity.report.facts import representative

    refuting = [case for case, outcome in document["cases"].items() if outcome == OTHERWISE]
    rule = document.get("rule", DEFAULT)
    plain = _PLAIN if rule == DEFAULT else [f"{rule}/plain*"]
    cells = [cell for cell in select(refuting[:_MOST] or plain) if refuting or cell.dtype == "float32"]
    pairs = [pair for pair in run_all(cells, [name], time_limit=time_limit).pairs if pair.comparisons]
    _, shown = representative(pairs) if pairs else (None, None)
    return shown if shown is not None and shown.outcome.fails else None


def main(arguments: Namespace) -> int:
    """Diagnose in a process of its own, print, and return 0 if it agrees, 1 if not, 3 if nothing was compared."""
    (name,) = named([arguments.subject], arguments.bind)
    if arguments.rule:
        find(arguments.rule)
    from parity.diagnosis.child import diagnose_apart

    document = diagnose_apart(name, arguments.time_limit, meanwhile=_import_what_prints, rule=arguments.rule)
    from parity.diagnosis.findings import Finding

    parts = _parts(name, document, arguments.time_limit) if document["verdict"] == Finding.UNEXPLAINED.name else None
    if arguments.json:
        import msgspec

        document["parts"] = None if parts is None else parts.document()
        print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
    else:
        from parity.diagnosis.text import render

        text = render(document)
        if parts is not None:
            from parity.report.facts import command, evidence

            text += f"\n\n{evidence(parts, 'float32')}\nreproduce: {command(parts.selector, name)}"
        terminal.say(printable(line) for line in text.split("\n"))
    return Finding[document["verdict"]].status
