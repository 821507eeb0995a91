"""The ``parity`` command: one word names a command, and only that command's module is imported."""

import sys
import traceback
from argparse import REMAINDER, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import import_module
from typing import Final, NamedTuple

from parity import __version__
from parity.commands.streams import ending, guarded
from parity.errors import ParityError, UsageError, did_you_mean, one_line, printable


class Command(NamedTuple):
    """A module with ``configure(parser)``, ``main(arguments)`` and ``EXAMPLES``, and the command's line in the help."""

    module: str
    summary: str


COMMANDS: Final[dict[str, Command]] = {
    "list": Command("parity.commands.list", "cases, subjects (installed or not) and switches"),
    "run": Command("parity.commands.run", "runs cases against subjects and compares every step with the reference"),
    "explain": Command("parity.explain.command", "attributes the gap between two whole training runs to factors"),
    "program": Command("parity.explain.whole.command", "a whole program beside a Keras model: what parts first, why"),
    "report": Command("parity.commands.report", "runs and writes the report: HTML, Markdown, JSON, JUnit, Parquet"),
    "check": Command("parity.commands.check", "runs and fails where an outcome is not the one in reports/baseline/"),
    "accept": Command("parity.commands.accept", "makes what the last check obtained the baseline"),
    "diagnose": Command("parity.commands.diagnose", "names the choices by which a subject differs from tf.keras"),
    "judge": Command("parity.commands.judge", "judges and diagnoses a log of steps that any program wrote down"),
    "fuzz": Command("parity.commands.fuzz", "searches for a divergence, shrinks it and writes it as a case"),
    "matrix": Command("parity.commands.matrix", "every installed subject against every other, mode by mode"),
    "reproduce": Command("parity.commands.reproduce", "writes one script that shows a divergence without this package"),
    "record": Command("parity.commands.record", "writes down what a library did, to be replayed without it"),
    "export": Command("parity.commands.export", "writes test vectors with bounds, for optimizers in other languages"),
    "doctor": Command("parity.commands.doctor", "what is installed, versions, devices, modes that change numbers"),
}

_EPILOG = """\
examples:
  parity list                                          what there is
  parity run rmsprop/momentum                          one case, all its cells, every installed tf.keras mode
  parity run 'rmsprop/*' --subject my.py:RMSprop       a class of your own against all cases of a folder
  parity explain question --config                     what two training programs differ in
  parity report                                        everything, into reports/latest/
  parity run --help                                    all arguments of a command

exit status: 0 as expected, 1 a divergence, 2 a mistake in the call or in a file, 3 nothing was compared
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status: 0, 1, 2, 3, or 128 and a signal's number.

    Output that cannot be written ends in 2 and a line on standard error that holds the verdict, but for a reader that
    has enough; 1 is a divergence and nothing else.
    """
    with guarded() as (out, _):
        try:
            status = _status(sys.argv[1:] if argv is None else argv)
        except SystemExit as left:  # after a help, or a call that argparse refuses
            status, said = ending(out, left.code if isinstance(left.code, int) else 2)
            if not said:
                raise
        else:
            status, said = ending(out, status)
        if said:
            complain(ParityError(said))
    return status


def _status(argv: Sequence[str]) -> int:
    try:
        return _dispatch(argv)
    except ParityError as error:
        complain(error)
    except KeyboardInterrupt:
        print("parity: interrupted; nothing more was written.", file=sys.stderr)
        return 130
    except (OSError, MemoryError) as error:
        complain(ParityError(f"{one_line(error)}. Nothing was concluded."))
    except Exception:  # whatever was not foreseen is a fault of ours, and no divergence
        traceback.print_exc()
        complain(ParityError("this is a fault of parity itself, and nothing was concluded; the lines above say where."))
    return 2


def complain(error: ParityError) -> None:
    """Print an error's message on standard error; control characters in it are written as escapes."""
    lines = [printable(line) for line in str(error).split("\n")]
    print("parity: error: " + "\n  ".join(lines), file=sys.stderr)


def _dispatch(argv: Sequence[str]) -> int:
    arguments = _parser().parse_args(argv)
    if arguments.command not in COMMANDS:
        names = list(COMMANDS)
        hint = did_you_mean(arguments.command, names)
        raise UsageError(f"no command {arguments.command!r}.{hint} Allowed: {', '.join(names)}; see `parity --help`.")
    command = COMMANDS[arguments.command]
    module = import_module(command.module)
    parser = ArgumentParser(
        prog=f"parity {arguments.command}",
        description=f"{command.summary[0].upper()}{command.summary[1:]}.",
        epilog=f"examples:\n{module.EXAMPLES}",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.configure(parser)
    status: int = module.main(parser.parse_args(arguments.arguments))
    return status


def _parser() -> ArgumentParser:
    width = max(map(len, COMMANDS)) + 2
    table = "\n".join(f"  {name:{width}}{command.summary}" for name, command in COMMANDS.items())
    parser = ArgumentParser(
        prog="parity",
        usage="parity COMMAND [ARGUMENTS]",
        description="Proves whether an optimizer equals that of tf.keras, where they part, and why.\n\n"
        f"commands:\n{table}",
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"parity {__version__}")
    parser.add_argument("command", metavar="COMMAND", help="one of the commands above")
    parser.add_argument("arguments", nargs=REMAINDER, metavar="ARGUMENTS", help="see `parity COMMAND --help`")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
