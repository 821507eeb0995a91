"""Models like the person's with one choice changed: another activation in one layer, or another derivative of it."""

from collections.abc import Callable, Iterator
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


def late_biases(side: KerasSide) -> Iterator[tuple[KerasSide, str]]:
    """Yield the model with its biases added after their activations, in every layer and in each, and where that is."""
    names = [layer.name for layer in layers_of(side.model) if _bent(layer)]
    together = [names] if len(names) > 1 else []
    for chosen in [*together, *([name] for name in names)]:

        def copied(each: Any, chosen: list[str] = chosen) -> Any:
            made = type(each).from_config(each.get_config())
            if each.name in chosen:
                made.activation = _before_bias(made)
            return made

        yield _cloned(side, copied), ", ".join(chosen)


def _bent(layer: Any) -> bool:
    name = getattr(getattr(layer, "activation", None), "__name__", "")
    return name in _ACTIVATIONS and name != "linear" and bool(getattr(layer, "use_bias", False))


def _before_bias(layer: Any) -> Callable[[Any], Any]:
    """Return a layer's activation of its sums without the bias, which is added to it."""
    activation = layer.activation
    return lambda z: activation(z - layer.bias) + layer.bias


class Wrong(NamedTuple):
    """A model whose output is the person's and whose way back has a mistake in one layer."""

    side: KerasSide
    name: str
    sentence: str
    repair: str


def wrong_ways(side: KerasSide) -> Iterator[Wrong]:
    """Yield the model with each hidden activation's derivative left out, or multiplied in twice."""
    for layer in layers_of(side.model)[:-1]:
        own = getattr(getattr(layer, "activation", None), "__name__", "")
        if own not in _ACTIVATIONS or own in ("linear", "softmax"):
            continue
        yield Wrong(
            _changed(side, layer.name, own, lambda z, up: up),
            "derivative_left_out",
            f"on the way back the derivative of the {own} of {layer.name} is left out",
            f"multiply what comes back to {layer.name} by the derivative of {own}",
        )
        if own in _SLOPES:
            yield Wrong(
                _changed(side, layer.name, own, _twice(_SLOPES[own])),
                "derivative_twice",
                f"the derivative of the {own} of {layer.name} is multiplied in twice",
                "multiply it in once",
            )


_SLOPES: Final[dict[str, Callable[[Any], Any]]] = {"tanh": lambda a: 1 - a * a, "sigmoid": lambda a: a * (1 - a)}
"""Derivatives, written in the output."""


def _twice(slope: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda a, up: up * slope(a) * slope(a)


def _changed(side: KerasSide, layer: str, activation: str, back: Callable[[Any, Any], Any] | None = None) -> KerasSide:
    """Return a model with one activation another, or with another way back: of its output and what comes from above."""

    def copied(each: Any) -> Any:
        config = each.get_config()
        if each.name == layer:
            config["activation"] = activation
        made = type(each).from_config(config)
        if each.name == layer and back is not None:
            made.activation = _with_gradient(made.activation, back)
        return made

    return _cloned(side, copied)


def _cloned(side: KerasSide, copied: Callable[[Any], Any]) -> KerasSide:
    """Return a model whose layers are made anew."""
    import keras

    model = keras.models.clone_model(side.model, clone_function=copied)
    optimizer = side.model.optimizer
    model.compile(optimizer=type(optimizer).from_config(optimizer.get_config()), loss=side.model.loss)
    return KerasSide(side.name, side.build, model, side.names, side.unseen, side.data)


def _with_gradient(activation: Callable[[Any], Any], back: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    import tensorflow as tf

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow's
    def curve(z: Any) -> Any:
        a = activation(z)
        return a, lambda up: back(a, up)

    return lambda z: curve(z)
