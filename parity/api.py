"""The Python API: run one case for a notebook, or many cells against many subjects for a report."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from parity import subjects
from parity.case import known
from parity.case.cells import pattern_of, select
from parity.case.rule import DEFAULT, find
from parity.case.spec import Cell
from parity.errors import UnsupportedError, UsageError, shown
from parity.subjects.naming import given, with_bound
from parity.trajectory.golden.place import folder_of, is_golden
from parity.verdicts.notebook import Picture, html
from parity.verdicts.results import Comparison, Pair, Run
from parity.verdicts.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

    from parity.runner.course import Place
    from parity.runner.pool import Standing

TIME_LIMIT = 600.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come: pairs done, pairs in all, and the pair that just started, goes on or finished.

    Of one that goes on, ``step`` of ``steps`` are made, and the others will be in ``left`` seconds.
    """

    done: int
    total: int
    case: str
    subject: str
    pair: Pair | None = None
    step: int = 0
    steps: int = 0
    left: float | None = None


class InterruptedRun(KeyboardInterrupt):
    """An interruption of ``run_all``; ``run`` is what was judged until then, some of it in part."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run


@dataclass(frozen=True, slots=True)
class Results:
    """What ``parity.run`` returns: the pairs, their comparisons, and the table of every step for pandas."""

    pairs: list[Pair]
    unseen: tuple[str, ...] = ()
    """What the agreement of a person's own subject says nothing about, and what would show it."""

    @property
    def comparisons(self) -> list[Comparison]:
        """All comparisons, in the order of cases and modes."""
        return [item for pair in self.pairs for item in pair.comparisons]

    @property
    def verdict(self) -> Verdict:
        """The most severe verdict."""
        return max((pair.verdict for pair in self.pairs), key=lambda verdict: verdict.severity)

    def __len__(self) -> int:
        return len(self.comparisons)

    def __iter__(self) -> Iterator[Comparison]:
        return iter(self.comparisons)

    def __getitem__(self, index: int) -> Comparison:
        return self.comparisons[index]

    def plot(self) -> Picture:
        """Return a picture of the largest error of each step in parts of its bound, which a notebook shows."""
        return Picture(self.comparisons)

    def frame(self) -> "pd.DataFrame":
        """Return one row for each step, slot and tensor of every comparison; see ``TABLE_COLUMNS`` of the results."""
        import pandas as pd

        frames = [
            pd.DataFrame(item.table).assign(
                case=item.case, subject=item.subject, gradients=item.gradients, comparison=item.comparison
            )
            for item in self.comparisons
            if item.table is not None
        ]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def _repr_html_(self) -> str:
        return html(self.comparisons, self.unseen)

    def __repr__(self) -> str:
        lines = [f"{c.case} {c.subject} {c.gradients} {c.comparison}: {c.verdict}" for c in self.comparisons]
        return "\n".join([*lines, *self.unseen])


def run(
    case: str | Path | Cell | Iterable[Cell],
    subject: Any,
    time_limit: float = TIME_LIMIT,
    name: str = "",
    bind: Mapping[str, str] | None = None,
) -> Results:
    """Run cases against one subject and return their results.

    Args:
        case: an id or glob (``"rmsprop/*"``), the path of a case file, or cells.
        subject: a registered name, ``file.py:Class``, a class itself, or an instance of a framework's optimizer. A name
            runs in a process of its own; an object runs in this one.
        time_limit: seconds that one pair may take, where it runs in a process of its own.
        name: what a class object is called in the results; unless given its module and name.
        bind: Keras' names of arguments to the class's own, such as ``{"rho": "alpha"}``, where those are ambiguous; the
            subject's name in the results holds it.

    Raises:
        ParityError: the case, the subject or what is bound means nothing, or the case's data cannot be read.
    """
    cells = _cells(case)
    if not cells:
        raise UsageError("nothing to run: no case was given.")
    if isinstance(subject, str):
        return results_of(run_all(cells, [with_bound(subject, given(bind))], time_limit=time_limit).pairs, cells)
    from parity.runner.loop import run_pair
    from parity.subjects.loading import maker_of
    from parity.subjects.numpy_class import NumpySubject, require_shape

    name = name or f"{subject.__module__}:{getattr(subject, '__qualname__', type(subject).__name__)}"
    name = with_bound(name, given(bind))
    make = maker_of(subject, name)
    first = make()
    if isinstance(subject, type) and isinstance(first, NumpySubject):
        require_shape(first)
    entries = known.load()
    pairs = [_judged(entries, cell, run_pair(cell, name, make())) for cell in cells]
    return results_of(pairs, cells)


def results_of(pairs: list[Pair], cells: Iterable[Cell]) -> Results:
    """Return the results of one subject on some cells, with what they did not see."""
    from parity.runner.unseen import unseen

    found = unseen(pairs, {cell.id: cell for cell in cells})
    return Results(pairs, tuple(line for lines in found.values() for line in lines))


class Session:
    """Runs one pair after the other by the subject's name, in processes that stay until ``close``."""

    def __init__(self) -> None:
        self._standing: Standing | None = None

    def run(self, cell: Cell, subject: str, time_limit: float = TIME_LIMIT) -> Pair:
        """Return the judged pair of one cell and one registered subject or ``file.py:Class``.

        Raises:
            UsageError: the name is no subject.
            DataError: the case's data cannot be used.
        """
        from parity.runner.pool import Standing, Task

        subjects.check_name(subject)
        self._standing = self._standing or Standing()
        return _judged(known.load(), cell, self._standing.run(Task(0, cell, subject), time_limit))

    def close(self) -> None:
        """Stop the processes."""
        if self._standing is not None:
            self._standing.close()


