"""Mistakes that people make on the way back: another derivative of an activation, or of the last layer and the loss."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from parity.bounds import functions as f
from parity.bounds.bounded import Bounded
from parity.bounds.functions import chosen, lifted

Slope = Callable[[Bounded, Bounded], Any]
"""The derivative of an activation, from the sums before it and what comes after it."""


class Way(NamedTuple):
    """A mistake on the way back through one layer.

    Attributes:
        name: what it is called.
        layer: the number of the layer.
        kind: its activation.
        other: another activation that is taken for it.
        slope: stands in place of the activation's derivative; a way through a model's own layer where one is changed.
        last: makes what comes back to the last sums from what should, the output, and what comes back to the output.
        sent: the same, but of what the last layer sends down alone, not of its own gradient.
        labels: makes what comes back to the last sums from outputs and labels, before the mean.
        gate: makes what comes back to the sums from what comes back to the output alone.
        turned: whether the kernel is not transposed where what comes back goes down to this layer.
        updated: whether that kernel has made its step already.
    """

    name: str
    layer: int
    kind: str
    other: str = ""
    slope: Any = None
    last: Callable[[Bounded, Bounded, Bounded], Any] | None = None
    sent: Callable[[Bounded, Bounded, Bounded], Any] | None = None
    labels: Callable[[Bounded, Bounded], Any] | None = None
    gate: Any = None
    turned: bool = False
    updated: bool = False


class Level(NamedTuple):
    """What one layer of the way back decides: the tensors whose gradient it is the last to change, and its mistakes."""

    tensors: list[int]
    options: list[tuple[Way, ...]]


def _ones(z: Bounded, a: Bounded) -> Any:
    return lifted(np.ones(z.shape), z.format)


def _step(z: Bounded, a: Bounded) -> Any:
    return chosen(f.above(z), _ones(z, a), lifted(np.zeros(z.shape), z.format))


def _of_tanh(z: Bounded, a: Bounded) -> Any:
    return _ones(z, a) - f.squared(a)


def _of_sigmoid(z: Bounded, a: Bounded) -> Any:
    return a * (_ones(z, a) - a)


def _at_output(slope: Slope, curve: Callable[[Bounded], Bounded]) -> Slope:
    return lambda z, a: slope(a, curve(a))


def _at_sum(slope: Slope) -> Slope:
    return lambda z, a: slope(z, z)


def _twice(slope: Slope) -> Slope:
    return lambda z, a: f.squared(slope(z, a))


SLOPES: Final[dict[str, Slope]] = {"linear": _ones, "relu": _step, "tanh": _of_tanh, "sigmoid": _of_sigmoid}
_CURVES: Final[dict[str, Callable[[Bounded], Bounded]]] = {"tanh": f.tanh, "sigmoid": f.sigmoid}
_CURVED: Final[dict[str, Callable[[str], Slope]]] = {
    "derivative_at_output": lambda kind: _at_output(SLOPES[kind], _CURVES[kind]),
    "derivative_at_sum": lambda kind: _at_sum(SLOPES[kind]),
    "derivative_twice": lambda kind: _twice(SLOPES[kind]),
}
"""Mistakes in the derivative of what is no straight line."""


def of_hidden(layer: int, kind: str) -> Iterator[Way]:
    """Yield the mistakes in the derivative of a hidden layer's activation."""
    if kind == "linear":
        return
    yield Way("derivative_left_out", layer, kind, slope=_ones)
    if kind in _CURVES:
        for name, changed in _CURVED.items():
            yield Way(name, layer, kind, slope=changed(kind))
    if kind == "relu":
        yield Way("mask_reversed", layer, kind, slope=lambda z, a: _ones(z, a) - _step(z, a))
        yield Way("mask_of_gradient", layer, kind, gate=lambda up: up * _step(up, up))
    for other, another in SLOPES.items():
        if other not in (kind, "linear"):
            yield Way("derivative_of_other", layer, kind, other, slope=another)


def of_last(layer: int, head: str, through: bool, entropy: bool) -> Iterator[Way]:
    """Yield the mistakes in the derivative of the last layer.

    ``through`` says whether the loss is differentiated through its activation, not from its logits; ``entropy`` whether
    the loss is a cross-entropy.
    """
    if head in _CURVES:
        for name, changed in _CURVED.items():
            if through or name != "derivative_twice":
                yield Way(name, layer, head, slope=changed(head))
    if head == "softmax" and entropy:
        yield Way("softmax_jacobian", layer, head, labels=lambda p, y: -y * (_ones(p, p) - p))
    if head == "softmax" and through:
        yield Way("softmax_jacobian", layer, head, last=lambda delta, p, up: up * _of_sigmoid(p, p))
    if head in ("softmax", "sigmoid") and (entropy or not through):
        yield Way("output_derivative_extra", layer, head, last=lambda delta, p, up: delta * _of_sigmoid(p, p))
    if (head in SLOPES and head != "linear") or (head == "softmax" and through):
        yield Way("output_derivative_left_out", layer, head, last=lambda delta, p, up: up)
    if head in ("softmax", "sigmoid"):
        other = "mean of squares" if entropy else "cross-entropy"
        labels = _SQUARES[head] if entropy else (lambda p, y: p - y)
        yield Way("gradient_of_other_loss", layer, head, other, labels=labels)


