"""A model of any layers comes in, its way back changed in the activations of hidden layers comes out."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from parity.explain.whole.derivatives import Level, Said, Way, said
from parity.explain.whole.sides import Sides
from parity.explain.whole.traced import layers_of
from parity.explain.whole.variants import Activation, Slope, activation_of, changed


def _right(activation: Activation, z: Any, up: Any) -> Any:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(z)
        a = activation(z)
    return tape.gradient(a, z, up)


_BACK: Final[dict[str, Slope]] = {
    "derivative_left_out": lambda activation, z, up: up,
    "derivative_twice": lambda activation, z, up: _right(activation, z, _right(activation, z, up)),
    "derivative_at_output": lambda activation, z, up: _right(activation, activation(z), up),
}
_MASKS: Final[dict[str, Slope]] = {
    "derivative_left_out": _BACK["derivative_left_out"],
    "mask_reversed": lambda activation, z, up: up - _right(activation, z, up),
    "mask_of_gradient": lambda activation, z, up: _right(activation, up, up),
}
"""Mistakes where an activation lets through or holds back: of these the others are no mistakes, up to a leak."""


_OTHERS: Final = ("relu", "tanh", "sigmoid")


def _of_other(name: str) -> Slope:
    """Return a way back by the derivative of another activation, at the same sums."""
    import keras

    other = keras.activations.get(name)
    return lambda activation, z, up: _right(other, z, up)


class Layers:
    """A model of any layers, whose way back is changed in the activations of its hidden layers."""

    def __init__(self, sides: Sides) -> None:
        self._sides = sides
        self._layers = layers_of(sides.side.model)
        self._kinds = [activation_of(layer) for layer in self._layers]

    def levels(self) -> Iterator[Level]:
        """Yield what the layers decide, the last first; those without tensors together with the one below them."""
        tensors = {id(v.value): at for at, v in enumerate(self._sides.side.model.trainable_variables)}
        options: list[tuple[Way, ...]] = [()]
        for at in range(len(self._layers) - 1, -1, -1):
            if at < len(self._layers) - 1:
                options += [(way,) for way in self._ways(at)]
            own = [tensors[id(v.value)] for v in self._layers[at].trainable_variables if id(v.value) in tensors]
            if own:
                yield Level(own, options)
                options = [()]

    def _ways(self, at: int) -> Iterator[Way]:
        kind = self._kinds[at]
        if kind in ("", "linear", "softmax"):
            return
        for name, back in (_MASKS if kind in ("relu", "leaky_relu") else _BACK).items():
            yield Way(name, at, kind, slope=back)
        for other in _OTHERS:
            if other != kind:
                yield Way("derivative_of_other", at, kind, other, slope=_of_other(other))

    def changed(self, ways: Sequence[Way]) -> Sides:
        """Return both sides with mistakes on the model's way back."""
        if not ways:
            return self._sides
        backs = {self._layers[way.layer].name: way.slope for way in ways}
        return self._sides.with_model(changed(self._sides.side, {}, backs=backs))

    def said(self, ways: Sequence[Way]) -> list[Said]:
        """Return mistakes in words."""
        return said(ways, self._kinds, self._sides.side.layers)
