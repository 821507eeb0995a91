"""Finished runs on disk: each under the hash of everything that its numbers depend on, so that none is repeated."""

import hashlib
import json
import platform
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from parity.circumstances import source
from parity.circumstances.files import CACHE, ignore_cache, write_file
from parity.errors import UsageError
from parity.explain.factors import Program

FORMAT = 1
DEFAULT = CACHE / "explain"
_START = ("explain/program.py", "problem/data.py", "reference/network.py")
_BOUND = (f"subjects/binding/{name}.py" for name in ("arguments", "asked", "bound", "parts", "spelling"))
_RULE = ("explain/rule.py", *_BOUND)
_SOURCES = {
    "numpy": (*_START, *_RULE, "bounds/compiled", "reference"),
    "keras": (*_START, *_RULE, "explain/keras_program.py", "subjects/keras.py", "subjects/schedules.py"),
    "posted": (*_START, "reference/posted.py"),
}
"""What computes a run: another arithmetic is another run."""


class Task(Struct, frozen=True):
    """One run to make: the program, its seed, how long, and what executes it."""

    program: Program
    seed: int
    epochs: int
    engine: str = "numpy"

    def __hash__(self) -> int:
        """Schedules hold lists, which have no hash of their own."""
        return hash(self.key)

    @property
    def key(self) -> str:
        """The hash of the resolved program, seed, length, engine, sources and versions."""
        sources = source.digest(*_SOURCES[self.engine.partition("-")[0]])
        facts = [FORMAT, sources, np.__version__, platform.machine(), msgspec.to_builtins(self)]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:40]


class Store:
    """A folder with one JSON file a finished run."""

    def __init__(self, folder: Path = DEFAULT) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cache folder {folder}: {error.strerror}. Name another one with --cache.") from error
        ignore_cache(folder)
        self.folder = folder

    def get(self, task: Task) -> dict[str, Any] | None:
        """Return the record of a finished run, or None where there is none or it is damaged."""
        try:
            kept = json.loads((self.folder / f"{task.key}.json").read_bytes())
            record: dict[str, Any] = kept["record"]
            return record if kept["checksum"] == _checksum(record) else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def put(self, task: Task, record: dict[str, Any]) -> None:
        """Keep a finished run: a half-written file never has its name.

        Raises:
            UsageError: the disk is full, or the folder cannot be written.
        """
        document = {"task": msgspec.to_builtins(task), "record": record, "checksum": _checksum(record)}
        write_file(self.folder / f"{task.key}.json", f"{json.dumps(document, indent=1)}\n".encode())


def _checksum(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
