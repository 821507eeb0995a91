"""Where a file computes a line of the formula is read from its text, and left out where there is no such place."""

from pathlib import Path
from statistics import NormalDist

import numpy as np

from parity.diagnosis.places import _spelled, places
from parity.verdicts.cause import Line, pairs


class Mine:
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.learning_rate, self.rho, self.epsilon = learning_rate, rho, epsilon
        self.v = {}

    def update(self, params, grads):
        for name, g in grads.items():
            self.v.setdefault(name, np.zeros_like(g))
            self.v[name] = self.rho * self.v[name] + (1 - self.rho) * g * g
            step = g / (np.sqrt(self.v[name]) + self.epsilon)
            params[name] -= self.learning_rate * step


def squared_in_a_power(w, g, v):
    v = 0.9 * v + 0.1 * g**2
    return w - 0.001 * g / v**0.5, v


class Curve(NormalDist):
    """What a library computes is no line of a person's."""


class Nothing:
    def update(self, params, grads):
        pass


class Kept(Mine):
    """Forms its moment where its base class does, and clips by a norm, which is neither moment nor step."""

    def update(self, params, grads):
        norm = np.sqrt(sum(np.sum(g * g) for g in grads.values()))
        super().update(params, {name: g / np.maximum(norm, 1.0) for name, g in grads.items()})


class Moments:
    def moment(self, v, g):
        return 0.9 * v + 0.1 * np.square(g)

    def step(self, v, g):
        return g / np.sqrt(v + 1e-7)


class Replaced(Moments):
    def step(self, v, g):
        return g / (v**0.5 + 1e-7)


def line_of(text: str) -> int:
    """Return the number of the first line of this file with a text."""
    return next(n for n, line in enumerate(Path(__file__).read_text().splitlines(), 1) if text in line)


def test_a_root_a_square_and_a_subtraction_are_found_in_the_lines_that_make_them():
    here = Path(__file__).name
    assert places(Mine) == {
        "second moment": f"{here}:{line_of('* g * g')}",
        "step": f"{here}:{line_of('step = g /')}",
        "weights": f"{here}:{line_of('params[name] -=')}",
    }


def test_what_a_base_class_computes_is_found_there_unless_it_is_replaced():
    here = Path(__file__).name
    assert places(Kept) == places(Mine)
    assert places(Replaced) == {
        "second moment": f"{here}:{line_of('0.1 * np.square(g)')}",
        "step": f"{here}:{line_of('(v**0.5 + 1e-7)')}",
    }
    assert places(Curve) == {}
    assert places(NormalDist)


def test_places_in_two_files_name_both():
    assert _spelled([("base.py", 9), ("mine.py", 3), ("mine.py", 7)]) == "base.py:9; mine.py:3, 7"


def test_powers_are_squares_and_roots():
    found = places(squared_in_a_power)
    assert found["second moment"].endswith(f":{line_of('g**2')}")
    assert found["step"].endswith(f":{line_of('v**0.5')}")


def test_what_has_no_such_line_or_no_text_has_no_place():
    assert places(Nothing) == {}
    assert places(len) == {}


def test_a_line_of_the_formula_is_shown_with_its_place_where_one_is_known():
    told = pairs([Line("u = g", "u = L·g", "mine.py:17"), Line("v0 = 1", "v0 = 0")])
    assert told[0] == "    it has    u = g   (mine.py:17)"
    assert told[2] == "    it has    v0 = 1"
