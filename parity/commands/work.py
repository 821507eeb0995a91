"""What ``run``, ``report`` and ``check`` share: arguments, the choice of cells and subjects, progress, exit status."""

import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

import msgspec

from parity import subjects
from parity.case.cells import collect
from parity.case.rule import DEFAULT
from parity.case.spec import Cell
from parity.circumstances import launch
from parity.circumstances.terminal import fitted
from parity.commands.cli import complain
from parity.errors import DataError, ParityError, UsageError, printable
from parity.subjects.naming import FORM, bound_by_hand, with_bound

if TYPE_CHECKING:
    from argparse import _MutuallyExclusiveGroup

    from parity.runner.pool import Task
    from parity.verdicts.results import Pair, Run

SECONDS_BETWEEN_LINES = 30.0
_BAR = 64
"""Columns of the bar and the numbers beside it, the largest that are likely."""
LARGE_RUN, LARGE_STEP = 300_000_000, 5_000_000
"""Steps times elements, or elements alone, from which on a run is told in advance what it takes."""
DEFAULT_SUBJECTS = ("keras-eager", "keras-graph", "keras-xla", "keras-fit")


def add_work_arguments(parser: ArgumentParser, steps: bool = True, cluster: bool = True, parts: bool = False) -> None:
    """Declare the arguments of a command that runs cases against subjects.

    Args:
        parser: where to.
        steps: whether cases may be shortened.
        cluster: whether other machines may do the work.
        parts: whether a part of the steps and of the elements may be judged.
    """
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help="a case id, a glob with '*', or a .toml file; else all"
    )
    add_subject_argument(parser, ", ".join(DEFAULT_SUBJECTS))
    if steps:
        parser.add_argument("--steps", type=_positive, metavar="N", help="stop each case after N steps")
    if parts:
        text = "judge every K-th step, from the first on, and the last; all of them are made"
        parser.add_argument("--every", type=_positive, default=1, metavar="K", help=text)
        text = "judge a drawn sample of N elements, at least one a tensor, where the rule treats each by itself"
        parser.add_argument("--elements", type=_positive, metavar="N", help=text)
    where = parser.add_mutually_exclusive_group()
    add_jobs_argument(where)
    if cluster:
        text = "a Dask scheduler, tcp://HOST:PORT, whose workers do the work; connect only to a cluster that you trust"
        where.add_argument("--scheduler", metavar="ADDRESS", help=text)
    limit = "seconds that one pair of case and subject may take; unless given 600"
    parser.add_argument("--time-limit", type=above_zero("seconds"), default=600.0, metavar="S", help=limit)


def add_subject_argument(parser: ArgumentParser, otherwise: str) -> None:
    """Declare which subjects, and what is bound in those that are a person's own; ``otherwise`` is unless given."""
    text = f"a registered name, FILE.py:CLASS or MODULE:CLASS; may be given again; unless given {otherwise}"
    parser.add_argument("--subject", action="append", metavar="NAME", help=text)
    add_bind_argument(parser)


def add_bind_argument(parser: ArgumentParser) -> None:
    """Declare what is bound by hand."""
    text = f"which argument of your own class is which of Keras': {FORM}; may be given again"
    parser.add_argument("--bind", action="append", metavar="KERAS=ITS", help=text)


def spelled(names: Sequence[str], bind: list[str] | None) -> list[str]:
    """Return names of subjects, each once, a person's own with what ``--bind`` settles.

    Raises:
        UsageError: that means nothing, or none of the subjects is a person's own.
    """
    chosen = bound_by_hand(bind or [])
    if chosen and not any(map(subjects.is_users, names)):
        raise UsageError("--bind is for a class of your own: name it as FILE.py:CLASS or MODULE:CLASS.")
    return list(dict.fromkeys(with_bound(name, chosen) if subjects.is_users(name) else name for name in names))


def named(names: Sequence[str], bind: list[str] | None) -> list[str]:
    """Return names of subjects as ``spelled`` does, each checked.

    Raises:
        ParityError: one of them is no subject.
    """
    found = spelled(names, bind)
    for name in found:
        subjects.check_name(name)
    return found


def add_jobs_argument(parser: "ArgumentParser | _MutuallyExclusiveGroup") -> None:
    """Declare how many processes work at the same time."""
    jobs = min(4, launch.cores())
    parser.add_argument("--jobs", type=_positive, default=jobs, metavar="N", help=f"processes; unless given {jobs}")


