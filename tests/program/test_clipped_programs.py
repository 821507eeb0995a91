"""Programs that clip gradients, beside models whose optimizer does so, does so otherwise, or does not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.bounds.functions import lifted
from parity.bounds.numerics import format_of
from parity.explain.whole.clipping import ARGUMENTS, Clip, changing, clip_of, clipped, seen, usual
from parity.explain.whole.quantity import agrees
from parity.explain.whole.text import render

PROGRAM = """import numpy as np


class Net:
    def __init__(self):
        self.W1, self.b1 = np.random.uniform(-1, 1, (6, 9)) * np.sqrt(6 / 15), np.zeros(9)
        self.W2, self.b2 = np.random.uniform(-1, 1, (9, 4)) * np.sqrt(6 / 13), np.zeros(4)
        self.count, self.first, self.second = 0, [0, 0, 0, 0], [0, 0, 0, 0]

    def forward(self, x):
        self.a = np.maximum(x @ self.W1 + self.b1, 0)
        e = np.exp(self.a @ self.W2 + self.b2)
        return e / e.sum(axis=1, keepdims=True)

    def loss(self, x, y):
        return -np.mean(np.sum(y * np.log(self.forward(x)), axis=1))

    def «grads»(self, x, y):
        d = (self.forward(x) - y) / len(x)
        d1 = d @ self.W2.T * (self.a > 0)
        g = [x.T @ d1, d1.sum(axis=0), self.a.T @ d, d.sum(axis=0)]
        «in gradients»
        return g

    def step(self, x, y, rate=«rate»):
        g = self.«grads»(x, y)
        «in step»
        for w, each in zip([self.W1, self.b1, self.W2, self.b2], g):
            w -= rate * each


net = Net()
"""
KERAS = """import keras


def build():
    k = keras.layers
    model = keras.Sequential([keras.Input((6,)), k.Dense(9, activation="relu"), k.Dense(4, activation="softmax")])
    model.compile(optimizer=keras.optimizers.«optimizer», loss="categorical_crossentropy")
    return model
"""
VALUE = "g = [np.clip(each, -0.01, 0.01) for each in g]"
NORM = "g = [each * min(1, 0.02 / np.linalg.norm(each)) for each in g]"
GLOBAL = "n = np.sqrt(sum(np.sum(each**2) for each in g)); g = [each * min(1, 0.05 / n) for each in g]"
ADAM = """
        self.count += 1
        self.first = [0.9 * m + 0.1 * d for m, d in zip(self.first, g)]
        self.second = [0.999 * v + 0.001 * d * d for v, d in zip(self.second, g)]
        rate *= np.sqrt(1 - 0.999**self.count) / (1 - 0.9**self.count)
        g = [m / (np.sqrt(v) + 1e-7) for m, v in zip(self.first, self.second)]
"""
RMSPROP = """
        self.second = [0.9 * v + 0.1 * d * d for v, d in zip(self.second, g)]
        g = [d / np.sqrt(v + 1e-7) for d, v in zip(g, self.second)]
