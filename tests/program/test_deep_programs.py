"""Deep dense programs: the right ones are not accused, mistakes in one layer or in all are named, and of losses too."""

from pathlib import Path
from typing import Any

import pytest
from deep import BENT, BINARY, COIN, EVEN, L2, LOGITS, PENALISED, TANH, Net, model, program

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]

SMOOTHED = "keras.losses.CategoricalCrossentropy(label_smoothing=0.1)"
PAIRS = {
    "returned": "[(g, h) for g, h in zip(gw, gb)][::-1]",
    "taken": "zip(*gradients(x, y)[::-1]); gw, gb = list(gw), list(gb)",
}
"""Gradients by layer, the last first."""
RIGHT: dict[str, tuple[Net, dict[str, str], dict[str, Any]]] = {
    "six layers": (TANH, {}, {}),
    "other activations": (BENT, {}, {}),
    "layers of one size whose gradients come last first": (EVEN, PAIRS, {}),
    "a kernel and a bias of as many numbers": (COIN, BINARY, {"loss": '"binary_crossentropy"'}),
    "a penalty": (BENT, PENALISED, {"penalty": L2.format(0.01)}),
}
_BARE = "-np.mean(np.sum(y * np.log({}), axis=1))"
WRONG: dict[str, tuple[Net, dict[str, str], dict[str, Any], list[str]]] = {
    "another leak": (BENT, {"leak": "0.01"}, {}, ["other_activation"]),
    "another activation in all layers": (TANH, {}, {"kinds": ("relu",) * 5 + ("softmax",)}, ["other_activation"]),
    "no slope of elu": (BENT, {"elu": "1.0"}, {}, ["derivative_left_out"]),
    "slope of elu at its output": (BENT, {"elu": "np.exp(np.minimum(a, 0))"}, {}, ["derivative_at_output"]),
    "no slopes": (TANH, {"slope": "1"}, {}, ["derivative_left_out"]),
    "sums, last first": (EVEN, {**PAIRS, "delta": "p - y"}, {}, ["gradient_scale"]),
    "labels that the model smooths": (BENT, {}, {"loss": SMOOTHED}, ["label_smoothing"]),
    "a softmax that the model does not take": (
        LOGITS,
        {"loss": _BARE.format("softmax(p)"), "delta": "(softmax(p) - y) / len(x)"},
        {},
        ["from_logits"],
    ),
    "a penalty that the model has not": (BENT, PENALISED, {}, ["penalty_added", "penalty_added"]),
    "a smaller penalty": (BENT, PENALISED, {"penalty": L2.format(0.1)}, ["penalty_in_loss", "penalty_in_gradient"]),
    "no penalty of one layer": (
        BENT,
        {
            "loss": PENALISED["loss"].replace("in W)", "in W[:-1])"),
            "gw": PENALISED["gw"] + " * (i < len(W) - 1)",
        },
        {"penalty": L2.format(0.01)},
        ["penalty_in_loss", "penalty_in_gradient"],
    ),
}
QUICK = ["a kernel and a bias of as many numbers", "another leak", "labels that the model smooths"]


def ask(folder: Path, net: Net, gaps: dict[str, str], beside: dict[str, Any], **bound: str) -> Any:
    pytest.importorskip("tensorflow")
    from parity.explain.whole.stages import answer

    (folder / "mine.py").write_text(program(net, **gaps))
    (folder / "model.py").write_text(model(net, **beside))
    return answer(folder / "mine.py", "", (folder / "model.py", "build"), "", bound, 30.0)


def _cases(names: Any) -> list[Any]:
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.exhaustive) for name in names]


@pytest.mark.parametrize("name", _cases(RIGHT))
def test_a_right_one_is_not_accused(tmp_path: Path, name: str) -> None:
    found = ask(tmp_path, *RIGHT[name])
    assert (found.first, found.mistakes, found.verdict) == (None, [], "ROUNDING")


@pytest.mark.parametrize("name", _cases(WRONG))
def test_its_mistake_is_named(tmp_path: Path, name: str) -> None:
    net, gaps, beside, mistakes = WRONG[name]
    found = ask(tmp_path, net, gaps, beside)
    assert found.first is not None
    assert [(each.name, each.confirmed) for each in found.mistakes] == [(each, True) for each in mistakes]


@pytest.mark.exhaustive
def test_a_ratio_that_is_nearly_one_is_said_to_the_digits_that_show_it(tmp_path: Path) -> None:
    found = ask(tmp_path, TANH, {"gw": "outs[i].T @ d * (1.0001 if i == 0 else 1)"}, {})
    notes = [stage.note for stage in found.stages if stage.name == "own gradient" and stage.outcome.parts]
    assert notes == ["it is 1.0001 times the derivative of the program's own loss"]
