"""Signs as ``Generator.integers(0, 2)`` draws them, from the generator's bits as they come: a fifth of the time.

NumPy multiplies each 32 bits by two and takes what is above them (``random_bounded_uint64_fill`` in
numpy/random/src/distributions/distributions.c): the highest of the 32. tests/core/test_signs.py holds both to the same.
"""

from functools import cache
from typing import Any

import numpy as np

from parity.bounds.numerics import Array, bits

_MANY = 1_024
"""Signs from which on it pays to ask a generator for its state."""


def signed(rng: np.random.Generator, magnitude: Array) -> Array:
    """Return ``magnitude`` ``[n]`` with a sign drawn for each: minus where ``rng.integers(0, 2, n)`` is zero.

    The generator is left as that leaves it.
    """
    if magnitude.size < _MANY or type(rng.bit_generator) is not np.random.Philox or not _same():
        return np.where(rng.integers(0, 2, magnitude.size) == 0, -magnitude, magnitude)
    drawn = _drawn(rng, magnitude.size)
    # A zero in the highest bit is a minus, whose sign bit is one.
    np.invert(drawn, out=drawn)
    places = 8 * magnitude.dtype.itemsize
    if places == 32:
        drawn &= np.uint32(0x80000000)
    else:
        drawn >>= np.uint32(31)
        drawn = drawn.astype(f"u{magnitude.dtype.itemsize}")
        drawn <<= drawn.dtype.type(places - 1)
    drawn ^= bits(magnitude).view(drawn.dtype)
    return drawn.view(magnitude.dtype)


def _drawn(rng: np.random.Generator, count: int) -> Array:
    """Return ``count`` numbers of 32 bits, of each 64 the lower half first, as NumPy takes them."""
    source: Any = rng.bit_generator
    state = source.state
    early = 1 if state["has_uint32"] else 0
    raw = source.random_raw((count - early + 1) // 2).astype("<u8", copy=False).view("<u4")
    drawn = np.empty(count, dtype=np.uint32)
    drawn[:early] = state["uinteger"]
    drawn[early:] = raw[: count - early]
    left = len(raw) > count - early
    source.state = {**source.state, "has_uint32": int(left), "uinteger": int(raw[-1])}
    return drawn


@cache
def _same() -> bool:
    """Whether the NumPy that is installed draws as it is described here; another one may do otherwise."""
    one, other = (np.random.Generator(np.random.Philox(7)) for _ in range(2))
    equal = all(
        ((one.integers(0, 2, count) == 1) == (_drawn(other, count) >> np.uint32(31) == 1)).all()
        for count in (999, 1000)
    )
    return equal and one.integers(0, 1_000_000) == other.integers(0, 1_000_000) and one.random() == other.random()
