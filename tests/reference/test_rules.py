"""The pages of rules give the numbers that Keras' own tests state, start as they say, and refuse what Keras refuses."""

from fractions import Fraction as F
from typing import Any

import numpy as np
import pytest

from parity.bounds.rule import page
from parity.case.rule import find, names
from parity.diagnosis.keras_tests import FIRST, LATER, MUON, ONE_STEP, ROUNDS, TOLD

UNTOLD = {"schedule_free_adamw", "muon"}
"""Keras' own tests of the one state no number, of the other their own (`MUON`)."""


def test_every_rule_is_told_by_the_tests_of_keras() -> None:
    assert {*UNTOLD, *TOLD} == {*UNTOLD, *ONE_STEP} == set(names())


def test_schedule_free_adamw_is_the_papers_but_for_the_iterate_that_it_recovers_with() -> None:
    """Defazio et al., algorithm 1 with AdamW; a gradient of one moves z by the rate, whatever the second moment is."""
    made: Any = page("schedule_free_adamw")(learning_rate=0.125, epsilon=0.0, beta_2=0.5)
    params = {"w": np.ones(1)}
    state, z, x = made.init(params), 1.0, 1.0
    for t in range(1, 6):
        before = float(params["w"][0])
        params, state = made.step(params, {"w": np.ones(1)}, state)
        z -= 0.125
        recovered = (before - (1 - made.beta_1) * z) / made.beta_1
        x = (1 - 1 / t) * x + z / t
        assert float(state["base_iterate"]["w"][0]) == z
        wanted = (1 - made.beta_1) * z + made.beta_1 * ((1 - 1 / t) * recovered + z / t)
        np.testing.assert_allclose(params["w"], wanted, rtol=1e-6)  # betas are rounded to float32
        papers = (1 - made.beta_1) * z + made.beta_1 * x
        assert (abs(wanted - papers) < 1e-12) == (t == 1)


def test_beta_1_of_schedule_free_adamw_cancels() -> None:
    """What Keras recovers with the new iterate, it takes back: the weights go to w + (z - w)/t, whatever beta_1 is."""
    gradients = np.random.default_rng(3).normal(size=(12, 5))
    for beta_1 in (0.125, 0.5, 0.9375):
        made: Any = page("schedule_free_adamw")(learning_rate=0.125, beta_1=beta_1)
        params: Any = {"w": np.ones(5)}
        state = made.init(params)
        for t, gradient in enumerate(gradients, 1):
            before = params["w"]
            params, state = made.step(params, {"w": gradient}, state)
            wanted = before + (state["base_iterate"]["w"] - before) / t
            np.testing.assert_allclose(params["w"], wanted, rtol=1e-13, atol=1e-13)


