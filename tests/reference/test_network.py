"""The network's gradients against difference quotients, and beside Keras."""

from typing import Any

import numpy as np
import pytest

from parity.reference.network import forward, gradients, init_glorot, loss, softmax

SIZES = (7, 6, 5, 4)


def problem(dtype: Any, scale: float = 1.0) -> tuple[dict, Any, Any]:
    rng = np.random.default_rng(3)
    params = {name: array * array.dtype.type(scale) for name, array in init_glorot(rng, SIZES, dtype).items()}
    x = rng.normal(size=(9, SIZES[0])).astype(dtype)
    return params, x, np.eye(SIZES[-1], dtype=dtype)[rng.integers(0, SIZES[-1], 9)]


@pytest.mark.parametrize("clip_probabilities", [False, True])
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_gradients_equal_difference_quotients(clip_probabilities, scale):
    params, x, y = problem(np.float64, scale)
    _, grads, _ = gradients(params, x, y, clip_probabilities)
    for name, w in params.items():
        for index in np.ndindex(w.shape):
            values = []
            for shift in (1e-6, -1e-6):
                moved = w.copy()
                moved[index] += shift
                values.append(loss({**params, name: moved}, x, y, clip_probabilities))
            assert abs((values[0] - values[1]) / 2e-6 - grads[name][index]) < 1e-8


def test_one_layer_by_hand():
    params = {"dense_1/kernel": np.zeros((2, 2)), "dense_1/bias": np.zeros(2)}
    value, grads, activations = gradients(params, [[1.0, 2.0]], [[1, 0]])
    assert value == np.log(2.0)
    np.testing.assert_array_equal(activations.probabilities, [[0.5, 0.5]])
    np.testing.assert_array_equal(grads["dense_1/kernel"], [[-0.5, 0.5], [-1.0, 1.0]])
    np.testing.assert_array_equal(grads["dense_1/bias"], [-0.5, 0.5])


def test_relu_passes_no_gradient_at_zero():
    params = {
        "dense_1/kernel": np.zeros((1, 1)),
        "dense_1/bias": np.zeros(1),
        "dense_2/kernel": np.array([[1.0, -1.0]]),
        "dense_2/bias": np.zeros(2),
    }
    _, grads, _ = gradients(params, [[1.0]], [[1, 0]])
    assert grads["dense_1/kernel"] == [[0.0]]


def test_softmax_survives_large_logits():
    np.testing.assert_array_equal(softmax(np.array([[1000.0, 0.0], [-1000.0, -1000.0]])), [[1.0, 0.0], [0.5, 0.5]])


def test_a_clipped_mistake_has_no_gradient_and_a_bounded_loss():
    params = {"dense_1/kernel": np.array([[40.0, 0.0]]), "dense_1/bias": np.zeros(2)}
    value, grads, _ = gradients(params, [[1.0]], [[0, 1]], clip_probabilities=True)
    assert value == -np.log(1e-7)
    assert not grads["dense_1/kernel"].any()
    value, grads, _ = gradients(params, [[1.0]], [[0, 1]])
    assert value == 40.0
    assert grads["dense_1/kernel"].any()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("clip_probabilities", [False, True])
def test_dtype_is_kept(dtype, clip_probabilities):
    params, x, y = problem(dtype)
    value, grads, activations = gradients(params, x.astype(np.float64), y.astype(np.int64), clip_probabilities)
    arrays = [value, *grads.values(), activations.probabilities, *activations.hidden, *activations.pre_activations]
    assert {array.dtype for array in arrays} == {np.dtype(dtype)}
    assert loss(params, x, y, clip_probabilities) == value
    assert [len(part) for part in activations[:2]] == [3, 2]


def test_glorot_is_uniform_within_its_limit_and_repeats_with_the_seed():
    params = init_glorot(np.random.default_rng(0), (200, 100, 10))
    limit = np.sqrt(6 / 300)
    kernel = params["dense_1/kernel"]
    assert list(params) == ["dense_1/kernel", "dense_1/bias", "dense_2/kernel", "dense_2/bias"]
    assert 0.99 * limit < np.abs(kernel).max() <= np.float32(limit)
    assert abs(kernel.std() - limit / np.sqrt(3)) < 0.01 * limit
    assert not params["dense_1/bias"].any()
    np.testing.assert_array_equal(kernel, init_glorot(np.random.default_rng(0), (200, 100, 10))["dense_1/kernel"])


def test_bad_argument_is_refused():
    params, x, _ = problem(np.float64)
    with pytest.raises(ValueError, match="Received"):
        loss(params, x, np.zeros(9, np.int64))
    with pytest.raises(ValueError, match="Received"):
        init_glorot(np.random.default_rng(0), (3,))


def keras_model(keras: Any, params: dict[str, Any], activation: Any, dtype: str) -> Any:
    layers = [keras.layers.Dense(units, activation="relu", dtype=dtype) for units in SIZES[1:-1]]
    layers.append(keras.layers.Dense(SIZES[-1], activation=activation, dtype=dtype))
    model = keras.Sequential([keras.Input((SIZES[0],), dtype=dtype), *layers])
    model.set_weights(list(params.values()))
    return model


@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
class TestBesideKeras:
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("mode", ["eager", "graph"])
    @pytest.mark.parametrize("activation", ["softmax", "tf.nn.softmax"])
    def test_loss_and_gradients_agree(self, keras, dtype, mode, activation):
        """Only an eager softmax that Keras did not apply itself hides its logits, so only there it clips."""
        import tensorflow as tf

        params, x, y = problem(np.dtype(dtype), scale=4.0)
        model = keras_model(keras, params, "softmax" if activation == "softmax" else tf.nn.softmax, dtype)
        crossentropy = keras.losses.CategoricalCrossentropy(dtype=dtype)

        def differentiate(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                value = crossentropy(y, model(x, training=True))
            return value, tape.gradient(value, model.trainable_variables)

        run = tf.function(differentiate) if mode == "graph" else differentiate
        obtained, obtained_grads = run(tf.constant(x), tf.constant(y))
        clips = mode == "eager" and activation != "softmax"
        expected, grads, _ = gradients(params, x, y, clip_probabilities=clips)
        assert (loss(params, x, y) != loss(params, x, y, True)).all()
        rounding = 200 * np.finfo(dtype).eps
        np.testing.assert_allclose(obtained.numpy(), expected, rtol=rounding)
        for array, grad in zip(obtained_grads, grads.values(), strict=True):
            np.testing.assert_allclose(array.numpy(), grad, rtol=rounding, atol=rounding * np.abs(grad).max())

    def test_predicted_probabilities_are_clipped(self, keras):
        params, x, y = problem(np.float32, scale=8.0)
        probabilities = forward(params, x).probabilities
        obtained = keras.losses.CategoricalCrossentropy()(y, probabilities)
        np.testing.assert_allclose(float(obtained), loss(params, x, y, clip_probabilities=True), rtol=1e-6)
        assert abs(float(obtained) - loss(params, x, y)) > 0.01
