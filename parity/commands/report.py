"""``parity report``: everything runs, and a folder with the report in every format takes the place of the last one."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from parity.commands.work import add_work_arguments, exit_status, gather, work

EXAMPLES = """\
  parity report                                            all cases, into reports/latest/
  parity report 'rmsprop/*' --subject keras-eager --output out
  parity report --subject my_optimizer.py:RMSprop --subject keras-eager
  parity report big.toml --subject mine.py:Mine --every 50 --elements 1000000
"""


def configure(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_work_arguments(parser, parts=True)
    folder = Path("reports/latest")
    parser.add_argument("--output", type=Path, default=folder, metavar="DIR", help=f"where to; unless given {folder}")


def main(arguments: Namespace) -> int:
    """Run, write, print the path of the page, and return what ``parity run`` would."""
    cells, problems = gather(arguments.cases, arguments.steps, arguments.subject, arguments.every, arguments.elements)
    from parity import report
    from parity.commands.why import explained
    from parity.report.facts import Facts, headline

    run = explained(work(cells, arguments), cells)
    print(headline(Facts(run)))  # first, so that it is not lost with a folder that cannot be written
    print(report.write(run, arguments.output))
    return exit_status(run, problems)
