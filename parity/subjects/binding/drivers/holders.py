"""What people's optimizers expect to be handed beside arrays: parameters with a gradient, layers, and models."""

import re
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Final

import numpy as np

from parity.bounds.numerics import Array
from parity.subjects.binding.roles import role_of


class Parameter:
    """A tensor with its gradient, as objects have them: ``.data`` and ``.grad``, or ``.value`` and ``.gradient``.

    Where it is ``blank``, what a step reads of it before anybody set it are zeros of its shape: a state that lies on
    the parameter, if the step sets it then.
    """

    _SAME: Final = {"value": "data", "values": "data", "gradient": "grad", "weight": "data"}

    def __init__(self, data: Array, name: str, blank: bool = False) -> None:
        self.data, self.name, self.requires_grad = data, name, True
        self.grad: Any = np.zeros_like(data)
        self.blank = blank
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if name in self._SAME:
            return getattr(self, self._SAME[name])
        if name in ("shape", "dtype", "size", "ndim"):
            return getattr(self.data, name)
        if name == "xp":
            return np
        if not name.startswith("_") and self.__dict__.get("blank"):
            self.read.add(name)
            return np.zeros_like(self.data)
        raise AttributeError(name)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(self._SAME.get(name, name), value)

    def take(self, gradient: Array, nested: bool) -> None:
        """Take a gradient, an array or, where it is ``nested``, an object with ``.data`` and ``.value``."""
        self.grad = Parameter(gradient, self.name) if nested else gradient

    @property
    def never_set(self) -> list[str]:
        """Names of what was read before anybody set it, and not set since."""
        return sorted(self.read - set(self.__dict__))


class Entry(Parameter):
    """A tensor with its gradient in a mapping, each under any key that speaks of it: ``p["value"]``, ``p["grad"]``."""

    _PLACES: Final = {"params": "data", "grads": "grad"}

    def __getitem__(self, key: str) -> Any:
        place = self._PLACES.get(role_of(key), "")
        if not place and key not in self.__dict__:
            raise KeyError(key)
        return getattr(self, place or key)

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self, self._PLACES.get(role_of(key), key), value)

    def __contains__(self, key: str) -> bool:
        return role_of(key) in self._PLACES or key in self.__dict__


_WEIGHTS: Final = "weights weight W w kernel"
_BIASES: Final = "biases bias b"
_SAME_LAYER: Final = {
    **dict.fromkeys(_WEIGHTS.split(), "weights"),
    **dict.fromkeys(_BIASES.split(), "biases"),
    **{f"d{word}": "dweights" for word in _WEIGHTS.split()},
    **{f"d{word}": "dbiases" for word in _BIASES.split()},
    **{f"{word}_grad": "dweights" for word in _WEIGHTS.split()},
    **{f"{word}_grad": "dbiases" for word in _BIASES.split()},
    **{f"grad_{word}": "dweights" for word in _WEIGHTS.split()},
    **{f"grad_{word}": "dbiases" for word in _BIASES.split()},
    **dict.fromkeys(("grad", "gradient"), "dweights"),
}


class LayersTensors(MutableMapping[str, Any]):
    """The tensors of a layer, or their gradients, by name, where a layer holds them so, or returns them when called.

    The names tell layers apart, since some put those of all layers together; W and b mean this layer's whatever they
    are. ``grad`` are the gradients beside weights, and ``step`` takes up a change of one.
    """

    def __init__(self, layer: "Layer", places: tuple[str, str], number: int) -> None:
        self._layer, self._places = layer, {f"W{number}": places[0], f"b{number}": places[1]}

    def __call__(self) -> "LayersTensors":
        """Return itself, to who takes the mapping for a method."""
        return self

    @property
    def grad(self) -> "LayersTensors":
        """The gradients, by the same names."""
        return self._layer.grads

    def step(self, name: str, change: Any) -> None:
        """Take up a change of one tensor, in the way of the layer, if that is known."""
        if not self._layer.sign:
            raise AttributeError("step")
        self[name] = self[name] + self._layer.sign * change

    def _place(self, name: str) -> str:
        if name in self._places:
            return self._places[name]
        word = _SAME_LAYER.get(name, "")
        weights, biases = self._places.values()
        return weights if word in ("weights", "dweights") else biases if word in ("biases", "dbiases") else ""

    def __getitem__(self, name: str) -> Any:
        place = self._place(name)
        if not place:
            raise KeyError(name)
        return getattr(self._layer, place)

    def __setitem__(self, name: str, value: Any) -> None:
        place = self._place(name)
        if not place:
            raise KeyError(name)
        setattr(self._layer, place, value)

    def __delitem__(self, name: str) -> None:
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class Pair(tuple[Any, Any]):
    """A tensor and its gradient as a layer hands them out: two that are unpacked, or asked for by name and set."""

    _GRADIENTS: Final = frozenset({"grad", "grads", "gradient", "gradients"})

    def __new__(cls, tensors: "LayersTensors", name: str) -> "Pair":
        """Return the two of a name."""
        made = super().__new__(cls, (tensors[name], tensors.grad[name]))
        made.tensors, made.name = tensors, name  # type: ignore[attr-defined]  # a tuple has no constructor of its own
        return made

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(int(key in self._GRADIENTS) if isinstance(key, str) else key)

    def __setitem__(self, key: str, value: Any) -> None:
        held: Any = vars(self)
        (held["tensors"].grad if key in self._GRADIENTS else held["tensors"])[held["name"]] = value


