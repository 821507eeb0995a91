"""The shapes that people's optimizers have, each with how it is driven: weights go in once, gradients step by step."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from parity.bounds.numerics import Array
from parity.errors import MisbehavedError
from parity.subjects.binding.holders import HandsArrays, HandsObjects, Layer, Model, Parameter, TakingLayer

Tensors = Mapping[str, Any]
Make = Callable[..., Any]
"""Makes an instance with the hyperparameters that it is passed, and with what a shape adds by keyword."""
Rate = Callable[[int], float]


GUESSED: Final = "state?"
"""The role of a parameter that may be a state although its name does not say so."""


class Driver(Protocol):
    """One optimizer on its way: what it holds of the parameters, and a step with their gradients."""

    @property
    def params(self) -> dict[str, Any]:
        """Parameters as the optimizer last left them, by tensor."""

    def step(self, gradients: Tensors) -> None:
        """Make a step; gradients are arrays of the driver's own."""

    def close(self) -> None:
        """Release what waits for another step."""


class Shape(NamedTuple):
    """A shape that an optimizer may have: in words, and what drives it, with what that has to know."""

    title: str
    driver: Callable[..., Driver]
    more: dict[str, Any] = {}  # noqa: RUF012  # never written to

    @property
    def owns_loop(self) -> bool:
        """Whether the optimizer goes from step to step by itself, so that a function's numbers hold for all of them."""
        return bool(getattr(self.driver, "owns_loop", False))

    @property
    def hands(self) -> set[str]:
        """Own names of the arguments that a loop is handed beside its hyperparameters."""
        return {argument.name for argument in self.more.get("arguments", ())}

    @property
    def serves_rate(self) -> bool:
        """Whether the learning rate goes along with each step, whatever the constructor takes."""
        return "rate" in getattr(self.more.get("call"), "roles", ())

    def drive(self, make: Make, params: Tensors, rate: Rate, steps: int) -> Driver:
        """Return the optimizer with its first weights, before that many steps."""
        known = {"steps": steps} if self.owns_loop else {}
        return self.driver(make, params, rate, **self.more, **known)


class Call:
    """A call by the roles of its parameters, in their order; ``by_name`` maps those that go by keyword to their names.

    ``word`` is what it is called in words, unless by its name.
    """

    def __init__(
        self, name: str, roles: Sequence[str], by_name: Mapping[str, str] | None = None, word: str = ""
    ) -> None:
        self.name, self.roles, self.by_name, self._word = name, tuple(roles), dict(by_name or {}), word

    def __repr__(self) -> str:
        words = {"pairs": "pairs of gradient and parameter", GUESSED: "state"}
        return f"{self._word or self.name}({', '.join(words.get(role, role) for role in self.roles)})"

    def on(self, holder: Any, **given: Any) -> Any:
        """Call it on an instance with what each role stands for."""
        unknown = [role for role in self.roles if role not in given]
        if unknown:
            raise MisbehavedError(f"{self!r} takes {unknown[0]}, which this shape has not.")
        function = holder if self.name == "__call__" else getattr(holder, self.name)
        named = {name: given[role] for role, name in self.by_name.items()}
        return function(*(given[role] for role in self.roles if role not in self.by_name), **named)

    def require_state(self, returned: Any, given: Any = None) -> None:
        """Refuse who returns no state beside the weights, nor fills in the empty mapping that it is given.

        Only that would tell that a parameter is a state whose name does not say so.
        """
        filled = isinstance(given, dict) and bool(given)
        if GUESSED in self.roles and not filled and not (isinstance(returned, tuple) and len(returned) == 2):
            raise MisbehavedError(f"{self!r} returns no state beside the weights.")


INSTANCE: Final = "an instance for each tensor"


def one_array(call: Call, whose: str) -> str:
    """Return the title of a call with one array; ``whose`` says what is made for each, empty of a function."""
    told = {"name", "index"} & set(call.roles)
    state = "a state for each tensor" if "state" in call.roles else ""
    return ", ".join(filter(None, (f"{call}, one array a call", "told which" if told else whose or state)))


class Called:
    """Whatever is called once a step, and waits for nothing between."""

    def close(self) -> None:
        """Nothing to release."""


class _Stateful(Called):
    """``init(params)`` makes a state that goes in and out of each step; what goes in must stay as it is."""

    def __init__(self, make: Make, params: Tensors, rate: Rate, method: str) -> None:
        self.optimizer, self._method = make(), method
        self.params = dict(params)
        self.state = self.optimizer.init(self.params)

    def renew(self, names: Sequence[str]) -> bool:
        """Take up copies of the parameters in that order, and return whether that is possible: it is."""
        self.params = _renewed(self.params, names)
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


