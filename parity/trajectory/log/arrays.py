"""A file of arrays in, NPZ or safetensors: its arrays by name, and the words that it says about itself."""

import stat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open

from parity.bounds.numerics import Array
from parity.case.tomlfile import show_path
from parity.errors import DataError, printable
from parity.problem.archive import MAX_BYTES, read_npz


class Arrays(NamedTuple):
    """The arrays of a file by name, and its texts: those of NPZ are arrays of one string, those of safetensors its
    metadata.
    """

    values: dict[str, Array]
    words: dict[str, str]


def read(path: Path) -> Arrays:
    """Return what a file holds, told from its first bytes: an archive of arrays (NPZ) or safetensors.

    Raises:
        DataError: there is no such file, it is neither, it is damaged or too large.
    """
    where = show_path(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(f"{where}: not a file; a log is an NPZ or a safetensors file.")
        with open(path, "rb") as stream:
            zipped = stream.read(2) == b"PK"
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{where}: {path.stat().st_size} bytes; allowed: at most {MAX_BYTES}. Log fewer steps.")
        return _npz(path) if zipped else _safetensors(path)
    except OSError as error:
        raise DataError(f"{where}: cannot be read: {error.strerror or error}.") from error
    except DataError as error:
        text = str(error)
        raise error if text.startswith(where) else DataError(f"{where}: {text}.") from error


def _npz(path: Path) -> Arrays:
    found = read_npz(path)
    words = {name: _text(array) for name, array in found.items() if array.dtype.kind in "US" and array.size == 1}
    return Arrays({name: np.asarray(array) for name, array in found.items() if name not in words}, words)


def _text(array: Array) -> str:
    said = array.item()
    return (said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)).strip()


def _safetensors(path: Path) -> Arrays:
    file: Any
    try:
        with safe_open(path, framework="numpy") as file:
            values = {name: np.array(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118  # no mapping
            return Arrays(values, dict(file.metadata() or {}))
    except (SafetensorError, ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"neither an NPZ archive nor safetensors: {printable(str(error))}. "
            f"np.savez makes the one, eight bytes, a JSON table and the values are the other"
        ) from error
