"""The page of the loss scale: the numbers of Keras' own tests of it, and what is done where a gradient overflows."""

import copy
from typing import Any

import numpy as np
import pytest

from parity.bounds.rule import page
from parity.reference.loss_scale import SLOTS, LossScale

START = {"w": np.array([1.0, 2.0, 3.0, 4.0], dtype=np.float32)}
GRADIENT = np.array([1.0, 6.0, 7.0, 2.0], dtype=np.float32)


def around(rule: str = "sgd", scale: float = 2.0**15, growth: int = 2000, **arguments: Any) -> LossScale:
    made: Any = page(rule)
    return LossScale(made(**arguments), scale, growth)


def run(made: LossScale, *gradients: Any) -> tuple[Any, dict[str, Any]]:
    """Return the weights and the last state, numbers as floats, after a gradient of one tensor at each step."""
    params: dict[str, Any] = START
    state = made.init(params)
    for gradient in gradients:
        params, state = made.step(params, {"w": np.asarray(gradient, dtype=np.float32)}, state)
    return params["w"], {slot: float(state[slot]["w"]) for slot in SLOTS}


@pytest.mark.parametrize("given", [{}, {"loss_scale_factor": 100.0}])
def test_a_finite_step_is_that_of_keras_tests_whatever_scale_the_rule_has_inside(given: dict[str, Any]) -> None:
    """test_finite_step and test_finite_step_with_inner_loss_scale of keras' loss_scale_optimizer_test.py."""
    weights, state = run(around(learning_rate=0.5, **given), GRADIENT * np.float32(2.0**15))
    assert weights.tolist() == [0.5, -1.0, -0.5, 3.0]
    assert state == {"loss_scale": 2.0**15, "finite_steps": 1.0, "updates": 1.0}


def test_scales_move_as_in_keras_tests() -> None:
    """test_infinite_step, test_downscaling and test_upscaling of the same file."""
    weights, state = run(around(scale=400.0), *[np.full(4, np.inf)] * 4)
    assert weights.tolist() == START["w"].tolist()
    assert state == {"loss_scale": 25.0, "finite_steps": 0.0, "updates": 0.0}
    _, state = run(around(scale=2.0, growth=2), *[GRADIENT] * 8)
    assert state == {"loss_scale": 32.0, "finite_steps": 0.0, "updates": 8.0}


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("rule", ["adam", "nadam", "rmsprop"])
def test_one_element_that_is_not_finite_leaves_every_tensor_and_slot_where_it_was(rule: str, value: float) -> None:
    made = around(rule, 4.0, 3, weight_decay=0.5, use_ema=True, gradient_accumulation_steps=2)
    params: dict[str, Any] = {"w": np.ones((2, 3), dtype=np.float32), "b": np.ones(2, dtype=np.float32)}
    grads = {name: np.full_like(w, 0.25) for name, w in params.items()}
    params, state = made.step(params, grads, made.init(params))
    spoiled = {**grads, "b": np.array([0.25, value], dtype=np.float32)}
    after, later = made.step(params, spoiled, state)
    assert made.stages(params, spoiled, state) == {}
    assert all(after[name] is params[name] for name in params)
    kept = [slot for slot in made.slots(state) if slot not in ("loss_scale", "finite_steps")]
    assert all(np.array_equal(later[slot][n], state[slot][n]) for slot in kept for n in state[slot])
    assert [float(later[slot]["w"]) for slot in SLOTS] == [2.0, 0.0, 1.0]
    assert later["iterations"] == 2


def test_the_rule_inside_counts_the_steps_that_reached_it() -> None:
    """Where a step was skipped, the one after it has the rate and the bias correction that it would have had."""
    made: Any = page("adam")
    rate = [0.5, 0.25, 0.125].__getitem__
    without = made(learning_rate=rate)
    params: dict[str, Any] = START
    state = without.init(params)
    for _ in range(2):
        params, state = without.step(params, {"w": GRADIENT / np.float32(2)}, state)
    weights, _ = run(around("adam", 4.0, learning_rate=rate), 2 * GRADIENT, [0, 0, np.nan, 0], GRADIENT)
    assert np.array_equal(weights, params["w"])


def test_nothing_keeps_the_scale_from_the_ends_of_float32() -> None:
    """As tf.keras: it divides by zero, by then too late to look whether that is finite, or by infinity."""
    with np.errstate(all="ignore"):
        weights, state = run(around(scale=2.0**-148), *[[np.inf] * 4] * 3, GRADIENT)
        assert (state["loss_scale"], np.isfinite(weights).any()) == (0.0, False)
        weights, state = run(around(scale=2.0**127, growth=1), *[GRADIENT] * 3)
    assert state["loss_scale"] == np.inf


def test_a_copy_is_another_one_with_what_the_rule_inside_says() -> None:
    made = around("adam", beta_1=0.5)
    other = copy.deepcopy(made)
    assert other.inner is not made.inner
    assert (other.beta_1, other.never_negative) == (0.5, made.inner.never_negative)
    assert not hasattr(other, "no_such_thing")
