"""Strategies for numbers: elements by bit pattern, and arrays of a few of them laid out by a pattern."""

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from parity.bounds.numerics import Array, dtype_of, format_of
from parity.problem.portable import powers_of_ten

ORDINARY, ANY_BITS = "ordinary", "any bits"
_INTEGERS: dict[int, Any] = {2: np.uint16, 4: np.uint32, 8: np.uint64}
Element = float | str | tuple[str, int]


def _special(dtype: str) -> list[float]:
    """Return the numbers at which arithmetic changes its ways, plain ones first, since shrinking goes to the front."""
    fmt = format_of(dtype_of(dtype))
    info: Any = np.finfo(fmt.dtype) if fmt.name != "bfloat16" else np.finfo(np.float32)
    tiny = float(info.smallest_normal)
    subnormal = float(info.smallest_subnormal) * (1 if fmt.name != "bfloat16" else 2**16)
    # Roots, unlike powers, have the same bits on every processor.
    root, small = math.sqrt(fmt.largest), math.sqrt(tiny)
    finite = [1.0, 0.0, -1.0, 0.5, 3.0, -0.0, 1e-3, 100.0, tiny, subnormal, -subnormal, tiny / 2, small, small / 4]
    return [*finite, root, 2 * root, -root, fmt.largest, -fmt.largest, np.inf, -np.inf, np.nan]


def elements(dtype: str, wild: bool) -> st.SearchStrategy[Element]:
    """Return a strategy for one element: a number, a whole draw, or a bit pattern; only tame ones are all finite."""
    tame = st.sampled_from([1.0, 0.0, -1.0, 0.5, 3.0, -0.0, 1e-3, 1e-4, 100.0])
    if not wild:
        return st.one_of(tame, st.just(ORDINARY))
    bits = 8 * dtype_of(dtype).itemsize
    patterns = st.tuples(st.just("bits"), st.integers(0, 2**bits - 1))
    never = st.sampled_from([np.inf, -np.inf, np.nan])
    return st.one_of(st.sampled_from(_special(dtype)), st.just(ORDINARY), patterns, st.just(ANY_BITS), never)


def exact_elements() -> st.SearchStrategy[Element]:
    """Return a strategy for small dyadic numbers, a few of which add up without rounding in each of the dtypes."""
    return st.builds(lambda n, e: float(n * 2.0**e), st.integers(-8, 8), st.just(-2))


@st.composite
def filled(draw: st.DrawFn, shape: tuple[int, ...], dtype: str, element: st.SearchStrategy[Element]) -> Array:
    """Return an array of a few elements: one after the other, or, for a seed above zero, strewn."""
    size = int(np.prod(shape))
    palette = draw(st.lists(element, min_size=1, max_size=min(4, max(size, 1))))
    seed = draw(st.integers(0, 999)) if size > 1 else 0
    return laid_out(palette, seed, shape, dtype)


def laid_out(palette: list[Element], seed: int, shape: tuple[int, ...], dtype: str) -> Array:
    """Return an array of that shape and dtype, filled from a palette of elements by a seed."""
    size, kind = int(np.prod(shape)), dtype_of(dtype)
    rng = np.random.default_rng(seed)
    which = np.arange(size) % len(palette) if seed == 0 else rng.integers(len(palette), size=size)
    result = np.zeros(size, dtype=kind)
    with np.errstate(all="ignore"):
        for number, element in enumerate(palette):
            where = which == number
            result[where] = _values(element, int(where.sum()), kind, rng)
    return result.reshape(shape)


def _values(element: Element, count: int, kind: np.dtype[Any], rng: np.random.Generator) -> Array:
    unsigned = _INTEGERS[kind.itemsize]
    if element == ORDINARY:
        drawn: Array = rng.normal(size=count) * powers_of_ten(rng.uniform(-5, 2, count))
        return drawn.astype(kind)
    if element == ANY_BITS:
        return rng.integers(0, 2 ** (8 * kind.itemsize), size=count, dtype=unsigned, endpoint=False).view(kind)
    if isinstance(element, tuple):
        return np.full(count, element[1], dtype=unsigned).view(kind)
    return np.full(count, element, dtype=np.float64).astype(kind)
