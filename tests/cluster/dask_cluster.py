"""A Dask cluster of real processes on this machine, with one thread each, that leaves nothing behind."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
QUIET = ("--no-dashboard", "--host", "127.0.0.1")


class Cluster:
    """A scheduler and its workers; each writes its log into the folder."""

    def __init__(self, folder: Path, workers: int = 0) -> None:
        self.folder, self._sheet = folder, folder / "scheduler.json"
        self.workers: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start("scheduler", "--port", "0", "--scheduler-file", str(self._sheet))
        until(lambda: self._sheet.exists() and self._sheet.read_text(), "the scheduler to start")
        self.address: str = json.loads(self._sheet.read_text())["address"]
        for _ in range(workers):
            self.add(wait=False)
        for number in range(workers):
            self._registered(number)

    def add(self, preload: str = "", path: Path = ROOT, wait: bool = True) -> "subprocess.Popen[bytes]":
        """Start one more worker process, which runs ``preload`` first and finds ``parity`` below ``path``."""
        number = len(self.workers)
        script = self.folder / f"preload{number}.py"
        script.write_text(preload)
        words = ("--no-nanny", "--nthreads", "1", "--local-directory", str(self.folder), "--preload", str(script))
        self.workers.append(self._start("worker", self.address, *words, path=path, log=f"worker{number}"))
        if wait:
            self._registered(number)
        return self.workers[-1]

    def lose(self, worker: "subprocess.Popen[bytes]") -> None:
        """Kill a worker; the scheduler learns of it by itself."""
        gone = self.said("scheduler").count("Remove worker")
        worker.kill()
        worker.wait()
        until(lambda: self.said("scheduler").count("Remove worker") > gone, "the scheduler to miss a worker")

    def said(self, name: str) -> str:
        """Return the log of a process."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def close(self) -> None:
        """End every process and wait for it."""
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()

    def _registered(self, number: int) -> None:
        until(lambda: "Registered to" in self.said(f"worker{number}"), f"worker {number} to start")

    def _start(self, kind: str, *words: str, path: Path = ROOT, log: str = "") -> "subprocess.Popen[bytes]":
        program = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *QUIET, *words]
        environment = {**os.environ, "PYTHONPATH": str(path)}
        with open(self.folder / f"{log or kind}.log", "wb") as file:
            return subprocess.Popen(
                program, stdout=file, stderr=file, stdin=subprocess.DEVNULL, env=environment, cwd=self.folder
            )


def until(fact: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """Wait for something that another process does, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := fact()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.05)
    return found


def children(pid: int) -> list[int]:
    """The ids of a process's children that live."""
    found = {int(path.name): _stat(path) for path in Path("/proc").glob("[0-9]*")}
    return [child for child, (state, parent) in found.items() if parent == pid and state not in "ZX"]


def lives(pid: int) -> bool:
    """Whether a process runs."""
    return _stat(Path(f"/proc/{pid}"))[0] not in "ZX"


def _stat(path: Path) -> tuple[str, int]:
    try:
        state, parent = (path / "stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return "X", 0
    return state, int(parent)
