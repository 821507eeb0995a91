"""Worker processes: registered subjects share long-lived ones, a user's class gets one of its own and a time limit."""

import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from parity import subjects
from parity.case.spec import Cell
from parity.circumstances import launch, wire
from parity.circumstances.child import Child, NoAnswerError
from parity.circumstances.doctor import WORKER_ENVIRONMENT
from parity.errors import ParityError, SubjectError
from parity.runner.worker import failed
from parity.verdicts.results import Pair

TRUSTED_LIMIT = 3_600.0

REPEAT_SECONDS = 5.0
"""How long a class is waited for that is asked whether it repeats itself; a slower one is asked with its pairs."""


@dataclass(frozen=True, slots=True)
class Task:
    """One pair to run, or to record into a folder; ``index`` is its place in the results.

    ``beside`` is whether there is a core to spare, which judges while the subject goes on.
    """

    index: int
    cell: Cell
    subject: str
    record: str = ""
    megabytes: float = 0.0
    beside: bool = False

    def message(self) -> dict[str, Any]:
        """Return what a worker is sent."""
        message = {"cell": msgspec.to_builtins(self.cell), "subject": self.subject, "beside": self.beside}
        return {**message, "record": self.record, "megabytes": self.megabytes} if self.record else message

    @property
    def home(self) -> str:
        """Which worker may run it: all registered subjects share theirs, each user's class has its own."""
        return self.subject if subjects.is_users(self.subject) else ""

    @property
    def size(self) -> int:
        """How many values a subject makes: steps times elements."""
        return self.cell.steps * self.cell.elements


@dataclass(slots=True)
class _Shared:
    tasks: deque[Task]
    results: dict[int, Pair] = field(default_factory=dict)
    workers: "set[_Worker]" = field(default_factory=set)
    ready: "dict[str, _Worker]" = field(default_factory=dict)
    error: BaseException | None = None
    stopped: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


def run_tasks(
    tasks: list[Task],
    jobs: int,
    time_limit: float,
    finished: Callable[[Task, Pair], None],
    started: Callable[[Task], None],
) -> list[Pair]:
    """Run all tasks on ``jobs`` workers and return their pairs in the order of the tasks.

    Args:
        tasks: what to run.
        jobs: how many processes work at the same time.
        time_limit: seconds that one pair of a user's subject may take.
        finished: called, under a lock, after each pair.
        started: called, under a lock, before each pair.

    Raises:
        SubjectError: a user's class cannot be loaded, or follows no style; told before anything runs.
        ParityError: a case's data cannot be used; tasks that run are finished first.
    """
    jobs = max(1, min(jobs, len(tasks)))
    beside = launch.cores() >= 2 * jobs
    tasks = [replace(task, beside=beside) for task in tasks]
    # The longest first, so that none is left for the end alone; each is timed by what it computes, not measured.
    shared = _Shared(deque(sorted(tasks, key=lambda task: (task.home, -task.size, task.index))))
    threads = [
        threading.Thread(target=_serve, args=(shared, time_limit, finished, started), daemon=True) for _ in range(jobs)
    ]
    try:
        _prepare(shared, jobs, time_limit, finished, started)
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(timeout=0.2)
    except BaseException:
        with shared.lock:
            shared.stopped = True
            for worker in shared.workers:
                worker.kill()
        raise
    finally:
        for worker in list(shared.ready.values()):
            worker.stop()
    if shared.error is not None:
        raise shared.error
    return [shared.results[task.index] for task in tasks]


def _prepare(shared: _Shared, jobs: int, time_limit: float, finished: Any, started: Any) -> None:
    """Have each user's class loaded, and settle the tasks of those that do not repeat themselves.

    Workers that did so go on with the tasks of their class; no more are kept than are needed at one time.
    """
    for home in dict.fromkeys(task.home for task in shared.tasks if task.home):
        worker = _Worker(home)
        shared.workers.add(worker)
        try:
            worker.load(time_limit)
            said = worker.objection(min(time_limit, REPEAT_SECONDS))
            if worker.alive and not said and len(shared.ready) < jobs:
                shared.ready[home] = worker
        finally:
            if home not in shared.ready:
                shared.workers.discard(worker)
                worker.stop()
        for task in [task for task in shared.tasks if said and task.home == home]:
            started(task)
            shared.tasks.remove(task)
            shared.results[task.index] = failed(task.cell, task.subject, said)
            finished(task, shared.results[task.index])


