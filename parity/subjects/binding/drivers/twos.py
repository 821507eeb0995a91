"""Weights and their biases in one call, with a gradient for each: two tensors, or a list of either."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from parity.errors import MisbehavedError
from parity.subjects.binding.drivers.shape import (
    GUESSED,
    KEPT,
    Call,
    Called,
    Make,
    Rate,
    Shape,
    States,
    Tensors,
    in_twos,
    numbered,
)
from parity.subjects.binding.drivers.states import STATES
from parity.subjects.binding.roles import PLURAL, Parameter

BOTH: Final = frozenset({"params", "biases", "grads", "bias_grads"})
_BESIDE: Final = frozenset({"count", "rate", "loss", *KEPT, "index", "name"})


class Twos(Called):
    """Two tensors of the case are weights and their biases: an instance for each two, or lists of all for one.

    What comes back are new weights and new biases, then perhaps a state; else they changed in place. An odd tensor has
    a bias of one element beside it. The constructor takes the lists by its arguments ``owners``, where it has such.
    """

    def __init__(
        self,
        make: Make,
        params: Tensors,
        rate: Rate,
        call: Call,
        as_lists: bool,
        state: Callable[[Any], Any] | None = None,
        owners: tuple[str, str] | None = None,
    ) -> None:
        self._call, self._rate, self._as_lists, self._count = call, rate, as_lists, 0
        self._names = list(params)
        held = in_twos([array.copy() for array in params.values()])
        self._held = [[list(each) for each in zip(*held, strict=True)]] if as_lists else [list(two) for two in held]
        one = make(**dict(zip(owners or (), self._held[0], strict=False))) if as_lists else None
        self.optimizers = {str(number): one if as_lists else make() for number in range(len(self._held))}
        self.optimizer = next(iter(self.optimizers.values()), None)
        self._states = [States(call, lambda: state(np.zeros(())) if state else None) for _ in self._held]

    @property
    def params(self) -> dict[str, Any]:
        """Parameters as the last call left them."""
        twos = zip(*self._held[0], strict=True) if self._as_lists and self._held else self._held
        return dict(zip(self._names, (array for two in twos for array in two), strict=False))

    def step(self, gradients: Tensors) -> None:
        """Make a step, two tensors a call or all in one."""
        self._count += 1
        grads = in_twos(list(gradients.values()))
        given: Any = [[list(each) for each in zip(*grads, strict=True)]] if self._as_lists else grads
        for number, (optimizer, (w, b), (dw, db)) in enumerate(
            zip(self.optimizers.values(), self._held, given, strict=True)
        ):
            states = self._states[number]
            known = {"params": w, "biases": b, "grads": dw, "bias_grads": db, **states.given}
            known |= {"count": self._count, "rate": self._rate(self._count - 1), "loss": 0.0}
            known |= {"index": number, "name": f"layer_{number}"}
            returned = self._call.on(optimizer, **known)
            states.require(returned if returned is None else (None, *returned[2:]))
            self._take(number, returned)

    def _take(self, number: int, returned: Any) -> None:
        if returned is None:
            return
        if not isinstance(returned, tuple | list) or not 2 <= len(returned) <= 2 + max(len(self._call.kept), 1):
            raise MisbehavedError(
                f"{self._call!r} must return weights and biases, or nothing and change them in place."
            )
        self._held[number] = [list(each) if self._as_lists else each for each in returned[:2]]
        self._states[number].take(returned[2:])


def of_owned_twos(method: str, used: Sequence[Parameter], owners: tuple[str, str]) -> Iterator[Shape]:
    """Yield the shape of who takes lists of weights and of biases in the constructor, and then both gradients."""
    roles = [p.role for p in used]
    if set(roles) <= {"grads", "bias_grads"} | _BESIDE - KEPT and {"grads", "bias_grads"} <= set(roles):
        call = Call(method, roles, {role: p.name for role, p in zip(roles, used, strict=True) if p.by_name})
        title = f"{call}, lists of all weights and of all biases, which the constructor takes"
        yield Shape(title, Twos, {"call": call, "as_lists": True, "owners": owners})


def of_twos(method: str, word: str, used: Sequence[Parameter], numbers: Sequence[str], whose: str) -> Iterator[Shape]:
    """Yield the shapes of a call that takes weights, biases and a gradient for each, by the names of its parameters.

    One argument whose name says nothing may be a state, if it comes back or is filled; ``numbers`` never are.
    ``whose`` is empty of a function, of which there are no instances.
    """
    roles = numbered([p.role for p in used])
    unknown = [p.name for p in used if not p.role]
    told = set(roles) - {""} <= BOTH | _BESIDE and all(roles.count(role) == 1 for role in roles)
    if not told or set(unknown) & set(numbers):
        return
    roles = [role or GUESSED for role in roles]
    by_name = {role: p.name for role, p in zip(roles, used, strict=True) if p.by_name}
    call = Call(method, roles, by_name, word)
    states = STATES if KEPT & set(roles) else (None,)
    one = f"{call}, weights and biases in one call{', an instance for each two' if whose else ''}"
    many = f"{call}, lists of all weights and of all biases"
    plural = any(p.name in PLURAL for p in used)
    for as_lists in (True, False) if plural else (False, True):
        for state in states:
            more = {"call": call, "as_lists": as_lists, "state": state}
            yield Shape(many if as_lists else one, Twos, more)
