"""``parity diagnose``: a subject in, the named cause out, for people or as one JSON document."""

from argparse import ArgumentParser, Namespace
from importlib import import_module

from parity.case.error import printable
from parity.circumstances import terminal
from parity.commands.work import above_zero, add_bind_argument, named

EXAMPLES = """\
  parity diagnose my_optimizer.py:RMSprop          why it is not tf.keras' RMSprop
  parity diagnose mine.py:Mine --bind rho=alpha    its alpha is what Keras calls rho
  parity diagnose torch                            how torch departs
  parity diagnose package.module:Class --json      for programs
"""


def configure(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("subject", metavar="SUBJECT", help="a registered name, FILE.py:CLASS or MODULE:CLASS")
    add_bind_argument(parser)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    limit = "seconds that the subject may take; unless given 120"
    parser.add_argument("--time-limit", type=above_zero("seconds"), default=120.0, metavar="S", help=limit)


def _import_what_prints() -> None:
    import_module("parity.diagnosis.text")


def main(arguments: Namespace) -> int:
    """Diagnose in a process of its own, print, and return 0 if it agrees, 1 if not, 3 if nothing was compared."""
    (name,) = named([arguments.subject], arguments.bind)
    from parity.diagnosis.child import diagnose_apart

    document = diagnose_apart(name, arguments.time_limit, meanwhile=_import_what_prints)
    from parity.diagnosis.findings import Finding

    if arguments.json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
    else:
        from parity.diagnosis.text import render

        terminal.say(printable(line) for line in render(document).split("\n"))
    return Finding[document["verdict"]].status