class Together(Called):
    """All tensors in one call, in a mapping or a list; what it returns are the new ones, else they changed in place.

    A mapping has the tensors' names; where it is ``numbered``, W1, b1, W2, b2, ... and dW1, db1, ... for the gradients,
    or from the number ``first`` on. Where it is ``layered``, a list has a mapping with W and b for each two.
    ``change`` times what it returns is added, if it is not zero.
    """

    def __init__(
        self,
        make: Make,
        params: Tensors,
        rate: Rate,
        call: Call,
        as_list: bool,
        owner: str = "",
        numbered: bool = False,
        first: int = 1,
        state: Callable[[Any], Any] | None = None,
        change: int = 0,
        layered: bool = False,
    ) -> None:
        self._call, self._as_list, self._rate, self._change, self._layered = call, as_list, rate, change, layered
        self.params = _copied(params)
        keys = {name: f"{'Wb'[i % 2]}{i // 2 + first}" for i, name in enumerate(params)}
        self._numbered, self._first = keys if numbered else {}, first
        self._names = list(params)
        self._held: Any = self._packed(self.params)
        self.optimizer = make(**({owner: self._held} if owner else {}))
        self._count, self._state = 0, self._first_state(state)
        self._by_name = "params" in call.roles and not as_list and not owner and not numbered

    def renew(self, names: Sequence[str]) -> bool:
        """Take up copies of the parameters in that order, and return whether it can: by name, and not held."""
        if self._by_name:
            self._held = _renewed(self._held, names)
        return self._by_name

    def _packed(self, tensors: Tensors, before: str = "") -> Any:
        if self._as_list:
            return [tensors[name] for name in self._names]
        if self._layered:
            twos = in_twos([tensors[name] for name in self._names])
            return [dict(zip("Wb", two, strict=True)) for two in twos]
        if not self._numbered:
            return dict(tensors)
        lone = {f"{before}b{len(tensors) // 2 + self._first}": np.zeros(1)} if len(tensors) % 2 else {}
        return {before + self._numbered[name]: tensors[name] for name in self._names} | lone

    def _first_state(self, state: Callable[[Any], Any] | None) -> Any:
        if state is None or state is empty:
            return None if state is None else {}
        return self._packed({name: state(array) for name, array in self.params.items()}, "d")

    def step(self, gradients: Tensors) -> None:
        """Make a step with all gradients."""
        self._count += 1
        grads = self._packed(gradients, "d")
        if self._as_list:
            pairs: Any = list(zip(grads, self._held, strict=True))
        else:
            pairs = [(grads[name], self._held[name]) for name in self._names] if "pairs" in self._call.roles else []
        given = {"params": self._held, "grads": grads, "pairs": pairs, "loss": 0.0, "count": self._count}
        given |= {"rate": self._rate(self._count - 1), "state": self._state, GUESSED: self._state}
        returned = self._call.on(self.optimizer, **given)
        self._call.require_state(returned, self._state)
        if isinstance(returned, tuple) and returned and self._fits(returned[0]):
            self._state = returned[1] if len(returned) > 1 else self._state
            returned = returned[0]
        if self._change and not self._fits(returned):
            raise MisbehavedError(f"{self._call!r} returns no change for each tensor.")
        if self._change:
            changes = self._unpacked(returned)
            self._held = self._packed({name: w + self._change * changes[name] for name, w in self.params.items()})
        elif self._fits(returned):
            self._held = returned
        elif returned is not None and not _is_nothing(returned) and "params" in self._call.roles:
            kind = "list" if self._as_list else "mapping from names to arrays"
            raise MisbehavedError(f"{self._call.name} must return a {kind}; received {type(returned).__name__}.")
        self.params = self._unpacked(self._held)

    def _fits(self, returned: Any) -> bool:
        if self._as_list:
            return isinstance(returned, list | tuple) and len(returned) == len(self._names)
        if self._layered:
            return isinstance(returned, list) and len(returned) == len(self._held)
        return isinstance(returned, Mapping)

    def _unpacked(self, held: Any) -> dict[str, Any]:
        if self._numbered:
            return {name: held[key] for name, key in self._numbered.items()}
        if self._layered:
            return dict(zip(self._names, (layer[key] for layer in held for key in "Wb"), strict=False))
        return dict(zip(self._names, held, strict=True)) if self._as_list else dict(held)