def gather(
    patterns: list[str],
    steps: int | None,
    names: Sequence[str] | None = None,
    every: int = 1,
    elements: int | None = None,
) -> tuple[list[Cell], list[ParityError]]:
    """Return the cells that are asked for and the errors of those that cannot be read, which were printed.

    Where nobody asks for any, and all subjects, by their ``names``, are a person's own, they are those of one rule:
    whoever wrote an RMSprop did not write an Adam beside it.

    Args:
        patterns: what selects them.
        steps: how many each has at most.
        names: the subjects that they are for.
        every: every which of them is judged.
        elements: how many elements of a step are judged.

    Raises:
        ParityError: nothing is left to run.
    """
    cells, problems = collect(patterns)
    if not patterns and names and all(map(subjects.is_users, names)):
        cells = [cell for cell in cells if cell.rule == DEFAULT]
    if steps is not None:
        cells = [_shortened(cell, steps) for cell in cells]
    cells = [msgspec.structs.replace(cell, every=every, drawn=elements or 0) for cell in cells]
    cells, unreadable = with_data(cells)
    problems += unreadable
    if problems and not cells:
        for problem in problems[:-1]:
            complain(problem)
        raise problems[-1]
    for problem in problems:
        complain(problem)
    return cells, problems


def with_data(cells: list[Cell]) -> tuple[list[Cell], list[ParityError]]:
    """Return the cells whose data files can be used, and each error of the others once, so that those still run."""
    from parity.problem.problems import make

    usable: list[Cell] = []
    errors: dict[str, ParityError] = {}
    for cell in cells:
        try:
            if cell.reads_data:
                make(cell)
            usable.append(cell)
        except DataError as error:
            errors.setdefault(str(error), error)
    return usable, list(errors.values())


def _shortened(cell: Cell, steps: int) -> Cell:
    return msgspec.structs.replace(cell, steps=steps, shortened=True) if steps < cell.steps else cell


def work(cells: list[Cell], arguments: Namespace) -> "Run":
    """Run the cells against the subjects; a bar on standard error shows how far it is, if that is a terminal."""
    return work_on(cells, named(arguments.subject or installed_defaults(), arguments.bind), arguments)


def work_on(
    cells: list[Cell],
    names: list[str],
    arguments: Namespace,
    only: Callable[[Cell, str], bool] = lambda cell, name: True,
) -> "Run":
    """Run cells against subjects that were checked, or those pairs of them that are wanted, as ``work`` does."""
    _foretell(cells, len(names))
    from parity.api import run_all

    with _Bar() as bar:
        return run_all(cells, names, arguments.jobs, bar.callback, arguments.time_limit, arguments.scheduler, only)


def _foretell(cells: list[Cell], subjects_: int) -> None:
    """Say on standard error what large cells will take, before anything runs.

    Raises:
        ParityError: one needs more memory than there is.
    """
    large = [cell for cell in cells if cell.elements * cell.steps >= LARGE_RUN or cell.elements >= LARGE_STEP]
    if not large:
        return
    from parity.circumstances import room
    from parity.runner.estimate import estimate, require

    free = room.available()
    for cell in large:
        found = estimate(cell)
        if found is None:
            continue
        said = f"needs about {room.size(found.nbytes)} of memory"
        if free is not None:
            said += f"; this machine has {room.size(free)} to spare"
            require(cell, found.nbytes, free, said)
        each = " with each subject" if subjects_ > 1 else ""
        took = f"{span(found.seconds)}{each} beside what the subject itself takes, and {said} (estimated)"
        print(printable(f"parity: {cell.id}: {_extent(cell)}: {took}"), file=sys.stderr)
        if not found.compiled and found.seconds >= 60:
            print(
                "parity: with Numba it takes a third: pip install 'optimizer-parity[fast]'", file=sys.stderr, flush=True
            )


def _extent(cell: Cell) -> str:
    """Return how large a cell is, and what of it is judged, in words."""
    from parity.verdicts.results import ordinal

    judged = [f"every {ordinal(cell.every)} step judged"] if cell.every > 1 else []
    judged += [f"{cell.drawn:,} elements drawn"] if cell.drawn else []
    return ", ".join([f"{cell.elements:,} elements, {cell.steps:,} steps", *judged])


