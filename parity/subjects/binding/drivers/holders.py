"""What people's optimizers expect to be handed beside arrays: parameters with a gradient, layers, and models."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from parity.bounds.numerics import Array


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
    **dict.fromkeys(("grad", "grads", "gradient"), "dweights"),
}


class Layer:
    """A layer that owns weights, biases and their gradients, by any of the usual names.

    Whatever it ``is_...`` it is, until somebody sets it; what an optimizer keeps of a layer may lie in ``opt_params``.
    """

    def __init__(self, weights: Array, biases: Array) -> None:
        self.weights, self.biases, self.trainable, self.use_bias = weights, biases, True, True
        self.opt_params: dict[str, Any] = {}
        self.dweights, self.dbiases = np.zeros_like(weights), np.zeros_like(biases)

    def __getattr__(self, name: str) -> Any:
        if _SAME_LAYER.get(name, name) != name:
            return getattr(self, _SAME_LAYER[name])
        if name.startswith("is_"):
            return True
        raise AttributeError(name)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(_SAME_LAYER.get(name, name), value)


class TakingLayer(Layer):
    """A layer that is handed a change of its weights and one of its biases, and adds or subtracts them itself."""

    def __init__(self, weights: Array, biases: Array, sign: int) -> None:
        super().__init__(weights, biases)
        self._sign = sign

    def update(self, weights: Array, biases: Array) -> None:
        """Take up the changes."""
        self.weights = self.weights + self._sign * weights
        self.biases = self.biases + self._sign * biases


class Model:
    """A model with ``params`` and ``grads`` by name, and with ``layers``."""

    def __init__(self, params: dict[str, Array], layers: list[Layer]) -> None:
        self.params, self.layers = params, layers
        self.grads: Mapping[str, Array] = {}


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