def _through_sigmoid(p: Bounded, y: Bounded) -> Any:
    return (p - y) * _of_sigmoid(p, p) * lifted(2 / p.shape[-1], p.format)


def _through_softmax(p: Bounded, y: Bounded) -> Any:
    up: Any = (p - y) * lifted(2 / p.shape[-1], p.format)
    return p * (up - np.sum(p * up, axis=-1, keepdims=True))


_SQUARES: Final = {"sigmoid": _through_sigmoid, "softmax": _through_softmax}
"""What comes back to the sums from a mean of squares."""


def not_sent(layer: int, head: str) -> Iterator[Way]:
    """Yield what the last layer may lack in what it sends down, and not in its own gradient."""
    if head in SLOPES and head != "linear":
        yield Way("output_derivative_not_sent", layer, head, sent=lambda delta, p, up: up)


_WRITTEN: Final = {"tanh": "1 − a²", "sigmoid": "a(1 − a)"}
_SAID: Final = {
    "derivative_left_out": (
        "on the way back the derivative of the {kind} of {where} is left out",
        "multiply what comes back to {where} by the derivative of {kind}",
    ),
    "derivative_at_output": (
        "the derivative of the {kind} of {where} is taken at its output, as if that were its input",
        "take it at the sums{written}",
    ),
    "derivative_at_sum": (
        "the formula {formula} of {where} is given the sums, where a is the output",
        "give it the output of {where}",
    ),
    "derivative_twice": ("the derivative of the {kind} of {where} is multiplied in twice", "multiply it in once"),
    "mask_reversed": (
        "the mask of {where} lets through what its {kind} holds back, and nothing else",
        "multiply what comes back to {where} by 1 where its sum is above zero",
    ),
    "mask_of_gradient": (
        "what comes back to {where} is let through where it is above zero itself, not where the sums are",
        "take the mask from the sums, or from the output",
    ),
    "derivative_of_other": (
        "the derivative of {where} is that of {other}, its activation is {kind}",
        "use the derivative of {kind}",
    ),
    "softmax_jacobian": (
        "of the softmax's derivative only the diagonal p(1 − p) is taken: each output depends on every sum",
        "start from p − y, which the whole derivative of both together is",
    ),
    "output_derivative_extra": (
        "the gradient of the last layer is multiplied by p(1 − p), which p − y of a {kind} has in it already",
        "start from p − y alone",
    ),
    "output_derivative_left_out": (
        "the derivative of the last layer's {kind} is left out",
        "multiply the loss's derivative by that of {kind}",
    ),
    "output_derivative_not_sent": (
        "what goes back from the last layer lacks the derivative of its {kind}, which its own gradient has",
        "send back the last layer's error times the derivative of {kind}, as its own gradient takes it",
    ),
    "gradient_of_other_loss": (
        "the gradient is that of a {other}, and the model's loss is another",
        "differentiate the loss that is meant, or compile the model with a {other}",
    ),
    "already_updated": (
        "what comes back to {where} goes through the kernel after it as its step leaves it, which comes too early",
        "compute all gradients before any weight is changed",
    ),
    "kernel_not_transposed": (
        "what comes back to {where} goes through the kernel after it as it is, where its transpose belongs",
        "multiply by the transpose: delta @ W.T for examples in rows, W.T @ delta in columns",
    ),
}


class Said(NamedTuple):
    """A mistake on the way back in words: its name, what the program does and what to change."""

    name: str
    sentence: str
    repair: str


def said(ways: Sequence[Way], kinds: Sequence[str], names: Sequence[str]) -> list[Said]:
    """Return mistakes in words, one for all layers that have it: there is one function.

    Args:
        ways: the mistakes.
        kinds: the activations of all layers.
        names: what the layers are called.
    """
    groups: dict[tuple[str, str, str], list[int]] = {}
    for way in sorted(ways, key=lambda each: each.layer):
        groups.setdefault((way.name, way.kind, way.other), []).append(way.layer)
    everywhere = groups.get(("derivative_left_out", kinds[-1], ""), [])
    if everywhere and groups.pop(("output_derivative_left_out", kinds[-1], ""), []):
        everywhere.append(len(kinds) - 1)
    found = []
    for (name, kind, other), layers in groups.items():
        sentence, repair = _SAID[name]
        formula = _WRITTEN.get(kind, "")
        words = {"kind": kind if kind[:1].isalpha() else "activation", "other": other, "formula": formula}
        words |= {"where": _where(layers, names)}
        words |= {"written": f", or write it in the output: {formula}" if formula else ""}
        found.append(Said(name, sentence.format(**words), repair.format(**words)))
    return found


def _where(layers: Sequence[int], names: Sequence[str]) -> str:
    count = len(names)
    if len(layers) > 1 and [*layers] in ([*range(count)], [*range(count - 1)]):
        return "every layer" if len(layers) == count else "every hidden layer"
    chosen = [names[at] for at in layers]
    return chosen[0] if len(chosen) == 1 else f"{', '.join(chosen[:-1])} and {chosen[-1]}"
