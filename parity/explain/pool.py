"""Runs that the store does not have are made, over the cores, and kept; a process has the threads its program names."""

import math
import os
import sys
import time
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from parity.circumstances import launch
from parity.circumstances.child import Child, NoAnswerError
from parity.circumstances.crew import ChildWorker, Crew
from parity.circumstances.doctor import WORKER_ENVIRONMENT
from parity.errors import DataError, MisbehavedError, NotInstalledError, UsageError
from parity.explain.store import Store, Task

Record = dict[str, Any]
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS")
_SECONDS_BETWEEN_LINES: Final = 10.0
_KINDS: Final = {kind.__name__: kind for kind in (DataError, NotInstalledError, UsageError)}


class _Errand(NamedTuple):
    """A run to make, the folder that keeps it, and how many such runs its process makes, this one included."""

    task: Task
    folder: str
    runs: int


class _Maker(ChildWorker):
    """One process that makes runs, with as many threads as its home says."""

    def __init__(self, errand: _Errand) -> None:
        home = _home(errand)
        around = {**WORKER_ENVIRONMENT, **os.environ, **dict.fromkeys(_THREADS, home)}
        super().__init__(home, Child("parity.explain.worker", environment=around))

    def run(self, errand: _Errand) -> Record:
        """Let it make a run.

        Raises:
            ParityError: what the run raised; MisbehavedError if its process died.
        """
        request = {"task": msgspec.to_builtins(errand.task), "folder": errand.folder, "runs": errand.runs}
        try:
            answer = self._child.ask(request)
        except NoAnswerError as ended:
            text = f"a process that made a run {ended.how}; run again: what is finished is kept."
            raise MisbehavedError(text) from ended
        if "error" in answer:
            raise _KINDS.get(answer["kind"], MisbehavedError)(answer["error"])
        return dict(answer["record"])


def _home(errand: _Errand) -> str:
    return str(errand.task.program.threads)


class Pool:
    """Makes runs with ``jobs`` processes; counts what it made and what it found finished."""

    def __init__(self, store: Store, jobs: int | None = None) -> None:
        self.store = store
        self.jobs = jobs or launch.cores()
        self.made = 0
        self.found = 0
        self._crew: Crew[_Errand, _Maker, Record] = Crew(_Maker, _home, _Maker.run)
        # The processes live on from one call of ``run`` to the next, so that each imports and compiles once.
        weakref.finalize(self, self._crew.close)

    def run(self, tasks: Iterable[Task], title: str) -> dict[Task, Record]:
        """Return the record of each task; what the store does not have is computed, the slowest first.

        Raises:
            MisbehavedError: a process died, such as for want of memory; what else a run raised is raised too.
        """
        keys = {task.key: task for task in tasks}
        found = {task: record for task in keys.values() if (record := self.store.get(task)) is not None}
        missing = sorted((task for task in keys.values() if task not in found), key=_cost, reverse=True)
        self.found += len(found)
        self.made += len(missing)
        with _progress(title, len(keys), len(found)) as advance:
            for threads in sorted({task.program.threads for task in missing}):
                group = [task for task in missing if task.program.threads == threads]
                found |= self._compute(group, max(1, self.jobs // threads), threads, advance)
        return {task: found[task] for task in keys.values()}

    def _compute(self, tasks: list[Task], jobs: int, threads: int, advance: Any) -> dict[Task, Record]:
        jobs = min(jobs, len(tasks))
        errands = [_Errand(task, str(self.store.folder), math.ceil(len(tasks) / jobs)) for task in tasks]
        records = self._crew.run(errands, jobs, finished=lambda errand, record: advance())
        return dict(zip(tasks, records, strict=True))


def compute(task: Task, folder: str, runs: int = 1) -> Record:
    """Make one of ``runs`` such runs and keep it; called in a child, so that it is kept even if the parent is gone."""
    from parity.explain import keras_program, program

    start = time.perf_counter()
    if task.engine.startswith("keras"):
        record = keras_program.run(task.program, task.seed, task.epochs, task.engine.partition("-")[2])
    elif task.engine == "posted":
        record = _posted(task)
    else:
        record = program.train(task.program, task.seed, task.epochs, program.mnist(), runs)
    record["seconds"] = round(time.perf_counter() - start, 3)
    Store(Path(folder)).put(task, record)
    return record


def _posted(task: Task) -> Record:
    """Run the naive page as it stands, on the weights and orders that the seed stands for."""
    from parity.explain import program
    from parity.reference import posted

    images = program.mnist()
    drawn = program.initial(task.program, task.seed)
    params = posted.initial({name: array for name, array in drawn.items() if name.endswith("kernel")})
    orders = program.orders(task.program, task.seed, task.epochs)
    pixels, labels = (array[: task.program.examples] for array in (images.pixels, images.labels))
    rows = list(posted.train(params, pixels, labels, orders))
    return {
        "printed": [row[0] for row in rows],
        "printed_accuracy": [row[1] for row in rows],
        "digest": program.digest({name: rows[-1][2][name] for name in drawn}),
    }


def _cost(task: Task) -> float:
    program = task.program
    if task.engine != "numpy":
        return math.inf
    dense = bool(program.momentum or program.centered or program.weight_decay or program.clipnorm or program.l2)
    return task.epochs / program.batch_size * (2 if program.dtype == "float64" else 1) * (3 if dense else 1)


class _Lines:
    """What is said of runs where there is no terminal: at once how many they are, then a line now and then."""

    def __init__(self, title: str, total: int, finished: int) -> None:
        self._title, self._total, self._done = title, total, finished
        if finished < total:
            self._say(f"{total - finished} of {total} runs to make")

    def _say(self, what: str) -> None:
        self._said = time.monotonic()
        print(f"parity: {self._title}: {what}", file=sys.stderr, flush=True)

    def advance(self) -> None:
        """Count a run that is made."""
        self._done += 1
        if time.monotonic() - self._said >= _SECONDS_BETWEEN_LINES and self._done < self._total:
            self._say(f"{self._done} of {self._total} runs are there")


@contextmanager
def _progress(title: str, total: int, finished: int) -> Iterator[Any]:
    if not sys.stderr.isatty():
        yield _Lines(title, total, finished).advance
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(title, total=total, completed=finished)
        yield lambda: progress.advance(bar)
