"""The text of a wrapper: the class, what its constructor keeps, and the numbers that it hands on."""

import re
from typing import Any, Final

from parity.reference.arguments import ARGUMENTS, BY_NAME
from parity.subjects.binding.asked import HYPERPARAMETERS
from parity.subjects.binding.bound import Bound
from parity.subjects.binding.parts import word_of, written

KERAS: Final = {"learning_rate": 0.001, "rho": 0.9, "epsilon": 1e-7}
KNOWN: Final = {
    **{"params": "w", "grads": "g", "count": "self.t", "index": "0", "name": '"w"', "loss": "0.0", "state": "self.s"},
    "state 2": "self.u",
    "rate": "self.learning_rate",
    "biases": "w",
    "bias_grads": "g",
}


def class_of(bound: Bound, held: dict[str, str], lines: list[str]) -> str:
    """Return the text of a wrapper, of which each tensor has an instance; ``held`` is what its constructor keeps.

    It takes no number that it does nothing with, and each of what it wraps under the name that it has there.
    """
    text = "\n".join(lines)
    if says(text, "self.s"):
        zeros = [] if text.startswith("self.s =") else ["self.s = np.zeros_like(w) if self.s is None else self.s"]
        held, lines = {**held, "s": "None"}, [*zeros, *lines]
    if says(text, "self.u"):
        held, lines = {**held, "u": "None"}, ["self.u = np.zeros_like(w) if self.u is None else self.u", *lines]
    if says(text, "self.t"):
        held, lines = {**held, "t": "0"}, ["self.t += 1", *lines]
    numbers = {**KERAS, **_own(bound)}
    held = {**held, **{name: name for name in numbers if says(text, f"self.{name}")}}
    kept = f"{', '.join(f'self.{name}' for name in held)} = {', '.join(held.values())}" if held else "pass"
    # What follows an equals sign is handed on; what stands before it is another's argument.
    used = [name for name in numbers if re.search(rf"(?<![\w.]){name}\b(?!=)", kept)]
    arguments = ", ".join(["self", *(f"{name}={numbers[name]!r}" for name in used)])
    body = [f"    def __init__({arguments}):", f"        {kept}"]
    body += ["    def update(self, w, g):", *(f"        {line}" for line in lines)]
    return "\n".join(["class Wrapped:", *body])


def says(text: str, word: str) -> bool:
    """Return whether a word stands in a text."""
    return re.search(rf"{re.escape(word)}\b", text) is not None


_TAKEN: Final = frozenset({"self", "w", "g", "s", "t", "u", "p", "inner", "make", *KERAS})
"""Names that a wrapper has for something else."""


def _own(bound: Bound) -> dict[str, bool | int | float]:
    """Return the numbers of what is wrapped that none of Keras' names stands for, with its own defaults."""
    return {_called(own): bound.defaults[own] for own in _left(bound)}


def _left(bound: Bound) -> list[str]:
    spelled = set(bound.spelled.values())
    free = (own for own in bound.defaults if own not in spelled and _called(own) not in _TAKEN)
    return [own for own in free if isinstance(bound.defaults[own], bool | int | float)]


def _called(own: str) -> str:
    """Return what an argument is called in a wrapper: the part of a pair as Keras calls that, else its own name."""
    word = word_of(own)
    return word if word.isidentifier() else next(a.name for a in ARGUMENTS if word in a.aliases and a.name != "rho")


def keywords(bound: Bound, holder: str) -> list[str]:
    """Return what a call is given by keyword; what must be given and stands under no name of a wrapper is usual."""
    names = {bound.spelled[keras]: keras for keras in KERAS if keras in bound.spelled}
    names |= {own: _called(own) for own in _left(bound)}
    texts = {own: f"{holder}{name}" for own, name in names.items()}
    texts |= {own: repr(value) for own, value in bound.values.items() if own not in {*names, *bound.defaults}}
    return [f"{own}={text}" for own, text in written(texts, bound.defaults, bound.kinds).items()]


def title(kind: Any) -> str:
    """Return what a class or a function is called in a wrapper."""
    return str(getattr(kind, "__name__", "optimizer"))


def held_for(name: str) -> str:
    """Return what stands for a hyperparameter of that name, empty for any other."""
    if name not in HYPERPARAMETERS:
        return ""
    meant = next((keras for keras in KERAS if name == keras or name in BY_NAME[keras].aliases), "")
    return f"self.{meant}" if meant else "0.0"


def keras_word(name: str) -> str:
    """Return what a wrapper holds for a number of that name, empty for any other."""
    word = held_for(name)
    return word if word != "0.0" else ""
