"""The pages of rules give the numbers that Keras' own tests state, start as they say, and refuse what Keras refuses."""

from typing import Any

import numpy as np
import pytest

from parity.bounds.rule import page
from parity.case.rule import find, names
from parity.diagnosis.keras_tests import FIRST, LATER, ONE_STEP, TOLD

UNTOLD = {"schedule_free_adamw"}
"""Keras' own tests of it state no number."""


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
