"""What stands in a wrapper for a thing that an optimizer asks for its gradient: told by what it asked of it."""

import re
from typing import Any, Final

import numpy as np

from parity.bounds.numerics import Array
from parity.subjects.binding.roles import role_of

_GRADIENT: Final = np.array([1.0, -2.0, 0.5], dtype=np.float32)


class Asked:
    """Remembers in its attributes which of them somebody asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = self.__dict__[name] = self._value(name)
        return found

    def _value(self, name: str) -> Any:
        word = stands_for(name)
        return np.ones_like(_GRADIENT) if word == "w" else _Answers(_GRADIENT, "self.g" in word)


class AskedTensor(Asked):
    """The same of what is a tensor with its gradient.

    Where it is ``plain`` it has nothing whose name does not speak of either: what a step keeps on it is not there yet.
    """

    def __init__(self, plain: bool) -> None:
        self.__dict__["plain"] = plain

    @property
    def asked(self) -> list[str]:
        """The attributes that somebody asked for."""
        return [name for name in self.__dict__ if name != "plain"]

    def _value(self, name: str) -> Any:
        if self.plain and part_of(name) == "w" and role_of(name) != "params":
            raise AttributeError(name)
        return eval(part_of(name), {"w": np.ones_like(_GRADIENT), "g": _GRADIENT.copy()})  # our own words


def part_of(name: str) -> str:
    """Return what an attribute of a tensor is by its name: its gradient, something of its shape, or its values."""
    if name in ("shape", "size", "dtype", "ndim"):
        return f"w.{name}"
    return "g" if role_of(name) == "grads" else "w"


class _Answers:
    """A function of anything that returns the gradient, or nothing worth."""

    def __init__(self, gradient: Array, gives: bool) -> None:
        self._returned = gradient if gives else np.float32(0)

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self._returned.copy()


def stands_for(name: str) -> str:
    """Return what an attribute is by its name: where the weights start, what returns the gradient, or the loss."""
    if _STARTS & set(name.lower().split("_")) or role_of(name) == "params":
        return "w"
    gradient = role_of(name) in ("grads", "gradient_function") or _DERIVATIVE.fullmatch(name)
    return f"lambda *_: {'self.g' if gradient else '0.0'}"


_STARTS: Final = frozenset({"start", "initial", "init", "begin", "origin"})
_DERIVATIVE: Final = re.compile(r"d\w?_?d\w|partial_?\w", re.IGNORECASE)
"""How a derivative by one coordinate is called: df_dx, dfdx, dx_dy, partial_x."""
