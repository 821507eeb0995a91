"""A run on a terminal: what ends alike in a line, one text for what fails, why it fails, and all of it if asked for."""

import shlex
from argparse import Namespace
from collections.abc import Iterable, Iterator
from typing import Any

from parity.case.cells import pattern_of
from parity.case.spec import Cell
from parity.circumstances import terminal
from parity.commands import alike
from parity.commands.why import PARTING
from parity.report.catch import blind, sentence, share, total, weakest
from parity.report.facts import LOOKS, WORST_FIRST, Facts, failure_text, headline, parting_subjects, representative
from parity.report.numbers import clean, many, short
from parity.subjects import is_users
from parity.subjects.binding import words
from parity.verdicts import cause
from parity.verdicts.results import Comparison, Pair, Run
from parity.verdicts.verdict import Verdict

_WHERE = "first divergence, or reason"
FEW = 12
"""Comparisons that have a row each; more are told by what they end in."""
_HEADS = ("case", "subject", "gradients", "comparison", "verdict", "differing", "/ bound", "2x caught", _WHERE)
_NUMBERS = (5, 6, 7)
_MOST_WORDS = 80
_STYLES = {Verdict.IDENTICAL: "green", Verdict.ROUNDING: "green", Verdict.UNDECIDED: "yellow"}
_LOG = ("step", "slot", "tensor", "differing", "max_abs", "max_ulp", "ratio")


def show(run: Run, cells: list[Cell], arguments: Namespace) -> None:
    """Print the steps (if verbose), the verdicts, the failures, why they fail, and the headline on standard output."""
    facts = Facts(run)
    columns = terminal.width()
    everything = bool(arguments.verbose)
    if everything:
        for item in facts.comparisons:
            terminal.say(_steps(item), columns)
    if everything or len(facts.comparisons) <= FEW:
        _print_table(facts, everything, columns)
        _say(_bindings(facts), columns)
        _say(_absent(facts) if not everything else (), columns)
    else:
        for subject in facts.subjects:
            _say(_summary(facts, subject), columns)
    _say(_scopes(facts), columns)
    _say(_catches(facts), columns)
    _say((f"{clean(who)}: {line}" for who, lines in run.unseen.items() for line in lines), columns)
    again = {cell.id: pattern_of(cell) for cell in cells}
    for item, more in _told(facts, {cell.id: cell for cell in cells}, everything):
        text = failure_text(item, facts.dtype(item.case)).rpartition("\n")[0]
        _say([*text.split("\n"), *more], columns)
        terminal.say([f"reproduce: {_command(again.get(item.case, item.case), item.subject, arguments)}"], columns)
    for paragraph in _why(facts):
        _say(paragraph, columns)


def _why(facts: Facts) -> Iterator[list[str]]:
    """Yield why each subject diverges, and the headline; of one that diverges alone, the headline is the cause."""
    causes = facts.run.causes
    alone = len(causes) == 1 and len(parting_subjects(facts)) == 1
    for subject, found in causes.items():
        first, *rest = map(clean, cause.lines(found))
        diverges = any(item.outcome in PARTING for item in facts.comparisons if item.subject == subject)
        head = f"why {clean(subject)} {'diverges' if diverges else 'cannot be compared'}: {first}"
        yield [headline(facts) if alone and found.known else head, *rest]
    if not (alone and all(found.known for found in causes.values())):
        yield [headline(facts)]


def _say(lines: Iterable[str], columns: int) -> None:
    """Print a paragraph after an empty line; on a terminal its lines are broken between words, and hang."""
    paragraph = list(lines)
    if paragraph:
        terminal.say(["", *paragraph], columns)


def _summary(facts: Facts, subject: str) -> Iterator[str]:
    """Yield how a subject was driven, and each verdict with how many comparisons and cases it has."""
    pairs = [pair for pair in facts.pairs if pair.subject == subject]
    items = [item for pair in pairs for item in pair.comparisons]
    yield f"{clean(subject)}: {many(len(items), 'comparison')} in {many(len(pairs), 'case')}"
    if is_users(subject):
        told = next(filter(None, (words.lines(pair.circumstances) for pair in pairs)), [])
        yield from (f"  {clean(line)}" for line in told)
    for verdict in WORST_FIRST:
        ending = [item for item in items if item.outcome is verdict]
        if ending:
            head = f"  {LOOKS[verdict].symbol} {verdict.name:16}{len(ending):>5,}"
            yield f"{head} in {many(len({item.case for item in ending}), 'case')}{alike.reach(ending)}"
            yield from (f"      {line}" for line in _reasons(ending))


def _reasons(items: list[Comparison]) -> list[str]:
    """Return why some comparisons were not made or not judged; what fails has a text of its own."""
    verdict = items[0].outcome
    return alike.reasons(items) if not verdict.compared and not verdict.fails else []


def _absent(facts: Facts) -> Iterator[str]:
    """Yield what has no row because nothing was compared, and why."""
    for subject in facts.subjects:
        for verdict in (Verdict.UNSUPPORTED, Verdict.NOT_INSTALLED, Verdict.UNDECIDED):
            ending = [item for item in facts.comparisons if (item.subject, item.outcome) == (subject, verdict)]
            if ending:
                yield f"{clean(subject)}: {verdict.name} in {many(len({item.case for item in ending}), 'case')}"
                yield from (f"  {line}" for line in alike.reasons(ending))