class Singly(Called):
    """One tensor a call: an instance for each, or one for all that is told which tensor it is.

    ``change`` times what it returns is added, if it is not zero; else that are the weights.
    """

    def __init__(
        self,
        make: Make,
        params: Tensors,
        rate: Rate,
        call: Call,
        shared: bool,
        state: Callable[[Any], Any] | None = None,
        change: int = 0,
    ) -> None:
        self.params = _copied(params)
        self._call, self._rate, self._count, self._change = call, rate, 0, change
        one = make() if shared else None
        self.optimizers = {name: one if shared else make() for name in params}
        self.optimizer = next(iter(self.optimizers.values()), None)
        self._states = {name: state(w) if state else None for name, w in self.params.items()}

    def step(self, gradients: Tensors) -> None:
        """Make a step, tensor by tensor."""
        self._count += 1
        for index, (name, w) in enumerate(self.params.items()):
            given = {"params": w, "grads": gradients[name], "name": name, "index": index, "loss": 0.0}
            given |= {"count": self._count, "rate": self._rate(self._count - 1)}
            given |= dict.fromkeys(("state", GUESSED), self._states[name])
            returned = self._call.on(self.optimizers[name], **given)
            self._call.require_state(returned, self._states[name])
            if isinstance(returned, tuple):
                self._states[name] = returned[1] if len(returned) > 1 else self._states[name]
                returned = returned[0]
            if self._change and not isinstance(returned, np.ndarray | np.generic):
                raise MisbehavedError(f"{self._call!r} returns no change of the weights.")
            changed = w + self._change * returned if self._change else returned
            self.params[name] = w if changed is None else changed


class Objects(Called):
    """Parameters with ``.data`` and ``.grad`` go into the constructor, and a method without arguments makes a step.

    The gradient is an array, or an object with ``.data`` where it is ``nested``; what a step keeps on a parameter
    starts as zeros where that is ``blank``.
    """

    def __init__(
        self,
        make: Make,
        params: Tensors,
        rate: Rate,
        method: str,
        owner: str,
        by_name: bool = False,
        nested: bool = False,
        blank: bool = False,
    ) -> None:
        self._method, self._nested = method, nested
        self._held = {name: Parameter(array.copy(), name, blank) for name, array in params.items()}
        self.optimizer = make(**{owner: dict(self._held) if by_name else list(self._held.values())})

    @property
    def params(self) -> dict[str, Any]:
        """Parameters as the objects hold them."""
        return {name: each.data for name, each in self._held.items()}

    def step(self, gradients: Tensors) -> None:
        """Hand out the gradients and make a step."""
        for name, each in self._held.items():
            each.take(gradients[name], self._nested)
        getattr(self.optimizer, self._method)()
        for each in self._held.values():
            if each.never_set:
                raise MisbehavedError(f"{self._method} reads {each.never_set[0]} of a parameter, and nothing sets it.")


class Handed(Called):
    """A model that hands out its tensors by methods goes into the constructor, a method before, or each step.

    Args:
        call: the step.
        owner: the constructor's argument that takes the model, an empty string if it takes none.
        giver: the method that is given the model once, an empty string if there is none.
        holder: makes the model of the tensors.
    """

    def __init__(
        self,
        make: Make,
        params: Tensors,
        rate: Rate,
        call: Call,
        holder: Callable[[Tensors], HandsObjects | HandsArrays],
        owner: str = "",
        giver: str = "",
    ) -> None:
        self._call, self._rate, self._count, self._model = call, rate, 0, holder(params)
        self.optimizer = make(**({owner: self._model} if owner else {}))
        if giver:
            getattr(self.optimizer, giver)(self._model)

    @property
    def params(self) -> dict[str, Any]:
        """Parameters as the model holds them."""
        return self._model.left()

    def step(self, gradients: Tensors) -> None:
        """Hand out the gradients and make a step."""
        self._count += 1
        self._model.take(gradients)
        known = {"model": self._model, "count": self._count, "rate": self._rate(self._count - 1), "loss": 0.0}
        self._call.on(self.optimizer, **known)


class Shared(Called):
    """Lists of parameters and of gradients go into the constructor, and are filled in place before each step."""

    def __init__(self, make: Make, params: Tensors, rate: Rate, method: str, owner: str, taker: str) -> None:
        self._method = method
        self.params: dict[str, Any] = _copied(params)
        self._grads = {name: np.zeros_like(array) for name, array in params.items()}
        self.optimizer = make(**{owner: list(self.params.values()), taker: list(self._grads.values())})

    def step(self, gradients: Tensors) -> None:
        """Fill in the gradients and make a step."""
        for name, array in self._grads.items():
            array[...] = gradients[name]
        getattr(self.optimizer, self._method)()


