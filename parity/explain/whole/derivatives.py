"""Gradients that are no multiple of the model's come in, a mistake on the way back that yields them comes out.

For stacks of dense layers the way back is made here, on the bounded array, from the model's own gradient in the last
layer's sums; each mistake is one change of it. What is right here must be what the model's graph yields, else nothing
is said.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from parity.bounds import functions as f
from parity.bounds.bounded import Bounded, exact
from parity.bounds.functions import chosen, lifted
from parity.bounds.graph.interpreter import Unknown
from parity.bounds.graph.rules import moved
from parity.explain.whole.batches import Batch
from parity.explain.whole.factors import Factor, scaled, told
from parity.explain.whole.quantity import Mistake, agrees
from parity.explain.whole.sides import Grant, Sides
from parity.explain.whole.traced import BACK, LAYER, LOGITS_BACK, Place, layers_of

_ONE: Final = Factor("one", 1.0)
Slope = Callable[[Bounded, Bounded], Any]
"""The derivative of an activation, from the sums before it and what comes after it."""


class Way(NamedTuple):
    """A mistake on the way back: slopes in place of hidden layers', by number, or a change of the last layer's.

    ``head`` is a slope in place of the last layer's; ``sent`` changes only what the last layer sends down, not its own
    gradient; ``labels`` makes what comes back to the last sums from outputs and labels, before the mean.
    """

    name: str
    sentence: str
    repair: str
    slopes: Mapping[int, Slope] = {}  # nobody writes to it
    head: Slope | None = None
    last: Callable[[Bounded, Bounded, Bounded], Any] | None = None
    sent: Callable[[Bounded, Bounded, Bounded], Any] | None = None
    labels: Callable[[Bounded, Bounded], Any] | None = None


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


_SLOPES: Final[dict[str, Slope]] = {"linear": _ones, "relu": _step, "tanh": _of_tanh, "sigmoid": _of_sigmoid}
_CURVES: Final[dict[str, Callable[[Bounded], Bounded]]] = {"tanh": f.tanh, "sigmoid": f.sigmoid}


_CURVED: Final[dict[str, Callable[[str], Slope]]] = {
    "derivative_at_output": lambda kind: _at_output(_SLOPES[kind], _CURVES[kind]),
    "derivative_at_sum": lambda kind: _at_sum(_SLOPES[kind]),
    "derivative_twice": lambda kind: _twice(_SLOPES[kind]),
}
"""Mistakes in the derivative of what is no straight line."""


def _wrong(kind: str, where: str, name: str, slopes: Mapping[int, Slope], head: Slope | None = None) -> Way:
    """Return a mistake in an activation's derivative, in one layer or in several."""
    sentence, repair = {
        "derivative_left_out": (
            f"on the way back the derivative of the {kind} of {where} is left out",
            f"multiply what comes back to {where} by the derivative of {kind}",
        ),
        "derivative_at_output": (
            f"the derivative of the {kind} of {where} is taken at its output, as if that were its input",
            f"take it at the sums, or write it in the output: {_WRITTEN.get(kind)}",
        ),
        "derivative_at_sum": (
            f"the formula {_WRITTEN.get(kind)} of {where} is given the sums, where a is the output",
            f"give it the output of {where}",
        ),
        "derivative_twice": (
            f"the derivative of the {kind} of {where} is multiplied in twice",
            "multiply it in once",
        ),
    }[name]
    return Way(name, sentence, repair, slopes, head)


def _everywhere(activations: list[str], head: str) -> Iterator[Way]:
    """Yield mistakes that are made in the last layer, or in each layer with one activation: there is one function."""
    for kind in dict.fromkeys([*activations, head]):
        if kind in ("linear", "") or kind not in _SLOPES:
            continue
        layers = [at for at, each in enumerate(activations) if each == kind]
        for name in ("derivative_left_out", *_CURVED) if kind in _CURVES else ("derivative_left_out",):
            slope = _ones if name == "derivative_left_out" else _CURVED[name](kind)
            slopes = dict.fromkeys(layers, slope)
            if kind == head and name != "derivative_left_out":  # that of the last layer has a name of its own
                yield _wrong(kind, "the last layer", name, {}, slope)
            if len(layers) + (kind == head) > 1:
                yield _wrong(kind, "every layer", name, slopes, slope if kind == head else None)


