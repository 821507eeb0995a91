"""An NPZ file in, its arrays out: nothing is unpickled, and nothing without an end or a measure is read."""

import os
import stat
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from parity.errors import DataError

MAX_BYTES: Final = 2_000_000_000
"""What an archive may hold once it is unpacked."""


def read_npz(path: Path) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """Return the arrays of an archive by name.

    Raises:
        FileNotFoundError: there is none.
        DataError: it is no file, too large, or damaged, or holds Python objects; the text says which of them.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe or a device may never end
            raise DataError("not a file")
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > MAX_BYTES:
            raise DataError(f"{unpacked} bytes once it is unpacked; allowed: at most {MAX_BYTES}")
        with np.load(path, allow_pickle=False) as archive:
            return {member: np.asarray(archive[member]) for member in archive.files}
    except (FileNotFoundError, DataError):
        raise
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}") from error
    except Exception as error:  # a damaged archive raises whatever zipfile, zlib and numpy think of, in their words
        raise DataError("not a readable NPZ archive of plain numbers; make it with np.savez") from error
