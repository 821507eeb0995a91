"""What one compiled pass measures is what NumPy measures, although it divides only where a quotient may be larger."""

import numpy as np
import pytest

from parity.bounds.compiled.forms import has_numba
from parity.bounds.numerics import differs, ulp_distance
from parity.bounds.rule import bound_around

pytestmark = pytest.mark.skipif(not has_numba(), reason="Numba is not installed")


def values(size, seed):
    """Return obtained, expected and exact values with errors: magnitudes over the whole range, zeros of both signs."""
    rng = np.random.default_rng(seed)
    expected = (rng.normal(size=size) * 10.0 ** rng.uniform(-44, 30, size)).astype(np.float32)
    obtained = np.where(rng.random(size) < 0.5, np.nextafter(expected, np.float32(9)), expected)
    obtained[:: max(size // 3, 1)] = expected[:: max(size // 3, 1)] = 0.0
    obtained[0] = -0.0
    exact = expected * (1 + 1e-9 * rng.normal(size=size))
    error = np.abs(exact) * 10.0 ** rng.uniform(-9, -3, size) + 1e-38
    return obtained, expected, exact, error


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [1, 511, 513, 5_000])
def test_a_compiled_pass_measures_what_numpy_does(size, seed):
    from parity.bounds.compiled.measuring import compiled_measure

    obtained, expected, exact, error = values(size, seed)
    normal = float(np.finfo(np.float32).smallest_normal)
    found = compiled_measure(obtained, expected, exact, error, normal)
    signed = obtained.astype(np.float64) - expected
    with np.errstate(all="ignore"):
        ratio = np.where(signed == 0, 0.0, np.abs(signed) / bound_around(expected, exact, error))
    assert found.differing == int(differs(obtained, expected).sum())
    assert found.flushes == int(((expected != 0) & (np.abs(expected) < normal) & (obtained == 0)).sum())
    assert (found.ratio, found.largest) == (ratio.max(), np.abs(signed).max())
    assert found.at == int(np.argmax(ratio))
    assert found.relative == np.inf  # zeros of either sign are apart
    assert found.ulp == ulp_distance(obtained, expected).max()
    assert found.total == pytest.approx(float(signed.sum()))


def test_a_bound_that_is_zero_or_no_number_is_left_to_numpy_or_infinitely_far():
    from parity.bounds.compiled.measuring import compiled_measure

    one, none = np.ones(3, dtype=np.float32), np.zeros(3, dtype=np.float64)
    apart = np.array([1, 1, 1.5], dtype=np.float32)
    assert compiled_measure(apart, one, one, none, 0.0).ratio == np.inf
    assert compiled_measure(apart, one, np.full(3, np.nan), none, 0.0).ratio == np.inf  # certain
    assert compiled_measure(apart, one, np.full(3, np.nan), none + 1, 0.0) is None