class Layer:
    """A layer that owns weights, biases and their gradients, by any of the usual names, or by name in a mapping.

    Whatever it ``is_...`` it is, until somebody sets it; what an optimizer keeps of a layer may lie in ``opt_params``.
    """

    sign = 0
    """Whether a change that it is handed is added (1) or subtracted (-1); zero where nothing tells."""

    def __init__(self, weights: Array, biases: Array, number: int = 1) -> None:
        self.hold(weights, biases, number)

    def hold(self, weights: Array, biases: Array, number: int) -> None:
        """Take up the tensors of a layer of that number."""
        self.weights, self.biases, self.trainable, self.use_bias = weights, biases, True, True
        self.opt_params: dict[str, Any] = {}
        self.dweights, self.dbiases = np.zeros_like(weights), np.zeros_like(biases)
        self.params = self.parameters = LayersTensors(self, ("weights", "biases"), number)
        self.grads = self.gradients = LayersTensors(self, ("dweights", "dbiases"), number)

    def get_parameters(self) -> dict[str, Pair]:
        """Return each tensor with its gradient, by name."""
        return {name: Pair(self.params, name) for name in self.params}

    def set_parameters(self, tensors: Mapping[str, Any]) -> None:
        """Take up tensors by name, as many as there are."""
        for name, value in tensors.items():
            self.params[name] = value

    get_params, set_params = get_parameters, set_parameters

    def take(self, weights: Array, biases: Array) -> None:
        """Take the gradients of a step."""
        self.dweights, self.dbiases = weights, biases

    @property
    def left(self) -> tuple[Any, Any]:
        """The weights and the biases as they are."""
        return self.weights, self.biases

    def __getattr__(self, name: str) -> Any:
        if _SAME_LAYER.get(name, name) != name:
            return getattr(self, _SAME_LAYER[name])
        if name.startswith("is_"):
            return True
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(_SAME_LAYER.get(name, name), value)


class PairingLayer(Layer):
    """A layer whose ``parameters()`` are pairs of a tensor and its gradient."""

    def __getattr__(self, name: str) -> Any:
        if role_of(name.removeprefix("get_").removeprefix("trainable_")) == "pairs back":
            return self._pairs
        return super().__getattr__(name)

    def _pairs(self) -> list[tuple[Array, Array]]:
        return [(self.weights, self.dweights), (self.biases, self.dbiases)]

    def hold(self, weights: Array, biases: Array, number: int) -> None:
        """Take up the tensors of a layer; see ``Layer.hold``."""
        super().hold(weights, biases, number)
        self.params = self.parameters = self.get_parameters = self.get_params = self._pairs  # type: ignore[assignment]


class MappingLayer(Layer):
    """A layer whose tensors are in a mapping, and their gradients in another with the same keys.

    By any names that speak of either: ``weights`` and ``weights_grads``, ``params`` and ``param_gradients``.
    """

    def hold(self, weights: Array, biases: Array, number: int) -> None:
        """Take up the tensors of a layer; see ``Layer.hold``."""
        self.own_weights, self.own_biases, self.trainable, self.use_bias = weights, biases, True, True
        self.opt_params = {}
        self.take(np.zeros_like(weights), np.zeros_like(biases))
        self.own = LayersTensors(self, ("own_weights", "own_biases"), number)
        self.changes = LayersTensors(self, ("own_dweights", "own_dbiases"), number)

    def take(self, weights: Array, biases: Array) -> None:
        """Take the gradients of a step."""
        self.own_dweights, self.own_dbiases = weights, biases

    @property
    def left(self) -> tuple[Any, Any]:
        """The weights and the biases as they are."""
        return self.own_weights, self.own_biases

    def __getattr__(self, name: str) -> Any:
        role = role_of(name) if "changes" in self.__dict__ else ""
        if role in ("params", "grads"):
            return self.own if role == "params" else self.changes
        return super().__getattr__(name)


class TakingLayer(Layer):
    """A layer that is handed a change of its weights and one of its biases, and adds or subtracts them itself."""

    def update(self, weights: Array, biases: Array) -> None:
        """Take up the changes."""
        self.weights = self.weights + self.sign * weights
        self.biases = self.biases + self.sign * biases


