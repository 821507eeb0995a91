"""Runs that the store does not have are made, over the cores, and kept; a process has the threads its program names."""

import math
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from parity.errors import MisbehavedError
from parity.explain.store import Store, Task

Record = dict[str, Any]
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS")


class Pool:
    """Makes runs with ``jobs`` processes; counts what it made and what it found finished."""

    def __init__(self, store: Store, jobs: int | None = None) -> None:
        self.store = store
        self.jobs = jobs or os.cpu_count() or 1
        self.made = 0
        self.found = 0

    def run(self, tasks: Iterable[Task], title: str) -> dict[Task, Record]:
        """Return the record of each task; what the store does not have is computed, the slowest first.

        Raises:
            MisbehavedError: a process died, such as for want of memory.
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
        folder = str(self.store.folder)
        with _environment(threads):
            context = multiprocessing.get_context("spawn")
            executor = ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=context, initializer=_end_with_parent)
            try:
                futures = {executor.submit(compute, task, folder): task for task in tasks}
                return dict(_collected(futures, advance))
            except BrokenProcessPool as error:
                raise MisbehavedError("a process that made a run died; run again: what is finished is kept.") from error
            finally:
                executor.shutdown(wait=True, cancel_futures=True)


def compute(task: Task, folder: str) -> Record:
    """Make one run and keep it; called in a child process, so that it is kept even if the parent is gone."""
    from parity.explain import keras_program, program

    start = time.perf_counter()
    if task.engine.startswith("keras"):
        record = keras_program.run(task.program, task.seed, task.epochs, task.engine.partition("-")[2])
    elif task.engine == "posted":
        record = _posted(task)
    else:
        record = program.train(task.program, task.seed, task.epochs, program.mnist())
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


def _collected(futures: dict[Future[Record], Task], advance: Any) -> Iterator[tuple[Task, Record]]:
    waiting = set(futures)
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            yield futures[future], future.result()
            advance()


def _cost(task: Task) -> float:
    program = task.program
    if task.engine != "numpy":
        return math.inf
    dense = bool(program.momentum or program.centered or program.weight_decay or program.clipnorm or program.l2)
    return task.epochs / program.batch_size * (2 if program.dtype == "float64" else 1) * (3 if dense else 1)


def _end_with_parent() -> None:
    """End this process when its parent is gone: a killed command must not leave processes behind."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _environment(threads: int) -> Iterator[None]:
    """Set the thread counts that a child's NumPy reads when it is first imported; it imports nothing that lies here."""
    settings = {**dict.fromkeys(_THREADS, str(threads)), "PYTHONSAFEPATH": "1"}
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


@contextmanager
def _progress(title: str, total: int, finished: int) -> Iterator[Any]:
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(title, total=total, completed=finished)
        yield lambda: progress.advance(bar)
