"""Worker processes: registered subjects share long-lived ones, a user's class gets one of its own and a time limit."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from parity import subjects
from parity.case.spec import Cell
from parity.circumstances import launch, wire
from parity.circumstances.child import Child, NoAnswerError
from parity.circumstances.crew import ChildWorker, Crew, InterruptedCrew
from parity.circumstances.doctor import WORKER_ENVIRONMENT
from parity.errors import ParityError, SubjectError
from parity.runner.course import Place
from parity.runner.worker import failed
from parity.verdicts.results import Comparison, Pair
from parity.verdicts.verdict import Verdict

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


class InterruptedPairs(KeyboardInterrupt):
    """An interruption, with the pairs that were judged until then, by the index of their tasks; some only in part."""

    def __init__(self, pairs: dict[int, Pair]) -> None:
        super().__init__()
        self.pairs = pairs


def run_tasks(
    tasks: list[Task],
    jobs: int,
    time_limit: float,
    finished: Callable[[Task, Pair], None],
    started: Callable[[Task], None],
    heard: Callable[[Task, Place], None] = lambda task, place: None,
) -> list[Pair]:
    """Run all tasks on ``jobs`` workers and return their pairs in the order of the tasks.

    Args:
        tasks: what to run.
        jobs: how many processes work at the same time.
        time_limit: seconds that one pair of a user's subject may take.
        finished: called, under a lock, after each pair.
        started: called, under a lock, before each pair.
        heard: called now and then with how far a pair is.

    Raises:
        InterruptedPairs: an interruption came; what was judged until then is in it.
        SubjectError: a user's class cannot be loaded, or follows no style; told before anything runs.
        ParityError: a case's data cannot be used; tasks that run are finished first.
    """
    jobs = max(1, min(jobs, len(tasks)))
    beside = launch.cores() >= 2 * jobs
    tasks = [replace(task, beside=beside) for task in tasks]
    crew: Crew[Task, _Worker, Pair] = Crew(
        lambda task: _Worker(task.home),
        lambda task: task.home,
        lambda worker, task: worker.run(task, time_limit, heard),
    )
    # The longest first, so that none is left for the end alone; each is timed by what it computes, not measured.
    ordered = sorted(tasks, key=lambda task: (task.home, -task.size, task.index))
    pairs: dict[int, Pair] = {}
    try:
        for task, said in _objections(crew, ordered, jobs, time_limit):
            started(task)
            pairs[task.index] = failed(task.cell, task.subject, said)
            finished(task, pairs[task.index])
        left = [task for task in ordered if task.index not in pairs]
        answers = crew.run(left, jobs, started, finished)
    except InterruptedCrew as interruption:
        partly = {at: pair for at, pair in interruption.late.items() if pair.judged_until is not None}
        pairs |= {left[at].index: pair for at, pair in {**interruption.before, **partly}.items()}
        raise InterruptedPairs(pairs) from interruption
    finally:
        crew.close()
    pairs |= {task.index: pair for task, pair in zip(left, answers, strict=True)}
    return [pairs[task.index] for task in tasks]


def _objections(
    crew: "Crew[Task, _Worker, Pair]", tasks: list[Task], jobs: int, time_limit: float
) -> list[tuple[Task, str]]:
    """Have each user's class loaded; return the tasks of those that do not repeat themselves, with what is said.

    Workers that did so go on with the tasks of their class; no more are kept than are needed at one time.

    Raises:
        SubjectError: a class cannot be loaded, or follows no style.
    """
    found: list[tuple[Task, str]] = []
    for number, home in enumerate(dict.fromkeys(task.home for task in tasks if task.home)):
        first = next(task for task in tasks if task.home == home)
        worker = crew.hire(first)
        keep = False
        try:
            worker.load(time_limit)
            said = worker.objection(first.cell, min(time_limit, REPEAT_SECONDS))
            keep = worker.alive and not said and number < jobs
        finally:
            crew.release(worker, keep)
        found += [(task, said) for task in tasks if said and task.home == home]
    return found


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
            return worker.run(task, time_limit)
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


class _Worker(ChildWorker):
    """One child process for the pairs of one home."""

    def __init__(self, home: str, folder: str | None = None, environment: dict[str, str] | None = None) -> None:
        around = environment or {**WORKER_ENVIRONMENT, **os.environ}
        super().__init__(home, Child("parity.runner.worker", environment=around, folder=folder))
        self.loaded = False

    def load(self, time_limit: float) -> None:
        """Have the user's class loaded.

        Raises:
            SubjectError: it cannot be, or the process ended over it.
        """
        try:
            answer = self._child.ask({"load": self.home}, time_limit)
        except NoAnswerError as ended:
            how = f"its process {ended.how}" if ended.how else f"it took more than {time_limit:g} s and was stopped"
            raise SubjectError(
                f"{self.home} cannot be loaded: {how} while its file was imported, or two steps of it were tried."
            ) from ended
        if "error" in answer:
            raise SubjectError(str(answer["error"]))
        self.loaded = True

    def objection(self, cell: Cell, time_limit: float) -> str:
        """Return what is said against a class that does not repeat itself, "" if there is no answer.

        It is asked under the rule of the cell.
        """
        try:
            asked = {"repeat": self.home, "rule": cell.rule, "folder": cell.folder}
            return str(self._child.ask(asked, time_limit)["said"])
        except NoAnswerError:
            return ""

    def wind_up(self) -> None:
        """Have the pair that it runs judged as far as it is."""
        self._child.stop()

    def run(
        self, task: Task, time_limit: float, heard: Callable[[Task, Place], None] = lambda task, place: None
    ) -> Pair:
        """Send one task and wait for its answer; a silent or dead process makes the pair FAILED.

        A user's class has ``time_limit`` seconds; then it is FAILED, with what was judged until then.
        """
        time_limit = time_limit if task.home else TRUSTED_LIMIT
        late = f"did not finish within {time_limit:g} s (--time-limit) and was stopped"
        self._child.heard = lambda place: heard(task, Place(*place))
        began = time.monotonic()
        try:
            answer = self._child.ask(task.message(), time_limit, winds_up=not task.record)
        except NoAnswerError as ended:
            how = f"the subject's process {ended.how} before it answered" if ended.how else late
            return failed(task.cell, task.subject, how)
        if self._child.stopped:  # it goes no further
            self.stop()
        if "error" in answer:
            raise ParityError(str(answer["error"]))
        if "stopped" in answer:
            return failed(task.cell, task.subject, late)
        pair = wire.pair_from(answer["pair"])
        return _late(pair, late) if time.monotonic() - began >= time_limit else pair


def _late(pair: Pair, late: str) -> Pair:
    """Return a pair that ran out of time as FAILED, with its evidence; what fails by that, stays as it is."""

    def failing(item: Comparison) -> Comparison:
        if item.judged_until is None or item.outcome.fails:
            return item
        reason = f"{late}; until step {item.judged_until:,} it was {item.verdict}"
        return msgspec.structs.replace(item, verdict=Verdict.FAILED.name, reason=reason)

    return msgspec.structs.replace(pair, comparisons=[failing(item) for item in pair.comparisons])
