"""Who makes another number of his rate at every step is given none by setting it; who limits his weights is driven."""

import numpy as np
import pytest

from parity.case.spec import LearningRateSchedule, hyperparameters
from parity.errors import UnsupportedError
from parity.subjects.numpy_class import NumpySubject


class Plain:
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.rate, self.rho, self.epsilon, self.moments, self.count = learning_rate, rho, epsilon, {}, 0

    def update(self, params, grads):
        for name, g in grads.items():
            v = self.moments[name] = self.rho * self.moments.get(name, 0 * g) + (1 - self.rho) * g * g
            params[name] -= self.rate * g / np.sqrt(v + self.epsilon)


class Compounds(Plain):
    def update(self, params, grads):
        super().update(params, grads)
        self.rate *= 0.99


class KeepsItsDecay(Plain):
    def update(self, params, grads):
        self.rate, self.count = self.rate / (1 + 0.01 * self.count), self.count + 1
        super().update(params, grads)


class Limits(Plain):
    def update(self, params, grads):
        super().update(params, grads)
        for w in params.values():
            np.clip(w, -0.01, 0.01, out=w)


GIVEN = hyperparameters()(learning_rate=LearningRateSchedule(values=[1e-3, 2e-3]))


def test_a_rate_that_stays_as_it_is_set_can_be_moved():
    assert NumpySubject(Plain, "mine.py:Plain").moved(GIVEN) == [("rate",)]


@pytest.mark.parametrize("kind", [Compounds, KeepsItsDecay])
def test_a_rate_that_its_class_makes_another_of_is_not_moved(kind):
    with pytest.raises(UnsupportedError, match="takes a number for its learning rate"):
        NumpySubject(kind, "mine.py:Mine").moved(GIVEN)


def test_a_class_that_brings_all_weights_to_one_limit_is_driven():
    assert NumpySubject(Limits, "mine.py:Limits").shape().title == "update(params, grads) over a mapping of all tensors"