def test_muon_has_the_numbers_of_keras_tests() -> None:
    kind: Any = page("muon")
    for given, weights, gradient, wanted, tolerance in MUON:
        made = kind(**{"learning_rate": 0.5, "weight_decay": None, "adam_weight_decay": None, **given})
        params = {"w": np.array(weights, dtype=np.float32)}
        grads = {"w": np.array(gradient or np.zeros_like(params["w"]), dtype=np.float32)}
        after, _ = made.step(params, grads, made.init(params))
        np.testing.assert_allclose(after["w"], wanted, rtol=tolerance, atol=tolerance)
    matrix, wanted, tolerance = ROUNDS
    x = np.array(matrix, dtype=np.float32)
    turned = kind().orthogonalized(x / np.linalg.norm(x), 5)
    np.testing.assert_allclose(turned, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", ["wide", "tall"])
def test_rounds_of_muon_move_singular_values_and_leave_the_rest(shape: str) -> None:
    """By exact arithmetic: of u diag(3/5, 4/5) v' each round makes the same with a s + b s**3 + c s**5."""
    made: Any = page("muon")()
    u = [[F(3, 5), F(-4, 5)], [F(4, 5), F(3, 5)]]
    v = [[F(1, 3), F(2, 3)], [F(2, 3), F(1, 3)], [F(2, 3), F(-2, 3)]]  # columns of length one, at right angles
    numbers, a, b, c = [F(3, 5), F(4, 5)], F("3.4445"), F("-4.775"), F("2.0315")
    for rounds in range(4):

        def product(singular: list[F]) -> Any:
            return [[float(sum(u[i][k] * singular[k] * v[j][k] for k in range(2))) for j in range(3)] for i in range(2)]

        start, wanted = np.array(product([F(3, 5), F(4, 5)])), np.array(product(numbers))
        turned = made.orthogonalized(start if shape == "wide" else start.T, rounds)
        np.testing.assert_allclose(turned if shape == "wide" else turned.T, wanted, rtol=0, atol=1e-14)
        numbers = [a * s + b * s**3 + c * s**5 for s in numbers]


def test_a_step_of_muon_has_the_size_of_adams() -> None:
    """Liu et al., lemma 1: the mean square of an orthogonal matrix is 1 / its longer side, so that of a step is .2."""
    made: Any = page("muon")(learning_rate=1.0, weight_decay=None)
    for shape in ((8, 8), (8, 40), (40, 8)):
        params = {"w": np.zeros(shape)}
        after, _ = made.step(params, {"w": np.random.default_rng(1).normal(size=shape)}, made.init(params))
        assert 0.2 * 0.65 < np.sqrt(np.mean(after["w"] ** 2)) < 0.2 * 1.25  # what five rounds make of one


def test_muon_leaves_to_adam_what_is_no_matrix_and_what_names_say() -> None:
    params = {n: np.ones((2, 3), np.float32) for n in ("kernel", "Token_Embedding", "head/kernel")}
    params |= {"bias": np.ones(3, np.float32), "cube": np.ones((1, 2, 3), np.float32)}
    grads = {name: np.full_like(w, 2.0) for name, w in params.items()}
    made: Any = page("muon")(exclude_layers=["^head"], adam_lr_ratio=0.5, weight_decay=0.25)
    after, state = made.step(params, grads, made.init(params))
    assert sorted(state["second_moment"]) == ["Token_Embedding", "bias", "cube", "head/kernel"]
    adam: Any = page("adam")(learning_rate=0.0005)
    adams, moments = adam.step(params, grads, adam.init(params))
    for name in state["second_moment"]:
        decay = 0.004 * 0.001 * params[name]  # by the whole rate, and by its own decay
        np.testing.assert_allclose(after[name], adams[name] - decay, rtol=2e-7)
        assert np.array_equal(state["second_moment"][name], moments["second_moment"][name])
    assert "second_moment" not in made.init({"kernel": params["kernel"]})


@pytest.mark.parametrize("rule", names())
def test_a_tensor_without_a_gradient_is_passed_over(rule: str) -> None:
    """As Keras filters them (base_optimizer.py, apply): no decay, no slot moves; what is of all tensors does."""
    made: Any = page(rule)(weight_decay=0.25)
    params = {"there": np.full((2, 3), 0.5), "absent": np.full((2, 3), 0.5)}
    state = made.init(params)
    grads: dict[str, Any] = {name: np.full_like(w, 0.125) for name, w in params.items()}
    params, state = made.step(params, grads, state)
    after, later = made.step(params, {**grads, "absent": None}, state)
    whole, kept = made.step(params, grads, state)
    assert np.array_equal(after["absent"], params["absent"])
    assert np.array_equal(after["there"], whole["there"])
    for slot, tensors in made.slots(state).items():
        moves = slot == "momentum_product"  # one of all tensors (nadam.py, _u_product)
        expected = kept if moves else state
        assert all(np.array_equal(later[slot][n], expected[slot][n]) for n in tensors if n == "absent")
    with pytest.raises(ValueError, match="No parameter has a gradient"):
        made.step(params, dict.fromkeys(params), state)


def test_what_waits_for_an_update_without_a_gradient_is_lost() -> None:
    made: Any = page("sgd")(learning_rate=1.0, gradient_accumulation_steps=2)
    params: dict[str, Any] = {"w": np.zeros(1), "b": np.zeros(1)}
    one, state = {"w": np.ones(1), "b": np.ones(1)}, made.init(params)
    for grads in (one, {**one, "b": None}, {**one, "b": None}, one):
        params, state = made.step(params, grads, state)
    assert (params["w"].tolist(), params["b"].tolist()) == ([-2.0], [-0.5])
    assert state["accumulated_gradient"]["b"].tolist() == [0.0]


@pytest.mark.parametrize("rule", TOLD)
def test_five_steps_are_those_of_keras_tests(rule: str) -> None:
    given, told = TOLD[rule]
    made: Any = page(rule)(**given)
    params = {"w": np.ones(10, dtype=np.float32)}
    state = made.init(params)
    for number, wanted in enumerate(told):
        grads = np.full(10, FIRST) if number == 0 else LATER
        params, state = made.step(params, {"w": grads.astype(np.float32)}, state)
        np.testing.assert_allclose(params["w"][[0, -1]], wanted, rtol=5e-4, atol=5e-4)  # their tolerances


@pytest.mark.parametrize("rule", ONE_STEP)
def test_one_step_is_that_of_keras_tests(rule: str) -> None:
    made: Any = page(rule)(learning_rate=0.5)
    params = {"w": np.array([1, 2, 3, 4], dtype=np.float32)}
    after, _ = made.step(params, {"w": np.array([1, 6, 7, 2], dtype=np.float32)}, made.init(params))
    np.testing.assert_allclose(after["w"], ONE_STEP[rule], rtol=1e-4, atol=1e-4)  # their digits


@pytest.mark.parametrize("rule", names())
def test_a_page_says_each_of_its_slots_and_stages_in_words(rule: str) -> None:
    known, params = find(rule), {"w": np.ones((3, 2), dtype=np.float32)}
    assert set(known.formulas) - {"loss", "average"} == set(known.stages)
    for flags in ({}, {"momentum": 0.5}, {"centered": True, "momentum": 0.5}, {"amsgrad": True}):
        own = {name: value for name, value in flags.items() if name in {each.name for each in known.parameters}}
        made: Any = page(rule)(**own)
        state = made.init(params)
        assert set(made.slots(state)) <= set(known.slots)
        assert set(made.slots(state)) <= set(known.stages)
        (update,) = made.stages(params, params, state).values()
        assert update._fields == known.stages
        assert {name for name in made.slots(state) if getattr(update, name) is None} == set()


@pytest.mark.parametrize("rule", names())
def test_a_page_is_at_most_120_lines(rule: str) -> None:
    assert len(find(rule).page.read_text(encoding="utf-8").splitlines()) <= 120


@pytest.mark.parametrize(
    ("rule", "given"),
    [
        ("sgd", {"momentum": 1.5}),
        ("sgd", {"momentum": -0.1}),
        ("adamw", {"weight_decay": None}),
        ("lion", {"beta_1": 0.0}),
        ("ftrl", {"learning_rate_power": 0.5}),
        ("ftrl", {"l1_regularization_strength": -0.5}),
    ],
)
def test_what_keras_refuses_is_refused(rule: str, given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Received"):
        page(rule)(**given)


def test_adamw_is_adam_with_a_decay() -> None:
    params = {"w": np.array([0.3, -2.0], dtype=np.float32)}
    one, other = page("adamw")(), page("adam")(weight_decay=0.004)  # type: ignore[call-arg]
    state, its = one.init(params), other.init(params)
    mine, theirs = params, params
    for _ in range(5):
        mine, state = one.step(mine, params, state)
        theirs, its = other.step(theirs, params, its)
    assert mine["w"].tobytes() == theirs["w"].tobytes()
    assert [each.default for each in find("adamw").parameters if each.name == "weight_decay"] == [0.004]


def test_a_rate_that_changes_acts_on_later_gradients_alone() -> None:
    """Keras' SGD keeps the rate inside the buffer: torch's buffer would move by 0.9 times the new rate."""
    made: Any = page("sgd")(momentum=0.5, learning_rate=lambda step: 1.0 if step == 0 else 0.0)
    params = {"w": np.zeros(1)}
    state = made.init(params)
    for _ in range(2):
        params, state = made.step(params, {"w": np.ones(1)}, state)
    assert params["w"] == [-1.5]


def test_a_matrix_under_adafactor_is_that_of_keras_test() -> None:
    """test_single_step_2d of keras/src/optimizers/adafactor_test.py."""
    made: Any = page("adafactor")(learning_rate=0.5)
    params = {"w": np.array([[1, 2], [3, 4]], dtype=np.float32)}
    after, _ = made.step(params, {"w": np.array([[1, 6], [7, 2]], dtype=np.float32)}, made.init(params))
    np.testing.assert_allclose(after["w"], [[0.7007, -0.0081], [1.2492, 3.4407]], 1e-4, 1e-4)  # their digits