class Layers(Called):
    """Layers that own weights, biases and their gradients: two tensors of the case each, a call for each or for all.

    A layer ``takes`` a change of its weights and of its biases itself, adding or subtracting it by that sign.
    """

    def __init__(
        self,
        make: Make,
        params: Tensors,
        rate: Rate,
        call: Call,
        before: str,
        after: str,
        owner: str = "",
        takes: int = 0,
    ) -> None:
        self._names, self._call, self._before, self._after = list(params), call, before, after
        twos = in_twos([array.copy() for array in params.values()])
        self._layers = [TakingLayer(*two, takes) if takes else Layer(*two) for two in twos]
        self._model = Model({}, self._layers)
        held = self._model if owner == "model" else self._layers
        self.optimizer = make(**({owner: held} if owner else {}))

    @property
    def params(self) -> dict[str, Any]:
        """Parameters as the layers hold them."""
        held: list[Any] = [array for layer in self._layers for array in (layer.weights, layer.biases)]
        return dict(zip(self._names, held, strict=False))

    def step(self, gradients: Tensors) -> None:
        """Hand out the gradients and make a step, with what comes before and after it."""
        for number, name in enumerate(self._names):
            setattr(self._layers[number // 2], "dbiases" if number % 2 else "dweights", gradients[name])
        if self._before:
            getattr(self.optimizer, self._before)()
        if "layer" in self._call.roles:
            for index, layer in enumerate(self._layers):
                known = {"layer": layer, "index": index, "name": f"layer_{index}", "loss": 0.0}
                known |= {"grads": layer.dweights, "bias_grads": layer.dbiases}
                self._call.on(self.optimizer, **known)
        else:
            self._call.on(self.optimizer, layers=self._layers, model=self._model)
        if self._after:
            getattr(self.optimizer, self._after)()


class OfModel(Called):
    """One object with ``params`` and ``grads`` by name is handed in, or given to the constructor."""

    def __init__(self, make: Make, params: Tensors, rate: Rate, call: Call, owner: str = "") -> None:
        self._model, self._call = Model(_copied(params), []), call
        self.optimizer = make(**({owner: self._model} if owner else {}))

    @property
    def params(self) -> dict[str, Any]:
        """Parameters as the model holds them."""
        return dict(self._model.params)

    def step(self, gradients: Tensors) -> None:
        """Hand out the gradients and make a step."""
        self._model.grads = dict(gradients)
        self._call.on(self.optimizer, model=self._model, grads=self._model.grads)


class Functions(Called):
    """``(init, update, get_params)``, ``update(count, grads, state) -> state``, or without the last, which tells them.

    Without it ``update`` returns the new parameters and the state, or what the caller adds to them. One state a tensor.
    """

    def __init__(self, make: Make, params: Tensors, rate: Rate, order: Sequence[str], adds: bool = False) -> None:
        self.optimizer = make()
        begin, self._update, *self._get = self.optimizer
        self.params: dict[str, Any] = _copied(params)
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
    """``f(w, dw, config) -> (w, config)``: a config for each tensor holds hyperparameters beside the state."""

    def __init__(self, make: Make, params: Tensors, rate: Rate, first: Callable[[Any], dict[str, Any]]) -> None:
        self.params = _copied(params)
        self.optimizer, values = make()
        self._configs = {name: {**first(w), **values} for name, w in self.params.items()}

    @property
    def configs(self) -> list[dict[str, Any]]:
        """The configs as they are now."""
        return list(self._configs.values())

    def step(self, gradients: Tensors) -> None:
        """Make a step, tensor by tensor."""
        for name, w in self.params.items():
            self.params[name], self._configs[name] = self.optimizer(w, gradients[name], self._configs[name])


def in_twos(arrays: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Return tensors by twos, weights and biases; the last has a bias of one zero where they are odd."""
    spare = [np.zeros(1, dtype=array.dtype) for array in arrays[: len(arrays) % 2]]
    return list(zip(arrays[::2], [*arrays[1::2], *spare], strict=True))


def zeros(array: Any) -> Any:
    """Return a state of zeros for one tensor."""
    return np.zeros_like(array)


def empty(array: Any) -> dict[str, Any]:
    """Return a state that is filled by whoever gets it."""
    return {}


STATES: Final[tuple[Callable[[Any], Any] | None, ...]] = (None, zeros, empty)
"""What a function may expect as its first state: nothing, zeros, or an empty mapping."""


def _renewed(params: Tensors, names: Sequence[str]) -> dict[str, Any]:
    return {name: np.array(params[name]) for name in names}


def _copied(params: Tensors) -> dict[str, Any]:
    return {name: array.copy() for name, array in params.items()}


def _locked(tensors: Tensors) -> dict[str, Array]:
    """Return read-only views: a step that writes into its inputs raises where it does so."""
    views = {name: np.asarray(array).view() for name, array in tensors.items()}
    for view in views.values():
        view.setflags(write=False)
    return views


def _mapping(value: Any, method: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise MisbehavedError(f"{method} must return a mapping from names to arrays; received {type(value).__name__}.")
    return dict(value)


def _is_nothing(value: Any) -> bool:
    return isinstance(value, bool | int | float | str | Iterator)
