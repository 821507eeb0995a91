"""``parity judge``: a log of weights, gradients and slots in, the verdict and the cause out; nothing of it is run."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from parity.case.rule import DEFAULT
from parity.circumstances import terminal
from parity.errors import UsageError, printable

EXAMPLES = """\
  parity judge steps.npz                                 what parity.watch wrote, or any program
  parity judge steps.npz --rule rmsprop --set rho=0.95 --set lr=0.01
  parity judge steps.safetensors --set momentum=0.9 --json > answer.json

a log has, for each step K that was written down (the first is 0), the arrays
  step/K/before/parameter/kernel   step/K/gradient/kernel   step/K/after/parameter/kernel
for each tensor, and the slots before and after likewise: step/K/before/second_moment/kernel, ...
or the same names without step/K/, each with a first axis of steps. The whole format is a page:
parity/trajectory/log/README.md
"""


def configure(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("log", metavar="STEPS", help="an NPZ or a safetensors file")
    text = f"the rule whose steps they are; unless given, the one that the log says, else {DEFAULT}"
    parser.add_argument("--rule", metavar="NAME", help=text)
    text = "a hyperparameter, by Keras' name or one that people use; may be given again; else the log's, else Keras'"
    parser.add_argument("--set", action="append", default=[], type=_pair, metavar="NAME=VALUE", help=text)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def main(arguments: Namespace) -> int:
    """Judge, diagnose what diverges, print, and return 0 if it agrees, 1 if not, 3 if no step can be judged."""
    from parity.case.rule import find
    from parity.commands.judged import comparison_of, document, render
    from parity.diagnosis.logged import diagnose_log
    from parity.judge.logged import judge
    from parity.trajectory.log.reading import read_log
    from parity.trajectory.log.settle import settle
    from parity.verdicts.verdict import Verdict

    log = read_log(Path(arguments.log), arguments.rule or "")
    rule = find(log.rule)
    settled = settle(rule, _once(arguments.set), log)
    judged = judge(log, rule, settled.given)
    outcome = comparison_of(judged).outcome
    diagnosis = diagnose_log(judged) if outcome is Verdict.DIVERGED and rule.name == DEFAULT else None
    if arguments.json:
        import msgspec

        from parity.report.numbers import plain

        print(msgspec.json.format(msgspec.json.encode(plain(document(judged, settled, diagnosis))), indent=2).decode())
    else:
        terminal.say(printable(line) for line in render(judged, settled, diagnosis).split("\n"))
    return 1 if outcome.fails else 0 if outcome.compared else 3


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise ArgumentTypeError(f"received {text!r}; allowed: NAME=VALUE, such as rho=0.95")
    return name.strip(), value.strip()


def _once(pairs: list[tuple[str, str]]) -> dict[str, str]:
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"--set {twice}: received {names.count(twice)} times; give each name once.")
    return dict(pairs)