def _ways(activations: list[str], head: str, through: bool) -> Iterator[Way]:
    """Yield the mistakes that a stack with these hidden activations can have.

    ``through`` says whether the loss is differentiated through the last activation, not from its logits.
    """
    for layer, kind in enumerate(activations):
        where = f"hidden layer {layer + 1}"
        if kind == "linear":
            continue
        yield _wrong(kind, where, "derivative_left_out", {layer: _ones})
        if kind in _CURVES:
            for name, changed in _CURVED.items():
                yield _wrong(kind, where, name, {layer: changed(kind)})
        if kind == "relu":
            yield Way(
                "mask_reversed",
                f"the mask of {where} lets through what its relu holds back, and nothing else",
                f"multiply what comes back to {where} by 1 where its sum is above zero",
                {layer: lambda z, a: _ones(z, a) - _step(z, a)},
            )
        for other, another in _SLOPES.items():
            if other not in (kind, "linear"):
                yield Way(
                    "derivative_of_other",
                    f"the derivative of {where} is that of {other}, its activation is {kind}",
                    f"use the derivative of {kind}",
                    {layer: another},
                )
    yield from _everywhere(activations, head if through else "")
    if head == "softmax" and not through:
        yield Way(
            "softmax_jacobian",
            "of the softmax's derivative only the diagonal p(1 − p) is taken: each output depends on every sum",
            "start from p − y, which the whole derivative of both together is",
            labels=lambda p, y: -y * (lifted(np.ones(p.shape), p.format) - p),
        )
    if head in ("softmax", "sigmoid"):
        yield Way(
            "output_derivative_extra",
            f"the gradient of the last layer is multiplied by p(1 − p), which p − y of a {head} has in it already",
            "start from p − y alone",
            last=lambda delta, p, y: delta * (p * (lifted(np.ones(p.shape), p.format) - p)),
        )
    if head in _SLOPES and head != "linear":
        yield Way(
            "output_derivative_left_out",
            f"the derivative of the last layer's {head} is left out",
            f"multiply the loss's derivative by that of {head}",
            last=lambda delta, p, back: back,
        )
        yield Way(
            "output_derivative_not_sent",
            f"what goes back from the last layer lacks the derivative of its {head}, which its own gradient has",
            f"send back the last layer's error times the derivative of {head}, as its own gradient takes it",
            sent=lambda delta, p, back: back,
        )


_WRITTEN: Final = {"tanh": "1 − a²", "sigmoid": "a(1 − a)"}


