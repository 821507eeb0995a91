"""Who hands its state in and out of each step, and what a first state may be."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from parity.bounds.numerics import Array
from parity.errors import MisbehavedError
from parity.subjects.binding.drivers.shape import Called, Make, Rate, Tensors, copied, renewed


class _Stateful(Called):
    """``init(params)`` makes a state that goes in and out of each step; what goes in must stay as it is."""

    def __init__(self, make: Make, params: Tensors, rate: Rate, method: str) -> None:
        self.optimizer, self._method = make(), method
        self.params = dict(params)
        self.state = self.optimizer.init(self.params)

    def renew(self, names: Sequence[str]) -> bool:
        """Take up copies of the parameters in that order, and return whether that is possible: it is."""
        self.params = renewed(self.params, names)
        return True


class Pure(_Stateful):
    """``init(params)``, then ``step(params, grads, state) -> (params, state)``."""

    def step(self, gradients: Tensors) -> None:
        """Make a step on read-only views."""
        method = getattr(self.optimizer, self._method)
        returned = method(_locked(self.params), _locked(gradients), self.state)
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise MisbehavedError(f"{self._method} must return (params, state); received {type(returned).__name__}.")
        self.params, self.state = _mapping(returned[0], self._method), returned[1]


class Transformation(_Stateful):
    """``init(params)``, then ``update(grads, state, params) -> (updates, state)``: updates are added by the caller."""

    def step(self, gradients: Tensors) -> None:
        """Make a step and add the updates."""
        method = getattr(self.optimizer, self._method)
        updates, self.state = method(_locked(gradients), self.state, _locked(self.params))
        self.params = {name: w + updates[name] for name, w in self.params.items()}


class Functions(Called):
    """``(init, update, get_params)``, ``update(count, grads, state) -> state``, or without the last, which tells them.

    Without it ``update`` returns the new parameters and the state, or what the caller adds to them. One state a tensor.
    """

    def __init__(self, make: Make, params: Tensors, rate: Rate, order: Sequence[str], adds: bool = False) -> None:
        self.optimizer = make()
        begin, self._update, *self._get = self.optimizer
        self.params: dict[str, Any] = copied(params)
        self._states = {name: begin(array) for name, array in self.params.items()}
        self._order, self._adds, self._count = order, adds, 0

    def step(self, gradients: Tensors) -> None:
        """Make a step, tensor by tensor."""
        for name, w in self.params.items():
            given = {"count": self._count, "grads": gradients[name], "state": self._states[name], "params": w}
            returned = self._update(*(given[role] for role in self._order))
            if self._get:
                self._states[name] = returned
                self.params[name] = self._get[0](returned)
            else:
                new, self._states[name] = returned
                self.params[name] = w + new if self._adds else new
        self._count += 1


class Configured(Called):
    """``f(w, dw, config) -> (w, config)``: a config for each tensor holds hyperparameters beside the state.

    Who returns the weights alone has changed the config in place.
    """

    def __init__(self, make: Make, params: Tensors, rate: Rate, first: Callable[[Any], dict[str, Any]]) -> None:
        self.params = copied(params)
        self.optimizer, values = make()
        self._configs = {name: {**first(w), **values} for name, w in self.params.items()}

    @property
    def configs(self) -> list[dict[str, Any]]:
        """The configs as they are now."""
        return list(self._configs.values())

    def step(self, gradients: Tensors) -> None:
        """Make a step, tensor by tensor."""
        for name, w in self.params.items():
            returned = self.optimizer(w, gradients[name], self._configs[name])
            pair = isinstance(returned, tuple)
            self.params[name], self._configs[name] = returned if pair else (returned, self._configs[name])


def zeros(array: Any) -> Any:
    """Return a state of zeros for one tensor."""
    return np.zeros_like(array)


def empty(array: Any) -> dict[str, Any]:
    """Return a state that is filled by whoever gets it."""
    return {}


STATES: Final[tuple[Callable[[Any], Any] | None, ...]] = (None, zeros, empty)
"""What a function may expect as its first state: nothing, zeros, or an empty mapping."""


def _locked(tensors: Tensors) -> dict[str, Array]:
    """Return read-only views, None where there is no gradient: a step that writes into its inputs raises there."""
    views: dict[str, Any] = dict(tensors)
    for name in (name for name, array in tensors.items() if array is not None):
        views[name] = np.asarray(tensors[name]).view()
        views[name].setflags(write=False)
    return views


def _mapping(value: Any, method: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise MisbehavedError(f"{method} must return a mapping from names to arrays; received {type(value).__name__}.")
    return dict(value)
