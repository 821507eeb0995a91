"""Who is called with arrays once a step: all tensors together, in a mapping or a list, or one tensor a call."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from parity.errors import MisbehavedError
from parity.subjects.binding.drivers.shape import Call, Called, Make, Rate, States, Tensors, copied, in_twos, renewed
from parity.subjects.binding.drivers.states import empty


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
        self.params = copied(params)
        keys = {name: f"{'Wb'[i % 2]}{i // 2 + first}" for i, name in enumerate(params)}
        self._numbered, self._first = keys if numbered else {}, first
        self._names = list(params)
        self._held: Any = self._packed(self.params)
        self.optimizer = make(**({owner: self._held} if owner else {}))
        self._count, self._states = 0, States(call, lambda: self._first_state(state))
        self._by_name = "params" in call.roles and not as_list and not owner and not numbered

    def renew(self, names: Sequence[str]) -> bool:
        """Take up copies of the parameters in that order, and return whether it can: by name, and not held."""
        if self._by_name:
            self._held = renewed(self._held, names)
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
        back = [(w, g) for g, w in pairs]
        given = {
            "params": self._held,
            "grads": grads,
            "pairs": pairs,
            "pairs back": back,
            "loss": 0.0,
            "count": self._count,
        }
        given |= {"rate": self._rate(self._count - 1), **self._states.given}
        returned = self._call.on(self.optimizer, **given)
        self._states.require(returned)
        if isinstance(returned, tuple) and returned and self._fits(returned[0]):
            self._states.take(returned[1:])
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

    ``change`` times what it returns is added, if it is not zero; else that are the weights. The constructor takes a
    tensor by its argument ``owner``, and its shape by ``shaped``, where there are such; who returns nothing may hold
    the new weights under the name under which it kept those that it was made with.
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
        owner: str = "",
        shaped: str = "",
    ) -> None:
        self.params = copied(params)
        self._call, self._rate, self._count, self._change = call, rate, 0, change
        one = make() if shared else None
        words = {"owner": owner, "shaped": shaped}
        self.optimizers: dict[str, Any] = {
            name: one if shared else make(**{words[key]: what for key, what in own.items() if words[key]})
            for name, w in self.params.items()
            for own in [{"owner": w, "shaped": w.shape}]
        }
        self._held = {
            name: [key for key, value in getattr(made, "__dict__", {}).items() if value is self.params[name]]
            for name, made in (self.optimizers if owner else {}).items()
        }
        self.optimizer = next(iter(self.optimizers.values()), None)
        self._states = {
            name: States(call, lambda w=w: state(w) if state else None)  # type: ignore[misc]  # its own default
            for name, w in self.params.items()
        }

    def step(self, gradients: Tensors) -> None:
        """Make a step, tensor by tensor."""
        self._count += 1
        for index, (name, w) in enumerate(self.params.items()):
            given = {"params": w, "grads": gradients[name], "name": name, "index": index, "loss": 0.0}
            given |= {"count": self._count, "rate": self._rate(self._count - 1)}
            given |= self._states[name].given
            returned = self._call.on(self.optimizers[name], **given)
            self._states[name].require(returned)
            if isinstance(returned, list) and len(returned) == 1:
                returned = returned[0]
            if isinstance(returned, tuple):
                self._states[name].take(returned[1:])
                returned = returned[0]
            if self._change and not isinstance(returned, np.ndarray | np.generic):
                raise MisbehavedError(f"{self._call!r} returns no change of the weights.")
            if returned is None and self._held.get(name):
                returned = getattr(self.optimizers[name], self._held[name][0])
            changed = w + self._change * returned if self._change else returned
            self.params[name] = w if changed is None else changed


def _is_nothing(value: Any) -> bool:
    return isinstance(value, bool | int | float | str | Iterator)
