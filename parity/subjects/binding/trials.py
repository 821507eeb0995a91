"""What trying a class finds, once a process: the shape that it is driven in, what an argument of an ambiguous name is,
and where its learning rate can be set."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any, Final, NamedTuple

import numpy as np

from parity.case.spec import Hyperparameters, hyperparameters
from parity.reference.arguments import ARGUMENTS, BY_NAME
from parity.subjects.binding.arguments import bind
from parity.subjects.binding.asked import HYPERPARAMETERS, of_class, signature
from parity.subjects.binding.bound import Bound, Steps
from parity.subjects.binding.candidates.rules import is_rule
from parity.subjects.binding.companions import with_own
from parity.subjects.binding.configs import config_of
from parity.subjects.binding.drivers.shape import Call, Driver, Make, Shape
from parity.subjects.binding.evidence import acts_as, reads
from parity.subjects.binding.fitting import after_steps, fits
from parity.subjects.binding.parts import NONE, argument_of, taken_apart, word_of
from parity.subjects.binding.rates import TOLD, Place, holds, move, places
from parity.subjects.binding.recognise import recognise
from parity.subjects.binding.roles import role_of
from parity.subjects.binding.spelling import AMBIGUOUS, NO_RATES, SAYS_LITTLE, is_no_rate, keeps, says_little
from parity.subjects.generators import seeded


class Known(NamedTuple):
    """What is known of a class: its shape, and Keras' names of arguments to its own, by hand or by a trial.

    A name is empty where a trial showed that none of its own is that argument. ``memory`` is its own name of what
    weighs what was before, which is the momentum of a rule that has nothing else to weigh; ``read_too`` are names that
    it takes by way of ``**kwargs``, which no text says; ``with_steps`` are the numbers that its step takes;
    ``of_class`` are those that are attributes of who takes none, and that change its steps.
    """

    shape: Shape
    settled: dict[str, str]
    memory: str = ""
    read_too: tuple[str, ...] | None = None
    with_steps: Steps | None = None
    of_class: Mapping[str, Any] | None = None

    def settled_for(self, given: Hyperparameters) -> dict[str, str]:
        """Return what is settled of a rule's arguments."""
        known = given.__struct_fields__
        settled = {keras: own for keras, own in self.settled.items() if keras in known}
        if len(settled) < len(self.settled):
            # What a trial took for an argument that this rule lacks is what its name says.
            settled = {keras: own for keras, own in settled.items() if own}
        if self.memory and "momentum" in known and "rho" not in known:
            settled = {"momentum": self.memory, **settled}
        return settled

    def bind(self, kind: Callable[..., Any], given: Hyperparameters) -> Bound:
        """Return what the class is passed; see ``arguments.bind``."""
        served = ("learning_rate",) if self.shape.serves_rate else ()
        return bind(kind, given, self.settled_for(given), served, self.read_too, self.with_steps, self.of_class)


def maker(kind: Callable[..., Any], bound: Bound) -> Make:
    """Return what makes an instance with what it is passed; of an update rule, the rule with it."""
    if config_of(kind) is not None:
        return lambda: (kind, bound.passed)
    if is_rule(kind, bound):

        def rule(**beside: Any) -> Callable[..., Any]:
            function = with_own(kind, beside) if beside else kind
            return lambda *given, **named: function(*given, **{**bound.passed, **named})

        return rule
    if bound.with_steps:
        kind = _stepping(kind, bound)
    if bound.of_class:
        kind = _like(kind, bound.attributes)
    if bound.spreads:
        return lambda **more: kind(*more.pop(bound.owns, ()), **bound.passed, **more)
    return lambda **more: kind(**bound.passed, **more)


def _stepping(kind: Any, bound: Bound) -> Any:
    """Return a class like another one whose step is given the numbers that it takes."""
    held = inspect.getattr_static(kind, bound.step)
    plain = isinstance(held, staticmethod | classmethod)
    function = held.__func__ if plain else held

    @wraps(function)
    def stepped(*given: Any, **named: Any) -> Any:
        return function(*given, **{**bound.stepping, **named})

    return _like(kind, {bound.step: type(held)(stepped) if plain else stepped})


def _like(kind: Any, held: Mapping[str, Any]) -> Any:
    """Return a class like another one that holds other things."""
    return type(kind.__name__, (kind,), {"__slots__": (), **held})


