"""What a shape is: in words, what drives it, and what a call is given by the roles of its parameters."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from parity.errors import MisbehavedError

Tensors = Mapping[str, Any]
Make = Callable[..., Any]
"""Makes an instance with the hyperparameters that it is passed, and with what a shape adds by keyword."""
Rate = Callable[[int], float]


GUESSED: Final = "state?"
"""The role of a parameter that may be a state although its name does not say so."""
FURTHER: Final = ("state 2", "state 3")
"""The roles of a second and a third parameter whose names say that they are states."""
KEPT: Final = frozenset({"state", GUESSED, *FURTHER})
"""The roles of what goes in and out of each step beside the weights."""


def numbered(roles: Sequence[str]) -> list[str]:
    """Return roles in which a second and a third state have one of their own; what is beyond has none."""
    places = [place for place, role in enumerate(roles) if role == "state"]
    others = dict(zip(places[1:], FURTHER, strict=False))
    return [others.get(place, "" if place in places[1:] else role) for place, role in enumerate(roles)]


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
        asked = any(argument.role == "rate" for argument in self.more.get("arguments", ()))
        return asked or "rate" in getattr(self.more.get("call"), "roles", ())

    def drive(self, make: Make, params: Tensors, rate: Rate, steps: int) -> Driver:
        """Return the optimizer with its first weights, before that many steps."""
        known = {"steps": steps} if self.owns_loop else {}
        return self.driver(make, params, rate, **self.more, **known)


class Call:
    """A call by the roles of its parameters, in their order; ``by_name`` maps those that go by keyword to their names.

    ``word`` is what it is called in words, unless by its name; ``guessed`` is whether no name says which parameter
    takes the gradient, so that a trial must show it.
    """

    def __init__(
        self,
        name: str,
        roles: Sequence[str],
        by_name: Mapping[str, str] | None = None,
        word: str = "",
        guessed: bool = False,
    ) -> None:
        self.name, self.roles, self.by_name, self._word = name, tuple(roles), dict(by_name or {}), word
        self.guessed = guessed

    def __repr__(self) -> str:
        words = {"pairs": "pairs of gradient and parameter", "pairs back": "pairs of parameter and gradient"}
        words |= dict.fromkeys(KEPT, "state")
        return f"{self._word or self.name}({', '.join(words.get(role, role) for role in self.roles)})"

    def on(self, holder: Any, **given: Any) -> Any:
        """Call it on an instance with what each role stands for."""
        unknown = [role for role in self.roles if role not in given]
        if unknown:
            raise MisbehavedError(f"{self!r} takes {unknown[0]}, which this shape has not.")
        function = holder if self.name == "__call__" else getattr(holder, self.name)
        named = {name: given[role] for role, name in self.by_name.items()}
        return function(*(given[role] for role in self.roles if role not in self.by_name), **named)

    @property
    def kept(self) -> list[str]:
        """The roles of its states, in their order."""
        return [role for role in self.roles if role in KEPT]


class States:
    """The states of a call, each by its role: what goes in at a step is what came out of the one before."""

    def __init__(self, call: Call, first: Callable[[], Any]) -> None:
        self._call, self._values = call, [first() for _ in call.kept]

    @property
    def given(self) -> dict[str, Any]:
        """What each role stands for at the next step."""
        return dict(zip(self._call.kept, self._values, strict=True))

    def require(self, returned: Any) -> None:
        """Refuse who returns no state beside the weights, nor fills in the empty mapping that it is given.

        Only that would tell that a parameter is a state whose name does not say so.
        """
        count, given = len(self._values), self.given.get(GUESSED)
        filled = isinstance(given, dict) and bool(given)
        told = isinstance(returned, tuple) and len(returned) == 1 + count
        if GUESSED in self._call.roles and not filled and not told:
            raise MisbehavedError(f"{self._call!r} returns no state beside the weights.")

    def take(self, returned: Sequence[Any]) -> None:
        """Take up what came back beside the weights; a count that comes back behind them all is known already."""
        count = len(self._values)
        if count > 1 and returned:
            counted = len(returned) == count + 1 and "count" in self._call.roles
            if len(returned) != count and not counted:
                raise MisbehavedError(f"{self._call!r} returns {len(returned)} beside the weights, not its states.")
            self._values = list(returned[:count])
        elif count and returned:
            self._values = [returned[0]]


INSTANCE: Final = "an instance for each tensor"


def one_array(call: Call, whose: str) -> str:
    """Return the title of a call with one array; ``whose`` says what is made for each, empty of a function."""
    told = {"name", "index"} & set(call.roles)
    state = "a state for each tensor" if "state" in call.roles else ""
    state = state.replace("a state", "its own states") if FURTHER[0] in call.roles else state
    return ", ".join(filter(None, (f"{call}, one array a call", "told which" if told else whose or state)))


class Called:
    """Whatever is called once a step, and waits for nothing between."""

    def close(self) -> None:
        """Nothing to release."""


def in_twos(arrays: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Return tensors by twos, weights and biases; the last has a bias of one zero where they are odd."""
    spare = [np.zeros(1, dtype=array.dtype) for array in arrays[: len(arrays) % 2]]
    return list(zip(arrays[::2], [*arrays[1::2], *spare], strict=True))


def renewed(params: Tensors, names: Sequence[str]) -> dict[str, Any]:
    """Return copies of the tensors, in that order."""
    return {name: np.array(params[name]) for name in names}


def copied(params: Tensors) -> dict[str, Any]:
    """Return copies of the tensors."""
    return {name: array.copy() for name, array in params.items()}
