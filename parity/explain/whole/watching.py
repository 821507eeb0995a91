"""A call of a person's program comes in, the arrays that it passes through on its way come out."""

import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import numpy as np

from parity.bounds.numerics import Array

_SECONDS: Final = 2.0
"""How long a call is watched: what loops over pixels is slow to watch and passes through single numbers."""
_MOST: Final = 256
_LARGEST: Final = 4_000_000
"""Elements of an array that is kept."""


class Watch:
    """Keeps copies of the arrays that a program's own functions have in their names, or return, while it runs.

    Args:
        folder: where the program's files lie; what runs elsewhere, such as NumPy's own code, is not watched.
        fits: whether an array is worth keeping.
    """

    def __init__(self, folder: str, fits: Callable[[Array], bool]) -> None:
        self.arrays: dict[tuple[tuple[int, ...], str, bytes], Array] = {}
        self._folder, self._fits = folder, fits
        self._ends = 0.0
        self._seen: dict[int, tuple[Array, float]] = {}

    def __enter__(self) -> "Watch":
        """Begin to watch."""
        self._before = sys.gettrace()
        self._ends = time.monotonic() + _SECONDS
        sys.settrace(self._called)
        return self

    def __exit__(self, *details: object) -> None:
        """Watch no longer."""
        sys.settrace(self._before)

    def _called(self, frame: FrameType, event: str, value: Any) -> Any:
        if frame.f_code.co_filename.startswith(self._folder) and time.monotonic() < self._ends:
            return self._passed
        return None

    def _passed(self, frame: FrameType, event: str, value: Any) -> Any:
        if time.monotonic() > self._ends:
            sys.settrace(None)
            return None
        for each in (*frame.f_locals.values(), value if event == "return" else None):
            for array in each if isinstance(each, list | tuple) else (each,):
                if isinstance(array, np.ndarray) and self._new(array):
                    self.keep(array)
        return self._passed

    def _new(self, array: Array) -> bool:
        """Whether an array is another than when it was last looked at: it may be changed in place."""
        if array.dtype.kind != "f":
            return False
        with np.errstate(all="ignore"):
            total = float(np.sum(array, dtype=np.float64))
        known = self._seen.get(id(array))
        self._seen[id(array)] = array, total
        return known is None or known[0] is not array or known[1] != total

    def keep(self, array: Array) -> None:
        """Keep a copy of an array unless it is known."""
        if array.dtype.kind != "f" or not 0 < array.size <= _LARGEST or len(self.arrays) >= _MOST:
            return
        if self._fits(array):
            self.arrays.setdefault((array.shape, array.dtype.str, array.tobytes()), np.array(array))
