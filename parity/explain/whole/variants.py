"""Models like the person's with one choice changed: another activation in one layer."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from parity.explain.whole.keras_side import KerasSide
from parity.explain.whole.traced import layers_of

_ACTIVATIONS: Final = ("relu", "tanh", "sigmoid", "linear", "leaky_relu", "softmax")


class Variant(NamedTuple):
    """A model with one layer's activation changed."""

    side: KerasSide
    layer: str
    own: str
    other: str


def variants(side: KerasSide) -> Iterator[Variant]:
    """Yield the model with each activation in place of each layer's own."""
    for layer in layers_of(side.model):
        own = getattr(getattr(layer, "activation", None), "__name__", "")
        if own not in _ACTIVATIONS:
            continue
        for other in _ACTIVATIONS:
            if other != own and (other != "softmax" or layer is layers_of(side.model)[-1]):
                yield Variant(_changed(side, layer.name, other), layer.name, own, other)


def _changed(side: KerasSide, layer: str, activation: str) -> KerasSide:
    import keras

    def copied(each: Any) -> Any:
        config = each.get_config()
        if each.name == layer:
            config["activation"] = activation
        return type(each).from_config(config)

    model = keras.models.clone_model(side.model, clone_function=copied)
    optimizer = side.model.optimizer
    model.compile(optimizer=type(optimizer).from_config(optimizer.get_config()), loss=side.model.loss)
    return KerasSide(side.name, side.build, model, side.names, side.unseen, side.data)
