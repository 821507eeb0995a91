"""The numbers of a recording: safetensors, written row by row in flat memory, read by the library that defines it."""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from safetensors import SafetensorError, safe_open

from parity.bounds.numerics import Array
from parity.errors import printable
from parity.trajectory.golden.sheet import damage, require_file

Shapes = Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]

CODES: Final[dict[str, str]] = {"float64": "F64", "float32": "F32", "bfloat16": "BF16", "float16": "F16"}
_WINDOW_BYTES = 8_000_000


def header(shapes: Shapes, metadata: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes before the first value: a length and a JSON table, padded to eight bytes.

    Source: https://huggingface.co/docs/safetensors (format)).
    """
    table: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    position = 0
    for name in ordered(shapes):
        dtype, shape = shapes[name]
        end = position + math.prod(shape) * dtype.itemsize
        table[name] = {"dtype": CODES[dtype.name], "shape": list(shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def ordered(shapes: Shapes) -> list[str]:
    """Return the names in the order that their values have in a file: by dtype, then by name, as the library sorts."""
    return sorted(shapes, key=lambda name: (list(CODES).index(shapes[name][0].name), name))


def size(shapes: Shapes) -> int:
    """Return how many bytes the values take."""
    return sum(math.prod(shape) * dtype.itemsize for dtype, shape in shapes.values())


class Writer:
    """Fills a values file whose shapes are known: rows of any tensor in any order, nothing kept in memory."""

    def __init__(self, stream: BinaryIO, shapes: Shapes) -> None:
        self._stream, self.finite = stream, True
        head = header(shapes)
        stream.write(head)
        self._starts: dict[str, int] = {}
        position = len(head)
        for name in ordered(shapes):
            self._starts[name] = position
            dtype, shape = shapes[name]
            position += math.prod(shape) * dtype.itemsize
        stream.truncate(position)

    def put(self, name: str, first: int, rows: Array) -> None:
        """Write consecutive rows of one tensor from row ``first`` on."""
        if not rows.size:
            return
        self.finite = self.finite and bool(np.isfinite(rows).all())
        self._stream.seek(self._starts[name] + first * (rows.nbytes // len(rows)))
        self._stream.write(np.ascontiguousarray(rows).view(np.uint8).data)

    def close(self) -> None:
        """Make the values last beyond a power cut."""
        self._stream.flush()
        os.fsync(self._stream.fileno())


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Reader:
    """Rows of the tensors in a values file, whose bytes were checked against their digest."""

    def __init__(self, path: Path, sha256: str) -> None:
        require_file(path)
        try:
            if digest_of(path) != sha256:
                raise damage(path, "its bytes are not those that were recorded (SHA-256 differs)")
            with self._opened(path) as file:
                parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
                self.shapes = {name: tuple(part.get_shape()) for name, part in parts.items()}
                self.dtypes = {name: part.get_dtype() for name, part in parts.items()}
        except (SafetensorError, OSError, ValueError, TypeError) as error:
            said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise damage(path, f"not safetensors: {printable(said)}") from error
        self._path = path
        self._windows: dict[str, tuple[int, Array]] = {}

    def finite(self) -> bool:
        """Return whether no value is infinite or NaN; reads all of them, a few megabytes at a time."""
        return all(
            np.isfinite(self._rows(name, start)).all()
            for name, shape in self.shapes.items()
            for start in range(0, shape[0] if shape else 0, self._count(name))
        )

    def row(self, name: str, index: int) -> Array:
        """Return one row of a tensor, as an array of its own."""
        start, window = self._windows.get(name, (0, None))
        if window is None or not start <= index < start + len(window):
            start, window = index, self._rows(name, index)
            self._windows[name] = start, window
        return np.array(window[index - start])

    def _rows(self, name: str, start: int) -> Array:
        try:
            with self._opened(self._path) as file:
                return np.array(file.get_slice(name)[start : min(start + self._count(name), self.shapes[name][0])])
        except (SafetensorError, OSError) as error:
            raise damage(self._path, f"it changed while it was read: {printable(str(error))}") from error

    @staticmethod
    def _opened(path: Path) -> Any:
        # Opened for each window: an open file stays mapped, and what was read of it would count as memory in use.
        return safe_open(path, framework="numpy")

    def _count(self, name: str) -> int:
        """Return how many rows of a tensor are read at a time."""
        row: int = max(1, 8 * math.prod(self.shapes[name][1:]))
        return max(1, _WINDOW_BYTES // row // len(self.shapes))
