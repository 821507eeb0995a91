"""The wrapper that a refusal hands out: written for a signature, and tried before it is shown."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any, Final, NamedTuple

from parity.reference.arguments import BY_NAME
from parity.subjects.binding.bound import Bound
from parity.subjects.binding.parts import word_of
from parity.subjects.binding.spelling import SAYS_LITTLE
from parity.subjects.binding.wrappers.classes import of_asked, of_class, of_class_itself
from parity.subjects.binding.wrappers.functions import of_curried, of_function, of_generator, of_pair
from parity.subjects.binding.wrappers.pasted import MIXES, fault_of
from parity.subjects.binding.wrappers.text import class_of, keywords, title

_MOST: Final = 1000
"""Wrappers that are tried before the likeliest is handed out as it is."""


class Wrapper(NamedTuple):
    """A wrapper's text, and what happened when it was tried, empty where it moved weights down their gradient."""

    text: str
    fault: str


def wrapper(kind: Callable[..., Any], bound: Bound, methods: Sequence[str]) -> Wrapper:
    """Return a wrapper for an optimizer that has no shape that can be driven, ready to paste below it.

    The first that works when it is pasted, each weight by itself, else one that works, else the likeliest.

    Args:
        kind: the class, or the function.
        bound: what it would be passed.
        methods: names of its methods, those that usually make a step first.
    """
    firsts = (BY_NAME["beta_1"].name, *BY_NAME["beta_1"].aliases)
    if any(word_of(own) in firsts for own in (*bound.values, *bound.defaults)):
        # Beside a first beta, what may be rho is the second one, and has a default of its own.
        bound = _without_rho(bound)
    elif word_of(bound.spelled.get("rho", "")) in SAYS_LITTLE and bound.spelled["rho"] in bound.defaults:
        bound = _without_rho(bound)
    of_any = of_generator if inspect.isgeneratorfunction(kind) else of_function
    texts = of_class(kind, bound, methods) if inspect.isclass(kind) else of_any(kind, bound)
    by_itself = of_class_itself if inspect.isclass(kind) else of_curried
    asked = of_asked(kind, bound, methods) if inspect.isclass(kind) else of_pair(kind, bound)
    found: Wrapper | None = None
    for text in chain(islice(by_itself(kind, bound), _MOST), islice(texts, _MOST), asked):
        fault = fault_of(text, kind)
        if not fault:
            return Wrapper(text, "")
        if found is None or (fault == MIXES and found.fault != MIXES):
            found = Wrapper(text, fault)
    if found is not None:
        return found
    made = f"{title(kind)}({', '.join(keywords(bound, ''))})"
    text = class_of(bound, {"inner": made}, ["return self.inner(w, g)"])
    return Wrapper(text, fault_of(text, kind))


def _without_rho(bound: Bound) -> Bound:
    return replace(bound, spelled={keras: own for keras, own in bound.spelled.items() if keras != "rho"})
