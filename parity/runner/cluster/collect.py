"""One run on a cluster: tasks are sent, pairs are taken in as they come, and the workers are left as they were."""

import os
import queue
import time
import uuid
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from parity.circumstances import wire
from parity.errors import ClusterError, ParityError
from parity.runner.cluster import remote
from parity.runner.cluster.connect import CONNECT_SECONDS, agreed, ask, compare, connected
from parity.runner.pool import Task
from parity.runner.worker import failed
from parity.verdicts.results import Pair

if TYPE_CHECKING:
    from distributed import Client, Future

RESULT_SECONDS = 30.0
ALONE_SECONDS = 60.0
POLL_SECONDS = 1.0


def run_tasks(
    tasks: list[Task],
    address: str,
    time_limit: float,
    finished: Callable[[Task, Pair], None],
    started: Callable[[Task], None],
) -> tuple[list[Pair], dict[str, Any]]:
    """Run all tasks on the workers of a cluster; return their pairs in the order of the tasks, and the circumstances.

    A worker that dies costs time and nothing else: Dask gives its pairs to another one.

    Args:
        tasks: what to run.
        address: of Dask's scheduler, such as ``tcp://10.0.0.1:8786``.
        time_limit: seconds that one pair of a user's subject may take.
        finished: called after each pair.
        started: called before each pair, once.

    Raises:
        ClusterError: no scheduler answers there, it has no workers, they are not alike, or all of them were lost.
        ParityError: a case's data cannot be used.
    """
    run = uuid.uuid4().hex
    with connected(address) as client:
        facts = agreed(client, address, run, tasks)
        order = {
            "run": run,
            "facts": facts,
            "time_limit": time_limit,
            "folder": os.getcwd(),
            "environment": remote.caller_environment(),
        }
        pairs = _Collector(client, address, order, finished, started).run(tasks)
    return pairs, {key: facts[key] for key in remote.CIRCUMSTANCES}


class _Collector:
    """What is on its way, and what came back; Dask's threads only put news into a queue."""

    def __init__(
        self,
        client: "Client",
        address: str,
        order: dict[str, Any],
        finished: Callable[[Task, Pair], None],
        started: Callable[[Task], None],
    ) -> None:
        self._client, self._address, self._order = client, address, order
        self._finished, self._started = finished, started
        self._news: queue.SimpleQueue[tuple[int, Future | None]] = queue.SimpleQueue()
        self._waiting: dict[int, Task] = {}
        self._results: dict[int, Pair] = {}
        self._begun: set[int] = set()
        self._alone_since: float | None = None

    def run(self, tasks: list[Task]) -> list[Pair]:
        """Send every task, wait for all, and leave nothing behind on the workers, whatever happens."""
        self._waiting = {task.index: task for task in sorted(tasks, key=lambda task: (task.home, task.index))}
        self._client.subscribe_topic(remote.TOPIC, self._heard)
        futures: list[Future] = []
        try:
            futures += self._send()
            while self._waiting:
                self._take_in()
        finally:
            if self._client.status == "running":
                if self._waiting:
                    self._try(self._client.cancel, futures, force=True)
                ask(self._client, remote.release, self._order["run"], seconds=CONNECT_SECONDS)
        return [self._results[task.index] for task in tasks]

    def _send(self) -> "list[Future]":
        futures: list[Future] = self._client.map(
            remote.perform,
            [remote.message(task) for task in self._waiting.values()],
            order=wire.packed(self._order),
            key=[f"parity-{self._order['run']}-{index}" for index in self._waiting],
            pure=False,
        )
        for index, future in zip(self._waiting, futures, strict=True):
            future.add_done_callback(lambda done, index=index: self._news.put((index, done)))
        return futures

    def _heard(self, event: tuple[float, list[Any]]) -> None:
        run, index = event[1]
        if run == self._order["run"]:
            self._news.put((index, None))

    def _take_in(self) -> None:
        """Wait for one piece of news: that a pair was begun, or that it is done."""
        try:
            index, future = self._news.get(timeout=POLL_SECONDS)
        except queue.Empty:
            return self._look_for_workers()
        if index not in self._waiting:  # it was begun by a second worker after the first was lost
            return
        task = self._waiting[index]
        if index not in self._begun:
            self._begun.add(index)
            self._started(task)
        pair = self._pair(task, future) if future is not None else None
        if pair is not None:
            self._results[index] = pair
            del self._waiting[index]
            self._finished(task, pair)

    def _pair(self, task: Task, future: "Future") -> Pair | None:
        """Return what a future holds; None where its worker died with it, so that Dask makes it once more."""
        from distributed.scheduler import KilledWorker

        try:
            answer = wire.unpacked(future.result(timeout=RESULT_SECONDS))
        except TimeoutError:
            self._news.put((task.index, future))
            self._look_for_workers()
            return None
        except KilledWorker as error:
            lost = error.allowed_failures + 1
            return failed(task.cell, task.subject, f"{lost} Dask workers died, one after the other, while they ran it")
        except CancelledError as error:
            raise ClusterError(f"the Dask scheduler at {self._address} was lost. {self._how_far()}") from error
        except Exception as error:  # whatever Dask meets where it loads the function, in its own words
            text = f"a Dask worker could not run {task.cell.id}: {type(error).__name__}: {error}"
            raise ClusterError(f"{text}. Has every worker the same parity? {self._how_far()}") from error
        future.release()
        if "unlike" in answer:
            expected = self._order["facts"]
            compare(answer["worker"], answer["unlike"], expected, tuple(expected), "on the others")
        if "error" in answer:
            raise ParityError(f"{answer['error']} (on the Dask worker {answer['worker']})")
        return wire.pair_from(answer["pair"])

    def _look_for_workers(self) -> None:
        """Wait for workers that may come back, but not for ever."""
        if self._try(self._client.nthreads):
            self._alone_since = None
            return
        self._alone_since = self._alone_since or time.monotonic()
        if time.monotonic() - self._alone_since > ALONE_SECONDS:
            text = f"the Dask cluster at {self._address} has had no worker for {ALONE_SECONDS:g} s"
            raise ClusterError(f"{text}. {self._how_far()}")

    def _try(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Call a method of the client; None where nothing answers in time."""
        with suppress(OSError, TimeoutError, RuntimeError, CancelledError):
            return self._client.sync(method, *arguments, callback_timeout=CONNECT_SECONDS, **options)
        return None

    def _how_far(self) -> str:
        total = len(self._waiting) + len(self._results)
        return f"{len(self._results)} of {total} pairs were done; run the command again."
