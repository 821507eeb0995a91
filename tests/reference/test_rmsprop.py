"""The page against steps computed by hand."""

import ml_dtypes
import numpy as np
import pytest
from arguments import CLIPS, DTYPES, EVERYTHING, REFUSED, name_of, problem, scalar

from parity.reference.rmsprop import RMSprop, constant
from parity.reference.schedules import LearningRateSchedule


def test_first_step_equals_the_formula_by_hand():
    optimizer = RMSprop(learning_rate=0.5, rho=0.75, epsilon=0.0)
    params, state = optimizer.step(scalar(1.0), scalar(2.0), optimizer.init(scalar(1.0)))
    assert state["second_moment"]["w"] == [1.0]  # 0.25 * 2**2
    assert params["w"] == [0.0]  # 1 - 0.5 * 2 / sqrt(1)
    assert state["iterations"] == 1


def test_epsilon_stands_inside_the_root():
    optimizer = RMSprop(learning_rate=1.0, rho=0.0, epsilon=9.0)
    params, _ = optimizer.step(scalar(0.0), scalar(4.0), optimizer.init(scalar(0.0)))
    assert params["w"] == [-4.0 / 5.0]  # sqrt(16 + 9); outside the root it were 4 / 13


def test_learning_rate_enters_the_momentum_buffer():
    optimizer = RMSprop(learning_rate=LearningRateSchedule([1.0, 0.5]), rho=0.0, momentum=0.5, epsilon=0.0)
    params, state = optimizer.step(scalar(0.0), scalar(2.0), optimizer.init(scalar(0.0)))
    params, state = optimizer.step(params, scalar(2.0), state)
    assert state["momentum_buffer"]["w"] == [1.0]  # 0.5 * 1 + 0.5; outside it were 0.5 * (0.5 + 1)
    assert params["w"] == [-2.0]


def test_centered_divides_by_the_deviation():
    optimizer = RMSprop(learning_rate=1.0, rho=0.5, epsilon=0.0, centered=True)
    params, state = optimizer.step(scalar(0.0), scalar(2.0), optimizer.init(scalar(0.0)))
    assert state["first_moment"]["w"] == [1.0]
    assert params["w"] == [-2.0]  # sqrt(2 - 1)


def test_weight_decay_is_decoupled_and_precedes_the_update():
    optimizer = RMSprop(learning_rate=0.5, rho=0.75, epsilon=0.0, weight_decay=0.25)
    params, state = optimizer.step(scalar(8.0), scalar(2.0), optimizer.init(scalar(8.0)))
    assert params["w"] == [6.0]  # 8 - 8 * 0.25 * 0.5 - 1
    assert state["second_moment"]["w"] == [1.0]


def test_excluded_names_do_not_decay():
    optimizer = RMSprop(weight_decay=0.5, exclude_from_weight_decay=("bias",))
    params = {"dense_1/kernel": np.ones(1), "dense_1/bias": np.ones(1)}
    after, _ = optimizer.step(params, {name: np.zeros(1) for name in params}, optimizer.init(params))
    assert after["dense_1/bias"] == [1.0]
    assert after["dense_1/kernel"] < 1.0


@pytest.mark.parametrize(
    ("clip", "expected"),
    [({"clipvalue": 2.0}, [2.0, -2.0]), ({"clipnorm": 1.0}, [0.6, -0.8]), ({"global_clipnorm": 1.0}, [0.6, -0.8])],
)
def test_clipping_by_hand(clip, expected):
    params, grads = {"w": np.zeros(2)}, {"w": np.array([3.0, -4.0])}
    optimizer = RMSprop(**clip)
    update = optimizer.stages(params, grads, optimizer.init(params))["w"]
    np.testing.assert_array_almost_equal_nulp(update.gradient, np.array(expected), 2)


def test_global_norm_is_over_all_tensors_and_clipnorm_over_each():
    params = {"a": np.zeros(1), "b": np.zeros(1)}
    grads = {"a": np.array([3.0]), "b": np.array([4.0])}
    each, whole = RMSprop(clipnorm=1.0), RMSprop(global_clipnorm=1.0)
    by_each = each.stages(params, grads, each.init(params))
    by_all = whole.stages(params, grads, whole.init(params))
    assert [by_each["a"].gradient, by_each["b"].gradient] == [[1.0], [1.0]]
    np.testing.assert_allclose([by_all["a"].gradient[0], by_all["b"].gradient[0]], [0.6, 0.8], rtol=1e-15)


def test_global_clipping_of_zero_gradients_yields_zero():
    optimizer = RMSprop(global_clipnorm=1.0)
    params, _ = optimizer.step(scalar(1.0), scalar(0.0), optimizer.init(scalar(1.0)))
    assert params["w"] == [1.0]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_one_infinite_gradient_makes_all_nan_under_global_clipping():
    optimizer = RMSprop(global_clipnorm=1.0)
    params = {"a": np.zeros(1), "b": np.zeros(1)}
    updates = optimizer.stages(params, {"a": np.array([np.inf]), "b": np.ones(1)}, optimizer.init(params))
    assert np.isnan(updates["b"].gradient).all()