class Stack:
    """A stack of dense layers, whose way back is made here."""

    def __init__(self, sides: Sides, grant: Grant) -> None:
        self._sides, self._grant = sides, grant
        layers = layers_of(sides.side.model)
        kinds = [type(layer).__name__ for layer in layers]
        names = [getattr(getattr(layer, "activation", None), "__name__", "") for layer in layers]
        self.covered = {*kinds} == {"Dense"} and all(name in _SLOPES for name in names[:-1])
        self._biased = [bool(getattr(layer, "use_bias", False)) for layer in layers]
        self._kernels = [at + sum(self._biased[:at]) for at in range(len(layers))]
        self.activations, self.head = names[:-1], names[-1] if names else ""

    @property
    def through(self) -> bool:
        """Whether the loss is differentiated through the last activation, not from its logits."""
        return Place(LOGITS_BACK, 0) not in self._sides.values(self._sides.search[0], self._grant)

    def gradients(self, batch: Batch, way: Way | None) -> list[Bounded]:
        """Return the gradients of kernels and biases, with a mistake on the way back."""
        values = self._sides.values(batch, self._grant)
        count = len(self.activations) + 1
        weights = [lifted(array.value, array.format) for array in self._grant.weights(batch.weights)]
        outputs = [values[Place(LAYER, at)] for at in range(count)]
        delta = self._last(values, count, way.last if way else None, outputs)
        if way is not None and way.head is not None:
            z = self._sums(weights, self._below(outputs, batch, count - 1), count - 1)
            delta = values[Place(BACK, count - 1)] * way.head(z, outputs[-1])
        if way is not None and way.labels is not None:
            y = batch.y if batch.y.shape == outputs[-1].shape else np.eye(outputs[-1].shape[-1])[batch.y.astype(int)]
            each = way.labels(outputs[-1], lifted(y.reshape(outputs[-1].shape), outputs[-1].format))
            delta = each / each.dtype.type(batch.size)
        found: list[Bounded] = []
        for at in range(count - 1, -1, -1):
            below = self._below(outputs, batch, at)
            bias = [np.sum(delta, axis=0)] if self._biased[at] else []
            found = [f.matmul(moved(np.transpose, below), delta), *bias, *found]
            if at:
                if way is not None and way.sent is not None and at == count - 1:
                    delta = self._last(values, count, way.sent, outputs)
                sums = self._sums(weights, self._below(outputs, batch, at - 1), at - 1)
                slope = _SLOPES[self.activations[at - 1]]
                slope = way.slopes.get(at - 1, slope) if way is not None else slope
                back = f.matmul(delta, moved(np.transpose, weights[self._kernels[at]]))
                delta = back * slope(sums, outputs[at - 1])
        return [self._with_penalty(batch, at, self._grant.gradient(at, each)) for at, each in enumerate(found)]

    def _sums(self, weights: list[Bounded], below: Any, at: int) -> Any:
        kernel = self._kernels[at]
        product = f.matmul(below, weights[kernel])
        return product + weights[kernel + 1] if self._biased[at] else product

    def _below(self, outputs: list[Any], batch: Batch, at: int) -> Any:
        return outputs[at - 1] if at else _inputs(self._sides, batch, self._grant)

    def _last(self, values: Any, count: int, change: Callable[..., Any] | None, outputs: list[Any]) -> Any:
        back, p = values[Place(BACK, count - 1)], outputs[-1]
        through = values.get(Place(LOGITS_BACK, 0))
        if through is None:
            slope = _SLOPES.get(self.head, _ones)
            through = back * slope(p, p) if self.head in ("tanh", "sigmoid") else back
        return through if change is None else change(through, p, back)

    def _with_penalty(self, batch: Batch, at: int, gradient: Bounded) -> Bounded:
        penalty = self._sides.penalty_gradient(batch, at, self._grant)
        return gradient if not isinstance(penalty, Bounded) else gradient + penalty


def _inputs(sides: Sides, batch: Batch, grant: Grant) -> Bounded:
    return scaled(exact(batch.x), grant.inputs)


def mistakes(sides: Sides, grant: Grant) -> Iterator[Mistake]:
    """Yield the mistakes that reproduce every gradient of the program."""
    stack = Stack(sides, grant)
    if not stack.covered or any(isinstance(value, Unknown) for value in sides.values(sides.search[0], grant).values()):
        return
    with np.errstate(all="ignore"):
        right = stack.gradients(sides.search[0], None)
        if not all(_near(sides, sides.search[0], grant, at, each) for at, each in enumerate(right)):
            return
        for way in _ways(stack.activations, stack.head, stack.through):
            made = [(stack.gradients(batch, way), batch) for batch in sides.search]
            factor = next((each for each in [_ONE, *sides.factors()] if _fit(sides, made, each)), None)
            if factor is not None:
                confirmed = _fit(sides, [(stack.gradients(batch, way), batch) for batch in sides.confirm], factor)
                words = "" if factor is _ONE else f", and every gradient is {factor.words} times it"
                evidence = "with this change of the way back every gradient of the program is reproduced"
                if factor is not _ONE:
                    evidence += f", times {told(factor.scale)}"
                yield Mistake(way.name, "gradient", way.sentence + words, evidence, way.repair, confirmed)


def _near(sides: Sides, batch: Batch, grant: Grant, at: int, own: Bounded) -> bool:
    """Whether the way back here is the model's: the exact values differ by less than either's bound."""
    expected = sides.gradient(batch, at, grant, alone=True)
    return isinstance(expected, Bounded) and agrees(own.value, expected)


def _fit(sides: Sides, made: list[tuple[list[Bounded], Batch]], factor: Factor) -> bool:
    for gradients, batch in made:
        own = sides.gradients(batch)
        if own is None or not all(
            agrees(array, scaled(each, factor.at(batch.size))) for array, each in zip(own, gradients, strict=True)
        ):
            return False
    return True
