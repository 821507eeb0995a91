import importlib.util
from typing import Any

import msgspec
import pytest

from parity.case.places import CASES
from parity.errors import NotInstalledError
from parity.explain import debugging, text
from parity.explain.experiment import Experiment, load
from parity.explain.factors import Program
from parity.explain.ladder import climb
from parity.explain.program import mnist

QUESTION = load(CASES / "question" / "question.toml")
TORCH = load(CASES / "question" / "torch_rule.toml")


def test_ladder_names_the_quantities_of_the_question_that_part_and_why() -> None:
    rungs = {rung.quantity: rung for rung in climb(*QUESTION.programs, QUESTION.active, mnist(), 0)}
    parts = {name: rung.because for name, rung in rungs.items() if rung.outcome == "parts"}
    assert parts == {
        "initial weights": ["initial_weights"],
        "forward pass (logits)": ["forward_divisor"],
        "update rule": ["second_moment_start"],
    }
    assert rungs["gradient"].outcome == "rounding"
    assert rungs["order of the images"].outcome == "identical"


def test_ladder_of_equal_programs_is_identical_throughout() -> None:
    b = QUESTION.programs[1]
    assert {rung.outcome for rung in climb(b, b, [], mnist(), 0)} == {"identical"}


def changed(**fields: Any) -> Program:
    return msgspec.structs.replace(Program(layers=[784, 24, 16, 10], examples=40, batch_size=4), **fields)


@pytest.mark.parametrize(
    "both", [{}, {"momentum": 0.9}, {"weight_decay": 0.01, "l2": 0.01}, {"global_clipnorm": 0.1}, {"clipvalue": 1e-3}]
)
@pytest.mark.parametrize(("one", "other"), [("float32", "float64"), ("float64", "float32")])
def test_two_precisions_of_one_program_are_rounding_at_each_rung(one: str, other: str, both: dict[str, Any]) -> None:
    rungs = climb(changed(dtype=one, **both), changed(dtype=other, **both), ["dtype"], mnist(), 3)
    outcomes = {rung.quantity: rung.outcome for rung in rungs}
    assert set(outcomes.values()) == {"identical", "rounding"}
    assert outcomes["gradient"] == outcomes["update rule"] == "rounding"


def test_other_ways_to_write_one_thing_are_rounding() -> None:
    a, b = changed(hidden_slip=28.0, dtype="float64"), changed(probability_clip=1e-7, dtype="float64")
    rungs = {rung.quantity: rung.outcome for rung in climb(a, b, ["hidden_slip", "probability_clip"], mnist(), 1)}
    assert rungs["forward pass (logits)"] == rungs["loss"] == "rounding"


@pytest.mark.parametrize(
    ("quantity", "fields"),
    [
        ("initial weights", {"initial_scale": 1 + 1e-6}),
        ("forward pass (logits)", {"forward_divisor": 1 + 1e-12, "dtype": "float64"}),
        ("gradient", {"backward_divisor": 1 + 1e-12, "dtype": "float64"}),
        ("gradient", {"l2": 1e-13, "dtype": "float64"}),
        ("update rule", {"learning_rate": 0.001 * (1 + 3e-6)}),
        ("update rule", {"rho": 0.9 + 1e-6}),
    ],
)
def test_what_is_beyond_rounding_parts_however_little(quantity: str, fields: dict[str, Any]) -> None:
    plain = {name: fields[name] for name in fields if name == "dtype"}
    rungs = {rung.quantity: rung for rung in climb(changed(**fields), changed(**plain), list(fields), mnist(), 3)}
    assert rungs[quantity].outcome == "parts"
    assert {name for name, rung in rungs.items() if rung.outcome == "parts"} == {quantity}


def test_a_deep_network_hides_no_factor() -> None:
    deep = {"layers": [784, *[64] * 6, 10]}
    rungs = climb(changed(**deep, forward_divisor=1.01), changed(**deep), [], mnist(), 3)
    assert [rung.quantity for rung in rungs if rung.outcome == "parts"] == ["forward pass (logits)"]


def test_both_programs_move_their_weights_alike_but_not_their_answers() -> None:
    rows = debugging.steps(QUESTION, 2)
    posted, keras = rows[0], rows[1]
    assert posted.weights_moved == pytest.approx(keras.weights_moved, rel=0.05)
    assert keras.answer_moved > 20 * posted.answer_moved
    assert "logits moved" in text.steps(rows)


def test_first_feature_that_parts_is_named() -> None:
    rows = debugging.features(QUESTION)
    assert (rows[0].first_step, rows[0].because) == (None, [])
    assert rows[1].because == ["second_moment_start"]
    assert "First feature that parts: + second moment (rho 0.9), because of second_moment_start." in text.features(rows)


def test_learning_rate_outside_the_buffer_shows_only_once_the_rate_drops() -> None:
    rows = {row.feature: row for row in debugging.features(TORCH)}
    assert "learning_rate_place" not in rows["+ gradients clipped at 0.5"].because
    assert "learning_rate_place" in rows["+ a learning rate that drops after 20 steps"].because


def test_simpler_problems_come_before_the_described_one(small: Experiment, inline: Any) -> None:
    rows = debugging.simplify(small, inline, epochs=1)
    assert rows[0].problem == "no hidden layer"
    assert rows[-1].problem == "as described"
    assert set(rows[0].alone) == set(small.active)
    assert text.simplify(rows, ["x", "y"])


@pytest.mark.parametrize("experiment", [QUESTION, TORCH])
def test_formula_of_the_installed_keras_has_its_lines(experiment: Experiment) -> None:
    if importlib.util.find_spec("keras") is None:
        pytest.skip("keras is not installed")
    rows = debugging.source(experiment)
    assert all(row.place.startswith("keras/src/optimizers/rmsprop.py:") for row in rows)
    assert any("ops.sqrt(denominator)" in row.source for row in rows)
    assert "DIFFERS" in text.source(rows, ["x", "y"])


def test_source_without_keras_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NotInstalledError, match="pip install"):
        debugging.source(QUESTION)
