"""``make matrix``, too: what each installed library computes for each rule beside RMSprop, a page a rule."""

import os
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from parity import subjects
from parity.case.cells import select
from parity.case.rule import DEFAULT, names
from parity.case.spec import Cell
from parity.circumstances.files import write_file
from parity.runner.loop import run_pair
from parity.verdicts.verdict import Verdict

_PACKAGES = ("tensorflow", "keras", "tf_keras", "torch", "optax")
_MARKS = {
    Verdict.IDENTICAL: "=",
    Verdict.ROUNDING: "≈",
    Verdict.UNSUPPORTED: "–",
    Verdict.UNDECIDED: "?",
    Verdict.DIVERGED: "≠",
    Verdict.NON_FINITE: "∞",
    Verdict.FAILED: "✕",
}
_HEAD = """\
# What {rule} means in each library

Made by `make matrix`, with {versions}: every float32 case of the rule in lockstep
against [the page](../../parity/reference/{rule}.py), which is tf.keras'. `=` every bit is equal, `≈` inside the derived
bound, `≠` outside it, `∞` not finite, each with the stage of the update that parts first, `–` the library has no such
optimizer or argument, or is not driven with what stands around the update there, `✕` it raises.
"""


class Found(NamedTuple):
    """What a case came to on a subject: the verdict, the stage that parts first, what was run, or why nothing was."""

    case: str
    subject: str
    verdict: Verdict
    stage: str
    told: str

    @property
    def mark(self) -> str:
        """The verdict as it stands in the table."""
        return f"{_MARKS.get(self.verdict, self.verdict.name)} {self.stage.replace('_', ' ')}".strip()


def records(rule: str, chosen: Iterable[str]) -> list[Found]:
    """Return what every float32 case of a rule comes to on each subject, in lockstep.

    Raises:
        SpecError: there is no such rule.
    """
    cells = [cell for cell in select([f"{rule}/*"]) if cell.dtype == "float32"]
    return [_of(cell, name) for name in chosen for cell in cells]


def _of(cell: Cell, name: str) -> Found:
    pair = run_pair(cell, name)
    item = next(item for item in pair.comparisons if item.comparison == "lockstep")
    place = item.first_divergence
    told = pair.resolved if item.outcome.compared else item.reason
    return Found(cell.id, name, item.outcome, place.stage if place else "", told)


def page(rule: str, found: list[Found]) -> str:
    """Return the page of a rule: a row a case, a column a subject, and below what each of them was run as."""
    chosen = list(dict.fromkeys(each.subject for each in found))
    marks = {(each.case, each.subject): each.mark for each in found}
    lines = [_HEAD.format(rule=rule, versions=", ".join(_versions()))]
    lines.append(f"| case | {' | '.join(f'`{name}`' for name in chosen)} |")
    lines.append("| --- |" + " --- |" * len(chosen))
    for case in dict.fromkeys(each.case for each in found):
        lines.append(f"| {case.partition('/')[2]} | {' | '.join(marks[case, name] for name in chosen)} |")
    lines.append("")
    for name in chosen:
        lines.append(f"- `{name}`: {_told([each for each in found if each.subject == name])}.")
    return "\n".join(lines) + "\n"


def _told(own: list[Found]) -> str:
    """Return all that a subject was run as, or why it was not: the reason of most cases."""
    compared = [each for each in own if each.verdict.compared and each.told != each.subject]
    ran = dict.fromkeys(each.told.partition("(")[0] for each in compared)
    ((reason, _),) = Counter(each.told for each in own).most_common(1)
    return ", ".join(ran) if ran else reason.rstrip(". ")


def installed() -> list[str]:
    """Return the subjects of libraries that can be found, and tf.keras itself in the mode that the pages follow."""
    found = [name for name, entry in subjects.registered().items() if entry.requires and subjects.installed(name)]
    return [name for name in found if name == "keras-eager" or not name.startswith("keras-")]


def _versions() -> list[str]:
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found


def main() -> int:
    """Measure every rule beside RMSprop, and write its page into a folder."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    parser = ArgumentParser(prog="python -m parity.diagnosis.libraries", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("reports/matrix"), metavar="DIR")
    parser.add_argument("rules", nargs="*", metavar="RULE", help="unless given every rule beside RMSprop")
    given = parser.parse_args()
    for rule in given.rules or [name for name in names() if name != DEFAULT]:
        print(rule, file=sys.stderr)
        write_file(given.output / f"{rule}.md", page(rule, records(rule, installed())).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
