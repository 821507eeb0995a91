"""``parity reproduce``: a case and a subject in, one script out that shows the divergence without us."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from parity.commands.cli import complain
from parity.commands.work import StatusLine, above_zero, add_bind_argument, gather, named
from parity.errors import ParityError, printable

EXAMPLES = """\
  parity reproduce rmsprop/epsilon --subject mine.py:RMSprop          the shortest script, on standard output
  parity reproduce 'rmsprop/*' --subject mine.py:RMSprop              the plainest divergence among all of them
  parity reproduce found/loss_scale_float16 --subject keras-xla --output issue.py
  python issue.py; echo $?                                            1 while it shows, 0 once it is gone
"""
SECONDS_BETWEEN_LINES = 5.0


def configure(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("cases", nargs="+", metavar="CASE", help="a case id, a glob with '*', or a .toml file")
    text = "a registered name, FILE.py:CLASS or MODULE:CLASS"
    parser.add_argument("--subject", required=True, metavar="NAME", help=text)
    add_bind_argument(parser)
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to write; unless given standard output")
    limit = "seconds in which the subject must answer, a third of them for shortening; unless given 120"
    parser.add_argument("--time-limit", type=above_zero("seconds"), default=120.0, metavar="S", help=limit)


def main(arguments: Namespace) -> int:
    """Write a script that was run by itself; return 0, or 1 if none shows the divergence.

    Without a divergence, or where a case cannot be read, it is 2, and 3 if nothing was compared.
    """
    cells, problems = gather(arguments.cases, None, [arguments.subject])
    (subject,) = named([arguments.subject], arguments.bind)
    from parity.export.script.child import reproduce_apart

    with StatusLine(SECONDS_BETWEEN_LINES) as line:
        outcome = reproduce_apart(subject, cells, arguments.time_limit, line.say)
    if outcome.reason:
        complain(ParityError(outcome.reason))
        return outcome.status
    if arguments.output is None:
        print(outcome.script, end="")
    else:
        from parity.circumstances.files import write_file

        write_file(arguments.output, outcome.script.encode())
    for note in outcome.notes:
        print(printable(f"parity: {note}"), file=sys.stderr)
    return 2 if problems else outcome.status
