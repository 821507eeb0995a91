"""Steps in, one after the other, an NPZ log out: beside its place until it is whole, then renamed into it."""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.circumstances.files import install
from parity.errors import UsageError
from parity.trajectory.log.names import HYPERPARAMETER, RATE, RULE, SOURCE

Tensors = Mapping[str, Any]
States = Mapping[str, Tensors]
"""Tensors by field."""


class LogWriter:
    """Writes each step as it comes, so that memory does not grow; the file is there once it is closed, or never.

    Raises (from all methods):
        UsageError: the place cannot be written; what stood there before is unchanged.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.steps, self._open = path, 0, True
        self._part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = open(self._part, "wb")  # noqa: SIM115  # it lives as long as the training
        except OSError as error:
            raise self._unwritable(error) from error
        self._archive = zipfile.ZipFile(self._stream, "w")

    def step(self, number: int, before: States, gradients: Tensors, after: States) -> None:
        """Write a step: what it started from and ended in, tensors by field, and the gradients that went in."""
        for when, fields in (("before", before), ("after", after)):
            for field, tensors in fields.items():
                for name, array in tensors.items():
                    self._put(f"step/{number}/{when}/{field}/{name}", array)
        for name, array in gradients.items():
            self._put(f"step/{number}/gradient/{name}", array)
        self.steps += 1

    def rate(self, number: int, rate: float) -> None:
        """Write the learning rate of a step."""
        # As Keras holds it; of a float32 the shortest decimal is read.
        self._put(f"step/{number}/{RATE}", np.float32(rate))

    def finish(self, hyperparameters: Mapping[str, Any], rule: str, source: str) -> None:
        """Write what the log says of itself, and put the file into its place; nothing to do once it was abandoned."""
        if not self._open:
            return
        self._open = False
        for name, value in hyperparameters.items():
            self._put(f"{HYPERPARAMETER}/{name}", value)
        self._put(RULE, rule)
        self._put(SOURCE, source)
        try:
            self._archive.close()
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()
        except OSError as error:
            self.abandon()
            raise self._unwritable(error) from error
        install(self._part, self.path)

    def abandon(self) -> None:
        """Leave nothing behind: what stood in the file's place stays."""
        self._open = False
        self._archive.fp = None  # closing it would write its table
        self._stream.close()
        self._part.unlink(missing_ok=True)

    def _put(self, name: str, value: Any) -> None:
        try:
            with self._archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asarray(value), allow_pickle=False)
        except OSError as error:
            self.abandon()
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> UsageError:
        reason = error.strerror or str(error)
        return UsageError(
            f"{str(self.path)!r} cannot be written: {reason}. What stood there is unchanged. "
            f"Give a place that can be written, on a disk with room."
        )
