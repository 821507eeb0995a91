"""``Generator.permuted`` as a loop of its own: a fifth of the time, the same order, and the same state afterwards.

NumPy draws each place to exchange with by masked rejection of 32-bit numbers (``random_interval`` in
numpy/random/src/distributions/distributions.c), one call a number. Here they are taken from the generator in pieces,
and accepted without a branch. tests/core/test_compiled.py holds both to the same bits.
"""

from functools import cache
from typing import Any

import numpy as np

from parity.bounds.compiled.kernels import Kernel
from parity.bounds.numerics import Array

_PIECE = 16_384
"""Numbers of 64 bits that are taken at a time."""


def compiled_permuted(rng: np.random.Generator, values: Array) -> Array:
    """Return what ``rng.permuted(values)`` returns, values ``[n]``, and leave ``rng`` as that leaves it."""
    alike = values.ndim == 1 and 1 < values.size <= 2**32 and values.dtype.itemsize >= 4
    if alike and type(rng.bit_generator) is np.random.Philox and _same():
        return _permuted(rng, values)
    return np.asarray(rng.permuted(values))


@cache
def _same() -> bool:
    """Whether the NumPy that is installed draws as it is described here; another one may do otherwise."""
    values = np.arange(1_000, dtype=np.float32)
    one, other = (np.random.Generator(np.random.Philox(7)) for _ in range(2))
    return bool((one.permuted(values) == _permuted(other, values)).all()) and one.random() == other.random()


def _permuted(rng: np.random.Generator, values: Array) -> Array:
    source: Any = rng.bit_generator
    result, places = values.copy(), np.empty(2 * _PIECE + 1, dtype=np.uint32)
    left = values.size - 1
    state = source.state
    early = np.array([state["uinteger"]] if state["has_uint32"] else [], dtype=np.uint32)
    while left > 0:
        state = source.state
        drawn = np.concatenate([early, source.random_raw(min(_PIECE, left)).astype("<u8", copy=False).view("<u4")])
        count, used = _accept(drawn, left, places)
        _exchange(result, places, count, left)
        left, early_used, early = left - count, early.size, early[:0]
    # What was taken beyond the last number that was used goes back: the first half of 64 bits is the lower one.
    halves = used - early_used
    source.state = {**state, "has_uint32": 0}
    source.random_raw(-(-halves // 2), output=False)
    if halves % 2:
        source.state = {**source.state, "has_uint32": 1, "uinteger": int(drawn[used])}
    return result


def _accept_of(drawn: Any, left: Any, places: Any) -> Any:
    """Fill in the places to exchange with, from that of the last element down; return how many, and what was used."""
    count, used = 0, 0
    while left > 0 and used < drawn.size:
        mask = np.uint32(left)
        for shift in (1, 2, 4, 8, 16):
            mask |= mask >> np.uint32(shift)
        half = np.int64(mask >> np.uint32(1))
        while left > half and used < drawn.size:
            place = np.int64(drawn[used] & mask)
            places[count] = place
            accepted = place <= left
            used, count, left = used + 1, count + accepted, left - accepted
    return count, used


def _exchange_of(values: Any, places: Any, count: Any, last: Any) -> None:
    for i in range(count):
        one, other = last - i, places[i]
        kept = values[one]
        values[one] = values[other]
        values[other] = kept


_accept, _exchange = Kernel(_accept_of), Kernel(_exchange_of)
