"""What trying a class finds, once a process: the shape that it is driven in, and where its learning rate can be set."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from parity.case.spec import hyperparameters
from parity.subjects.binding.arguments import Bound, bind, config_of
from parity.subjects.binding.rates import TOLD, Place, move, places
from parity.subjects.binding.recognise import Shape, after_steps, is_rule, recognise
from parity.subjects.binding.shapes import Driver, Make
from parity.subjects.generators import seeded


def maker(kind: Callable[..., Any], bound: Bound) -> Make:
    """Return what makes an instance with what it is passed; of an update rule, the rule with it."""
    if config_of(kind) is not None:
        return lambda: (kind, bound.values)
    if is_rule(kind, bound):
        return lambda: lambda *given: kind(*given, **bound.values)
    return lambda **more: kind(**bound.values, **more)


_WAYS: dict[int, tuple[Any, list[Place] | None]] = {}
"""Identity of a class to the class, and where its learning rate can be set: a process looks once."""


def ways_of(kind: Callable[..., Any], shape: Shape, chosen: Mapping[str, str] | None = None) -> list[Place] | None:
    """Return where a class that takes a number holds its learning rate, None if setting it there changes no step.

    An update rule, which is passed its numbers at every call, holds it nowhere.
    """
    known = _WAYS.get(id(kind))
    if known is None or known[0] is not kind:
        known = kind, _ways(kind, shape, chosen)
        if inspect.isclass(kind):
            _WAYS[id(kind)] = known
    return known[1]


def _ways(kind: Callable[..., Any], shape: Shape, chosen: Mapping[str, str] | None) -> list[Place] | None:
    bound = bind(kind, hyperparameters()(learning_rate=TOLD), chosen)
    own = bound.spelled.get("learning_rate", "")
    if config_of(kind) is None and is_rule(kind, bound):
        return [] if own in bound.values else None
    found: list[Place] = []

    def moved(driver: Driver, step: int) -> None:
        found[:] = found or places(driver, bound)
        move(driver, found, TOLD if step == 0 else 8 * TOLD)

    with seeded(0):
        plain = after_steps(shape, maker(kind, bound))
    with seeded(0):
        other = after_steps(shape, maker(kind, bound), moved)
    follows = plain is not None and other is not None and found and not np.array_equal(plain, other)
    return found if follows else None


_SHAPES: dict[int, tuple[Any, dict[str, str], Shape]] = {}
"""Identity of a class to the class, what was settled by hand, and its shape: a process looks once."""


def shape_of(kind: Callable[..., Any], name: str, chosen: Mapping[str, str] | None = None) -> Shape:
    """Return the shape that a class is driven in, found with Keras' hyperparameters.

    Raises:
        SubjectError: it has none.
    """
    known = _SHAPES.get(id(kind))
    if known is None or known[0] is not kind or known[1] != dict(chosen or {}):
        bound = bind(kind, hyperparameters()(), chosen)
        with seeded(0):  # a trial draws nothing from the generators that a run finds
            known = kind, dict(chosen or {}), recognise(kind, maker(kind, bound), bound, name)
        if inspect.isclass(kind):  # a function that makes optimizers may be made for one case alone
            _SHAPES[id(kind)] = known
    return known[2]
