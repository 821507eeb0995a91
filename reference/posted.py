"""The program of the question, faults included: RMSprop from ones, N(0, 1) weights, a forward pass divided by 512.

Written from what the thread reports (https://discuss.tensorflow.org/t/21062), not copied. What differs from a correct
program is marked; nothing else does. Its network, its optimizer and its printed loss can each be used alone.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Tensors = Mapping[str, Array]


class Posted:
    """RMSprop as posted: no momentum, not centred, epsilon inside the root, and accumulators that start at one.

    Starting at one is what TensorFlow 1 did too (rms_slot in tensorflow/python/training/rmsprop.py); tf.keras starts
    at zero. Parameters and gradients are mappings from tensor name to array of any floating dtype.
    """

    def __init__(self, learning_rate: float = 0.001, rho: float = 0.9, epsilon: float = 1e-7) -> None:
        self.learning_rate = learning_rate
        self.rho = rho
        self.epsilon = epsilon

    def init(self, params: Tensors) -> dict[str, dict[str, Array]]:
        """Return the state before the first step: every second moment is one."""
        return {"second_moment": {name: np.ones_like(w) for name, w in params.items()}}

    def step(
        self, params: Tensors, grads: Tensors, state: Mapping[str, Any]
    ) -> tuple[dict[str, Array], dict[str, dict[str, Array]]]:
        """Return the parameters and the state after one step: v = rho v + (1 - rho) g², w -= g L / √(v + epsilon)."""
        v = {name: self.rho * state["second_moment"][name] + (1 - self.rho) * np.square(g) for name, g in grads.items()}
        new = {
            name: w - grads[name] * self.learning_rate / np.sqrt(v[name] + self.epsilon) for name, w in params.items()
        }
        return new, {"second_moment": v}

    def slots(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return the slots: {"second_moment": {tensor: array}}."""
        return dict(state)


def initial(kernels: Tensors) -> dict[str, Array]:
    """Return float64 parameters for two kernels drawn from N(0, 1): {"dense_1/kernel": …}, with biases of zero."""
    params: dict[str, Array] = {}
    for name, kernel in kernels.items():
        params[name] = np.asarray(kernel, dtype=np.float64)
        params[name.replace("kernel", "bias")] = np.zeros(kernel.shape[1], dtype=np.float64)
    return params


def forward(params: Tensors, x: Array) -> tuple[Array, Array, Array]:
    """Return pre-activations of the hidden layer, its activations and the probabilities for ``x [batch, pixels]``."""
    # Meant to divide by 28·28; the division binds first, so it divides by nothing.
    z1 = x @ params["dense_1/kernel"] / 28 * 28 + params["dense_1/bias"]
    a1 = np.maximum(z1, 0)
    # In the forward pass only: `gradients` knows nothing of this 512.
    z2 = a1 @ params["dense_2/kernel"] / 512 + params["dense_2/bias"]
    powers = np.exp(z2 - z2.max(axis=-1, keepdims=True))
    return z1, a1, powers / powers.sum(axis=-1, keepdims=True)


def gradients(params: Tensors, x: Array, y: Array) -> dict[str, Array]:
    """Return the gradients that the program uses for ``x [1, pixels]`` and one-hot ``y [1, classes]``."""
    z1, a1, p = forward(params, x)
    delta2 = p - y
    delta1 = np.where(z1 > 0, delta2 @ params["dense_2/kernel"].T, 0.0)
    return {
        "dense_1/kernel": x.T @ delta1,
        "dense_1/bias": delta1.sum(axis=0),
        "dense_2/kernel": a1.T @ delta2,
        "dense_2/bias": delta2.sum(axis=0),
    }


def printed(params: Tensors, x: Array, y: Array) -> tuple[float, float]:
    """Return what the program prints before an epoch: loss over all images, probabilities clipped, and accuracy."""
    p = forward(params, x)[2]
    loss = -(y * np.log(np.clip(p, 1e-7, 1 - 1e-7))).sum(axis=-1)
    return float(loss.mean()), float((p.argmax(axis=-1) == y.argmax(axis=-1)).mean())


def train(params: Tensors, x: Array, y: Array, orders: Iterator[Array]) -> Iterator[tuple[float, float, Tensors]]:
    """Yield (printed loss, accuracy, parameters) before the first epoch and after each; ``orders`` has one an epoch."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    optimizer = Posted()
    state = optimizer.init(params)
    yield *printed(params, x, y), params
    for order in orders:
        for image in order:
            grads = gradients(params, x[image : image + 1], y[image : image + 1])
            params, state = optimizer.step(params, grads, state)
        yield *printed(params, x, y), params
