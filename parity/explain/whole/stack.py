"""A stack of dense layers comes in, its way back comes out: made here on the bounded array, with mistakes in it.

What is right here must be what the model's graph yields, else nothing is said.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from parity.bounds import functions as f
from parity.bounds.bounded import Bounded, exact
from parity.bounds.functions import lifted
from parity.bounds.graph.interpreter import Unknown
from parity.bounds.graph.rules import moved
from parity.explain.whole.anchoring import anchored
from parity.explain.whole.batches import Batch, loss_name
from parity.explain.whole.calls import GRADS
from parity.explain.whole.derivatives import SLOPES, Level, Said, Way, not_sent, of_hidden, of_last, said
from parity.explain.whole.factors import scaled
from parity.explain.whole.grants import Grant
from parity.explain.whole.quantity import agrees
from parity.explain.whole.sides import Back, Sides
from parity.explain.whole.traced import BACK, LAYER, LOGITS_BACK, Place, layers_of


class Stack:
    """A stack of dense layers, whose way back is made here."""

    def __init__(self, sides: Sides, grant: Grant) -> None:
        self._sides, self._grant = sides, grant
        layers = layers_of(sides.side.model)
        self._kinds = [getattr(getattr(layer, "activation", None), "__name__", "") for layer in layers]
        self._biased = [bool(getattr(layer, "use_bias", False)) for layer in layers]
        self._kernels = [at + sum(self._biased[:at]) for at in range(len(layers))]
        self._names = [f"hidden layer {at + 1}" for at in range(len(layers) - 1)] + ["the last layer"]
        self._dense = {type(layer).__name__ for layer in layers} == {"Dense"}

    @property
    def covered(self) -> bool:
        """Whether the model is such a stack, and what is right here is what its graph yields."""
        batch = self._sides.search[0]
        if not self._dense or not all(kind in SLOPES for kind in self._kinds[:-1]):
            return False
        if any(isinstance(value, Unknown) for value in self._sides.values(batch, self._grant).values()):
            return False
        right = self.back(batch, ()).gradients
        expected = [self._sides.gradient(batch, at, self._grant, alone=True) for at in range(len(right))]
        return all(
            isinstance(whole, Bounded) and agrees(own.value, whole) for own, whole in zip(right, expected, strict=True)
        )

    @property
    def _through(self) -> bool:
        """Whether the loss is differentiated through the last activation, not from its logits."""
        values = self._sides.values(self._sides.search[0], self._grant)
        return Place(LOGITS_BACK, 0) not in values or bool(np.any(values[Place(BACK, len(self._kinds) - 1)].value))

    def levels(self) -> Iterator[Level]:
        """Yield what each layer decides, the last first."""
        last = len(self._kinds) - 1
        for at in range(last, -1, -1):
            kernel, kind = self._kernels[at], self._kinds[at]
            tensors = [kernel, kernel + 1] if self._biased[at] else [kernel]
            ends = of_last(at, kind, self._through, "entropy" in loss_name(self._sides.side)) if at == last else ()
            ways = [*ends, *(of_hidden(at, kind) if at < last else ())]
            links: list[tuple[Way, ...]] = [()]
            if at == last - 1:
                links += [(way,) for way in not_sent(last, self._kinds[last])]
            if at < last and len({*self._sides.side.shapes[self._kernels[at + 1]]}) == 1:
                links.append((Way("kernel_not_transposed", at, "", turned=True),))
            if at < last:
                links.append((Way("already_updated", at, "", updated=True),))
            yield Level(tensors, [(*link, *way) for link in links for way in [(), *((each,) for each in ways)]])

    def changed(self, ways: Sequence[Way]) -> Sides:
        """Return both sides with mistakes on the model's way back."""
        return self._sides.with_back(lambda batch: self.back(batch, ways))

    def said(self, ways: Sequence[Way]) -> list[Said]:
        """Return mistakes in words."""
        return said(ways, self._kinds, self._names)

    def back(self, batch: Batch, ways: Sequence[Way]) -> Back:
        """Return the gradients of kernels and biases, and what comes back to each layer, with mistakes on the way."""
        values = self._sides.followed(batch, GRADS, self._grant)
        last = len(self._kinds) - 1
        weights = [lifted(array.value, array.format) for array in self._grant.weights(batch.weights)]
        outputs = [values[Place(LAYER, at)] for at in range(last + 1)]
        slopes = {way.layer: way.slope for way in ways if way.slope is not None}
        gates = {way.layer: way.gate for way in ways if way.gate is not None}
        turned, updated = {way.layer for way in ways if way.turned}, {way.layer for way in ways if way.updated}

        def below(at: int) -> Any:
            return outputs[at - 1] if at else scaled(exact(batch.x), self._grant.inputs)

        def sums(at: int) -> Any:
            kernel = self._kernels[at]
            product = f.matmul(below(at), weights[kernel])
            return product + weights[kernel + 1] if self._biased[at] else product

        p = outputs[last]
        right, up = self._ends(values, p)
        delta = right
        for way in ways:
            if way.last is not None:
                delta = way.last(right, p, up)
            elif way.labels is not None:
                each = way.labels(p, _labels(batch, p))
                delta = each / each.dtype.type(batch.size)
        if last in slopes:
            delta = up * slopes[last](sums(last), p)
        found: list[Bounded] = []
        ups, deltas = [up], [delta]
        for at in range(last, -1, -1):
            bias = [np.sum(delta, axis=0)] if self._biased[at] else []
            found = [f.matmul(moved(np.transpose, below(at)), delta), *bias, *found]
            if at:
                sent = next((way.sent for way in ways if way.sent is not None and at == last), None)
                down = delta if sent is None else sent(right, p, up)
                kernel = weights[self._kernels[at]]
                if at - 1 in updated:
                    kernel = kernel - found[0] * found[0].dtype.type(self._sides.rate)
                up = f.matmul(down, kernel if at - 1 in turned else moved(np.transpose, kernel))
                slope = slopes.get(at - 1, SLOPES[self._kinds[at - 1]])
                delta = gates[at - 1](up) if at - 1 in gates else up * slope(sums(at - 1), outputs[at - 1])
                delta = anchored(delta, self._sides.shaped(batch, GRADS, delta.shape[1:]))
                ups, deltas = [up, *ups], [delta, *deltas]
        return Back(self._whole(batch, found), ups, deltas)

    def _whole(self, batch: Batch, gradients: Sequence[Bounded]) -> list[Bounded]:
        """Return gradients with those of the penalty."""
        found = []
        for at, each in enumerate(gradients):
            own, penalty = self._grant.gradient(at, each), self._sides.penalty_gradient(batch, at, self._grant)
            found.append(own + penalty if isinstance(penalty, Bounded) else own)
        return found

    def _ends(self, values: Any, p: Any) -> tuple[Any, Any]:
        """Return what comes back to the last sums, and to the output after them."""
        up, head = values[Place(BACK, len(self._kinds) - 1)], self._kinds[-1]
        delta = values.get(Place(LOGITS_BACK, 0))
        if delta is None:
            return (up * SLOPES[head](p, p) if head in ("tanh", "sigmoid") else up), up
        if not self._through and head == "sigmoid":
            up = delta / SLOPES[head](p, p)
        return delta, up


def _labels(batch: Batch, p: Bounded) -> Bounded:
    y = batch.y if batch.y.shape == p.shape else np.eye(p.shape[-1])[batch.y.reshape(-1).astype(int)]
    return lifted(y.reshape(p.shape), p.format)
