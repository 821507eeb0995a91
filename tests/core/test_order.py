"""Tensors in another order at each step: what a class is handed, and what it must not keep its state under."""

import msgspec
import numpy as np
import pytest
from driving import cell, committed, judged

import parity
from parity.problem.problems import make
from parity.runner.loop import run_pair
from parity.subjects.numpy_class import NumpySubject

SHAPES = {"a": [5], "b": [5], "c": [5]}
FIXED = cell(tensors=SHAPES, learning_rate=0.0009765625)
ROTATING = msgspec.structs.replace(FIXED, problem=msgspec.structs.replace(FIXED.problem, order="rotating"))
CASES = committed("rmsprop/order_changes*")


class Tutorial:
    """Right as long as each key that its state is kept under stands for one tensor at every step."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.rate, self.rho, self.epsilon = learning_rate, rho, epsilon
        self.moments = {}

    def update(self, params, grads):
        for position, name in enumerate(params):
            w, g = params[name], grads[name]
            key = self.key(position, name, w)
            self.moments[key] = self.rho * self.moments.get(key, np.zeros_like(w)) + (1 - self.rho) * g**2
            w -= self.rate * g / np.sqrt(self.moments[key] + self.epsilon)

    def key(self, position, name, w):
        return name


class ByPosition(Tutorial):
    def key(self, position, name, w):
        return position


class ByShape(Tutorial):
    def key(self, position, name, w):
        return w.shape


class ById(Tutorial):
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        super().__init__(learning_rate, rho, epsilon)
        self.seen = []

    def key(self, position, name, w):
        self.seen.append(w)
        return id(w)


class Spy:
    """Keeps what it is handed."""

    def __init__(self):
        self.handed = []

    def init(self, params):
        return {}

    def step(self, params, grads, state):
        self.handed.append((params, grads))
        return dict(params), state


class OfLists:
    """Keeps its state by position, which is what a list has."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.rate, self.rho, self.epsilon = learning_rate, rho, epsilon
        self.moments = None

    def update(self, params, grads):
        self.moments = self.moments or [np.zeros_like(w) for w in params]
        for i in range(len(params)):
            self.moments[i] = self.rho * self.moments[i] + (1 - self.rho) * grads[i] ** 2
            params[i] -= self.rate * grads[i] / np.sqrt(self.moments[i] + self.epsilon)


def verdicts(each, kind):
    return {item.verdict for item in run_pair(each, "tried", NumpySubject(kind, "tried")).comparisons}


def test_each_step_begins_one_tensor_later_and_has_the_same_gradients():
    fixed, rotating = make(FIXED), make(ROTATING)
    assert ["".join(rotating.gradients(step)) for step in range(4)] == ["abc", "bca", "cab", "abc"]
    assert {"".join(fixed.gradients(step)) for step in range(4)} == {"abc"}
    for step in range(4):
        for name, array in fixed.gradients(step).items():
            assert rotating.gradients(step)[name].tobytes() == array.tobytes()


def test_a_class_is_handed_parameters_in_that_order_and_as_arrays_that_it_has_not_seen():
    spy = Spy()
    run_pair(msgspec.structs.replace(ROTATING, hyperparameters=type(ROTATING.hyperparameters)()), "tried",
             NumpySubject(lambda: spy, "tried"))  # fmt: skip
    assert ["".join(params) for params, _ in spy.handed[:4]] == ["abc", "bca", "cab", "abc"]
    assert all(list(params) == list(grads) for params, grads in spy.handed)
    arrays = [array for params, _ in spy.handed for array in params.values()]
    assert not any(np.shares_memory(one, other) for i, one in enumerate(arrays) for other in arrays[:i])
    assert not any(array.flags.writeable for array in arrays)


@pytest.mark.parametrize("each", CASES, ids=lambda each: each.id)
def test_state_under_the_name_of_a_tensor_or_its_place_in_a_list_is_right(each):
    assert verdicts(each, Tutorial) <= {"IDENTICAL", "ROUNDING"}
    assert verdicts(each, OfLists) <= {"IDENTICAL", "ROUNDING"}
    assert {item.verdict for item in judged(each, "reference").values()} == {"IDENTICAL"}


@pytest.mark.parametrize("kind", [ByPosition, ByShape, ById])
@pytest.mark.parametrize("each", CASES, ids=lambda each: each.id)
def test_state_under_anything_else_diverges(each, kind):
    assert verdicts(each, kind) == {"DIVERGED"}


@pytest.mark.exhaustive
def test_the_text_of_a_failure_points_to_the_order():
    with pytest.raises(AssertionError, match="look at what this case sets: its tensors in another order, and as other"):
        parity.assert_parity(ByPosition, cases="rmsprop/order_changes_defaults")


@pytest.mark.parametrize("kind", [ByPosition, ById])
def test_a_fixed_order_does_not_show_that(kind):
    assert verdicts(FIXED, kind) <= {"IDENTICAL", "ROUNDING"}


def test_a_case_of_before_is_told_as_before():
    assert "order" not in msgspec.to_builtins(FIXED.problem)
    assert msgspec.to_builtins(ROTATING.problem)["order"] == "rotating"
