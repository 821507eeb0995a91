"""What a program draws or keeps from call to call: predictions that change, gradients that add up."""

from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]

LAYERS = """import numpy as np


class Linear:
    def __init__(self, inputs, units):
        self.weight = np.random.uniform(-1, 1, (units, inputs)) * np.sqrt(6 / (inputs + units))
        self.bias = np.zeros(units)
        self.zero()

    def zero(self):
        self.weight_grad, self.bias_grad = np.zeros_like(self.weight), np.zeros_like(self.bias)

    def __call__(self, x):
        self.x = x
        return x @ self.weight.T + self.bias

    def backward(self, d):
        self.weight_grad = self.weight_grad + d.T @ self.x
        self.bias_grad = self.bias_grad + d.sum(0)
        return d @ self.weight


class Net:
    def __init__(self):
        self.modules = [Linear(6, 7), Linear(7, 4)]

    def forward(self, x):
        self.a = np.tanh(self.modules[0](x))«mask»
        e = np.exp(self.modules[1](self.a))
        return e / e.sum(axis=1, keepdims=True)

    def loss(self, x, y):
        return -np.mean(np.sum(y * np.log(self.forward(x)), axis=1))

    def backward(self, x, y):
        d = (self.forward(x) - y) / len(x)
        self.modules[0].backward(self.modules[1].backward(d) * (1 - self.a**2))

    def step(self, x, y):
        «before»
        self.backward(x, y)
        for layer in self.modules:
            layer.weight -= «rate» * layer.weight_grad
            layer.bias -= «rate» * layer.bias_grad


net = Net()
"""
_ZERO = "[layer.zero() for layer in self.modules]"


def ask(folder: Path, **gaps: str) -> Any:
    pytest.importorskip("tensorflow")
    from programs import KERAS

    from parity.explain.whole.stages import answer

    text = gaps.pop("head", "") + LAYERS
    for gap, code in ({"mask": "", "before": _ZERO, "rate": "0.1"} | gaps).items():
        text = text.replace(f"«{gap}»", code)
    (folder / "mine.py").write_text(text)
    (folder / "model.py").write_text(KERAS)
    return answer(folder / "mine.py", "", (folder / "model.py", "build"), "", {}, 30.0)


def test_gradients_that_a_step_sets_to_zero_first_are_right(tmp_path: Path) -> None:
    found = ask(tmp_path)
    assert (found.first, found.mistakes, found.verdict) == (None, [], "ROUNDING")


def test_gradients_that_are_never_set_to_zero_are_named(tmp_path: Path) -> None:
    found = ask(tmp_path, before="pass")
    assert found.first.name == "state"
    assert [each.name for each in found.mistakes] == ["gradient_accumulated"]


@pytest.mark.exhaustive
@pytest.mark.parametrize("mask", [" * (np.random.rand(7) < 0.8) / 0.8", " + 1e-3 * np.random.randn(7)"])
def test_what_is_drawn_in_a_prediction_is_named_and_nothing_else(tmp_path: Path, mask: str) -> None:
    found = ask(tmp_path, mask=mask)
    assert found.first.name == "prediction"
    assert [each.name for each in found.mistakes] == ["not_repeatable"]


@pytest.mark.exhaustive
def test_a_program_that_reads_its_arguments_was_given_none(tmp_path: Path) -> None:
    found = ask(tmp_path, head="import sys\n\nrate = float(sys.argv[1])\n", rate="rate")
    update = next(stage for stage in found.stages if stage.name == "update")
    assert (update.outcome.name, found.mistakes) == ("UNSEEN", [])
    assert "NameError" in update.note


BY_IDENTITY = """import numpy as np


class Parameter:
    def __init__(self, shape):
        self.data = np.random.uniform(-1, 1, shape) * np.sqrt(6 / sum(shape)) if len(shape) > 1 else np.zeros(shape)
        self.grad = None


W, b = Parameter((6, 4)), Parameter((4,))
parameters = [W, b]
first = {id(each): 0.0 for each in parameters}
second = {id(each): 0.0 for each in parameters}
count = [0]


def forward(x):
    e = np.exp(x @ W.data + b.data)
    return e / e.sum(axis=1, keepdims=True)


def gradients(x, y):
    d = (forward(x) - y) / len(x)
    W.grad, b.grad = x.T @ d, d.sum(axis=0)
    return W.grad, b.grad


def train_step(x, y):
    gradients(x, y)
    count[0] += 1
    for each in parameters:
        key = id(each)
        first[key] = 0.9 * first[key] + 0.1 * each.grad
        second[key] = 0.999 * second[key] + 0.001 * each.grad**2
        m, v = first[key] / (1 - 0.9 ** count[0]), second[key] / (1 - 0.999 ** count[0])
        each.data = each.data - 0.01 * m / (np.sqrt(v) + «epsilon»)
"""
BESIDE_ADAM = """import keras
import numpy as np


def data():
    rng = np.random.default_rng(0)
    return 1e-4 * rng.standard_normal((40, 6)), np.eye(4)[rng.integers(0, 4, 40)]


def build():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, activation="softmax")])
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="categorical_crossentropy")
    return model
"""


@pytest.mark.parametrize("epsilon", ["1e-7", "1e-8"])
def test_state_by_the_identity_of_parameters_goes_along_and_the_nearest_epsilon_is_said(
    tmp_path: Path, epsilon: str
) -> None:
    pytest.importorskip("tensorflow")
    from parity.explain.whole.stages import answer

    (tmp_path / "mine.py").write_text(BY_IDENTITY.replace("«epsilon»", epsilon))
    (tmp_path / "model.py").write_text(BESIDE_ADAM)
    found = answer(tmp_path / "mine.py", "", (tmp_path / "model.py", "build"), "", {"weights": "W.data,b.data"}, 30.0)
    assert [(each.name, each.confirmed) for each in found.mistakes] == [("epsilon_place", True)]
    assert found.mistakes[0].sentence.startswith(f"epsilon, {float(epsilon):g}, is added to the root of the corrected")
