"""Softmax and the cross-entropies that TensorFlow computes in one piece."""

from typing import Any, Final, NamedTuple

import numpy as np

from parity.bounds.bounded import Bounded, rounded
from parity.bounds.functions import gamma, lifted
from parity.bounds.graph.rules import Rule, sure
from parity.bounds.numerics import Array
from parity.circumstances.promises import ROUNDINGS, division_roundings


class _Powers(NamedTuple):
    """Logits below their largest, their exponentials and the sum of these, with what rounding does to them.

    ``move`` bounds how far any logit of a row may lie from its exact value, ``own`` the relative error of the sum of
    exponentials of exact logits: rounding of the difference, of the exponential and of the sum.
    """

    shifted: Array
    powers: Array
    total: Array
    move: Array
    own: Array


def _powers(z: Bounded) -> _Powers:
    shifted = z.value - z.value.max(-1, keepdims=True)
    powers = np.exp(shifted)
    move = np.broadcast_to(z.error, z.shape).max(-1, keepdims=True)
    steps = z.shape[-1] + ROUNDINGS["exp"]
    own = gamma(int(steps), z.format) + np.expm1(z.format.unit * (np.abs(shifted) + 2 * move).max(-1, keepdims=True))
    return _Powers(shifted, powers, powers.sum(-1, keepdims=True), move, own)


def softmax(z: Bounded) -> Bounded:
    """Bound exp(z) over its sum along the last axis, with the largest logit taken away first.

    Eigen's exponential of a float is zero below -86.64, where the exact one is twice the smallest normal number.
    """
    p = _powers(z)
    shift = z.error + p.move + z.format.unit * (np.abs(p.shifted) + 2 * p.move)
    divided = division_roundings(z.format.name, z.format.unit)
    relative = np.expm1(shift) * (1 + p.own) + p.own + gamma(int(ROUNDINGS["exp"] + divided) + 2, z.format)
    value = p.powers / p.total
    flushed = np.minimum(2 * z.format.underflow, p.powers) / p.total
    return rounded(value, value * relative * (1 + relative) + flushed, z.format, floor=0.0)


def log_softmax(z: Bounded) -> Bounded:
    """Bound the logarithm of the softmax, computed as a difference."""
    p = _powers(z)
    place = z.format.unit * (np.abs(p.shifted) + 2 * p.move)
    logarithm = z.format.unit * ROUNDINGS["log"] * (np.abs(np.log(p.total)) + p.move)
    sum_error = p.move - np.log1p(-np.minimum(p.own, 1 - 1e-16)) + logarithm
    return rounded(p.shifted - np.log(p.total), z.error + place + sum_error, z.format, 2.0)


def _cross_entropy(attribute: Any, z: Bounded, y: Bounded) -> tuple[Any, Bounded]:
    """Return the loss of each example and its gradient: the softmax less the labels."""
    each = -log_softmax(z) * y
    return np.sum(each, axis=-1), softmax(z) - y


def _sparse(attribute: Any, z: Bounded, y: Any) -> tuple[Any, Bounded]:
    return _cross_entropy(attribute, z, lifted(np.eye(z.shape[-1])[sure(y)], z.format))


RULES: Final[dict[str, Rule]] = {
    "Softmax": lambda attribute, z: softmax(z),
    "LogSoftmax": lambda attribute, z: log_softmax(z),
    "SoftmaxCrossEntropyWithLogits": _cross_entropy,
    "SparseSoftmaxCrossEntropyWithLogits": _sparse,
}
