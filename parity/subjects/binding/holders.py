"""What people's optimizers expect to be handed beside arrays: parameters with a gradient, layers, and models."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from parity.bounds.numerics import Array


class Parameter:
    """A tensor with its gradient, as objects have them: ``.data`` and ``.grad``, or ``.value`` and ``.gradient``."""

    _SAME: Final = {"value": "data", "values": "data", "gradient": "grad", "weight": "data"}

    def __init__(self, data: Array, name: str) -> None:
        self.data, self.name, self.requires_grad = data, name, True
        self.grad = np.zeros_like(data)

    def __getattr__(self, name: str) -> Any:
        if name in self._SAME:
            return getattr(self, self._SAME[name])
        if name in ("shape", "dtype", "size", "ndim"):
            return getattr(self.data, name)
        raise AttributeError(name)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(self._SAME.get(name, name), value)


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
}


class Layer:
    """A layer that owns weights, biases and their gradients, by any of the usual names."""

    def __init__(self, weights: Array, biases: Array) -> None:
        self.weights, self.biases, self.trainable = weights, biases, True
        self.dweights, self.dbiases = np.zeros_like(weights), np.zeros_like(biases)

    def __getattr__(self, name: str) -> Any:
        if _SAME_LAYER.get(name, name) != name:
            return getattr(self, _SAME_LAYER[name])
        raise AttributeError(name)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(_SAME_LAYER.get(name, name), value)


class Model:
    """A model with ``params`` and ``grads`` by name, and with ``layers``."""

    def __init__(self, params: dict[str, Array], layers: list[Layer]) -> None:
        self.params, self.layers = params, layers
        self.grads: Mapping[str, Array] = {}
