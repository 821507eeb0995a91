"""``parity run``: cells and subjects in, verdicts out, as a table for people or one JSON document for programs."""

from argparse import ArgumentParser, Namespace

from parity.commands.work import add_work_arguments, exit_status, gather, work

EXAMPLES = """\
  parity run                                            every case, every installed mode of tf.keras
  parity run rmsprop/epsilon --verbose                  one case, each step, slot and tensor
  parity run 'rmsprop/plain[float32]' --subject keras-graph
  parity run 'numerics/*' --subject my_optimizer.py:RMSprop --steps 10
  parity run 'rmsprop/*' --subject mine.py:Mine --bind rho=alpha
  parity run my_case.toml --json > results.json
"""


def configure(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_work_arguments(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON document on standard output")
    text = "a row and a text for every comparison, and a line for every step, slot and tensor"
    form.add_argument("--verbose", action="store_true", help=text)


def main(arguments: Namespace) -> int:
    """Run, print, and return 1 for a divergence, 2 for a case that could not be read, 3 if nothing was compared."""
    cells, problems = gather(arguments.cases, arguments.steps, arguments.subject)
    from parity.commands.why import explained

    run = explained(work(cells, arguments), cells)
    if arguments.json:
        from parity.report.json_ import render

        print(render(run), end="")
    else:
        from parity.commands.show import show

        show(run, cells, arguments)
    return exit_status(run, problems)
