"""What is drawn has the same bits on every processor."""

import os
import subprocess
import sys
from decimal import Decimal, localcontext

import numpy as np
import pytest

from parity.case.cells import select
from parity.case.spec import Replayed
from parity.diagnosis.probes import MODES, probe
from parity.problem import data, portable

EXPONENTS = np.concatenate([np.random.default_rng(0).uniform(-300, 300, 4000), np.linspace(-7, 1, 4001)])


def test_a_power_of_ten_is_rounded_once():
    with localcontext(prec=50):
        true = [float(Decimal(10) ** Decimal(float(x))) for x in EXPONENTS]
    assert portable.powers_of_ten(EXPONENTS).tolist() == true


def test_a_power_alone_has_the_bits_that_it_has_among_many():
    alone = [float(portable.powers_of_ten(float(x))) for x in EXPONENTS]
    assert portable.powers_of_ten(EXPONENTS).tolist() == alone


@pytest.mark.parametrize("value", [1e-7, 3e-5, 1.0, 10.0, 7.25, 1e300])
def test_a_decimal_logarithm_is_rounded_once(value):
    with localcontext(prec=60):
        assert portable.log10(value) == float(Decimal(value).log10())


@pytest.mark.parametrize("count", [0, 1, 2, 40_000])
def test_a_spread_reaches_from_its_low_to_its_high_end(count):
    found = portable.spread(1e-7, 10.0, count)
    assert len(found) == count
    assert np.all(np.diff(found) > 0)
    if count > 1:
        assert (found[0], found[-1]) == (1e-7, 10.0)


def test_the_shape_of_exponents_is_kept():
    assert portable.powers_of_ten(np.zeros((3, 2), dtype=np.float64)).tolist() == [[1.0, 1.0]] * 3
    assert float(portable.powers_of_ten(np.float64(2.0))) == 100.0


DRAWN = """
import hashlib
from parity.case.cells import select
from parity.problem import data
from parity.diagnosis.probes import MODES, probe
from parity.case.spec import Replayed
digest = hashlib.sha256()
for cell in select([]):
    if isinstance(cell.problem, Replayed) and cell.problem.generator != "recorded":
        for step in (0, 1):
            for array in data.draw(cell.problem, data.shapes(cell), cell.seed, step).values():
                digest.update(array.tobytes())
for mode in MODES:
    for seed in (0, 1):
        made = probe(mode, True, seed)
        digest.update(made.gradients.tobytes())
        digest.update(made.weights.tobytes())
print(digest.hexdigest())
"""


def features():
    """Return those of the processor's features by which this NumPy chooses its kernels."""
    from numpy._core import _multiarray_umath as core

    return [name for name in core.__cpu_dispatch__ if core.__cpu_features__[name]]


def drawn(**environment):
    command = [sys.executable, "-W", "ignore", "-c", DRAWN]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=True)
    return done.stdout


def test_gradients_and_probes_are_drawn_alike_with_and_without_the_processors_wide_kernels():
    if not features():
        pytest.skip("this NumPy has no kernel that depends on a feature of this processor")
    assert drawn() == drawn(NPY_DISABLE_CPU_FEATURES=" ".join(features()))


def test_every_replayed_cell_draws_finite_numbers_inside_its_ends():
    for cell in select(["rmsprop/plain"]):
        assert isinstance(cell.problem, Replayed)
        for array in data.draw(cell.problem, data.shapes(cell), cell.seed, 0).values():
            size = np.abs(array[array != 0])
            assert np.all((size >= cell.problem.low) & (size <= cell.problem.high))


def test_a_probe_is_what_it_was_when_it_is_made_again():
    mode = next(iter(MODES))
    first = probe(mode, False, 1).gradients.copy()
    probe.cache_clear()
    assert np.array_equal(first, probe(mode, False, 1).gradients)