"""
DECAY = "g = [each + 0.01 * w for each, w in zip(g, [self.W1, self.b1, self.W2, self.b2])]"
SHOWN = {"grads": "grads", "rate": "0.1", "in gradients": "", "in step": ""}
HIDDEN = {**SHOWN, "grads": "back"}
CASES: dict[str, tuple[dict[str, str], str, list[str]]] = {
    "a step that clips by value": ({**SHOWN, "in step": VALUE}, "SGD(0.1)", ["gradient_clipped"]),
    "a step that clips by norm": ({**SHOWN, "in step": NORM}, "SGD(0.1)", ["gradient_clipped"]),
    "a step that clips all together": ({**SHOWN, "in step": GLOBAL}, "SGD(0.1)", ["gradient_clipped"]),
    "gradients that are clipped": ({**SHOWN, "in gradients": GLOBAL}, "SGD(0.1)", ["gradient_clipped"]),
    "a step that hides them": ({**HIDDEN, "in step": GLOBAL}, "SGD(0.1)", ["gradient_clipped"]),
    "at another number": ({**SHOWN, "in step": VALUE}, "SGD(0.1, clipvalue=0.02)", ["gradient_clipped"]),
    "before Adam": ({**SHOWN, "rate": "0.01", "in step": VALUE + ADAM}, "Adam(0.01)", ["gradient_clipped"]),
    "before RMSprop": ({**SHOWN, "in step": VALUE + RMSPROP}, "RMSprop(0.1)", ["gradient_clipped"]),
    "left out": (SHOWN, "SGD(0.1, clipvalue=0.01)", ["gradient_not_clipped"]),
    "left out before Adam": (
        {**SHOWN, "rate": "0.01", "in step": ADAM},
        "Adam(0.01, clipnorm=0.05)",
        ["gradient_not_clipped"],
    ),
    "left out where they are hidden": (HIDDEN, "SGD(0.1, global_clipnorm=0.05)", ["gradient_not_clipped"]),
    "right by value": ({**SHOWN, "in step": VALUE}, "SGD(0.1, clipvalue=0.01)", []),
    "right, hidden": ({**HIDDEN, "in step": VALUE}, "SGD(0.1, clipvalue=0.01)", []),
    "right in its gradients": ({**SHOWN, "in gradients": GLOBAL}, "SGD(0.1, global_clipnorm=0.05)", []),
    "right before RMSprop": ({**SHOWN, "in step": VALUE + RMSPROP}, "RMSprop(0.1, clipvalue=0.01)", []),
    "right, weights that decay": ({**HIDDEN, "in step": DECAY}, "SGD(0.1, weight_decay=0.01)", []),
}
QUICK = ("a step that clips all together", "right, hidden", "right before RMSprop")


def ask(folder: Path, gaps: dict[str, str], optimizer: str) -> Any:
    pytest.importorskip("tensorflow")
    from parity.explain.whole.stages import answer

    text = PROGRAM
    for gap, code in gaps.items():
        text = text.replace(f"«{gap}»", code)
    (folder / "mine.py").write_text(text)
    (folder / "model.py").write_text(KERAS.replace("«optimizer»", optimizer))
    return answer(folder / "mine.py", "net", (folder / "model.py", "build"), "", {}, 30.0)


@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
@pytest.mark.parametrize(
    "case", [name if name in QUICK else pytest.param(name, marks=pytest.mark.exhaustive) for name in CASES]
)
def test_clipping_is_named_and_a_right_one_is_not_accused(tmp_path: Path, case: str) -> None:
    gaps, optimizer, mistakes = CASES[case]
    found = ask(tmp_path, gaps, optimizer)
    assert [(each.name, each.confirmed) for each in found.mistakes] == [(each, True) for each in mistakes]
    assert found.verdict == ("DIVERGED" if mistakes else "ROUNDING")
    assert found.first is None or found.first.name in ("gradient", "update")
    if case == "a step that clips all together":
        assert "scaled to a length of 0.05 together" in render(found.document())


@pytest.mark.tensorflow
@pytest.mark.exhaustive
@pytest.mark.xdist_group("tensorflow")
def test_single_steps_do_not_show_what_is_done_over_several(tmp_path: Path) -> None:
    found = ask(tmp_path, HIDDEN, "SGD(0.1, gradient_accumulation_steps=2)")
    (update,) = [stage for stage in found.stages if stage.name == "update"]
    assert update.outcome.name == "UNSEEN"
    assert update.note.endswith("single steps do not show gradient_accumulation_steps")


def gradients() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(np.float32) for shape in ((5, 4), (4,))]


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_clip_is_seen_in_what_it_leaves(name: str) -> None:
    clip = Clip(name, 0.25)
    fmt = format_of(np.float32)
    left = [each.value for each in clipped([lifted(each, fmt) for each in gradients()], clip)]
    assert clip in list(seen([left]))
    again = clipped([lifted(each, fmt) for each in gradients()], clip)
    assert all(agrees(own, each) for own, each in zip(left, again, strict=True))
    assert clip_of({name: 0.25}) == clip


def test_a_clip_above_every_gradient_changes_none() -> None:
    assert list(changing(seen([gradients()]), [gradients()])) == []
    largest = max(float(np.abs(each).max()) for each in gradients())
    numbers = [clip.number for clip in changing(usual(), [gradients()]) if clip.name == "clipvalue"]
    assert numbers
    assert max(numbers) < largest
