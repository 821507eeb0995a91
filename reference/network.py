"""The multilayer perceptron of the question by hand: dense layers with ReLU, softmax, crossentropy, backpropagation.

Parameters are a mapping {"dense_1/kernel": [inputs, units], "dense_1/bias": [units], "dense_2/kernel": …}; every
operation runs in their dtype. Products of matrices and sums over a batch add in another order than TensorFlow does, so
values agree to rounding, not to the bit.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Array = NDArray[Any]
Tensors = Mapping[str, Array]

EPSILON = 1e-7  # keras.config.epsilon()


class Activations(NamedTuple):
    """What one forward pass computes, first layer first; each array is [batch, units].

    `pre_activations` has one array a layer, the last of them the logits; `hidden` has one less, after the ReLU.
    """

    pre_activations: tuple[Array, ...]
    hidden: tuple[Array, ...]
    probabilities: Array


def init_glorot(rng: np.random.Generator, sizes: Sequence[int], dtype: DTypeLike = np.float32) -> dict[str, Array]:
    """Return Glorot-uniform weights and zero biases for layers of `sizes`, inputs first, such as (784, 512, 10).

    A kernel is uniform within ±sqrt(6 / (inputs + units)), drawn in float64 and rounded to `dtype`, layer by layer.
    Source: Glorot and Bengio, https://proceedings.mlr.press/v9/glorot10a.html.
    Raises ValueError for fewer than two sizes.
    """
    if len(sizes) < 2:
        raise ValueError(f"A network needs at least inputs and outputs. Received: sizes={sizes!r}")
    params: dict[str, Array] = {}
    for layer, (inputs, units) in enumerate(pairwise(sizes), start=1):
        limit = np.sqrt(6.0 / (inputs + units))
        params[f"dense_{layer}/kernel"] = rng.uniform(-limit, limit, (inputs, units)).astype(dtype)
        params[f"dense_{layer}/bias"] = np.zeros(units, dtype=dtype)
    return params


def forward(params: Tensors, x: ArrayLike) -> Activations:
    """Return every activation for the inputs `x` [batch, inputs], which are cast to the dtype of the parameters."""
    count = len(params) // 2
    a = np.asarray(x, dtype=params["dense_1/kernel"].dtype)
    pre_activations, hidden = [], []
    for layer in range(1, count + 1):
        z = a @ params[f"dense_{layer}/kernel"] + params[f"dense_{layer}/bias"]
        pre_activations.append(z)
        if layer < count:
            a = np.maximum(z, z.dtype.type(0))
            hidden.append(a)
    return Activations(tuple(pre_activations), tuple(hidden), softmax(pre_activations[-1]))


def softmax(logits: Array) -> Array:
    """Return the softmax over the last axis; the largest logit is subtracted first, so that nothing overflows."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def loss(params: Tensors, x: ArrayLike, y: ArrayLike, clip_probabilities: bool = False) -> np.floating[Any]:
    """Return the categorical crossentropy, mean over the batch, in the dtype of the parameters.

    `y` is one-hot, [batch, classes]. Keras finds the logits behind a softmax activation, in eager and in graph mode
    (`_get_logits` in keras/src/backend/tensorflow/nn.py), and takes the logarithm of the softmax in one piece.
    Where it does not find them, such as for the output of `predict` or an eager `tf.nn.softmax`, it renormalises the
    probabilities and clips them to [1e-7, 1 - 1e-7]: that is `clip_probabilities`.
    """
    return _crossentropy(forward(params, x), y, clip_probabilities)


def gradients(
    params: Tensors, x: ArrayLike, y: ArrayLike, clip_probabilities: bool = False
) -> tuple[np.floating[Any], dict[str, Array], Activations]:
    """Return (loss, {tensor: gradient}, activations); the arguments are those of `loss`.

    A clipped probability passes no gradient on: there a confident mistake does not correct itself.
    """
    activations = forward(params, x)
    x = np.asarray(x, dtype=activations.probabilities.dtype)
    delta = (_clipped_logit_gradient if clip_probabilities else _logit_gradient)(activations.probabilities, y)
    grads: dict[str, Array] = {}
    for layer in range(len(params) // 2, 0, -1):
        below = activations.hidden[layer - 2] if layer > 1 else x
        grads[f"dense_{layer}/kernel"] = below.T @ delta
        grads[f"dense_{layer}/bias"] = delta.sum(axis=0)
        if layer > 1:
            passes = activations.pre_activations[layer - 2] > 0
            delta = np.where(passes, delta @ params[f"dense_{layer}/kernel"].T, delta.dtype.type(0))
    return _crossentropy(activations, y, clip_probabilities), {name: grads[name] for name in params}, activations


def _crossentropy(activations: Activations, y: ArrayLike, clip_probabilities: bool) -> np.floating[Any]:
    p, z = activations.probabilities, activations.pre_activations[-1]
    y = _one_hot(y, p)
    if clip_probabilities:
        each = -(y * np.log(_clip(p / p.sum(axis=-1, keepdims=True)))).sum(axis=-1)
    else:
        shifted = z - z.max(axis=-1, keepdims=True)
        log_sum = np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        each = (y * (log_sum - shifted)).sum(axis=-1)
    mean: np.floating[Any] = each.sum() / p.dtype.type(len(p))
    return mean


def _logit_gradient(p: Array, y: ArrayLike) -> Array:
    return np.asarray((p - _one_hot(y, p)) * (p.dtype.type(1) / p.dtype.type(len(p))))


def _clipped_logit_gradient(p: Array, y: ArrayLike) -> Array:
    total = p.sum(axis=-1, keepdims=True)
    q = p / total
    inside = (q >= p.dtype.type(EPSILON)) & (q <= p.dtype.type(1 - EPSILON))
    dq = -_one_hot(y, p) / _clip(q) * (p.dtype.type(1) / p.dtype.type(len(p)))
    dq = np.where(inside, dq, p.dtype.type(0))
    dp = dq / total - (dq * q / total).sum(axis=-1, keepdims=True)
    return np.asarray((dp - (dp * p).sum(axis=-1, keepdims=True)) * p)


def _clip(q: Array) -> Array:
    return np.asarray(np.maximum(np.minimum(q, q.dtype.type(1 - EPSILON)), q.dtype.type(EPSILON)))


def _one_hot(y: ArrayLike, p: Array) -> Array:
    y = np.asarray(y, dtype=p.dtype)
    if y.shape != p.shape:
        raise ValueError(f"Labels must be one-hot, {p.shape}. Received: {y.shape}")
    return y
