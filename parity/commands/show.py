"""A run on a terminal: one row a comparison, a text for each that fails, and every step if asked for."""

import shlex
import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from parity.case.cells import pattern_of
from parity.case.spec import Cell
from parity.commands.why import causes
from parity.report.catch import blind, sentence, share, total, weakest
from parity.report.facts import LOOKS, Facts, failure_text, headline, representative
from parity.report.numbers import clean, many, short
from parity.subjects import is_users
from parity.subjects.binding import words
from parity.verdicts.results import Comparison, Pair, Run
from parity.verdicts.verdict import Verdict

_STYLES = {Verdict.IDENTICAL: "green", Verdict.ROUNDING: "green", Verdict.UNDECIDED: "yellow"}
_PARTING = (Verdict.DIVERGED, Verdict.NON_FINITE)
_LOG = ("step", "slot", "tensor", "differing", "max_abs", "max_ulp", "ratio")


def show(run: Run, cells: list[Cell], arguments: Namespace) -> None:
    """Print the steps (if verbose), the table, the failures and the headline on standard output."""
    facts = Facts(run)
    # A pipe has no width of its own; lines there may be as long as their content.
    console = Console(width=None if sys.stdout.isatty() else 200, soft_wrap=not sys.stdout.isatty())
    if arguments.verbose:
        for item in facts.comparisons:
            for line in _steps(item):
                print(line)
    console.print(_table(facts))
    for line in (*_catches(facts), *_bindings(facts)):
        print(f"\n{line}")
    again = {cell.id: pattern_of(cell) for cell in cells}
    for item, count in _told(facts, arguments.verbose):
        text = failure_text(item, facts.dtype(item.case)).rpartition("\n")[0]
        text += f"\n  so in {many(count, 'comparison')} of it; --verbose shows each" * (count > 1)
        print(f"\n{text}\nreproduce: {_command(again.get(item.case, item.case), item.subject, arguments.steps)}")
    for item in facts.comparisons:
        if not item.outcome.fails and not item.outcome.compared and not _is_plain_absence(item):
            print(f"\ncase {clean(item.case)}, subject {clean(item.subject)}: {item.verdict}: {clean(item.reason)}")
    for subject, (first, *more) in causes(facts, cells).items():
        diverges = any(item.outcome in _PARTING for item in facts.comparisons if item.subject == subject)
        word = "diverges" if diverges else "cannot be compared"
        print("\n".join([f"\nwhy {clean(subject)} {word}: {first}", *more]))
    print(f"\n{headline(facts)}")


def _told(facts: Facts, everything: bool) -> Iterator[tuple[Comparison, int]]:
    """Yield the failures that are shown, each with how many it stands for: the plainest of a subject and a verdict."""
    groups: dict[tuple[str, str], list[Pair]] = {}
    for pair in facts.pairs:
        for verdict in {item.verdict for item in pair.comparisons if item.outcome.fails}:
            groups.setdefault((pair.subject, verdict), []).append(pair)
    for (_, verdict), pairs in sorted(groups.items()):
        alike = [
            msgspec.structs.replace(pair, comparisons=[each for each in pair.comparisons if each.verdict == verdict])
            for pair in pairs
        ]
        items = [item for pair in alike for item in pair.comparisons]
        if everything and verdict != Verdict.FAILED.name:
            yield from ((item, 1) for item in items)
            continue
        _, shown = representative(alike)
        assert shown is not None
        yield shown, len(items)


def _catches(facts: Facts) -> Iterator[str]:
    """Yield what the bounds would catch, and where it is little."""
    if found := sentence(total(facts.comparisons)):
        yield found
    if unseen := [weakest(item.catch) for item in blind(facts.comparisons)]:
        slots = ", ".join(sorted({least[0] for least in unseen if least}))
        yield f"weak bounds in {many(len(unseen), 'comparison')}: most steps of a slot could double unseen ({slots})"


def _bindings(facts: Facts) -> Iterator[str]:
    """Yield how each person's own subject was driven and what it was passed."""
    known = {pair.subject: pair.circumstances for pair in facts.pairs if is_users(pair.subject)}
    for subject, circumstances in known.items():
        yield from (f"{clean(subject)}: {clean(line)}" for line in words.lines(circumstances))


def _is_plain_absence(item: Comparison) -> bool:
    return item.outcome in (Verdict.NOT_INSTALLED, Verdict.UNSUPPORTED)


def _command(pattern: str, subject: str, steps: int | None) -> str:
    words = ["parity", "run", shlex.quote(clean(pattern)), "--subject", shlex.quote(clean(subject))]
    return " ".join(words + ([f"--steps {steps}"] if steps else []))


def _table(facts: Facts) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for head in ("case", "subject", "gradients", "comparison", "verdict"):
        table.add_column(head, no_wrap=True)
    for head in ("differing", "/ bound", "2x caught"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("first divergence, or reason", overflow="fold", vertical="bottom")
    for item in facts.comparisons:
        look = LOOKS[item.outcome]
        style = _STYLES.get(item.outcome, "red" if item.outcome.fails else "dim")
        differing = f"{item.differing:,} of {item.compared:,}" if item.compared else ""
        numbers = (differing, _worst(item), _caught(item))
        names = (item.case, item.subject, item.gradients, item.comparison)
        texts = [Text(clean(name)) for name in names]
        table.add_row(*texts, Text(f"{look.symbol} {item.verdict}", style), *numbers, Text(_where(item)))
    return table


def _worst(item: Comparison) -> str:
    return "" if item.worst is None else short(item.worst.ratio)


def _caught(item: Comparison) -> Text:
    catch = item.caught
    shown = share(catch.twofold, catch.telling) if catch.telling else ""
    return Text(shown, "yellow" if weakest(item.catch) else "")


def _where(item: Comparison) -> str:
    place = item.first_divergence
    if place is None:
        return "" if item.outcome.compared and not item.outcome.fails else clean(item.reason)
    stage = f" (stage {place.stage})" if place.stage else ""
    return clean(f"step {place.step}, {place.slot} of {place.tensor} at {place.index}{stage}")


def _steps(item: Comparison) -> Iterator[str]:
    """Yield one line for each step, slot and tensor, ready for grep: the first fields name the comparison."""
    columns: dict[str, Any] = item.table or {}
    if not columns:
        return
    name = clean(f"{item.case} {item.subject} {item.comparison}")
    for step, slot, tensor, differing, max_abs, ulp, ratio in zip(*(columns[key] for key in _LOG), strict=True):
        numbers = f"max_abs={short(float(max_abs))} ulp={short(float(ulp))} ratio={short(float(ratio))}"
        yield f"{name}: step={int(step)} {slot} {clean(tensor)} differing={int(differing)} {numbers}"
