"""Who is handed objects that hold the tensors and their gradients: parameters, layers, or a model."""

from collections.abc import Callable
from typing import Any

import numpy as np

from parity.errors import MisbehavedError
from parity.subjects.binding.drivers.holders import (
    Entry,
    HandsArrays,
    HandsInPlace,
    HandsObjects,
    Layer,
    MappingLayer,
    Model,
    PairingLayer,
    Parameter,
    TakingLayer,
    layer_of,
)
from parity.subjects.binding.drivers.shape import Call, Called, Make, Rate, Tensors, copied, in_twos
from parity.subjects.binding.roles import role_of


class Objects(Called):
    """Parameters with ``.data`` and ``.grad`` go into the constructor, and a method without arguments makes a step.

    The gradient is an array, or an object with ``.data`` where it is ``nested``; what a step keeps on a parameter
    starts as zeros where that is ``blank``; they are mappings where they are ``keyed``. Where they are ``of``
    somebody's class, they and what is nested are its instances, made of an array.
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
        of: type | None = None,
        keyed: bool = False,
    ) -> None:
        self._method, self._nested, self._of = method, nested, of
        own = Entry if keyed else Parameter
        self._held: dict[str, Any] = {
            name: own(array.copy(), name, blank) if of is None else of(array.copy()) for name, array in params.items()
        }
        self._at = {name: "data" if of is None else _kept_in(self._held[name], params[name]) for name in params}
        self.optimizer = make(**{owner: dict(self._held) if by_name else list(self._held.values())})

    @property
    def params(self) -> dict[str, Any]:
        """Parameters as the objects hold them."""
        return {name: getattr(each, self._at[name]) for name, each in self._held.items()}

    def step(self, gradients: Tensors) -> None:
        """Hand out the gradients and make a step."""
        for name, each in self._held.items():
            if self._of is None:
                each.take(gradients[name], self._nested)
            else:
                each.grad = self._of(gradients[name]) if self._nested else gradients[name]
        getattr(self.optimizer, self._method)()
        for each in self._held.values() if self._of is None else ():
            if each.never_set:
                raise MisbehavedError(f"{self._method} reads {each.never_set[0]} of a parameter, and nothing sets it.")


def _kept_in(held: Any, array: Any) -> str:
    """Return the attribute in which an instance of somebody's class keeps the array that it was made of."""
    own = {} if hasattr(held, "data") else getattr(held, "__dict__", {})
    same = (name for name, value in own.items() if isinstance(value, np.ndarray) and np.array_equal(value, array))
    return next(same, "data")


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
        holder: Callable[[Tensors], HandsObjects | HandsArrays | HandsInPlace],
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
    """Parameters and their gradients go into the constructor as arrays, and these are filled in before each step.

    All of either in a ``list`` or a ``mapping``, or one of each, an instance for each tensor; where the new weights of
    one are another array, it is what the step returns, or what the instance holds where it kept the first.
    """

    def __init__(self, make: Make, params: Tensors, rate: Rate, call: Call, owner: str, taker: str, held: str) -> None:
        self._call, self._rate, self._count = call, rate, 0
        self._arrays: dict[str, Any] = copied(params)
        self._grads = {name: np.zeros_like(array) for name, array in params.items()}
        self._names = list(params)
        self.optimizers: dict[str, Any] = {}
        self.kept: dict[str, list[str]] = {}
        """The attributes in which an instance keeps the weights, by tensor."""
        self._held: Any = list(self._arrays.values()) if held == "list" else dict(self._arrays)
        if held != "array":
            grads: Any = list(self._grads.values()) if held == "list" else self._grads
            self.optimizer = make(**{owner: self._held, taker: grads})
            return
        for name, array in self._arrays.items():
            made = self.optimizers[name] = make(**{owner: array, taker: self._grads[name]})
            self.kept[name] = [key for key, value in getattr(made, "__dict__", {}).items() if value is array]
        self.optimizer = next(iter(self.optimizers.values()), None)

    @property
    def params(self) -> dict[str, Any]:
        """Parameters as they are held together, or by each instance."""
        held = self._held.values() if isinstance(self._held, dict) else self._held
        return dict(zip(self._names, held, strict=True))

    def step(self, gradients: Tensors) -> None:
        """Fill in the gradients and make a step."""
        self._count += 1
        for name, array in self._grads.items():
            array[...] = gradients[name]
        given = {"count": self._count, "rate": self._rate(self._count - 1), "loss": 0.0}
        if not self.optimizers:
            self._call.on(self.optimizer, **given)
        for name, optimizer in self.optimizers.items():
            returned = self._call.on(optimizer, **given)
            if isinstance(returned, np.ndarray | np.generic):
                self._held[name] = returned
                self._arrays[name][...] = returned  # where the next step of who keeps that array starts
            elif self.kept[name]:
                self._held[name] = getattr(optimizer, self.kept[name][0])


