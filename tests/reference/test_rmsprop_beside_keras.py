"""The page beside Keras in eager mode: every bit is equal, and where not, why."""

import platform
from typing import Any

import eigen
import numpy as np
import pytest
from arguments import ARGUMENTS, CLIPS, DTYPES, REFUSED, name_of, problem, scalar

from parity.reference import optimizer
from parity.reference.rmsprop import RMSprop
from parity.reference.schedules import ExponentialDecay

KERAS_SLOTS = {
    "second_moment": "_velocities",
    "first_moment": "_average_gradients",
    "momentum_buffer": "_momentums",
    "average": "_model_variables_moving_average",
    "accumulated_gradient": "_accumulated_gradients",
}


def bits(array: Any) -> Any:
    array = np.where(np.isnan(array), array.dtype.type(np.nan), array)
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")


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


@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
class TestBesideKeras:
    @pytest.mark.sampled(5)
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("arguments", ARGUMENTS, ids=name_of)
    def test_every_bit_is_equal(self, keras, dtype, arguments):
        run_beside_keras(keras, dtype, arguments)

    @pytest.mark.sampled(5)
    @pytest.mark.skipif(platform.machine() != "x86_64", reason="the lanes of another processor differ")
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("arguments", CLIPS, ids=name_of)
    def test_clipping_by_norm_differs_in_the_order_of_a_sum_and_nowhere_else(
        self, keras, monkeypatch, dtype, arguments
    ):
        monkeypatch.setattr(optimizer, "_sum_of_squares", lambda g: eigen.total(np.square(g)))
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
