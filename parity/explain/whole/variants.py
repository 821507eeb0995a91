"""Models like the person's with some choices changed: other activations, or other derivatives of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

from parity.bounds.numerics import Array
from parity.explain.whole.keras_side import KerasSide
from parity.explain.whole.traced import layers_of, lent

_NAMED: Final = (
    *(
        "relu",
        "tanh",
        "sigmoid",
        "linear",
        "leaky_relu",
        "elu",
        "selu",
        "gelu",
        "softplus",
        "silu",
        "softsign",
        "softmax",
    ),
)
_LEAKS: Final = (0.01, 0.1, 0.2, 0.3)
"""What people multiply negative sums by."""
_NEAR: Final = 1e-2
"""How far from the program, in parts of its largest value, what is worth a look may be: no bound, which follows."""
Activation = Callable[[Any], Any]


class Variant(NamedTuple):
    """A model with the activation of some layers changed: which layers, what they have and what they get."""

    side: KerasSide
    layers: list[str]
    own: str
    other: str


def variants_of(side: KerasSide, layer: str) -> Iterator[Variant]:
    """Yield the model with another activation in one layer."""
    for names, own, other, activation in _choices(side):
        if names == [layer]:
            yield Variant(changed(side, {layer: activation}), names, own, other)


def variants(side: KerasSide, x: Array, weights: Sequence[Array], seen: Array) -> Iterator[Variant]:
    """Yield the model with other activations, in a layer or in all that have one, where it comes near what was seen.

    Args:
        side: the model.
        x: a batch.
        weights: those that the batch was seen at.
        seen: the program's output.
    """
    reach = _NEAR * float(np.max(np.abs(seen), initial=0.0))
    with lent(side.model, side.whole(weights)):
        near = [
            (names, own, other, activation)
            for names, own, other, activation in _choices(side)
            if np.max(np.abs(_output(side, names, activation, x) - seen), initial=0.0) <= reach
        ]
    for names, own, other, activation in near:
        yield Variant(changed(side, dict.fromkeys(names, activation)), names, own, other)


def _choices(side: KerasSide) -> Iterator[tuple[list[str], str, str, Activation]]:
    """Yield layers, the name of their activation, and another."""
    layers = layers_of(side.model)
    named = [(layer.name, activation_of(layer)) for layer in layers]
    kinds = [kind for _, kind in named[:-1]]
    groups = [[name] for name, kind in named if kind in _NAMED]
    groups += [[n for n, k in named[:-1] if k == kind] for kind in dict.fromkeys(kinds) if kinds.count(kind) > 1]
    for names in groups:
        own = dict(named)[names[0]]
        for other, activation in _activations().items():
            if own in _NAMED and other != own and (other != "softmax" or names == [layers[-1].name]):
                yield names, own, other, activation


def _activations() -> Mapping[str, Activation]:
    """Return activations by what they are called here."""
    import keras

    found: dict[str, Any] = {name: keras.activations.get(name) for name in _NAMED}
    leaky = found.pop("leaky_relu")
    for leak in _LEAKS:
        name = f"a leaky relu of {leak:g}"
        found[name] = _called(name, partial(leaky, negative_slope=leak))
    found["gelu by tanh"] = _called("gelu by tanh", partial(keras.activations.gelu, approximate=True))
    return found


def activation_of(layer: Any) -> str:
    """Return the name of a layer's activation, empty if it has none."""
    return getattr(getattr(layer, "activation", None), "__name__", "")


def _output(side: KerasSide, names: Sequence[str], activation: Activation, x: Array) -> Array:
    """Return the model's output with the activation of some layers changed, as Keras computes it."""
    chosen = [layer for layer in layers_of(side.model) if layer.name in names]
    own = [layer.activation for layer in chosen]
    try:
        for layer in chosen:
            object.__setattr__(layer, "activation", activation)
        return np.asarray(side.model(x, training=False), dtype=np.float64)
    finally:
        for layer, each in zip(chosen, own, strict=True):
            object.__setattr__(layer, "activation", each)


def late_biases(side: KerasSide, only: str = "") -> Iterator[tuple[KerasSide, str]]:
    """Yield the model with its biases added after their activations, in every layer and in each, and where that is.

    ``only`` is the one layer that is looked at, unless empty.
    """
    layers = layers_of(side.model)
    names = [layer.name for layer in layers if _bent(layer) and layer.name not in side.late]
    hidden = [name for name in names if name != layers[-1].name]
    together = [names, hidden] if not only else []
    several = [chosen for chosen in together if len(chosen) > 1 and together.count(chosen) == 1]
    for chosen in [*several, *([name] for name in names if only in ("", name))]:
        yield changed(side, {}, late=chosen), ", ".join(chosen)


def _bent(layer: Any) -> bool:
    name = activation_of(layer)
    return name in _NAMED and name != "linear" and bool(getattr(layer, "use_bias", False))


def _before_bias(layer: Any) -> Activation:
    """Return a layer's activation of its sums without the bias, which is added to it."""
    activation = layer.activation
    return _called(activation_of(layer), lambda z: activation(z - layer.bias) + layer.bias)


def _called(name: str, activation: Activation) -> Activation:
    """Return an activation that is called so."""

    def curve(z: Any) -> Any:
        return activation(z)

    curve.__name__ = name
    return curve


Slope = Callable[[Activation, Any, Any], Any]
"""What comes back through an activation, from its input and from what comes back to its output."""


def changed(
    side: KerasSide,
    activations: Mapping[str, Activation],
    late: Sequence[str] = (),
    backs: Mapping[str, Slope] = {},  # nobody writes to it
) -> KerasSide:
    """Return a model whose layers are made anew, with what was changed before and some more.

    Args:
        side: the model.
        activations: others, by the names of layers.
        late: layers whose bias is added after their activation.
        backs: other ways back through activations, by the names of layers.
    """
    import keras

    swapped, lates = {**side.activations, **activations}, side.late | {*late}

    def copied(each: Any) -> Any:
        made = type(each).from_config(each.get_config())
        if each.name in swapped:
            made.activation = swapped[each.name]
        if each.name in backs:
            made.activation = _called(activation_of(made), _with_gradient(made.activation, backs[each.name]))
        if each.name in lates:
            made.activation = _before_bias(made)
        return made

    first = side.first or side.model
    model = keras.models.clone_model(first, clone_function=copied)
    optimizer = first.optimizer
    model.compile(optimizer=type(optimizer).from_config(optimizer.get_config()), loss=first.loss)
    result = KerasSide(side.name, side.build, model, side.names, side.unseen, side.data)
    result.first, result.activations, result.late = first, swapped, lates
    return result


def _with_gradient(activation: Activation, back: Slope) -> Activation:
    import tensorflow as tf

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow's
    def curve(z: Any) -> Any:
        return activation(z), lambda up: back(activation, z, up)

    return lambda z: curve(z)
