"""Deep dense programs: the right ones are not accused, mistakes in one layer or in all are named, and of losses too."""

from pathlib import Path
from typing import Any

import pytest
from deep import (
    BENT,
    BINARY,
    COIN,
    EVEN,
    L2,
    LEAKING,
    LOGITS,
    MIXED,
    PENALISED,
    SIGMOIDS,
    SQUARES,
    SWITCH,
    TANH,
    Net,
    model,
    narrow,
    program,
)

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
_CURVE = "(lambda s: s * (1 - s))(sigmoid({}))"
_MEAN = {"returned": "gw, [g / len(x) for g in gb]"}
_SQUARED = {"loss": "np.mean((p - y) ** 2)"}
_MSE = {"loss": '"mse"'}
_BCE = {"loss": '"binary_crossentropy"'}
_AT_OUTPUT = _CURVE.format("outs[i]")
TOGETHER: dict[str, tuple[Net, dict[str, str], dict[str, Any], list[str]]] = {
    "the slope at the output, and a sum": (
        SIGMOIDS,
        {"slope": _AT_OUTPUT, "delta": "p - y"},
        {},
        ["derivative_at_output", "gradient_scale"],
    ),
    "the slope at the output, and a mean of the biases": (
        SIGMOIDS,
        {"slope": _AT_OUTPUT, **_MEAN},
        {},
        ["derivative_at_output", "bias_gradient_scale"],
    ),
    "no slopes, and a bias over all units": (
        TANH,
        {"slope": "1", "returned": "gw, [np.full_like(g, g.sum()) if i == 1 else g for i, g in enumerate(gb)]"},
        {},
        ["derivative_left_out", "bias_gradient_axis"],
    ),
    "the diagonal of the softmax, and a mean of the biases": (
        SIGMOIDS,
        {"delta": "-y * (1 - p) / len(x)", **_MEAN},
        {},
        ["softmax_jacobian", "bias_gradient_scale"],
    ),
    "two slopes, one too many and one too few": (
        SWITCH,
        {**BINARY, "delta": "(p - y) * p * (1 - p) / len(x)", "slope": "1"},
        _BCE,
        ["derivative_left_out", "output_derivative_extra"],
    ),
    "one slope too many, and no penalty": (
        SWITCH,
        {
            "loss": BINARY["loss"] + " + 0.01 * sum(np.sum(w**2) for w in W)",
            "delta": "(p - y) * p * (1 - p) / len(x)",
        },
        {**_BCE, "penalty": L2.format(0.01)},
        ["output_derivative_extra", "penalty_in_gradient"],
    ),
    "the slope of another activation, and a sum": (
        MIXED,
        {"slope": "(1 - outs[i] ** 2)", "delta": "p - y"},
        {},
        ["derivative_of_other", "gradient_scale"],
    ),
    "a slope left out of each activation, and one kernel twice": (
        MIXED,
        {"slope": "1", "gw": "outs[i].T @ d * (2 if i == 0 else 1)"},
        {},
        ["derivative_left_out", "derivative_left_out", "kernel_gradient_scale"],
    ),
    "a mask of what comes back, and sums in the kernels": (
        SWITCH,
        {**BINARY, "slope": "((d @ W[i].T) > 0)", "gw": "outs[i].T @ d * len(x)"},
        _BCE,
        ["mask_of_gradient", "kernel_gradient_scale"],
    ),
    "the slope of a relu where it leaks, and a mean of the biases": (
        LEAKING,
        {"slope": "(zs[i - 1] > 0)", **_MEAN},
        {},
        ["derivative_of_other", "bias_gradient_scale"],
    ),
    "squares whose slopes are at the outputs, and twice the sum": (
        SQUARES,
        {**_SQUARED, "delta": "2 * (p - y) * " + _CURVE.format("p"), "slope": _AT_OUTPUT},
        _MSE,
        ["derivative_at_output", "gradient_scale"],
    ),
    "the gradient of a cross-entropy beside squares": (
        SQUARES,
        {**_SQUARED, "delta": "(p - y) / len(x)"},
        _MSE,
        ["gradient_of_other_loss"],
    ),
    "the gradient of squares beside a cross-entropy": (
        SWITCH,
        {**BINARY, "delta": "2 * (p - y) * p * (1 - p) / len(x)"},
        _BCE,
        ["gradient_of_other_loss"],
    ),
}
QUICK = ["a kernel and a bias of as many numbers", "another leak", "labels that the model smooths"]
QUICK += ["the slope at the output, and a sum", "the gradient of squares beside a cross-entropy"]


