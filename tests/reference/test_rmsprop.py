"""The page against hand-computed steps, and bit for bit against Keras in eager mode."""

import platform
import warnings
from math import ceil
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from parity.reference import rmsprop
from parity.reference.rmsprop import RMSprop, constant
from parity.reference.schedules import ExponentialDecay, LearningRateSchedule

DTYPES = {"float64": np.float64, "float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
KERAS_SLOTS = {
    "second_moment": "_velocities",
    "first_moment": "_average_gradients",
    "momentum_buffer": "_momentums",
    "average": "_model_variables_moving_average",
    "accumulated_gradient": "_accumulated_gradients",
}
EVERYTHING = {
    "momentum": 0.9,
    "centered": True,
    "weight_decay": 0.01,
    "clipvalue": 0.7,
    "use_ema": True,
    "ema_momentum": 0.83,
    "ema_overwrite_frequency": 5,
    "loss_scale_factor": 1000.0,
    "gradient_accumulation_steps": 4,
    "exclude_from_weight_decay": ("bias",),
}
ARGUMENTS: list[dict[str, Any]] = [
    {},
    {"learning_rate": 0.0123, "rho": 0.97, "epsilon": 1e-5},
    {"momentum": 0.9},
    {"centered": True},
    {"momentum": 0.7, "centered": True},
    {"weight_decay": 0.004},
    {"weight_decay": 0.004, "exclude_from_weight_decay": ("bias",)},
    {"clipvalue": 0.3},
    {"use_ema": True},
    {"use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 4},
    {"loss_scale_factor": 3.7},
    {"gradient_accumulation_steps": 3},
    {
        "gradient_accumulation_steps": 3,
        "use_ema": True,
        "ema_momentum": 0.9,
        "ema_overwrite_frequency": 2,
        "weight_decay": 0.1,
    },
    EVERYTHING,
]
CLIPS: list[dict[str, Any]] = [
    {"clipnorm": 0.1},
    {"clipnorm": 100.0},
    {"global_clipnorm": 0.1},
    {"global_clipnorm": 100.0},
    {**EVERYTHING, "clipvalue": None, "clipnorm": 0.05},
]
REFUSED: list[dict[str, Any]] = [
    {"learning_rate": 1},
    {"learning_rate": "fast"},
    {"gradient_accumulation_steps": 1},
    {"clipnorm": 1.0, "clipvalue": 1.0},
    {"use_ema": True, "ema_momentum": 1.5},
    {"use_ema": True, "ema_overwrite_frequency": 2.5},
    {"use_ema": True, "ema_overwrite_frequency": -1},
]


def name_of(arguments: dict[str, Any]) -> str:
    return ",".join(f"{key}={value}" for key, value in arguments.items()) or "defaults"


def problem(dtype: Any, steps: int, shapes: dict[str, tuple[int, ...]]) -> tuple[dict, list[dict]]:
    """Weights, and gradients with magnitudes 1e-7 … 10, sign flips, zeros and a constant."""
    rng = np.random.default_rng(7)
    params = {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}
    sequence = []
    for step in range(steps):
        grads = {}
        for name, shape in shapes.items():
            g = np.logspace(-7, 1, int(np.prod(shape))) * rng.choice([-1.0, 1.0], int(np.prod(shape)))
            g = g * rng.random(g.shape) if step % 3 == 0 else g
            g[0], g[-2] = 0.0, 0.5
            grads[name] = g.reshape(shape).astype(dtype)
        sequence.append(grads)
    return params, sequence


def scalar(value: float, dtype: Any = np.float64) -> dict[str, Any]:
    return {"w": np.array([value], dtype=dtype)}


def bits(array: Any) -> Any:
    array = np.where(np.isnan(array), array.dtype.type(np.nan), array)
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")


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


@pytest.fixture
def keras():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("tensorflow")
        return pytest.importorskip("keras")


def keras_optimizer(keras: Any, arguments: dict[str, Any]) -> Any:
    excluded = arguments.get("exclude_from_weight_decay")
    optimizer = keras.optimizers.RMSprop(**{k: v for k, v in arguments.items() if k != "exclude_from_weight_decay"})
    if excluded:
        optimizer.exclude_from_weight_decay(var_names=list(excluded))
    return optimizer


def assert_same_bits(obtained: Any, expected: Any, where: str) -> None:
    assert obtained.dtype == expected.dtype, where
    np.testing.assert_array_equal(bits(obtained), bits(expected), err_msg=where)


def run_beside_keras(keras: Any, dtype: str, arguments: dict[str, Any], steps: int = 50, shapes: Any = None) -> None:
    params, sequence = problem(DTYPES[dtype], steps, shapes or {"dense_kernel": (6, 5), "dense_bias": (5,)})
    reference, subject = RMSprop(**arguments), keras_optimizer(keras, arguments)
    variables = [keras.Variable(w, dtype=dtype, name=name) for name, w in params.items()]
    state = reference.init(params)
    for step, grads in enumerate(sequence):
        if step == steps // 2:
            reference.learning_rate = 3e-3
            subject.learning_rate = 3e-3
        subject.apply([keras.ops.convert_to_tensor(g, dtype=dtype) for g in grads.values()], variables)
        with np.errstate(all="ignore"):  # a centred float16 variance cancels to zero
            params, state = reference.step(params, grads, state)
        for name, variable in zip(params, variables, strict=True):
            assert_same_bits(variable.numpy(), params[name], f"{name} at step {step}")
        for slot, tensors in reference.slots(state).items():
            for (name, expected), variable in zip(tensors.items(), getattr(subject, KERAS_SLOTS[slot]), strict=True):
                assert_same_bits(variable.numpy(), expected, f"{slot} of {name} at step {step}")


def sum_of_squares_as_eigen(g: Any) -> Any:
    """Add in the order of Eigen's TensorReduction.h: 32-byte lanes four at a time, leaves of a binary tree."""
    squares = np.square(g).ravel()
    if squares.dtype == ml_dtypes.bfloat16:
        return np.sum(squares, dtype=np.float32).astype(squares.dtype)
    half = squares.dtype == np.float16
    return _tree(squares, 4 if squares.dtype == np.float64 else 8, 200 if half else 1024)


def _tree(x: Any, lanes: int, leaf: int) -> Any:
    if len(x) > lanes * leaf:
        split = lanes * ceil(ceil(len(x) / 2) / lanes)
        return _tree(x[:split], lanes, leaf) + _tree(x[split:], lanes, leaf)
    unrolled, packed = len(x) // (4 * lanes) * 4 * lanes, len(x) // lanes * lanes
    four = np.zeros((4, lanes), x.dtype)
    for row in x[:unrolled].reshape(-1, 4, lanes):
        four = four + row
    total = ((four[0] + four[1]) + four[2]) + four[3]
    for row in x[unrolled:packed].reshape(-1, lanes):
        total = total + row
    rest = x.dtype.type(0)
    for element in x[packed:]:
        rest = rest + element
    total = total.astype(np.float32) if x.dtype == np.float16 else total
    while len(total) > 1:
        total = total[: len(total) // 2] + total[len(total) // 2 :]
    return total[0].astype(x.dtype) + rest


@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
class TestBesideKeras:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("arguments", ARGUMENTS, ids=name_of)
    def test_every_bit_is_equal(self, keras, dtype, arguments):
        run_beside_keras(keras, dtype, arguments)

    @pytest.mark.skipif(platform.machine() != "x86_64", reason="the lanes of another processor differ")
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("arguments", CLIPS, ids=name_of)
    def test_clipping_by_norm_differs_in_the_order_of_a_sum_and_nowhere_else(
        self, keras, monkeypatch, dtype, arguments
    ):
        monkeypatch.setattr(rmsprop, "_sum_of_squares", sum_of_squares_as_eigen)
        run_beside_keras(keras, dtype, arguments, steps=25, shapes={"dense_kernel": (40, 50), "dense_bias": (35,)})

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_every_bit_is_equal_under_a_schedule(self, keras, dtype):
        arguments = {"initial_learning_rate": 0.01, "decay_steps": 10, "decay_rate": 0.5, "staircase": True}
        reference = RMSprop(learning_rate=ExponentialDecay(**arguments), momentum=0.9, weight_decay=0.01)
        schedule = keras.optimizers.schedules.ExponentialDecay(**arguments)
        subject = keras.optimizers.RMSprop(learning_rate=schedule, momentum=0.9, weight_decay=0.01)
        params, sequence = problem(DTYPES[dtype], 30, {"w": (12,)})
        variable, state = keras.Variable(params["w"], dtype=dtype, name="w"), reference.init(params)
        for grads in sequence:
            subject.apply([keras.ops.convert_to_tensor(grads["w"], dtype=dtype)], [variable])
            params, state = reference.step(params, grads, state)
        assert_same_bits(variable.numpy(), params["w"], "w")

    @pytest.mark.parametrize("arguments", REFUSED, ids=name_of)
    def test_keras_refuses_what_the_page_refuses(self, keras, arguments):
        with pytest.raises(ValueError, match="Received"):
            keras.optimizers.RMSprop(**arguments)

    def test_keras_searches_names_that_end_in_an_output_index(self, keras):
        subject = keras.optimizers.RMSprop(weight_decay=0.5)
        subject.exclude_from_weight_decay(var_names=["bias$"])
        variable = keras.Variable(np.ones(1, np.float32), name="bias")
        subject.apply([keras.ops.zeros(1)], [variable])
        assert variable.numpy() < 1.0

    def test_tensorflow_flushes_subnormal_squares_to_zero(self, keras):
        params, grads = scalar(0.0, np.float32), scalar(1e-20, np.float32)
        reference, subject = RMSprop(), keras.optimizers.RMSprop()
        subject.apply([keras.ops.convert_to_tensor(grads["w"])], [keras.Variable(params["w"])])
        _, state = reference.step(params, grads, reference.init(params))
        assert subject._velocities[0].numpy() == [0.0]
        assert 0.0 < state["second_moment"]["w"][0] < np.finfo(np.float32).tiny
