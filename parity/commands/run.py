"""``parity run``: cells and subjects in, verdicts out, as a table for people or one JSON document for programs."""

import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from parity.case.spec import Cell
from parity.commands.work import add_work_arguments, exit_status, gather, work

if TYPE_CHECKING:
    from parity.verdicts.results import Run

EXAMPLES = """\
  parity run                                            every case, every installed mode of tf.keras
  parity run rmsprop/epsilon --verbose                  one case, each step, slot and tensor
  parity run 'rmsprop/plain[float32]' --subject keras-graph
  parity run 'numerics/*' --subject my_optimizer.py:RMSprop --steps 10
  parity run 'rmsprop/*' --subject mine.py:Mine --bind rho=alpha
  parity run my_case.toml --json > results.json
  parity run big.toml --subject mine.py:Mine --every 50 every 50th step judged, and the last
  parity run big.toml --subject mine.py:Mine --elements 1000000
"""


def configure(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_work_arguments(parser, parts=True)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON document on standard output")
    text = "a row and a text for every comparison, and a line for every step, slot and tensor"
    form.add_argument("--verbose", action="store_true", help=text)


def main(arguments: Namespace) -> int:
    """Run, print, and return 1 for a divergence, 2 for a case that could not be read, 3 if nothing was compared.

    After an interruption what was judged until then is printed, and 130 returned.
    """
    cells, problems = gather(arguments.cases, arguments.steps, arguments.subject, arguments.every, arguments.elements)
    from parity.api import InterruptedRun

    try:
        run = work(cells, arguments)
    except InterruptedRun as interruption:
        run = interruption.run
        if not run.pairs:
            raise
        _print(run, cells, arguments)
        print("parity: interrupted; above is what was judged until then.", file=sys.stderr)
        return 130
    from parity.commands.why import explained

    run = explained(run, cells)
    _print(run, cells, arguments)
    return exit_status(run, problems)


def _print(run: "Run", cells: list[Cell], arguments: Namespace) -> None:
    if arguments.json:
        from parity.report.json_ import render

        print(render(run), end="")
    else:
        from parity.commands.show import show

        show(run, cells, arguments)