def ask(folder: Path, net: Net, gaps: dict[str, str], beside: dict[str, Any], change: Any = str, **bound: str) -> Any:
    pytest.importorskip("tensorflow")
    from parity.explain.whole.stages import answer

    (folder / "mine.py").write_text(change(program(net, **gaps)))
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


@pytest.mark.parametrize("name", _cases(TOGETHER))
def test_a_wrong_way_back_hides_no_second_mistake(tmp_path: Path, name: str) -> None:
    net, gaps, beside, mistakes = TOGETHER[name]
    found = ask(tmp_path, net, gaps, beside)
    assert sorted((each.name, each.confirmed) for each in found.mistakes) == [(each, True) for each in sorted(mistakes)]
    assert not found.consistent


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", TOGETHER)
def test_nor_in_a_program_that_computes_in_float32(tmp_path: Path, name: str) -> None:
    net, gaps, beside, mistakes = TOGETHER[name]
    found = ask(tmp_path, net, gaps, beside, narrow)
    assert sorted((each.name, each.confirmed) for each in found.mistakes) == [(each, True) for each in sorted(mistakes)]
    assert not found.consistent


@pytest.mark.parametrize("name", _cases(RIGHT))
def test_a_right_one_that_computes_in_float32_is_not_accused(tmp_path: Path, name: str) -> None:
    found = ask(tmp_path, *RIGHT[name], narrow)
    assert (found.first, found.mistakes, found.verdict) == (None, [], "ROUNDING")


@pytest.mark.exhaustive
def test_a_kernel_that_has_made_its_step_on_the_way_back_is_named(tmp_path: Path) -> None:
    early = "W[i] = W[i] - 0.05 * gw[i]\n        gb[i] = d.sum(axis=0)"
    found = ask(tmp_path, MIXED, {}, {}, lambda text: text.replace("gb[i] = d.sum(axis=0)", early))
    named = [(each.name, each.stage, each.confirmed) for each in found.mistakes]
    assert named[0] == ("already_updated", "gradient", True)


@pytest.mark.exhaustive
def test_a_kernel_that_goes_back_as_it_is_is_named_beside_a_sum(tmp_path: Path) -> None:
    found = ask(tmp_path, EVEN, {"delta": "p - y"}, {}, lambda text: text.replace("d @ W[i].T", "d @ W[i]"))
    assert [(each.name, each.confirmed) for each in found.mistakes] == [
        ("kernel_not_transposed", True),
        ("gradient_scale", True),
    ]


def test_what_no_mistake_explains_is_said_beside_one_that_is_named(tmp_path: Path) -> None:
    from parity.explain.whole.text import render

    strange = "outs[i].T @ d + (0.3 * np.sin(W[i]) if i == 1 else 0)"
    found = ask(tmp_path, MIXED, {"delta": "p - y", "gw": strange}, {})
    assert [(each.name, each.confirmed) for each in found.mistakes] == [("gradient_scale_from", True)]
    kernel = found.stages[[stage.note for stage in found.stages].index("no known mistake explains it")].about
    assert kernel.endswith("kernel")
    assert f"No known mistake explains the gradient of {kernel}." in render(found.document())


@pytest.mark.exhaustive
def test_a_gradient_that_is_zero_is_named(tmp_path: Path) -> None:
    found = ask(tmp_path, MIXED, {"gw": "outs[i].T @ d * (i != 1)"}, {})
    assert [(each.name, each.confirmed) for each in found.mistakes] == [("no_gradient", True)]