def with_steps(kind: Any, shape: Shape) -> Steps | None:
    """Return the numbers that the step of a class takes beside weights and gradients, None where it takes none.

    Only what people call so, and what no role of the call is.
    """
    call = shape.more.get("call")
    method, roles = (call.name, call.roles) if isinstance(call, Call) else (str(shape.more.get("method", "")), ())
    if not inspect.isclass(kind) or shape.owns_loop or not inspect.isroutine(getattr(kind, method, None)):
        return None
    own = signature(getattr(kind, method))
    numbers = {name: p.default for name, p in own.items() if p.default is not NONE and role_of(name) not in roles}
    parts, kinds = taken_apart(numbers)
    known = {argument_of(part) for part in parts if part in HYPERPARAMETERS}
    found = {name: default for name, default in numbers.items() if name in known}
    found = {n: default for n, default in found.items() if n in kinds or isinstance(default, bool | int | float)}
    return Steps(method, found) if found else None


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
    held: list[bool] = []
    driven: list[Driver] = []
    rates = (TOLD, 8 * TOLD)

    def moved(driver: Driver, step: int) -> None:
        found[:] = found or places(driver, bound)
        held.append(step == 0 or holds(driver, found, rates[step - 1]))
        move(driver, found, rates[step])
        driven[:] = [driver]

    with seeded(0):
        plain = after_steps(known.shape, maker(kind, bound))
    with seeded(0):
        other = after_steps(known.shape, maker(kind, bound), moved)
    follows = plain is not None and other is not None and found and not np.array_equal(plain, other)
    # Who makes another number of it at each step computes with ours as with his own.
    return found if follows and all(held) and holds(driven[0], found, rates[-1]) else None


def idle(kind: Callable[..., Any], known: Known, bound: Bound) -> list[str]:
    """Return the numbers that stay at their own default and could be any other: they change no step of a trial."""
    left = {own: value for own, value in bound.left.items() if isinstance(value, float) and 0 < value < 1}
    with seeded(0):
        return [own for own in left if _acts(kind, known.shape, bound, own) == "nothing"]


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
    held = {} if bind(kind, hyperparameters()()).spelled else of_class(kind, chosen.values())
    bound = bind(kind, hyperparameters()(), chosen, of_class=held)
    shape = recognise(kind, maker(kind, bound), bound, name)
    settled = dict(chosen)
    read_too = _read_too(kind, shape, bound)
    steps = with_steps(kind, shape)
    held = {own: default for own, default in held.items() if own in chosen.values() or _is_set(kind, shape, bound, own)}
    bound = bind(kind, hyperparameters()(), chosen, read_too=read_too, with_steps=steps, of_class=held)
    # Each trial takes a meaning away from an argument, so that this ends.
    while (keras := _misnamed(kind, shape, bound, settled)) is not None:
        settled |= keras
        bound = bind(kind, hyperparameters()(), settled, read_too=read_too, with_steps=steps, of_class=held)
    settled |= _unnamed(kind, shape, bound, settled)
    return Known(shape, settled, _memory(kind, shape, bound, settled), read_too, steps, held)


def _is_set(kind: Callable[..., Any], shape: Shape, bound: Bound, own: str) -> bool:
    """Return whether an attribute of a class, set to something else, changes its steps."""
    defaults = {part: default for part, default in bound.defaults.items() if argument_of(part) == own}

    def made(number: int) -> Make:
        others = {p: bool(number) if isinstance(d, bool) else _TWO_VALUES[number] for p, d in defaults.items()}
        return maker(kind, replace(bound, values={**bound.values, **others}))

    return reads(shape, made(0), made(1))


def _read_too(kind: Callable[..., Any], shape: Shape, bound: Bound) -> tuple[str, ...]:
    """Return the names, one an argument of Keras', by which ``**kwargs`` change the steps, beside those that are known.

    What swallows whatever comes is told by all names at once.
    """
    if not any(p.kind is p.VAR_KEYWORD for p in signature(kind).values()):
        return ()
    known = {*bound.values, *bound.defaults, *bound.taken}
    words = {
        word: (False, True) if argument.domain == "flag" else _TWO_VALUES
        for argument in ARGUMENTS
        if argument.domain in _NUMBERS
        for word in (argument.name, *argument.aliases)
        if word.isidentifier() and word not in known
    }

    def made(names: Iterable[str], number: int) -> Make:
        return maker(kind, replace(bound, values={**bound.values, **{name: words[name][number] for name in names}}))

    def read(*names: str) -> bool:
        return reads(shape, made(names, 0), made(names, 1))

    if not read(*words) and fits(shape, made(words, 0)):
        return ()
    found = []
    for argument in ARGUMENTS:
        own = (word for word in (argument.name, *argument.aliases) if word in words and word not in found)
        if not {argument.name, *argument.aliases} & known:
            found += [word for word in [next(filter(read, own), "")] if word]
    return tuple(found)