def layer_of(own: type, base: type[Layer], weights: Array, biases: Array, number: int) -> Any:
    """Return a layer that is one of somebody's class too, so that its checks and its methods are those of theirs.

    Made as theirs is made where two sizes are enough for that; else without its constructor.
    """
    begins = next(vars(each)["__init__"] for each in own.__mro__ if "__init__" in vars(each))
    made: Any = type(own)(own.__name__, (base, own), {"__init__": begins, "__module__": own.__module__})
    made.__abstractmethods__ = frozenset()  # what is missing is what a layer of ours has
    try:
        layer = made(2, 3)
        layer.is_whole = True
    except Exception:  # it takes something else: what it sets there is then not set
        layer = object.__new__(made)
        layer.is_whole = False
    base.hold(layer, weights, biases, number)
    return layer


_LAYERS: Final = re.compile(r"(\w*_)?layers|\w*layers|layer_?list|layer_?stack")
"""How a model's layers are called."""


class Model:
    """A model with ``params`` and ``grads`` by name, and with ``layers``, by whatever name speaks of layers."""

    def __init__(self, params: dict[str, Array], layers: list[Layer]) -> None:
        self.params, self.layers = params, layers
        self.grads: Mapping[str, Array] = {}

    def __getattr__(self, name: str) -> Any:
        if "layers" in self.__dict__ and _LAYERS.fullmatch(name.lower()):
            return self.layers
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class HandsObjects:
    """A model that hands out its tensors as objects with ``.data`` and ``.grad``, and their gradients."""

    def __init__(self, params: Mapping[str, Array], nested: bool) -> None:
        self._held = {name: Parameter(array.copy(), name) for name, array in params.items()}
        self._nested = nested

    def parameters(self) -> list[Parameter]:
        """Return the tensors as objects."""
        return list(self._held.values())

    params = get_parameters = get_params = trainable_parameters = parameters

    def grads(self) -> list[Any]:
        """Return the gradients as arrays."""
        return [each.grad.data if self._nested else each.grad for each in self._held.values()]

    gradients = get_grads = get_gradients = grads

    def take(self, gradients: Mapping[str, Array]) -> None:
        """Take the gradients of a step."""
        for name, each in self._held.items():
            each.take(gradients[name], self._nested)

    def left(self) -> dict[str, Any]:
        """Return the tensors as the objects hold them."""
        return {name: each.data for name, each in self._held.items()}


class HandsInPlace:
    """A model that hands out its tensors as arrays that change in place, their gradients, or both in pairs.

    By methods whose names speak of them: ``parameters()`` and ``gradients()``, ``params_and_grads()``.
    """

    def __init__(self, params: Mapping[str, Array]) -> None:
        self._arrays = {name: array.copy() for name, array in params.items()}
        self._grads = {name: np.zeros_like(array) for name, array in params.items()}

    def __getattr__(self, name: str) -> Any:
        role = role_of(name.removeprefix("get_").removeprefix("trainable_"))
        if role not in ("params", "grads", "pairs", "pairs back"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        arrays, grads = list(self._arrays.values()), list(self._grads.values())
        found: list[Any] = {"params": arrays, "grads": grads}.get(role) or list(
            zip(*((grads, arrays) if role == "pairs" else (arrays, grads)), strict=True)
        )
        return lambda: found

    def take(self, gradients: Mapping[str, Array]) -> None:
        """Take the gradients of a step, in place."""
        for name, array in self._grads.items():
            array[...] = gradients[name]

    def left(self) -> dict[str, Any]:
        """Return the tensors as they are."""
        return dict(self._arrays)


class HandsArrays:
    """A model with ``get_weights()``, ``get_gradients()`` and ``set_weights()``.

    Where they come ``in_twos``, each is a list for weights and one for biases.
    """

    def __init__(self, params: Mapping[str, Array], in_twos: bool) -> None:
        self._names, self._in_twos = list(params), in_twos
        self._arrays = self._packed([array.copy() for array in params.values()])
        self._grads = self._packed([np.zeros_like(array) for array in params.values()])

    def get_weights(self) -> Any:
        """Return the tensors."""
        return self._arrays

    def get_gradients(self) -> Any:
        """Return the gradients."""
        return self._grads

    get_grads = get_gradients

    def set_weights(self, *weights: Any) -> None:
        """Take tensors as ``get_weights`` returns them, or a list each."""
        self._arrays = weights[0] if len(weights) == 1 else weights

    set_params = set_weights

    def take(self, gradients: Mapping[str, Array]) -> None:
        """Take the gradients of a step."""
        self._grads = self._packed([gradients[name] for name in self._names])

    def left(self) -> dict[str, Any]:
        """Return the tensors as they were last set."""
        held = [a for two in zip(*self._arrays, strict=True) for a in two] if self._in_twos else self._arrays
        return dict(zip(self._names, held, strict=False))

    def _packed(self, arrays: list[Any]) -> Any:
        if not self._in_twos:
            return arrays
        spare = [np.zeros(1, dtype=array.dtype) for array in arrays[: len(arrays) % 2]]
        return arrays[::2], [*arrays[1::2], *spare]