def run_all(
    cells: list[Cell],
    names: list[str],
    jobs: int = 1,
    progress: Callable[[Progress], None] | None = None,
    time_limit: float = TIME_LIMIT,
    scheduler: str | None = None,
    only: Callable[[Cell, str], bool] = lambda cell, name: True,
) -> Run:
    """Run every cell against every subject; the results do not depend on ``jobs`` or on who ran them.

    Args:
        cells: what to run.
        names: registered subjects, or ``file.py:Class``.
        jobs: processes that work at the same time.
        progress: called when a pair starts (``pair`` is None) and when it is done.
        time_limit: seconds that one pair of a user's subject may take.
        scheduler: address of a Dask scheduler, whose workers then do what ``jobs`` processes would do here.
        only: which pairs of them; unless given all.

    Raises:
        UsageError: a name is no subject, or there is nothing to run.
        DataError: a case's data cannot be used.
        ClusterError: the cluster cannot be reached or used, or was lost.
        InterruptedRun: an interruption came; it holds what was judged until then.
    """
    from parity.circumstances.doctor import circumstances
    from parity.runner.pool import InterruptedPairs, Task, run_tasks
    from parity.runner.unseen import unseen

    for name in names:
        subjects.check_name(name)
        if is_golden(name):
            _check_recordings(name, cells)
    wanted = [(cell, name) for cell in cells for name in names if only(cell, name)]
    tasks = [Task(i, cell, name) for i, (cell, name) in enumerate(wanted)]
    if not tasks:
        raise UsageError("nothing to run: no case and no subject were chosen.")
    began, started = time.perf_counter(), datetime.now(UTC).isoformat(timespec="seconds")
    entries = known.load()
    done = 0

    def on_start(task: Task) -> None:
        if progress:
            progress(Progress(done, len(tasks), task.cell.id, task.subject))

    def on_finish(task: Task, pair: Pair) -> None:
        nonlocal done
        done += 1
        if progress:
            judged = _judged(entries, task.cell, pair)
            progress(Progress(done, len(tasks), task.cell.id, task.subject, judged))

    def on_news(task: Task, place: "Place") -> None:
        if progress:
            progress(Progress(done, len(tasks), task.cell.id, task.subject, None, place.step, place.steps, place.left))

    def run_of(found: dict[int, Pair]) -> Run:
        pairs = [_judged(entries, tasks[at].cell, pair) for at, pair in sorted(found.items())]
        unseen_by = unseen(pairs, {cell.id: cell for cell in cells})
        described = [describe(cell) for cell in cells]
        return Run(pairs, around, started, time.perf_counter() - began, described, unseen=unseen_by)

    around = circumstances()
    if scheduler is None:
        try:
            found = run_tasks(tasks, jobs, time_limit, on_finish, on_start, on_news)
        except InterruptedPairs as interruption:
            raise InterruptedRun(run_of(interruption.pairs)) from interruption
    else:
        from parity.runner.cluster import collect

        found, shared = collect.run_tasks(tasks, scheduler, time_limit, on_finish, on_start)
        around |= shared
    return run_of(dict(enumerate(found)))


def _check_recordings(name: str, cells: list[Cell]) -> None:
    """Refuse damaged and outdated recordings before anything runs, so that no result is lost to them."""
    from parity.problem.problems import make
    from parity.trajectory.golden.store import open_recording

    folder = folder_of(name)
    for cell in cells:
        with suppress(UnsupportedError):  # its row in the results will say so
            open_recording(folder, make(cell))


def _judged(entries: list[known.Known], cell: Cell, pair: Pair) -> Pair:
    """Return a pair with known divergences named, and with what selects its cell again."""
    pattern = pattern_of(cell)
    pair = known.apply(entries, pair, not cell.judges_all)
    return msgspec.structs.replace(
        pair, comparisons=[msgspec.structs.replace(item, pattern=pattern) for item in pair.comparisons]
    )


def describe(cell: Cell) -> dict[str, Any]:
    """Return a cell as plain data for reports, without the folder it was read from; a page in it goes along."""
    record: dict[str, Any] = msgspec.to_builtins(cell)
    if cell.rule != DEFAULT:
        rule = find(cell.rule, cell.folder)
        record["page"] = {"stages": list(rule.stages), "formulas": rule.formulas}
    for local in ("folder", "file", "shortened"):
        record.pop(local, None)
    return record


def _cells(case: Any) -> list[Cell]:
    if isinstance(case, Cell):
        return [case]
    if isinstance(case, str | Path):
        return select([str(case)])
    cells = list(case) if isinstance(case, Iterable) and not isinstance(case, Mapping) else [case]
    strangers = [each for each in cells if not isinstance(each, Cell)]
    if strangers:
        wrong = strangers[0]
        allowed = "a case's id, a glob with '*', the path of a case file, or cells"
        raise UsageError(f"case: received {shown(wrong)} ({type(wrong).__name__}); allowed: {allowed}.")
    return cells
