"""Tasks over processes: each goes to whoever is free, an error stops the rest, and an interruption kills them all."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from parity.circumstances.child import HEED_SECONDS, WIND_UP_SECONDS, Child

TaskKind = TypeVar("TaskKind")
Answer = TypeVar("Answer")


class Worker(Protocol):
    """One process for the tasks of one home."""

    @property
    def home(self) -> str:
        """Which tasks it may be given."""

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""

    @property
    def heeds(self) -> bool:
        """Whether it was asked to wind up, and does."""

    def wind_up(self) -> None:
        """Have it answer, from another thread, with what it has by now; or kill it, where that is nothing."""

    def kill(self) -> None:
        """Kill it from another thread; who waits for its answer is told."""

    def stop(self) -> None:
        """End it and release what it held."""


class ChildWorker:
    """A worker that is one child process, whatever it is asked for."""

    def __init__(self, home: str, child: Child) -> None:
        self.home, self._child = home, child

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._child.alive

    @property
    def heeds(self) -> bool:
        """Whether it was asked to wind up, and does."""
        return self._child.heeds

    def wind_up(self) -> None:
        """Kill it: what was asked has no half of an answer."""
        self.kill()

    def kill(self) -> None:
        """Kill it from another thread; who waits for its answer is told."""
        self._child.kill()

    def stop(self) -> None:
        """End it and release what it held."""
        self._child.end()


WorkerKind = TypeVar("WorkerKind", bound=Worker)


class InterruptedCrew(KeyboardInterrupt):
    """An interruption, with the answers by the numbers of their tasks: ``before`` it, and ``late``, wound up since."""

    def __init__(self, before: dict[int, Any], late: dict[int, Any]) -> None:
        super().__init__()
        self.before, self.late = before, late


class Crew(Generic[TaskKind, WorkerKind, Answer]):
    """Workers that live on from one call of ``run`` to the next, each at most as long as tasks of its home come.

    Args:
        hire: starts a worker for a task and those of the same home.
        home: which worker may be given a task.
        work: lets a worker make a task.
    """

    def __init__(
        self,
        hire: Callable[[TaskKind], WorkerKind],
        home: Callable[[TaskKind], str],
        work: Callable[[WorkerKind, TaskKind], Answer],
    ) -> None:
        self._hire, self._home, self._work = hire, home, work
        self._idle: list[WorkerKind] = []
        self._workers: set[WorkerKind] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(
        self,
        tasks: Iterable[TaskKind],
        jobs: int,
        started: Callable[[TaskKind], None] = lambda task: None,
        finished: Callable[[TaskKind, Answer], None] = lambda task, answer: None,
    ) -> list[Answer]:
        """Run all tasks, in their order, on ``jobs`` workers; return the answers in that order.

        ``started`` and ``finished`` are called, under a lock, before and after each task.

        Raises:
            BaseException: what ``work`` or a callback raised first; tasks that run are finished before.
            InterruptedCrew: an interruption came; it holds what was answered before it, and what was wound up since.
        """
        shift = _Shift(tasks, started, finished)
        # Not by joining threads: an interrupted join takes a thread that runs on for one that has ended (Python 3.11).
        ends = [threading.Event() for _ in range(max(1, jobs))]
        threads = [threading.Thread(target=self._serve, args=(shift, end), daemon=True) for end in ends]
        try:
            for thread in threads:
                thread.start()
            for end in ends:
                while not end.wait(0.2):
                    pass
        except KeyboardInterrupt as interruption:
            before = dict(shift.answers)
            try:
                self._wind_up(ends)
            finally:
                self.kill()
            late = {index: answer for index, answer in shift.answers.items() if index not in before}
            raise InterruptedCrew(before, late) from interruption
        except BaseException:
            self.kill()
            raise
        if shift.error is not None:
            raise shift.error
        return [shift.answers[index] for index in range(len(shift.answers))]

    def _wind_up(self, ends: Sequence[threading.Event]) -> None:
        """Hand out nothing more, and wait for those who can say what they have by now."""
        with self._lock:
            self._stopped = True
            for worker in self._workers:
                worker.wind_up()
        began = time.monotonic()
        while not all(end.wait(0.1) for end in ends):
            waited = time.monotonic() - began
            for worker in tuple(self._workers):
                if waited > WIND_UP_SECONDS or (waited > HEED_SECONDS and not worker.heeds):
                    worker.kill()

    def hire(self, task: TaskKind) -> WorkerKind:
        """Return a new worker for a task, which is the caller's until it is released."""
        with self._lock:
            worker = self._hire(task)
            self._workers.add(worker)
            if self._stopped:
                worker.kill()
        return worker

    def release(self, worker: WorkerKind, keep: bool) -> None:
        """Take a worker back: it waits for tasks of its home, or it is stopped."""
        if not keep:
            self._dismiss(worker)
            return
        with self._lock:
            self._idle.append(worker)

    def kill(self) -> None:
        """Kill the workers from another thread, for good."""
        with self._lock:
            self._stopped = True
            for worker in self._workers:
                worker.kill()

    def close(self) -> None:
        """Stop the workers that wait for tasks; those that ``run`` uses are its own."""
        while self._idle:
            self._dismiss(self._idle.pop())

    def _serve(self, shift: "_Shift[TaskKind, Answer]", end: threading.Event) -> None:
        try:
            self._work_off(shift)
        finally:
            end.set()

    def _work_off(self, shift: "_Shift[TaskKind, Answer]") -> None:
        worker: WorkerKind | None = None
        try:
            while (item := self._next(shift)) is not None:
                index, task = item
                worker = self._worker_for(task, worker)
                answer = self._work(worker, task)
                with self._lock:
                    shift.answers[index] = answer
                    shift.finished(task, answer)
        except BaseException as error:  # handed to the caller's thread, which raises it
            shift.error = shift.error or error
            if worker is not None:  # an answer that nobody read would be taken for that of the next task
                self._dismiss(worker)
        else:
            with self._lock:
                self._idle += [] if worker is None else [worker]

    def _next(self, shift: "_Shift[TaskKind, Answer]") -> tuple[int, TaskKind] | None:
        with self._lock:
            if not shift.tasks or shift.error is not None or self._stopped:
                return None
            item = shift.tasks.popleft()
            shift.started(item[1])
            return item

    def _worker_for(self, task: TaskKind, worker: WorkerKind | None) -> WorkerKind:
        """Return the worker at hand, or one that waits, if it lives and has the task's home, else a new one."""
        while worker is None or worker.home != self._home(task) or not worker.alive:
            if worker is not None:
                self._dismiss(worker)
            with self._lock:
                own = [idle for idle in self._idle if idle.home == self._home(task)]
                worker = next(iter(own or self._idle), None)
                if worker is not None:
                    self._idle.remove(worker)
            if worker is None:
                return self.hire(task)
        return worker

    def _dismiss(self, worker: WorkerKind) -> None:
        worker.stop()
        with self._lock:
            self._workers.discard(worker)


class _Shift(Generic[TaskKind, Answer]):
    """What the threads of one call share."""

    def __init__(
        self,
        tasks: Iterable[TaskKind],
        started: Callable[[TaskKind], None],
        finished: Callable[[TaskKind, Answer], None],
    ) -> None:
        self.tasks = deque(enumerate(tasks))
        self.started, self.finished = started, finished
        self.answers: dict[int, Any] = {}
        self.error: BaseException | None = None
