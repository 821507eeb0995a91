"""Signs from a generator's bits are NumPy's, and leave the generator as NumPy does."""

import ml_dtypes
import numpy as np
import pytest

from parity.bounds.numerics import bits
from parity.problem import signs


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("drawn_before", [0, 1])
@pytest.mark.parametrize("count", [0, 1, 1_024, 1_025, 5_000])
def test_signs_are_numpys_and_leave_the_generator_as_numpy_does(count, drawn_before, dtype):
    one, other = (np.random.Generator(np.random.Philox(3)) for _ in range(2))
    magnitude = np.linspace(0, 1, count).astype(dtype)
    for rng in (one, other):
        rng.integers(0, 9, drawn_before, dtype=np.uint32)
    for _ in range(2):
        expected = magnitude * np.array([-1, 1], dtype=dtype)[one.integers(0, 2, count)]
        found = signs.signed(other, magnitude)
        assert found.dtype == magnitude.dtype
        assert (bits(found) == bits(expected.astype(dtype))).all()
    assert one.integers(0, 9, dtype=np.uint32) == other.integers(0, 9, dtype=np.uint32)
    assert (one.random(3) == other.random(3)).all()


def test_the_numpy_that_is_installed_draws_as_is_described():
    assert signs._same()
