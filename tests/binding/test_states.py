"""States go in and out of a call each by itself, from before the first step on; what no step moves is driven too."""

import numpy as np
import pytest

from parity.case.cells import select
from parity.runner.loop import run_pair
from parity.subjects.binding.arguments import bind
from parity.subjects.binding.configs import config_of
from parity.subjects.binding.trials import known_of
from parity.subjects.numpy_class import NumpySubject

(CELL,) = select(["adam/plain[float32]"])


def adam(alpha, beta1, beta2, epsilon, var, grad, v, s, t):
    v = beta1 * v + (1 - beta1) * grad
    s = beta2 * s + (1 - beta2) * grad**2
    rate = alpha * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
    return var - rate * v / (np.sqrt(s) + epsilon), v, s


def swapped(alpha, beta1, beta2, epsilon, var, grad, v, s, t):
    new, v, s = adam(alpha, beta1, beta2, epsilon, var, grad, v, s, t)
    return new, s, v


def by_layers(parameters, grads, v, s, t, learning_rate=0.01, beta1=0.9, beta2=0.999, epsilon=1e-8):
    for number in range(1, len(parameters) // 2 + 1):
        for word in "Wb":
            w, g = f"{word}{number}", f"d{word}{number}"
            new = adam(learning_rate, beta1, beta2, epsilon, parameters[w], grads[g], v[g], s[g], t)
            parameters[w], v[g], s[g] = new
    return parameters, v, s


class NothingByDefault:
    def __init__(self, learning_rate, beta1, beta2, eps, weight_decay):
        self.numbers, self.decay = (learning_rate, beta1, beta2, eps), weight_decay
        self.m = self.v = self.t = 0

    def update(self, w, g):
        self.t += 1
        w, self.m, self.v = adam(*self.numbers, w - self.decay * w, g, self.m, self.v, self.t)
        return w


def verdicts(kind):
    return {item.verdict for item in run_pair(CELL, "mine", NumpySubject(kind, "mine")).comparisons}


@pytest.mark.parametrize("kind", [adam, by_layers, NothingByDefault])
def test_two_states_are_two_and_numbers_that_must_be_given_are_those_of_the_rule(kind):
    assert verdicts(kind) <= {"IDENTICAL", "ROUNDING"}


def test_states_that_come_back_in_another_order_go_in_so():
    assert not verdicts(swapped) & {"IDENTICAL", "ROUNDING"}


def test_what_only_another_rule_has_is_passed_where_it_must_be_given():
    shape = known_of(NothingByDefault, "mine").shape
    assert shape.title == "update(params, grads), one array a call, an instance for each tensor"
    given = bind(NothingByDefault, CELL.hyperparameters)
    assert {name: given.values[name] for name in ("beta1", "beta2", "weight_decay")} == {
        "beta1": 0.9,
        "beta2": 0.999,
        "weight_decay": 0.0,
    }


def by_defaults(w, dw, config=None):
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-3)
    config.setdefault("cache", np.ones_like(w))
    config.setdefault("t", 0)
    config["t"] += 1
    config["cache"] = 0.9 * config["cache"] + 0.1 * dw**2
    return w - config["learning_rate"] * dw / np.sqrt(config["cache"] / config["t"]), config


def whole(w, dw, config=None):
    config = config or {"learning_rate": 1e-3, "cache": np.zeros_like(w), "t": 0}
    config["t"] += 1
    config["cache"] = 0.9 * config["cache"] + 0.1 * dw**2
    return w - config["learning_rate"] * dw / np.sqrt(config["cache"] / config["t"]), config


def test_a_config_starts_before_its_first_step():
    assert config_of(by_defaults) == {"learning_rate": 1e-3}, "it fills in the rest itself"
    config = config_of(whole)
    assert config is not None
    assert (config["learning_rate"], config["t"]) == (1e-3, 0)


class NeverStored:
    """Momentum that is off by default, and weights that then stay where they are."""

    def __init__(self, learning_rate=0.001, momentum=0.0):
        self.rate, self.momentum = learning_rate, momentum

    def update_params(self, layer):
        if self.momentum:
            layer.weights -= self.rate * layer.dweights
            layer.biases -= self.rate * layer.dbiases


class RootOfWhatIsNegative:
    """The second moment of biases takes the gradient as it is, whose root is no number."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.rate, self.keep, self.eps, self.v, self.u = learning_rate, rho, epsilon, 0, 0

    def update(self, w, b, dw, db):
        self.v = self.keep * self.v + (1 - self.keep) * dw * dw
        self.u = self.keep * self.u + (1 - self.keep) * db
        return w - self.rate * dw / np.sqrt(self.v + self.eps), b - self.rate * db / np.sqrt(self.u + self.eps)


class FunctionAsVelocity:
    def __init__(self, lr=0.01, momentum=0.9):
        self.lr, self.momentum, self.v = lr, momentum, {}

    def update(self, params, grads):
        for key in params:
            self.v.setdefault(key, np.zeros_like)
            self.v[key] = self.momentum * self.v[key] - self.lr * grads[key]
            params[key] += self.v[key]


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        (NeverStored, "update_params(layer) with layers that own weights, biases and their gradients"),
        (
            RootOfWhatIsNegative,
            "update(params, biases, grads, bias_grads), weights and biases in one call, an instance for each two",
        ),
        (FunctionAsVelocity, "update(params, grads) over a mapping of all tensors"),
    ],
)
def test_what_stays_still_or_is_lost_or_raises_by_itself_is_driven_and_told_by_the_cases(kind, title):
    assert known_of(kind, "mine").shape.title == title
