"""What was settled by hand stands in a subject's name, so that all that keeps the name keeps it, too.

``mine.py:Mine[rho=alpha]`` is the class ``Mine`` whose ``alpha`` is passed Keras' ``rho``.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from parity.errors import UsageError, did_you_mean, shown
from parity.reference.arguments import BY_NAME
from parity.trajectory.golden.place import is_golden

_NAME = re.compile(r"(.*)\[((?:[^\[\]]|\[\w+\])*)\]", re.DOTALL)
_ITS = re.compile(r"[^\[\],=\s]+(?:\[\w+\])*")
FORM = "KERAS=ITS, such as rho=alpha"


@cache
def arguments() -> tuple[str, ...]:
    """Return Keras' names of all arguments that can be bound: those of every rule that is shipped."""
    from parity.case.rule import find, names  # reads pages, which no subject's plain name asks for

    rules = [parameter.name for rule in names() for parameter in find(rule).parameters]
    return tuple(dict.fromkeys([*BY_NAME, *rules]))


def split_bound(name: str) -> tuple[str, dict[str, str]]:
    """Return a subject's name without what was bound by hand, and that: Keras' names to the class's own.

    Raises:
        UsageError: what stands in brackets at the end of the name binds nothing.
    """
    found = None if is_golden(name) else _NAME.fullmatch(name)
    return (found[1], bound_by_hand(found[2].split(","))) if found else (name, {})


def with_bound(name: str, chosen: Mapping[str, str]) -> str:
    """Return a subject's name with what was bound by hand, in one order whoever wrote it.

    Raises:
        UsageError: the name binds one of them otherwise.
    """
    plain, before = split_bound(name)
    bound = bound_by_hand([f"{keras}={its}" for each in (before, chosen) for keras, its in each.items()])
    text = ",".join(f"{keras}={bound[keras]}" for keras in arguments() if keras in bound)
    return f"{plain}[{text}]" if text else plain


def bound_by_hand(pairs: Iterable[str]) -> dict[str, str]:
    """Return Keras' names to a class's own, from texts such as ``rho=alpha``.

    Raises:
        UsageError: a text has another form, Keras has no such argument, or two of them contradict each other.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        keras, equals, its = (part.strip() for part in pair.partition("="))
        if not equals or not _ITS.fullmatch(its):
            raise UsageError(f"bind: received {shown(pair)}; allowed: {FORM}.")
        if keras not in arguments():
            hint = did_you_mean(keras, list(arguments()))
            hint = f" Did you mean '{its}={keras}'?" if its in arguments() else hint
            allowed = f"{FORM}, where KERAS is one of {', '.join(arguments())}"
            raise UsageError(f"bind: Keras has no argument {shown(keras)}.{hint} Allowed: {allowed}.")
        if found.setdefault(keras, its) != its:
            raise UsageError(f"bind: {keras} is bound to {found[keras]!r} and to {its!r}; leave one of them.")
    twice = {its: keras for keras, its in found.items()}
    if len(twice) < len(found):
        keras, its = next((keras, its) for keras, its in found.items() if twice[its] != keras)
        raise UsageError(f"bind: {its!r} is given both {keras} and {twice[its]}; leave one of them.")
    return found


def given(bind: Any) -> dict[str, str]:
    """Return what a caller in Python passed as ``bind``.

    Raises:
        UsageError: it is no mapping from Keras' names to the class's own.
    """
    if bind is None:
        return {}
    if not isinstance(bind, Mapping) or not all(isinstance(word, str) for pair in bind.items() for word in pair):
        form = 'a mapping from Keras\' names to the class\'s own, such as {"rho": "alpha"}'
        raise UsageError(f"bind: received {shown(bind)}; allowed: {form}.")
    return bound_by_hand([f"{keras}={its}" for keras, its in bind.items()])
