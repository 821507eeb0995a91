"""Wrappers of functions: update rules, functions that make functions, and generators."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import product
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

from parity.subjects.binding.bound import Bound
from parity.subjects.binding.roles import Parameter, parameters_of, role_of
from parity.subjects.binding.wrappers.calls import SHAPES, bodies, calls_of
from parity.subjects.binding.wrappers.pasted import GRADIENTS, START
from parity.subjects.binding.wrappers.text import KERAS, KNOWN, class_of, keras_word, keywords, title


def of_curried(kind: Callable[..., Any], bound: Bound) -> Iterator[str]:
    """Yield wrappers of a function that makes a function that makes one: the first calls once, the last each step."""
    try:
        made = kind(**bound.passed)
    except Exception:  # it needs more than is known here
        return
    first = f"{title(kind)}({', '.join(keywords(bound, ''))})"
    for levels in _levels(made):
        for once in reversed(range(len(levels))):  # a state that begins anew at each step is none
            kept = "".join(f"({', '.join(words)})" for words in levels[:once]).replace("self.", "")
            each = "".join(f"({', '.join(words)})" for words in levels[once:])
            make = {"make": f"lambda w: {first}{kept}", "inner": "None"}
            start = "self.inner = self.make(w) if self.inner is None else self.inner"
            for lines in bodies(f"self.inner{each}", ""):
                yield class_of(bound, make, [start, *lines])


def _levels(made: Any, before: Sequence[list[str]] = ()) -> Iterator[list[list[str]]]:
    """Yield what each call of a chain is given whose last one returns no function: a tensor, its gradient, or more."""
    own = [p for p in parameters_of(made) or [] if p.required]
    if not own or len(before) == _DEEPEST:
        return
    offers = [([KNOWN[p.role]] if p.role in KNOWN else [keras_word(p.name) or "w", "g", "self.s"]) for p in own]
    for words in product(*offers):
        sample = {"w": START.copy(), "g": GRADIENTS[0].copy(), "self": SimpleNamespace(s=np.zeros_like(START), t=1)}
        vars(sample["self"]).update(KERAS)
        try:
            returned = made(*(eval(word, {"np": np, **sample}) for word in words))  # our own words
        except Exception:
            continue
        levels = [*before, list(words)]
        if inspect.isroutine(returned):
            yield from _levels(returned, levels)
        elif len(levels) > 1:
            yield levels


_DEEPEST: Final = 3


def of_function(kind: Callable[..., Any], bound: Bound) -> Iterator[str]:
    """Yield wrappers of a function that makes a step."""
    own = [p for p in parameters_of(kind) or [] if p.name not in bound.taken]
    for call in calls_of(own):
        for lines in bodies(f"{title(kind)}({', '.join([*call, *keywords(bound, 'self.')])})", ""):
            yield class_of(bound, {}, lines)


_PARTS: Final = (("{}", ""), ("{}.ravel()", ".reshape(w.shape)"), ('{{"w": {}}}', '["w"]'), ("[{}]", "[0]"))
"""How arrays go into a generator, and how what it yields comes back: as they are, flat, by name, or in a list."""


def of_generator(kind: Callable[..., Any], bound: Bound) -> Iterator[str]:
    """Yield wrappers of a generator that is sent what it takes apart, and yields a step or new weights."""
    needed = [p for p in parameters_of(kind) or [] if p.required and p.name not in bound.taken]
    calls = [call for names in _sent_to(kind) for call in calls_of([Parameter(n, role_of(n), True) for n in names])]
    calls = [call for call in calls if set(call) <= {"w", "g", "1"}]
    for values in product(*(_KNOWN_TO_MAKE.get(p.role, SHAPES) for p in needed)):
        given = [f"{p.name}={word}" for p, word in zip(needed, values, strict=True)]
        made = f"lambda w: {title(kind)}({', '.join([*given, *keywords(bound, '')])})"
        for (into, out), call in product(_PARTS, calls):
            words = [into.format(word) if word in ("w", "g") else word for word in call]
            sent = f"({', '.join(words)})" if len(words) > 1 else words[0]
            first = ["if self.inner is None:", "    self.inner = self.make(w)", "    next(self.inner)"]
            for lines in bodies(f"self.inner.send({sent}){out}", ""):
                yield class_of(bound, {"make": made, "inner": "None"}, [*first, *lines])


_KNOWN_TO_MAKE: Final = {"params": ("w",), "count": ("0",)}
"""What a generator may be made with beside its hyperparameters."""
_SENT: Final = (["gradient"], ["weights", "gradient"], ["gradient", "weights"], ["number", "weights", "gradient"])
"""What a generator may be sent whose text is not there."""


def _sent_to(kind: Callable[..., Any]) -> Sequence[list[str]]:
    """Return the names under which a generator takes up what it is sent, several where its text does not tell."""
    with suppress(OSError, TypeError, SyntaxError):
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(kind)))):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Yield):
                return [[each.id for each in ast.walk(node.targets[0]) if isinstance(each, ast.Name)]]
    return _SENT


def of_pair(kind: Callable[..., Any], bound: Bound) -> Iterator[str]:
    """Yield wrappers of a function of two gradients, of weights and biases, with a state by their names."""
    own = [p for p in parameters_of(kind) or [] if p.name not in bound.taken and p.required]
    gradients = [p.name for p in own if p.role in ("grads", "bias_grads")]
    if len(gradients) != 2 or any(p.role not in KNOWN for p in own):
        return
    call = ", ".join([*(KNOWN[p.role] for p in own), *keywords(bound, "self.")])
    rate = "" if "learning_rate" in bound.spelled else "self.learning_rate * "
    first = f"self.s = self.s or {{{', '.join(f'{name!r}: np.zeros_like(w)' for name in gradients)}}}"
    made = f"{title(kind)}({call})"
    for lines in ([f"step, _, self.s = {made}", f"return w - {rate}step"], [f"w, _, self.s = {made}", "return w"]):
        yield class_of(bound, {}, [first, *lines])
