"""Keras models that bounds are tried on: each returns a compiled model, and what draws a batch for it."""

from collections.abc import Callable
from typing import Any

import numpy as np

Batch = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]


def _normal(shape: tuple[int, ...], labels: Callable[[np.random.Generator, int], np.ndarray]) -> Batch:
    return lambda rng, n: (rng.standard_normal((n, *shape)).astype(np.float32), labels(rng, n))


def _hot(classes: int) -> Callable[[np.random.Generator, int], np.ndarray]:
    return lambda rng, n: np.eye(classes, dtype=np.float32)[rng.integers(0, classes, n)]


def _classes(classes: int) -> Callable[[np.random.Generator, int], np.ndarray]:
    return lambda rng, n: rng.integers(0, classes, n).astype(np.int32)


def _numbers(count: int) -> Callable[[np.random.Generator, int], np.ndarray]:
    return lambda rng, n: rng.standard_normal((n, count)).astype(np.float32)


def _coins(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.integers(0, 2, (n, 1)).astype(np.float32)


def _signs(rng: np.random.Generator, n: int) -> np.ndarray:
    return 2 * _coins(rng, n) - 1


def _dense(sizes: list[tuple[int, str | None]], inputs: int, loss: Any, labels: Any, **kwargs: Any) -> Any:
    import keras

    layers = [keras.layers.Dense(units, activation=kind, **kwargs) for units, kind in sizes]
    return _compiled([keras.Input((inputs,)), *layers], loss), _normal((inputs,), labels)


def _compiled(layers: list[Any], loss: Any) -> Any:
    import keras

    model = keras.Sequential(layers)
    model.compile(optimizer="sgd", loss=loss)
    return model


def relu_softmax() -> Any:
    return _dense([(32, "relu"), (10, "softmax")], 20, "categorical_crossentropy", _hot(10))


def logits_sparse() -> Any:
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return _dense([(64, "relu"), (10, None)], 20, loss, _classes(10))


def tanh_mse_l2() -> Any:
    import keras

    penalty = keras.regularizers.L2(1e-3)
    return _dense([(64, "tanh"), (32, "tanh"), (3, None)], 20, "mse", _numbers(3), kernel_regularizer=penalty)


def sigmoid_bce_l1() -> Any:
    import keras

    penalty = keras.regularizers.L1(1e-3)
    return _dense([(32, "sigmoid"), (1, "sigmoid")], 30, "binary_crossentropy", _coins, kernel_regularizer=penalty)


def elu_mae() -> Any:
    return _dense([(32, "elu"), (16, "selu"), (2, None)], 12, "mae", _numbers(2))


def softplus_huber() -> Any:
    return _dense([(32, "softplus"), (16, "softsign"), (2, None)], 12, "huber", _numbers(2))


def gelu_hinge() -> Any:
    return _dense([(32, "gelu"), (16, "silu"), (1, "tanh")], 12, "hinge", _signs)


def convolution() -> Any:
    import keras

    k = keras.layers
    layers = [
        keras.Input((10, 10, 2)),
        k.Conv2D(4, 3, activation="relu"),
        k.MaxPooling2D(2),
        k.Conv2D(6, 3, padding="same", strides=2, activation="tanh"),
        k.AveragePooling2D(2),
        k.Flatten(),
        k.Dense(5, activation="softmax"),
    ]
    return _compiled(layers, "sparse_categorical_crossentropy"), _normal((10, 10, 2), _classes(5))


def leaky_kl() -> Any:
    import keras

    k = keras.layers
    layers = [
        keras.Input((15,)),
        k.Dense(24),
        k.LeakyReLU(),
        k.Dropout(0.5),
        k.Dense(8, activation="relu6"),
        k.Dense(6, activation="softmax"),
    ]
    return _compiled(layers, "kl_divergence"), _normal((15,), _hot(6))


MODELS = {
    each.__name__: each
    for each in (
        relu_softmax,
        logits_sparse,
        tanh_mse_l2,
        sigmoid_bce_l1,
        elu_mae,
        softplus_huber,
        gelu_hinge,
        convolution,
        leaky_kl,
    )
}
