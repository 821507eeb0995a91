"""Who takes a number for the learning rate has it set anew where a case changes it, in the type that it is held in."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from driving import cell

from parity.case.spec import SCHEDULES
from parity.runner.loop import run_pair
from parity.subjects.numpy_class import NumpySubject

CHANGING = SCHEDULES["PiecewiseConstantDecay"]([3], [0.0078125, 0.001953125])
HELD: dict[str, Callable[[float], Any]] = {"float": float, "float32": np.float32, "float64": np.float64}


class Held:
    """RMSprop that holds its rate in an attribute."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.rate, self.rho, self.epsilon = self.kind(learning_rate), rho, epsilon
        self.v: dict[str, Any] = {}

    kind = float

    def update(self, params, grads):
        for name, g in grads.items():
            v = self.v[name] = self.rho * self.v.get(name, 0 * g) + (1 - self.rho) * (g * g)
            params[name] -= self.rate * g / np.sqrt(v + self.epsilon)


class Mapped(Held):
    """The same with a mapping of its numbers."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        super().__init__(learning_rate, rho, epsilon)
        del self.rate
        self.config = {"lr": self.kind(learning_rate)}

    def update(self, params, grads):
        self.rate = self.config["lr"]
        super().update(params, grads)
        del self.rate


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("base", [Held, Mapped])
def test_a_rate_is_moved_in_the_type_that_it_is_held_in(base, held):
    seen: list[Any] = []

    class Mine(base):
        kind = HELD[held]

        def update(self, params, grads):
            seen.append(self.config["lr"] if base is Mapped else self.rate)
            super().update(params, grads)

    pair = run_pair(cell(steps=6, learning_rate=CHANGING), "mine", NumpySubject(Mine, "mine"))
    assert pair.verdict.name in ("IDENTICAL", "ROUNDING"), [comparison.reason for comparison in pair.comparisons]
    assert {type(rate) for rate in seen} == {HELD[held]}
    assert [float(rate) for rate in seen[-6:]] == [*[0.0078125] * 4, *[0.001953125] * 2]
