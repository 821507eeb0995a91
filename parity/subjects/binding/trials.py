"""What trying a class finds, once a process: the shape that it is driven in, what an argument of an ambiguous name is,
and where its learning rate can be set."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from parity.case.spec import Hyperparameters, hyperparameters
from parity.reference.arguments import BY_NAME
from parity.subjects.binding.arguments import AMBIGUOUS, Bound, bind, config_of
from parity.subjects.binding.candidates.rules import is_rule
from parity.subjects.binding.companions import with_own
from parity.subjects.binding.drivers.shape import Driver, Make, Shape
from parity.subjects.binding.evidence import acts_as
from parity.subjects.binding.fitting import after_steps
from parity.subjects.binding.rates import TOLD, Place, move, places
from parity.subjects.binding.recognise import recognise
from parity.subjects.generators import seeded


class Known(NamedTuple):
    """What is known of a class: its shape, and Keras' names of arguments to its own, by hand or by a trial.

    A name is empty where a trial showed that none of its own is that argument.
    """

    shape: Shape
    settled: dict[str, str]

    def bind(self, kind: Callable[..., Any], given: Hyperparameters) -> Bound:
        """Return what the class is passed; see ``arguments.bind``."""
        settled = {keras: own for keras, own in self.settled.items() if keras in given.__struct_fields__}
        if len(settled) < len(self.settled):
            # What a trial took for an argument that this rule lacks is what its name says.
            settled = {keras: own for keras, own in settled.items() if own}
        return bind(kind, given, settled, ("learning_rate",) if self.shape.serves_rate else ())


def maker(kind: Callable[..., Any], bound: Bound) -> Make:
    """Return what makes an instance with what it is passed; of an update rule, the rule with it."""
    if config_of(kind) is not None:
        return lambda: (kind, bound.values)
    if is_rule(kind, bound):

        def rule(**beside: Any) -> Callable[..., Any]:
            function = with_own(kind, beside) if beside else kind
            return lambda *given, **named: function(*given, **named, **bound.values)

        return rule
    if bound.spreads:
        return lambda **more: kind(*more.pop(bound.owns, ()), **bound.values, **more)
    return lambda **more: kind(**bound.values, **more)


_WAYS: dict[int, tuple[Any, dict[str, str], list[Place] | None]] = {}
"""Identity of a class to the class, what was settled, and where its learning rate can be set: a process looks once."""


def ways_of(kind: Callable[..., Any], known: Known) -> list[Place] | None:
    """Return where a class that takes a number holds its learning rate, None if setting it there changes no step.

    An update rule, which is passed its numbers at every call, holds it nowhere.
    """
    found = _WAYS.get(id(kind))
    if found is None or found[0] is not kind or found[1] != known.settled:
        found = kind, known.settled, _ways(kind, known)
        if inspect.isclass(kind):
            _WAYS[id(kind)] = found
    return found[2]


def _ways(kind: Callable[..., Any], known: Known) -> list[Place] | None:
    bound = known.bind(kind, hyperparameters()(learning_rate=TOLD))
    own = bound.spelled.get("learning_rate", "")
    if config_of(kind) is None and is_rule(kind, bound):
        return [] if own in bound.values and not known.shape.owns_loop else None
    found: list[Place] = []

    def moved(driver: Driver, step: int) -> None:
        found[:] = found or places(driver, bound)
        move(driver, found, TOLD if step == 0 else 8 * TOLD)

    with seeded(0):
        plain = after_steps(known.shape, maker(kind, bound))
    with seeded(0):
        other = after_steps(known.shape, maker(kind, bound), moved)
    follows = plain is not None and other is not None and found and not np.array_equal(plain, other)
    return found if follows else None


def idle(kind: Callable[..., Any], known: Known, bound: Bound) -> list[str]:
    """Return the numbers that stay at their own default and could be any other: they change no step of a trial."""
    left = {own: value for own, value in bound.left.items() if isinstance(value, float) and 0 < value < 1}

    def makes(own: str) -> Callable[[float], Make]:
        return lambda value: maker(kind, replace(bound, values={**bound.values, own: value}))

    with seeded(0):
        return [own for own in left if acts_as(known.shape, makes(own)) == "nothing"]


_KNOWN: dict[int, tuple[Any, dict[str, str], Known]] = {}
"""Identity of a class to the class, what was bound by hand, and what is known of it: a process looks once."""


def known_of(kind: Callable[..., Any], name: str, chosen: Mapping[str, str] | None = None) -> Known:
    """Return what is known of a class, found with Keras' hyperparameters; ``chosen`` is what was bound by hand.

    Raises:
        SubjectError: it has no shape that can be driven, or lacks an argument that was bound.
    """
    by_hand = dict(chosen or {})
    found = _KNOWN.get(id(kind))
    if found is None or found[0] is not kind or found[1] != by_hand:
        with seeded(0):  # a trial draws nothing from the generators that a run finds
            found = kind, by_hand, _known(kind, name, by_hand)
        if inspect.isclass(kind):  # a function that makes optimizers may be made for one case alone
            _KNOWN[id(kind)] = found
    return found[2]


def known_as(kind: Callable[..., Any], known: Known, chosen: Mapping[str, str]) -> None:
    """Take a class for another one of the same text, of which everything is known: no trial makes its instances."""
    _KNOWN[id(kind)] = kind, dict(chosen), known


def _known(kind: Callable[..., Any], name: str, chosen: dict[str, str]) -> Known:
    bound = bind(kind, hyperparameters()(), chosen)
    shape = recognise(kind, maker(kind, bound), bound, name)
    settled = dict(chosen)
    # Each trial takes a meaning away from an argument, so that this ends.
    while (keras := _misnamed(kind, shape, bound, settled)) is not None:
        settled |= keras
        bound = bind(kind, hyperparameters()(), settled)
    return Known(shape, settled)


def _misnamed(
    kind: Callable[..., Any], shape: Shape, bound: Bound, settled: Mapping[str, str]
) -> dict[str, str] | None:
    """Return what an argument is whose name let it be taken for another, None where every name holds."""

    def acts(own: str) -> str | None:
        return acts_as(shape, lambda value: maker(kind, replace(bound, values={**bound.values, own: value})))

    for keras, meant in AMBIGUOUS.items():
        own = bound.spelled.get(keras, "")
        if own in ("", keras) or keras in settled or (found := acts(own)) in (None, "nothing", meant):
            continue
        words = [word for word in BY_NAME[keras].aliases if word in bound.defaults and word not in bound.values]
        better = next((word for word in words if acts(word) == meant), "")
        other = next((name for name, act in AMBIGUOUS.items() if act == found and name not in bound.spelled), "")
        return {keras: better, **({other: own} if other and other not in settled else {})}
    return None