@contextmanager
def progress(total: int) -> "Iterator[tuple[Callable[[Task], None], Callable[[Task, Pair], None]]]":
    """Show how far tasks are that are no runs: yields what to call when one starts and when one is done."""
    from parity.api import Progress

    done = 0
    with _Bar() as bar:

        def started(task: "Task") -> None:
            if bar.callback:
                bar.callback(Progress(done, total, task.cell.id, task.subject))

        def finished(task: "Task", pair: "Pair") -> None:
            nonlocal done
            done += 1
            started(task)

        yield started, finished


def exit_status(run: "Run", problems: list[ParityError]) -> int:
    """Return 2 if a case could not be read, 1 if a verdict fails, 3 if nothing was compared, else 0."""
    outcomes = [item.outcome for pair in run.pairs for item in pair.comparisons]
    if problems:
        return 2
    if any(outcome.fails for outcome in outcomes):
        return 1
    return 0 if any(outcome.compared for outcome in outcomes) else 3


def installed_defaults() -> list[str]:
    """Return the subjects that run unless others are named."""
    # Without TensorFlow all four are asked for, so that the table says why nothing was compared.
    return [name for name in DEFAULT_SUBJECTS if subjects.installed(name)] or list(DEFAULT_SUBJECTS)


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:10]) <= 100_000_000:
        raise ArgumentTypeError(f"received {text!r}; allowed: a whole number from 1 to 100000000")
    return int(text)


def above_zero(unit: str, most: float = 1e9) -> Callable[[str], float]:
    """Return what reads a number of a unit above zero from the command line; ``most`` is what is taken at most."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = 0.0
        if not 0 < number <= most:
            raise ArgumentTypeError(f"received {text!r}; allowed: a number of {unit} above 0")
        return number

    return read


class StatusLine:
    """One line on standard error that is written anew; where that is no terminal, a line now and then.

    Args:
        seconds: how long no other line is printed where it is no terminal.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> "StatusLine":
        self._terminal, self._said = sys.stderr.isatty(), time.monotonic()
        return self

    def say(self, text: str) -> None:
        """Show a line, unless one was shown just now."""
        now = time.monotonic()
        if now - self._said < (0.2 if self._terminal else self._seconds):
            return
        self._said = now
        shown = printable(f"parity: {text}")
        if self._terminal:  # a second line would not be written over
            shown = next(fitted([shown], max(8, get_terminal_size().columns - 1)), "")
        end = "" if self._terminal else "\n"
        print(f"\r{shown}\033[K" if self._terminal else shown, end=end, file=sys.stderr, flush=True)

    def __exit__(self, *error: object) -> None:
        if self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


class _Bar:
    """A progress bar on standard error; where that is no terminal, a line now and then, and rich is not imported."""

    callback: Callable[[Any], None] | None = None
    _progress: Any = None
    _said = 0.0

    def __enter__(self) -> "_Bar":
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
            self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
            self._progress.start()
            self._task = self._progress.add_task("", total=None)
            self.callback = self._advance
        else:
            self._said = time.monotonic()
            self.callback = self._say
        return self

    def _say(self, news: Any) -> None:
        now = time.monotonic()
        if now - self._said >= SECONDS_BETWEEN_LINES:
            self._said = now
            said = f"parity: {news.done} of {news.total} pairs done, now {_now(news)[0]}"
            print(printable(said), file=sys.stderr, flush=True)

    def __exit__(self, *error: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def _advance(self, news: Any) -> None:
        from rich.markup import escape

        assert self._progress is not None
        # What the bar leaves no room for is not shown in part.
        room = self._progress.console.width - _BAR
        text = escape(next((each for each in _now(news) if len(each) <= room), ""))
        self._progress.update(self._task, completed=news.done, total=news.total, description=text)


def _now(news: Any) -> list[str]:
    """Return what a run is at, and shorter: of what takes long the step and how long the others will take, the pair."""
    pair = [printable(f"{news.case} · {news.subject}"), printable(news.case)]
    if not news.step:
        return pair
    left = "" if news.left is None else f", {span(news.left)} left"
    step = f"step {news.step:,} of {news.steps:,}"
    return [f"{pair[0]} · {step}{left}", f"{step}{left}", step, *pair]


def span(seconds: float) -> str:
    """Return a time as people say it, in two digits: what is estimated has no more."""
    for unit, size in (("h", 3_600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            count = seconds / size
            return f"about {count:.0f} {unit}" if count >= 10 else f"about {count:.2g} {unit}"
    return f"about {max(1, round(seconds))} s"
