"""Programs that only train, at a rate that they hold or have written in: their steps show which mistake they have."""

from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]

HELD = """import numpy as np


class Net:
    def __init__(self, inputs, hidden, outputs, rate):
        self.w_in = np.random.normal(0, inputs**-0.5, (hidden, inputs))
        self.w_out = np.random.normal(0, hidden**-0.5, (outputs, hidden))
        self.lr = rate

    def query(self, inputs):
        columns = np.array(inputs, ndmin=2).T
        middle = 1 / (1 + np.exp(-(self.w_in @ columns)))
        return 1 / (1 + np.exp(-(self.w_out @ middle)))

    def train(self, inputs, targets):
        columns, wanted = np.array(inputs, ndmin=2).T, np.array(targets, ndmin=2).T
        middle = 1 / (1 + np.exp(-(self.w_in @ columns)))
        p = 1 / (1 + np.exp(-(self.w_out @ middle)))
        d = (wanted - p) * p * (1 - p) * «share»
        back = self.w_out.T @ «sent»
        self.w_out += self.lr * d @ middle.T
        self.w_in += self.lr * (back * middle * (1 - middle)) @ columns.T


net = Net(6, 9, 4, «rate»)
"""
WRITTEN = """import numpy as np


def curve(z, slope=False):
    return z * (1 - z) if slope else 1 / (1 + np.exp(-z))


syn0 = 2 * np.random.random((6, 9)) - 1
syn1 = 2 * np.random.random((9, 4)) - 1


def forward(x):
    z1 = x @ syn0
    a = curve(z1)
    z2 = a @ syn1
    return z1, a, z2, curve(z2)


def train(x, y):
    global syn0, syn1
    z1, a, z2, p = forward(x)
    d2 = (y - p) * curve(«second», slope=True) * «share»
    d1 = d2 @ syn1.T * curve(«first», slope=True)
    syn1 = «cast»(syn1 + «rate» * a.T @ d2)
    syn0 = «cast»(syn0 + «rate» * x.T @ d1)
"""
OF_A_FILE = WRITTEN.replace("def train(", "learning_rate = «rate»\n\n\ndef train(", 1).replace(
    "«rate» * a.T", "learning_rate * a.T"
)
OF_A_FILE = OF_A_FILE.replace("«rate» * x.T", "learning_rate * x.T")
KERAS = """import keras


def build():
    k = keras.layers
    layers = [k.Dense(9, activation="sigmoid", use_bias=False), k.Dense(4, activation="sigmoid", use_bias=False)]
    model = keras.Sequential([keras.Input((6,)), *layers])
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    return model
"""
RIGHT = {
    **{"share": "2 / wanted.size", "sent": "d", "rate": "0.1"},
    **{"first": "a", "second": "p", "cast": ""},
}
OF_ROWS = {**RIGHT, "share": "2 / y.size"}
NARROW = {**OF_ROWS, "cast": "np.float32"}
Case = tuple[str, str, dict[str, str], list[str]]
CASES: dict[str, Case] = {
    "held, right": (HELD, "net", RIGHT, []),
    "held, the slope of what is sent back left out, and a sum": (
        HELD,
        "net",
        {**RIGHT, "share": "1", "sent": "(wanted - p)"},
        ["output_derivative_not_sent", "gradient_scale"],
    ),
    "held, another rate": (HELD, "net", {**RIGHT, "rate": "0.3"}, ["learning_rate"]),
    "held, another rate and a sum": (
        HELD,
        "net",
        {**RIGHT, "rate": "0.3", "share": "2"},
        ["gradient_scale", "learning_rate"],
    ),
    "written, right": (WRITTEN, "", OF_ROWS, []),
    "written, the formula of the output given the sums, and a sum": (
        WRITTEN,
        "",
        {**OF_ROWS, "first": "z1", "second": "z2", "share": "1"},
        ["derivative_at_sum", "gradient_scale"],
    ),
    "written, another rate": (WRITTEN, "", {**OF_ROWS, "rate": "0.3"}, ["gradient_scale"]),
    "written, in float32, right": (WRITTEN, "", NARROW, []),
    "written, in float32, a sum": (WRITTEN, "", {**NARROW, "share": "2"}, ["gradient_scale"]),
    "held by the file, right": (OF_A_FILE, "", OF_ROWS, []),
    "held by the file, a sum": (OF_A_FILE, "", {**OF_ROWS, "share": "2"}, ["gradient_scale"]),
    "held by the file, in float32, a sum": (OF_A_FILE, "", {**NARROW, "share": "2"}, ["gradient_scale"]),
}
QUICK = ("held, the slope of what is sent back left out, and a sum", "written, in float32, right")


def ask(folder: Path, text: str, name: str, gaps: dict[str, str]) -> Any:
    pytest.importorskip("tensorflow")
    from parity.explain.whole.stages import answer

    for gap, code in gaps.items():
        text = text.replace(f"«{gap}»", code)
    (folder / "mine.py").write_text(text)
    (folder / "model.py").write_text(KERAS)
    bound = {} if name else {"predict": "forward(x)[3]"}
    return answer(folder / "mine.py", name, (folder / "model.py", "build"), "", bound, 30.0)


@pytest.mark.parametrize(
    "case", [name if name in QUICK else pytest.param(name, marks=pytest.mark.exhaustive) for name in CASES]
)
def test_what_a_step_takes_shows_its_mistake(tmp_path: Path, case: str) -> None:
    text, name, gaps, mistakes = CASES[case]
    found = ask(tmp_path, text, name, gaps)
    named = [(each.name, each.confirmed) for each in found.mistakes if each.name != "initial_weights"]
    assert named == [(each, True) for each in mistakes]
    assert {stage.name for stage in found.stages if stage.outcome.parts} - {"weights"} <= {"gradient", "update"}


@pytest.mark.exhaustive
def test_a_factor_of_a_step_whose_rate_is_written_may_be_the_rates(tmp_path: Path) -> None:
    text, name, gaps, _ = CASES["written, another rate"]
    found = ask(tmp_path, text, name, gaps)
    said = next(each for each in found.mistakes if each.name == "gradient_scale")
    assert said.stage == "update"
    assert said.sentence == "every gradient is 3 times the model's, or its rate is"