def _told(facts: Facts, cells: dict[str, Cell], everything: bool) -> Iterator[tuple[Comparison, list[str]]]:
    """Yield the failures that are shown, each with what is to be said of those like it: one a subject unless all."""
    for subject in facts.subjects:
        pairs = [pair for pair in facts.pairs if pair.subject == subject]
        failing = [item for pair in pairs for item in pair.comparisons if item.outcome.fails]
        if everything:
            yield from ((item, []) for item in failing)
        elif failing:
            _, shown = representative(pairs)
            assert shown is not None
            yield shown, _others(shown, failing, pairs, cells)


def _others(shown: Comparison, failing: list[Comparison], pairs: list[Pair], cells: dict[str, Cell]) -> list[str]:
    """Return what the failures of a subject have in common with the one that is shown, and how many they are."""
    if len(failing) == 1:
        return []
    like = [item for item in failing if item.verdict == shown.verdict]
    ran = [cells[pair.case] for pair in pairs if pair.case in cells and pair.verdict.compared]
    common = alike.common(like, cells, ran)
    lines = [
        f"  so in {many(len(like), 'comparison')} of {many(len({item.case for item in like}), 'case')} "
        f"(--verbose shows each){': ' if common else ''}{', '.join(common)}"
    ]
    for verdict in WORST_FIRST:
        ending = [item for item in failing if item.outcome is verdict and verdict.name != shown.verdict]
        if ending:
            first = min(ending, key=lambda item: (item.compared, item.case))
            count = many(len({item.case for item in ending}), "case")
            lines.append(f"  {verdict.name} in {count}, such as {clean(first.case)}: {_clipped(first.reason)}")
    return lines


def _clipped(reason: str) -> str:
    """Return a reason, or its first words: no word of it in part."""
    shown = clean(reason)
    return shown if len(shown) <= _MOST_WORDS else f"{shown[: _MOST_WORDS + 1].rpartition(' ')[0]} …"


def _scopes(facts: Facts) -> Iterator[str]:
    """Yield what was judged, where it was less than all, and how many comparisons so."""
    for scope in dict.fromkeys(item.scope for item in facts.comparisons if item.scope):
        yield f"judged in {many(sum(item.scope == scope for item in facts.comparisons), 'comparison')}: {scope}"


def _catches(facts: Facts) -> Iterator[str]:
    """Yield what the bounds would catch, and where it is little; nothing where every subject fails, and was caught."""
    if {subject for subject, _ in parting_subjects(facts)} == {*facts.subjects}:
        return
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


def _command(pattern: str, subject: str, arguments: Namespace) -> str:
    words = ["parity", "run", shlex.quote(clean(pattern)), "--subject", shlex.quote(clean(subject))]
    options = {"steps": arguments.steps, "every": arguments.every if arguments.every > 1 else None}
    options["elements"] = arguments.elements
    return " ".join(words + [f"--{name} {value}" for name, value in options.items() if value])


def _print_table(facts: Facts, everything: bool, columns: int) -> None:
    """Print a row for each comparison, its verdict in colour where the terminal has colours."""
    shown = [item for item in facts.comparisons if everything or item.outcome.compared or item.outcome.fails]
    if not shown:
        return
    lines = terminal.table(_HEADS, [_row(item) for item in shown], columns, right=_NUMBERS, indent="")
    if not columns:
        print("\n".join(lines))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    for line in lines:
        text = Text(line)
        for verdict, look in LOOKS.items():
            style = _STYLES.get(verdict, "red" if verdict.fails else "dim")
            text.highlight_words([f"{look.symbol} {verdict.name}"], style)
        console.print(text)


def _row(item: Comparison) -> list[str]:
    differing = f"{item.differing:,} of {item.compared:,}" if item.compared else ""
    names = [clean(name) for name in (item.case, item.subject, item.gradients, item.comparison)]
    verdict = f"{LOOKS[item.outcome].symbol} {item.verdict}"
    return [*names, verdict, differing, _worst(item), _caught(item), _where(item)]


def _worst(item: Comparison) -> str:
    return "" if item.worst is None else short(item.worst.ratio)


def _caught(item: Comparison) -> str:
    catch = item.caught
    return share(catch.twofold, catch.telling) if catch.telling else ""


def _where(item: Comparison) -> str:
    place = item.first_divergence
    scope = f"judged: {item.scope}" if item.scope else ""
    if place is None:
        return scope if item.outcome.compared and not item.outcome.fails else clean(item.reason)
    stage = f" (stage {place.stage})" if place.stage else ""
    said = f"step {place.step}, {place.slot} of {place.tensor} at {place.index}{stage}"
    return clean("; ".join(filter(None, (said, scope))))


def _steps(item: Comparison) -> Iterator[str]:
    """Yield one line for each step, slot and tensor, ready for grep: the first fields name the comparison."""
    columns: dict[str, Any] = item.table or {}
    if not columns:
        return
    name = clean(f"{item.case} {item.subject} {item.comparison}")
    for step, slot, tensor, differing, max_abs, ulp, ratio in zip(*(columns[key] for key in _LOG), strict=True):
        numbers = f"max_abs={short(float(max_abs))} ulp={short(float(ulp))} ratio={short(float(ratio))}"
        yield f"{name}: step={int(step)} {slot} {clean(tensor)} differing={int(differing)} {numbers}"
