"""The bound of a learning rate covers what another float32 arithmetic makes of its schedule."""

import numpy as np
import pytest
from numpy.lib.mixins import NDArrayOperatorsMixin

from parity.bounds.rule import rate_with_bound
from parity.reference import schedules


class Odd(NDArrayOperatorsMixin):
    """A float32 whose division is a product with a reciprocal."""

    def __init__(self, value):
        self.value = np.float32(value)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        items = [np.float32(x.value if isinstance(x, Odd) else x) for x in inputs]
        if ufunc is np.divide:
            return Odd(items[0] * (np.float32(1) / items[1]))
        return Odd(ufunc(*items))


class OddArithmetic:
    def number(self, value):
        return Odd(value)

    def power(self, base, exponent):
        return Odd(np.power(base.value, exponent.value))

    def cosine(self, angle):
        return Odd(np.cos(angle.value))

    def logarithm(self, x):
        return Odd(np.log(x.value))


SCHEDULES = [
    schedules.ExponentialDecay(0.01, 7, 0.9),
    schedules.ExponentialDecay(0.01, 7, 0.9, staircase=True),
    schedules.PiecewiseConstantDecay([10, 30], [0.1, 0.01, 0.001]),
    schedules.PolynomialDecay(0.01, 37, 1e-4, power=2.0),
    schedules.PolynomialDecay(0.01, 37, 1e-4, power=1.0, cycle=True),
    schedules.InverseTimeDecay(0.01, 7, 0.5),
    schedules.InverseTimeDecay(0.01, 7, 0.5, staircase=True),
    schedules.CosineDecay(0.01, 61, 0.1),
    schedules.CosineDecay(0.001, 61, 0.1, warmup_target=0.01, warmup_steps=11),
    schedules.CosineDecayRestarts(0.01, 7, 2.0, 0.5, 0.1),
    schedules.CosineDecayRestarts(0.01, 7, 1.0, 0.9, 0.1),
    schedules.LearningRateSchedule([0.1, 0.2, 0.3]),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
def test_the_rate_of_a_schedule_covers_other_float32_evaluations(schedule):
    finite = 0
    for step in range(80):
        with np.errstate(all="ignore"):
            other = float(np.float32(schedule.rate(OddArithmetic(), step).value))
        rate = rate_with_bound(schedule, step)
        finite += np.isfinite(rate.error)
        assert abs(other - float(rate)) <= rate.error
    assert finite >= 60, "a bound that is infinite at most steps says nothing"


def test_a_constant_rate_has_no_error_of_its_own():
    assert rate_with_bound(0.001, 5).error == 0
    assert float(rate_with_bound(0.001, 5)) == float(np.float32(0.001))