_TWO_VALUES: Final = (0.5, 0.75)
_NUMBERS: Final = frozenset({"rate", "fraction", "non_negative", "positive", "flag"})
"""Domains of arguments whose values a trial may try."""


def _unnamed(kind: Callable[..., Any], shape: Shape, bound: Bound, settled: Mapping[str, str]) -> dict[str, str]:
    """Return the learning rate of who has none by its name, and what old moments weigh by a name that says too little.

    All by a trial.
    """
    free = {own: value for own, value in bound.left.items() if isinstance(value, float) and own not in settled.values()}
    found: dict[str, str] = {}
    if not (shape.serves_rate or "learning_rate" in {*bound.spelled, *settled}):
        rates = [own for own in free if _acts(kind, shape, bound, own) == "rate"]
        found |= {"learning_rate": rates[0]} if len(rates) == 1 else {}
    little = [own for own in free if says_little(word_of(own))]
    for keras, meant in (("momentum", "momentum"), ("rho", "memory")):
        if not settled.get(keras, bound.spelled.get(keras)):
            weighs = [own for own in little if _acts(kind, shape, bound, own) == meant]
            weighs = [own for own in weighs if keras == "momentum" or keeps(free[own])]
            found |= {keras: weighs[0]} if len(weighs) == 1 else {}
    return found


def _memory(kind: Callable[..., Any], shape: Shape, bound: Bound, settled: Mapping[str, str]) -> str:
    """Return the own name of what weighs what was before, empty where that is told by a name of its own, or by none."""
    if "momentum" in {*bound.spelled, *settled}:
        return ""
    names = (own for own in (bound.spelled.get("rho", ""), *bound.left) if word_of(own) in SAYS_LITTLE)
    return next((own for own in names if _acts(kind, shape, bound, own) == "memory"), "")


def _acts(kind: Callable[..., Any], shape: Shape, bound: Bound, own: str) -> str | None:
    """Return what a number of its own does; see ``evidence.acts_as``."""
    return acts_as(shape, _with(kind, bound, own))


def _with(kind: Callable[..., Any], bound: Bound, own: str) -> Callable[[float], Make]:
    """Return what makes instances in which a number of its own has a value."""
    return lambda value: maker(kind, replace(bound, values={**bound.values, own: value}))


_ACTS: Final = {**AMBIGUOUS, "weight_decay": "decay of the weights"}
"""Keras' names, and what an argument does that may have another one's name."""


def _misnamed(
    kind: Callable[..., Any], shape: Shape, bound: Bound, settled: Mapping[str, str]
) -> dict[str, str] | None:
    """Return what an argument is whose name let it be taken for another, None where every name holds."""
    strange = [own for own, value in bound.defaults.items() if word_of(own) in NO_RATES and is_no_rate(value)]
    for keras, meant in AMBIGUOUS.items():
        own = bound.spelled.get(keras, "")
        if keras == "learning_rate" and not {own, word_of(own)} & {*strange, *BY_NAME["rho"].aliases}:
            continue  # who calls it so means it, whatever else it does with it
        if (
            word_of(own) in ("", keras)
            or keras in settled
            or (found := _acts(kind, shape, bound, own)) in (None, "nothing", meant)
        ):
            continue
        free = {word_of(each): each for each in bound.left}
        others = [free[word] for word in BY_NAME[keras].aliases if word in free]
        if own in strange:
            others += [each for each, value in bound.left.items() if isinstance(value, float) and each not in others]
        better = next((each for each in others if _acts(kind, shape, bound, each) == meant), "")
        if own in strange and not better:
            continue
        other = next((name for name, act in _ACTS.items() if act == found and name not in bound.spelled), "")
        return {keras: better, **({other: own} if other and other not in settled else {})}
    return None
