"""The pages of rules give the numbers that Keras' own tests state, start as they say, and refuse what Keras refuses."""

from typing import Any

import numpy as np
import pytest

from parity.bounds.rule import page
from parity.case.rule import find, names

FIRST, LATER = 0.01, np.arange(0.1, 1.1, 0.1)
TOLD: dict[str, tuple[dict[str, Any], list[tuple[float, float]]]] = {
    "sgd": (
        {"nesterov": True},
        [(0.9999, 0.9999), (0.9989, 0.9899), (0.9979, 0.9799), (0.9969, 0.9699), (0.9959, 0.9599)],
    ),
    "adam": ({"amsgrad": True}, [(0.999,) * 2, (0.9982,) * 2, (0.9974,) * 2, (0.9965,) * 2, (0.9955,) * 2]),
    "adamw": (
        {"learning_rate": 1.0, "weight_decay": 0.5, "epsilon": 2.0},
        [(0.4998, 0.4998), (0.2486, 0.2382), (0.1223, 0.1003), (0.0586, 0.0258), (0.0263, -0.0159)],
    ),
    "adamax": (
        {"learning_rate": 0.2, "beta_1": 0.85, "beta_2": 0.95, "epsilon": 1e-6},
        [(0.8, 0.8), (0.6827, 0.691), (0.5333, 0.5466), (0.368, 0.3848), (0.1933, 0.2126)],
    ),
    "nadam": (
        {"learning_rate": 0.5, "beta_1": 0.5, "beta_2": 0.67, "epsilon": 1e-5},
        [(0.4281, 0.4281), (-0.1738, -0.1717), (-0.7115, -0.7084), (-1.2335, -1.2299), (-1.7492, -1.7454)],
    ),
    "adagrad": (
        {"learning_rate": 0.2, "initial_accumulator_value": 0.3, "epsilon": 1e-6},
        [(0.9963, 0.9963), (0.9604, 0.8209), (0.9251, 0.6891), (0.8903, 0.579), (0.856, 0.4825)],
    ),
    "adadelta": (
        {"learning_rate": 1.0, "rho": 0.8, "epsilon": 1e-6},
        [(0.9978,) * 2, (0.9947,) * 2, (0.9915,) * 2, (0.9882,) * 2, (0.9849,) * 2],
    ),
    "lion": ({}, [(0.999,) * 2, (0.998,) * 2, (0.997,) * 2, (0.996,) * 2, (0.995,) * 2]),
    "ftrl": (
        {
            "learning_rate": 0.05,
            "learning_rate_power": -0.2,
            "initial_accumulator_value": 0.4,
            "l1_regularization_strength": 0.05,
            "l2_regularization_strength": 0.15,
            "l2_shrinkage_regularization_strength": 0.01,
            "beta": 0.3,
        },
        [(0.0, 0.0), (-0.0034, -0.0354), (-0.0078, -0.0685), (-0.0121, -0.0999), (-0.0164, -0.1299)],
    ),
    "lamb": ({}, [(0.999,) * 2, (0.9982,) * 2, (0.9974,) * 2, (0.9965,) * 2, (0.9955,) * 2]),
    "adafactor": (
        {
            "learning_rate": 0.5,
            "beta_2_decay": -0.65,
            "epsilon_1": 1e-15,
            "epsilon_2": 1e-4,
            "clip_threshold": 0.9,
            "relative_step": False,
        },
        [(0.55, 0.55), (0.3031, 0.3024), (0.1671, 0.1663), (0.0923, 0.0914), (0.0554, 0.0545)],
    ),
}
"""Keras' keras/src/optimizers/*_test.py, test_correctness_with_golden: weights of ones, a first gradient of 0.01, then
one from 0.1 to 1; here the first and the last of ten elements after each of five steps."""
ONE_STEP: dict[str, tuple[float, ...]] = {
    "sgd": (0.5, -1.0, -0.5, 3.0),
    "adam": (0.5, 1.5, 2.5, 3.5),
    "adamw": (0.4980, 1.4960, 2.494, 3.492),
    "adamax": (0.5, 1.5, 2.5, 3.5),
    "nadam": (0.4686, 1.4686, 2.4686, 3.4686),
    "adagrad": (0.5233, 1.5007, 2.5005, 3.5061),
    "adadelta": (0.9993, 1.9993, 2.9993, 3.9993),
    "lion": (0.5, 1.5, 2.5, 3.5),
    "ftrl": (0.2218, 1.3954, 2.3651, 2.8814),
    "lamb": (-0.3693, 0.6306, 1.6306, 2.6306),
    "adafactor": (-0.3693, 0.6307, 1.6307, 2.6307),
}
"""test_single_step of the same files: weights 1 to 4, gradients 1, 6, 7 and 2, a rate of 0.5."""


UNTOLD = {"schedule_free_adamw"}
"""Keras' own tests of it state no number."""


def test_every_rule_but_the_first_is_told_by_the_tests_of_keras() -> None:
    assert {"rmsprop", *UNTOLD, *TOLD} == {"rmsprop", *UNTOLD, *ONE_STEP} == set(names())


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