class Layers(Called):
    """Layers that own weights, biases and their gradients: two tensors of the case each, a call for each or for all.

    A layer ``takes`` a change of its weights and of its biases itself, adding or subtracting it by that sign. They are
    ``of`` somebody's class where that is given, and the ``giver`` is handed what holds them once, before. They hand out
    ``pairs`` of a tensor and its gradient, or are ``mapped``, with a mapping of either, where that is so.
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
        of: type | None = None,
        giver: str = "",
        pairs: bool = False,
        mapped: bool = False,
    ) -> None:
        self._names, self._call, self._before, self._after = list(params), call, before, after
        self._rate, self._count = rate, 0
        twos = in_twos([array.copy() for array in params.values()])
        base = TakingLayer if takes else PairingLayer if pairs else MappingLayer if mapped else Layer
        self._layers = [
            base(w, b, number) if of is None else layer_of(of, base, w, b, number)
            for number, (w, b) in enumerate(twos, start=1)
        ]
        for layer in self._layers if takes else ():
            layer.sign = takes
        self._model = Model({}, self._layers)
        held = self._model if role_of(owner) == "model" else self._layers
        self.optimizer = make(**({owner: held} if owner else {}))
        if giver:
            getattr(self.optimizer, giver)(self._model)

    @property
    def params(self) -> dict[str, Any]:
        """Parameters as the layers hold them."""
        held: list[Any] = [array for layer in self._layers for array in layer.left]
        return dict(zip(self._names, held, strict=False))

    def step(self, gradients: Tensors) -> None:
        """Hand out the gradients and make a step, with what comes before and after it."""
        self._count += 1
        beside = {"count": self._count, "rate": self._rate(self._count - 1), "loss": 0.0}
        twos = in_twos([gradients[name] for name in self._names])
        for layer, two in zip(self._layers, twos, strict=True):
            layer.take(*two)
        if self._before:
            getattr(self.optimizer, self._before)()
        if "layer" in self._call.roles:
            for index, (layer, (dw, db)) in enumerate(zip(self._layers, twos, strict=True)):
                known = {"layer": layer, "index": index, "name": f"layer_{index}"}
                self._call.on(self.optimizer, **beside, **known, grads=dw, bias_grads=db)
        else:
            self._call.on(self.optimizer, **beside, layers=self._layers, model=self._model)
        if self._after:
            getattr(self.optimizer, self._after)()


class OfModel(Called):
    """One object with ``params`` and ``grads`` by name is handed in, or given to the constructor."""

    def __init__(self, make: Make, params: Tensors, rate: Rate, call: Call, owner: str = "") -> None:
        self._model, self._call, self._rate, self._count = Model(copied(params), []), call, rate, 0
        self.optimizer = make(**({owner: self._model} if owner else {}))

    @property
    def params(self) -> dict[str, Any]:
        """Parameters as the model holds them."""
        return dict(self._model.params)

    def step(self, gradients: Tensors) -> None:
        """Hand out the gradients and make a step."""
        self._count += 1
        self._model.grads = dict(gradients)
        known = {"count": self._count, "rate": self._rate(self._count - 1), "loss": 0.0}
        self._call.on(self.optimizer, **known, model=self._model, grads=self._model.grads)