def test_bfloat16_norm_does_not_stall_at_256():
    params = {"w": np.zeros(1024, ml_dtypes.bfloat16)}
    optimizer = RMSprop(clipnorm=1.0)
    updates = optimizer.stages(params, {"w": np.ones(1024, ml_dtypes.bfloat16)}, optimizer.init(params))
    assert float(updates["w"].gradient[0]) == 1 / 32


def test_accumulation_updates_every_kth_step_with_the_mean():
    optimizer = RMSprop(learning_rate=0.5, rho=0.75, epsilon=0.0, gradient_accumulation_steps=2)
    params, state = optimizer.step(scalar(1.0), scalar(1.0), optimizer.init(scalar(1.0)))
    assert optimizer.stages(scalar(1.0), scalar(1.0), optimizer.init(scalar(1.0))) is None
    assert params["w"] == [1.0]
    assert state["accumulated_gradient"]["w"] == [1.0]
    params, state = optimizer.step(params, scalar(3.0), state)
    assert params["w"] == [0.0]
    assert state["accumulated_gradient"]["w"] == [0.0]


def test_schedule_counts_calls_and_average_counts_updates():
    seen = []

    def schedule(step):
        seen.append(step)
        return 0.5

    optimizer = RMSprop(learning_rate=schedule, gradient_accumulation_steps=2, use_ema=True, ema_momentum=0.5)
    params, state = scalar(1.0), optimizer.init(scalar(1.0))
    for _ in range(4):
        params, state = optimizer.step(params, scalar(1.0), state)
        if state["iterations"] <= 2:
            assert state["average"]["w"] == params["w"]  # still the average's first step
    assert seen == [1, 3]


def test_average_overwrites_in_accumulating_steps_too():
    optimizer = RMSprop(gradient_accumulation_steps=2, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2)
    params, state = scalar(1.0), optimizer.init(scalar(1.0))
    for _ in range(2):
        params, state = optimizer.step(params, scalar(1.0), state)
    state["average"] = scalar(9.0)
    params, state = optimizer.step(params, scalar(1.0), state)
    assert params["w"] == state["average"]["w"]
    assert params["w"] > 4.0


def test_loss_scale_divides_the_gradient():
    optimizer = RMSprop(loss_scale_factor=4.0)
    update = optimizer.stages(scalar(0.0), scalar(2.0), optimizer.init(scalar(0.0)))["w"]
    assert update.gradient == [0.5]


def test_learning_rate_is_float32_even_for_float64_parameters():
    optimizer = RMSprop(learning_rate=0.1, rho=0.0, epsilon=0.0)
    params, _ = optimizer.step(scalar(0.0), scalar(1.0), optimizer.init(scalar(0.0)))
    assert params["w"] == [-float(np.float32(0.1))]


def test_float16_constant_is_rounded_by_way_of_float32():
    value = 1 + 2.0**-11 + 2.0**-40
    assert np.float16(value) == 1 + 2.0**-10
    assert constant(np.zeros(1, np.float16), value) == 1.0


@pytest.mark.parametrize("dtype", [*DTYPES.values(), np.longdouble], ids=[*DTYPES, "longdouble"])
@pytest.mark.parametrize("arguments", [EVERYTHING, *CLIPS], ids=name_of)
def test_step_is_pure_and_keeps_the_dtype(dtype, arguments):
    params, sequence = problem(dtype, 4, {"kernel": (3, 4), "bias": (4,)})
    optimizer = RMSprop(**arguments)
    state = optimizer.init(params)
    for grads in sequence:
        arrays = [*params.values(), *grads.values()]
        arrays += [array for slot in optimizer.slots(state).values() for array in slot.values()]
        for array in arrays:
            array.flags.writeable = False
        before = {"iterations": state["iterations"]} | {
            key: dict(value) for key, value in optimizer.slots(state).items()
        }
        params, new_state = optimizer.step(params, grads, state)
        assert state.keys() == before.keys()
        assert all(state[slot][name] is before[slot][name] for slot in optimizer.slots(state) for name in params)
        state = new_state
    for tensors in (params, *optimizer.slots(state).values()):
        assert {array.dtype for array in tensors.values()} == {np.dtype(dtype)}


@pytest.mark.parametrize("arguments", [*REFUSED, {"exclude_from_weight_decay": "bias"}], ids=name_of)
def test_bad_argument_is_refused(arguments):
    with pytest.raises(ValueError, match="Received"):
        RMSprop(**arguments)


@pytest.mark.parametrize(
    "grads", [{}, {"v": np.ones(1)}, {"w": np.ones((1, 1))}, {"w": np.ones(1, np.float32)}], ids=str
)
def test_gradient_of_another_name_shape_or_dtype_is_refused(grads):
    optimizer = RMSprop()
    with pytest.raises(ValueError, match="Received"):
        optimizer.step(scalar(1.0), grads, optimizer.init(scalar(1.0)))
