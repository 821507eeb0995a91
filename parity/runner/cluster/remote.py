"""What runs inside a Dask worker: frames in, frames out; a subject runs in a process beside it, as in the pool."""

import hashlib
import os
import threading
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import msgspec

from parity.case.places import CASES
from parity.case.spec import cell_of
from parity.circumstances import source, wire
from parity.circumstances.doctor import ENVIRONMENT, WORKER_ENVIRONMENT, circumstances
from parity.errors import ParityError
from parity.runner.pool import Standing, Task

IDLE_SECONDS = 120.0
TOPIC: Final = "parity"
SHIPPED: Final = "cases:"
"""Begins a path below the cases that come with the package, which stand elsewhere on every machine."""
_OF_THE_MACHINE: Final = ("CUDA_VISIBLE_DEVICES",)
CIRCUMSTANCES: Final = ("parity", "commit", "python", "system", "cpu", "packages")
"""Of a run's circumstances, those that its workers must share."""


def portable(path: Path) -> str:
    """Return how a file or folder is called on every machine: its place below the shipped cases, else its full path."""
    inside = os.path.relpath(os.path.realpath(path), os.path.realpath(CASES))
    return os.path.abspath(path) if inside.startswith(os.pardir) else SHIPPED + Path(inside).as_posix()


def local(path: str) -> Path:
    """Return where a portable path is on this machine."""
    return CASES / path.removeprefix(SHIPPED) if path.startswith(SHIPPED) else Path(path)


def message(task: Task) -> bytes:
    """Return a task as ``perform`` takes it."""
    cell = msgspec.to_builtins(task.cell)
    cell["folder"] = portable(Path(task.cell.folder)) if task.cell.folder else ""
    return wire.packed({"index": task.index, "cell": cell, "subject": task.subject})


@lru_cache(maxsize=4)
def facts(run: str, files: tuple[str, ...]) -> dict[str, Any]:
    """Return what must not differ between machines that share a run: code, versions, processor, and its files' digests.

    Looked up once for each ``run``, since files may change between two runs.
    """
    around = circumstances()
    digests = {path: _digest(local(path)) for path in files}
    shared = {key: around[key] for key in CIRCUMSTANCES}
    return {**shared, "code": source.digest(), "distributed": _distributed(), "files": digests}


def survey(run: str, files: tuple[str, ...]) -> dict[str, Any] | str:
    """Return the facts, or what went wrong; Dask does not carry every exception home."""
    try:
        return facts(run, files)
    except Exception as error:  # whatever an installation unlike the caller's may meet, told to the caller
        return f"{type(error).__name__}: {error}"


def environment(given: dict[str, str]) -> dict[str, str]:
    """Return a worker process's variables: this one's, but those that may change numbers as the caller has them."""
    settled = {*ENVIRONMENT, *WORKER_ENVIRONMENT} - {*_OF_THE_MACHINE}
    kept = {name: value for name, value in os.environ.items() if name not in settled}
    return {**WORKER_ENVIRONMENT, **kept, **given}


def caller_environment() -> dict[str, str]:
    """Return the variables that a caller's processes would get and that may change numbers or speed."""
    names = {*ENVIRONMENT, *WORKER_ENVIRONMENT} - {*_OF_THE_MACHINE}
    return {name: os.environ[name] for name in sorted(names) if name in os.environ}


@dataclass(slots=True)
class _Bench:
    """The processes of one thread of a Dask worker, and the run that they were started for."""

    run: str
    standing: Standing
    busy: threading.Lock = field(default_factory=threading.Lock)
    timer: threading.Timer | None = None

    def perform(self, task: Task, time_limit: float) -> dict[str, Any]:
        """Run one task; whoever does not come again within IDLE_SECONDS leaves no process behind."""
        if self.timer is not None:
            self.timer.cancel()
        with self.busy:
            try:
                return {"pair": self.standing.run(task, time_limit)}
            except ParityError as error:
                return {"error": str(error)}
            finally:
                if self.run in _over:
                    self.standing.close()
                self.timer = threading.Timer(IDLE_SECONDS, self.close_if_idle)
                self.timer.daemon = True
                self.timer.start()

    def close_if_idle(self) -> None:
        """Stop the processes unless a task runs."""
        if self.busy.acquire(blocking=False):
            try:
                self.standing.close()
            finally:
                self.busy.release()


_benches: dict[int, _Bench] = {}
_over: set[str] = set()
_starting = threading.Lock()
"""Held while a bench is made, and while a run is declared over: none is made for a run that is."""


def perform(payload: bytes, order: bytes) -> bytes:
    """Run one pair and return its frame: ``pair``, or ``error``, or ``unlike`` where this worker may not take part.

    Args:
        payload: the task, as a worker process is sent it, and its ``index``.
        order: what all tasks of a run share: see ``parity.runner.cluster``.
    """
    import distributed

    shared, given = wire.unpacked(order), wire.unpacked(payload)
    worker = distributed.get_worker()
    found = facts(shared["run"], tuple(shared["facts"]["files"]))
    if found != shared["facts"]:
        return wire.packed({"unlike": found, "worker": worker.address})
    worker.log_event(TOPIC, [shared["run"], given["index"]])
    given["cell"]["folder"] = str(local(given["cell"]["folder"])) if given["cell"]["folder"] else ""
    task = Task(given["index"], cell_of(given["cell"]), given["subject"])
    answer = _bench(shared).perform(task, shared["time_limit"])
    return wire.packed({**answer, "worker": worker.address})


def release(run: str) -> None:
    """Stop the processes of a run that is over or was given up, also those that are at work."""
    with _starting:
        _over.add(run)
        benches = [bench for bench in _benches.values() if bench.run == run]
    for bench in benches:
        bench.standing.kill(for_good=True)
        bench.close_if_idle()


def _bench(shared: dict[str, Any]) -> _Bench:
    """Return this thread's processes; those of another run may hold code that has changed since, and are stopped."""
    bench = _benches.get(threading.get_ident())
    if bench is None or bench.run != shared["run"]:
        if bench is not None:
            bench.close_if_idle()
        folder = shared["folder"] if os.path.isdir(shared["folder"]) else None
        bench = _Bench(shared["run"], Standing(folder, environment(shared["environment"])))
        with _starting:
            _benches[threading.get_ident()] = bench
            if bench.run in _over:
                bench.standing.kill(for_good=True)
    return bench


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


@cache
def _distributed() -> str | None:
    try:
        return version("distributed")
    except PackageNotFoundError:
        return None