def _serve(shared: _Shared, time_limit: float, finished: Any, started: Any) -> None:
    worker: _Worker | None = None
    try:
        while True:
            with shared.lock:
                if not shared.tasks or shared.error is not None or shared.stopped:
                    return
                task = shared.tasks.popleft()
                started(task)
            worker = _worker_for(task, worker, shared)
            pair = worker.run(task, time_limit if task.home else TRUSTED_LIMIT)
            with shared.lock:
                shared.results[task.index] = pair
                finished(task, pair)
    except BaseException as error:  # handed to the caller's thread, which raises it
        shared.error = shared.error or error
    finally:
        if worker is not None:
            worker.stop()


def _worker_for(task: Task, worker: "_Worker | None", shared: _Shared) -> "_Worker":
    """Return the worker at hand if it lives and belongs to the task's subject, else a new one in its place."""
    if worker is not None and worker.home == task.home and worker.alive:
        return worker
    if worker is not None:
        worker.stop()
    with shared.lock:
        shared.workers -= {worker}
        worker = shared.ready.pop(task.home, None) or _Worker(task.home)
        shared.workers.add(worker)
        if shared.stopped:
            worker.kill()
    return worker


class Standing:
    """Workers that outlive a call, for a caller who brings one task after the other: TensorFlow is imported once.

    One serves the registered subjects, one the user's class that came last.
    """

    def __init__(self, folder: str | None = None, environment: dict[str, str] | None = None) -> None:
        self._workers: dict[bool, _Worker] = {}
        self._folder, self._environment = folder, environment
        self._ended, self._lock = False, threading.Lock()

    def run(self, task: Task, time_limit: float) -> Pair:
        """Run one task and return its pair; a user's class has ``time_limit`` seconds.

        Raises:
            SubjectError: a user's class cannot be loaded, or follows no style.
            ParityError: the case's data cannot be used.
        """
        kept = bool(task.home)
        worker = self._worker(task.home, kept)
        try:
            if task.home and not worker.loaded:
                worker.load(time_limit)
            return worker.run(task, time_limit if task.home else TRUSTED_LIMIT)
        except ParityError:
            raise
        except BaseException:  # an answer that nobody read would be taken for that of the next task
            self._workers.pop(kept).stop()
            raise

    def _worker(self, home: str, kept: bool) -> "_Worker":
        with self._lock:
            if self._ended:
                raise ParityError("the run is over: nothing is started for it any more.")
            worker = self._workers.get(kept)
            if worker is None or worker.home != home or not worker.alive:
                if worker is not None:
                    worker.stop()
                worker = self._workers[kept] = _Worker(home, self._folder, self._environment)
            return worker

    def kill(self, for_good: bool = False) -> None:
        """Kill the workers from another thread; a task that runs ends as FAILED.

        The next task gets a new worker, unless ``for_good``: then it raises ParityError.
        """
        with self._lock:
            self._ended = self._ended or for_good
            for worker in tuple(self._workers.values()):
                worker.kill()

    def close(self) -> None:
        """Stop the workers."""
        while self._workers:
            self._workers.popitem()[1].stop()


class _Worker:
    """One child process for the pairs of one home."""

    def __init__(self, home: str, folder: str | None = None, environment: dict[str, str] | None = None) -> None:
        self.home, self.loaded = home, False
        around = environment or {**WORKER_ENVIRONMENT, **os.environ}
        self._child = Child("parity.runner.worker", environment=around, folder=folder)
        self.kill, self.stop = self._child.kill, self._child.end

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._child.alive

    def load(self, time_limit: float) -> None:
        """Have the user's class loaded.

        Raises:
            SubjectError: it cannot be, or the process ended over it.
        """
        try:
            answer = self._child.ask({"load": self.home}, time_limit)
        except NoAnswerError as ended:
            how = f"its process {ended.how}" if ended.how else f"it took more than {time_limit:g} s and was stopped"
            raise SubjectError(f"{self.home} cannot be loaded: {how} while its file was imported.") from ended
        if "error" in answer:
            raise SubjectError(str(answer["error"]))
        self.loaded = True

    def objection(self, time_limit: float) -> str:
        """Return what is said against a class that does not repeat itself, "" if there is no answer."""
        try:
            return str(self._child.ask({"repeat": self.home}, time_limit)["said"])
        except NoAnswerError:
            return ""

    def run(self, task: Task, time_limit: float) -> Pair:
        """Send one task and wait for its answer; a silent or dead process makes the pair FAILED."""
        late = f"did not finish within {time_limit:g} s (--time-limit) and was stopped"
        try:
            answer = self._child.ask(task.message(), time_limit)
        except NoAnswerError as ended:
            how = f"the subject's process {ended.how} before it answered" if ended.how else late
            return failed(task.cell, task.subject, how)
        if "error" in answer:
            raise ParityError(str(answer["error"]))
        return wire.pair_from(answer["pair"])
