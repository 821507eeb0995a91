"""Where a value is infinite or not a number: asked of every block, so it costs one pass that writes nothing."""

import numpy as np

from parity.bounds.numerics import Array


def first_not_finite(rows: Array) -> tuple[int, int] | None:
    """Return row and position of the first value of ``[rows, size]`` that is not finite, or None."""
    if _sum_is_finite(rows):
        return None
    broken = ~np.isfinite(rows)
    if not broken.any():
        return None
    row, position = np.unravel_index(int(np.argmax(broken)), rows.shape)
    return int(row), int(position)


def _sum_is_finite(rows: Array) -> bool:
    """Whether the sum of squares is finite, which no value that is not finite leaves so; large ones overflow in it."""
    # Half the time of a mask, where BLAS knows the dtype; it knows no 16-bit one.
    flat = rows.reshape(-1)
    return rows.dtype.itemsize > 2 and bool(np.isfinite(np.dot(flat, flat)))
