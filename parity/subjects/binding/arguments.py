"""Which hyperparameter a constructor's argument is: by its name, its default, and what else is there."""

import inspect
import string
from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np

from parity.bounds.rule import plain_argument
from parity.case.spec import Hyperparameters
from parity.errors import AbsentArgumentError, SubjectError, did_you_mean
from parity.reference.arguments import ARGUMENTS, BY_NAME
from parity.subjects.binding.asked import (
    HYPERPARAMETERS,
    PASSED,
    LookedUp,
    behind_kwargs,
    is_off_at_zero,
    numbers_of,
    rule_of,
    signature,
    usual,
)
from parity.subjects.binding.mappings import keys_of
from parity.subjects.binding.parts import NONE, UNKNOWN, Kinds, argument_of, part_in, put_together, taken_apart, word_of
from parity.subjects.binding.roles import parameters_of, role_of

AMBIGUOUS: Final = {"rho": "memory", "momentum": "momentum", "learning_rate": "rate"}
"""Keras' names that people's own may be taken for by mistake, and what an argument does that is the one."""
_KEPT: Final = 0.3
"""A default below this is no weight of an old moment: `decay=0.0` is how fast the learning rate decays."""

SAYS_LITTLE: Final = ("alpha", "beta", "gamma")
"""Names of a number that weighs something old, or something else: which it is only a trial tells."""
NO_RATES: Final = ("rate", "eta")
"""Names of a learning rate that may be any rate where their default is none of a learning rate."""


class Steps(NamedTuple):
    """The method that makes a step, and the numbers that it takes beside weights and gradients, with defaults."""

    method: str
    numbers: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bound:
    """What a constructor is passed.

    Of an argument that holds several, each part has a name of its own, such as ``betas[0]``; see ``parts``.

    Attributes:
        values: its own names to values.
        spelled: Keras' names to its own.
        defaults: its own names to its defaults, of all that it has and that is a number, several, or a switch.
        owns: its own name of the argument that takes the parameters, an empty string where it has none.
        takes_gradients: its own name of the argument that takes arrays of gradients beside them.
        may_own: its own name of an argument that may take the parameters, which only a trial tells: one that has a
            default, or the only one that must be given and has a name that says nothing.
        keras: Keras' names to Keras' defaults, of the rule that it was bound for.
        spreads: whether what takes the parameters is ``*name``, so that each is an argument by itself.
        shaped: its own name of the argument that takes the shape of a tensor.
        kinds: what was taken apart to what it is put together as.
        meant: its own names of arguments whose default is None to the numbers that an instance has then.
        swallows: the name of its ``**kwargs``, where a trial found that nothing else in it changes a step.
        with_steps: its own names of numbers that its step takes, not its constructor.
        step: the name of the method that makes the step, where it takes such.
        of_class: its own names of numbers that are attributes of the class, and no arguments.
    """

    values: dict[str, Any]
    spelled: dict[str, str]
    defaults: dict[str, Any] = field(default_factory=dict)
    owns: str = ""
    takes_gradients: str = ""
    may_own: str = ""
    keras: Mapping[str, Any] = field(default_factory=dict)
    spreads: bool = False
    shaped: str = ""
    kinds: Kinds = field(default_factory=dict)
    meant: Mapping[str, Any] = field(default_factory=dict)
    swallows: str = ""
    with_steps: frozenset[str] = frozenset()
    step: str = ""
    of_class: frozenset[str] = frozenset()

    @property
    def passed(self) -> dict[str, Any]:
        """What the arguments of the constructor are given."""
        return self.passing(self.values)

    def passing(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the arguments of the constructor are given where its own names have other values."""
        return self._only(values, lambda name: name not in self.with_steps | self.of_class)

    @property
    def stepping(self) -> dict[str, Any]:
        """What each step is given beside weights and gradients."""
        return self._only(self.values, self.with_steps.__contains__)

    @property
    def attributes(self) -> dict[str, Any]:
        """What attributes of the class are set to."""
        return self._only(self.values, self.of_class.__contains__)

    def _only(self, values: Mapping[str, Any], has: Callable[[str], bool]) -> dict[str, Any]:
        own = {name: value for name, value in values.items() if has(argument_of(name))}
        return put_together(own, self.defaults, {name: kind for name, kind in self.kinds.items() if has(name)})

    @property
    def taken(self) -> set[str]:
        """The arguments of the constructor that are hyperparameters, or hold them."""
        return {argument_of(own) for own in (*self.spelled.values(), *self.kinds)}

    @property
    def left(self) -> dict[str, Any]:
        """The arguments that stay at their own default."""
        return {name: value for name, value in self.defaults.items() if name not in self.values}

    @property
    def has_rate(self) -> bool:
        """Whether one of its own arguments is the learning rate for certain, and not the weight of an old moment."""
        own = self.spelled.get("learning_rate", "")
        return own != "" and word_of(own) not in BY_NAME["rho"].aliases

    @property
    def departures(self) -> dict[str, tuple[Any, Any]]:
        """Keras' names of the arguments whose default is not Keras': that default, and Keras'."""
        found = {}
        for name, own in self.spelled.items():
            default = self.meant.get(own, self.defaults.get(own))
            # None says that a class has its own way to a number, which is told where that shows.
            if own in self.defaults and default is not None and not _same(default, self.keras.get(name)):
                found[name] = (default, self.keras.get(name))
        return found


def _same(own: Any, keras: Any) -> bool:
    return own == keras or (keras in (None, False) and own in (None, False, 0))


def bind(
    kind: Callable[..., Any],
    given: Hyperparameters,
    chosen: Mapping[str, str] | None = None,
    served: Collection[str] = (),
    read_too: Collection[str] | None = None,
    with_steps: Steps | None = None,
    of_class: Mapping[str, Any] | None = None,
) -> Bound:
    """Return the arguments for a constructor: every hyperparameter that it accepts.

    Args:
        kind: a class, or a function that makes an optimizer.
        given: the hyperparameters of a case.
        chosen: Keras' names to the constructor's own, where a person or a trial settled them; empty for one that none
            of its own is.
        served: Keras' names of what a class need not take, since it is handed them with each step.
        read_too: names of what it takes by way of ``**kwargs``, as a trial showed; None before there was one.
        with_steps: what its step takes beside weights and gradients.
        of_class: numbers that are attributes of the class, which a trial may be given others for.

    Raises:
        AbsentArgumentError: the case sets a hyperparameter that the constructor lacks; it is never ignored.
        SubjectError: the constructor lacks an argument that somebody chose.
    """
    config = config_of(kind)
    if config is not None:
        return _in_config(config, given, chosen or {})
    taken = signature(kind)
    named = {name: p.default for name, p in taken.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    open_ended = next((name for name, p in taken.items() if p.kind is p.VAR_KEYWORD), "")
    swallows = "" if read_too is None else open_ended
    read = behind_kwargs(kind) if open_ended else {}
    steps = with_steps or Steps("", {})
    stepping = {name: default for name, default in steps.numbers.items() if name not in named}
    attributes = {name: default for name, default in (of_class or {}).items() if name not in {**named, **stepping}}
    unread = dict.fromkeys((read_too or ()) if open_ended else (), UNKNOWN)
    named = {**unread, **read, **named, **stepping, **attributes}
    named, kinds = taken_apart(named, (chosen or {}).values())
    lying = _in_mappings(kind, taken, named, kinds)
    title = getattr(kind, "__name__", type(kind).__name__)
    takes = [lying.get(name, name) for name in named if role_of(name) not in _STRUCTURE]
    _require(title, chosen or {}, takes, bool(open_ended) and not read)
    words = {own: word for word, own in lying.items()}
    meant = {keras: words.get(own, own) for keras, own in (chosen or {}).items()}
    spelled = _spelled(named, meant, given.__struct_fields__)
    departures, values = given.departures(), dict[str, Any]()
    for name in given.__struct_fields__:
        own = spelled.get(name) or (name if open_ended and not read and name in departures else "")
        value = plain_argument(getattr(given, name))
        if not own:
            if name in departures and name not in served:
                what = f"the constructor has no argument {name!r}, which the case sets to {departures[name]!r}"
                more = f", and none in **{swallows} that changes a step of a trial" if swallows else ""
                raise AbsentArgumentError(name, f"{what}{more}.")
            continue
        # None says that an argument is off, which a class of its own says with its own default.
        default = named.get(own, NONE)
        if value is None and is_off_at_zero(name, default):
            value = 0.0
        elif value is None and default not in (NONE, None):
            continue
        values[own] = value
    needed = [name for name, default in named.items() if default is NONE and _goes_by_name(taken, name)]
    for name, own in _needed(needed, spelled).items():
        values[own], spelled[name] = usual(name), own
    used = {argument_of(lying.get(own, own)) for own in spelled.values()} | set(kinds)
    owns = [name for name, p in taken.items() if name not in used and p.default is NONE and p.kind < p.VAR_POSITIONAL]
    shaped = next((name for name in taken if name.lower() in _SHAPES), "")
    owns = [name for name in owns if name != shaped]
    spread = [name for name, p in taken.items() if p.kind is p.VAR_POSITIONAL and role_of(name) in _MANY]
    owns += spread
    roles = {role_of(name): name for name in reversed(owns)}
    numbers = {lying.get(name, name): value for name, value in named.items() if _is_shown(value)}
    defaults = {name: value for name, value in numbers.items() if name != shaped}
    owner = roles.get("params") or roles.get("layers") or roles.get("model") or ""
    may_own = "" if owner or shaped else _possible(taken, used)
    gradients = roles.get("grads", "") if owner else ""
    spreads = owner != "" and owner in spread
    values = {lying.get(own, own): value for own, value in values.items()}
    spelled = {keras: lying.get(own, own) for keras, own in spelled.items()}
    unsaid = {own for own in spelled.values() if own in defaults and defaults[own] is None}
    meant = {own: value for own, value in numbers_of(kind).items() if own in unsaid} if unsaid else {}
    known = values, spelled, defaults, owner, gradients, may_own, _defaults(given), spreads, shaped
    return Bound(*known, kinds, meant, swallows, frozenset(stepping), steps.method, frozenset(attributes))


def _is_shown(default: Any) -> bool:
    """Whether a default is a number, several, a switch, or nothing."""
    return _is_several(default) or isinstance(default, bool | int | float | None)


def _is_several(default: Any) -> bool:
    """Whether a default is several numbers, which no argument of Keras' is."""
    numbers = isinstance(default, tuple | list) and all(isinstance(each, bool | int | float) for each in default)
    return numbers and bool(default)


def _in_mappings(
    kind: Callable[..., Any],
    taken: Mapping[str, inspect.Parameter],
    named: dict[str, Any],
    kinds: dict[str, Callable[..., Any]],
) -> dict[str, str]:
    """Add to the arguments what is looked up in those that take a mapping, and return where each of it lies."""
    lying: dict[str, str] = {}
    for name, p in taken.items():
        if name not in named or name in HYPERPARAMETERS or p.kind not in PASSED:
            continue
        holder = keys_of(kind, name)
        if not holder.keys:
            continue
        del named[name]
        parts, inner = taken_apart(holder.keys)
        kinds |= {name: holder.made_by, **{part_in(name, key, holder.made_by): k for key, k in inner.items()}}
        lying |= {word: part_in(name, word, holder.made_by) for word in parts if word not in named}
        named |= {word: parts[word] for word in lying if word in parts}
    return lying


def _goes_by_name(taken: Mapping[str, inspect.Parameter], name: str) -> bool:
    argument = argument_of(name)
    return argument not in taken or taken[argument].kind in PASSED


def _needed(needed: Collection[str], spelled: Mapping[str, str]) -> dict[str, str]:
    """Return Keras' names of what must be given and only other rules have, such as Adam's betas, to its own."""
    found: dict[str, str] = {}
    for own in (name for name in needed if name not in spelled.values()):
        words = (each for each in BY_NAME.values() if own in (each.name, *each.aliases) and each.name not in spelled)
        argument = next((each for each in words if each.name not in found and rule_of(each.name)), None)
        if argument is not None:
            found[argument.name] = own
    return found


def _possible(own: Mapping[str, inspect.Parameter], taken: set[str]) -> str:
    """Return the argument that may take the parameters although neither its name nor its place says so."""
    free = {name: p for name, p in own.items() if name not in taken and p.kind < p.VAR_POSITIONAL}
    needed = [name for name, p in free.items() if p.default is NONE]
    if needed:
        return needed[0] if len(needed) == 1 and not role_of(needed[0]) else ""
    empty = [name for name, p in free.items() if p.default is None or p.default in ([], (), {})]
    return next((name for name in empty if role_of(name) in ("params", "layers", "model")), "")


_SHAPES: Final = frozenset(
    {"shape", "w_shape", "weight_shape", "weights_shape", "param_shape", "params_shape", "grad_shape", "tensor_shape"}
)
"""Names of what takes the shape of the one tensor that an instance is for."""
_MANY: Final = frozenset({"params", "layers"})
"""Roles of what a constructor may take each by itself, as ``*layers``."""
_STRUCTURE: Final = frozenset(
    {"params", "grads", "pairs", "pairs back", "layer", "layers", "model", "gradient_function", "callback"}
)
"""Roles of what is no hyperparameter."""


def _require(title: str, chosen: Mapping[str, str], takes: list[str], takes_any: bool) -> None:
    """Refuse what somebody bound to an argument that a class does not have."""
    for keras, own in chosen.items():
        if own and own not in takes and not takes_any:
            hint = did_you_mean(own, takes)
            allowed = ", ".join(takes) or "no argument"
            raise SubjectError(f"bind: {title} has no argument {own!r} to be {keras}.{hint} It takes: {allowed}.")


@cache
def config_of(rule: Any) -> dict[str, Any] | None:
    """Return the config that ``f(w, dw, config=None)`` starts from, None where it is no such function.

    One that must be given is what its steps look up, with the defaults that they have for it; then only who looks up
    a hyperparameter is such a function.

    What a step changes is left to the function where it fills that in itself; else a count is counted back to where it
    was before the first step, and an array is that of a tensor of two elements, in whose place zeros go.
    """
    own = parameters_of(rule) if inspect.isfunction(rule) else None
    if not own or [p.role for p in own] not in (["params", "grads", "state"], ["grads", "params", "state"]):
        return None
    config = _config_looked_up(rule) if own[2].required else _config_after(rule, None)
    if config is None:
        return None
    after = _config_after(rule, config) or config
    for name, value in list(config.items()):
        becomes = after.get(name, value)
        grows = isinstance(value, np.ndarray) or isinstance(becomes, np.ndarray)
        counts = not grows and isinstance(value, int | float) and becomes != value
        rest = {key: held for key, held in config.items() if key != name}
        if (counts or grows) and _config_after(rule, rest) is not None:
            config = rest
        elif counts:
            config[name] = 2 * value - after[name]
    return config


def _config_looked_up(rule: Callable[..., Any]) -> dict[str, Any] | None:
    """Return what a step looks up in a config, None where none of it is a hyperparameter."""
    config = LookedUp()
    if _config_after(rule, config, copies=False) is None or not set(config.asked) & set(HYPERPARAMETERS):
        return None
    return {name: LookedUp()[name] if default is NONE else default for name, default in config.asked.items()}


def _config_after(
    rule: Callable[..., Any], config: dict[str, Any] | None, copies: bool = True
) -> dict[str, Any] | None:
    """Return the config after a step from another one, which stays as it is if it ``copies``; None if there is none.

    One that was given may come back beside the weights, or be changed in place.
    """
    given = () if config is None else (deepcopy(config) if copies else config,)
    with np.errstate(all="ignore"):
        try:
            returned = rule(np.ones(2, dtype=np.float32), np.ones(2, dtype=np.float32), *given)
        except Exception:  # then it is another shape, or none
            return None
    if isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], dict):
        return dict(returned[1])
    return dict(given[0]) if given and isinstance(returned, np.ndarray) else None


def _in_config(config: dict[str, Any], given: Hyperparameters, chosen: Mapping[str, str]) -> Bound:
    """Return what a config is filled with."""
    held = {name: value for name, value in config.items() if value is not None and _is_shown(value)}
    numbers, kinds = taken_apart(held)
    _require("its config", chosen, list(numbers), takes_any=False)
    spelled, departures = _spelled(numbers, chosen, given.__struct_fields__), given.departures()
    for name, value in departures.items():
        if name not in spelled:
            raise AbsentArgumentError(name, f"its config has no {name!r}, which the case sets to {value!r}.")
    values = {own: plain_argument(getattr(given, name)) for name, own in spelled.items()}
    return Bound(values, spelled, numbers, keras=_defaults(given), kinds=kinds)


def _defaults(given: Hyperparameters) -> dict[str, Any]:
    """Return Keras' defaults of the rule that hyperparameters are of."""
    plain = type(given)()
    return {name: getattr(plain, name) for name in given.__struct_fields__}


def _spelled(named: Mapping[str, Any], chosen: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    """Return Keras' names to a constructor's own; what was chosen is settled, and so is the argument that it took.

    ``known`` are those of the rule; what another rule calls so is another name of one of them, a switch, or nothing.
    """
    free = {name: value for name, value in named.items() if name not in chosen.values() and not _is_several(value)}
    others = {word for argument in ARGUMENTS if argument.name in known for word in argument.aliases}
    switches = (name for name, argument in BY_NAME.items() if argument.domain == "flag" and name not in others)
    own = dict.fromkeys((*(name for name in BY_NAME if name in known), *switches, *known))
    found: dict[str, str] = {name: name for name in own if name in free and name not in chosen}
    for argument in ARGUMENTS:
        if argument.name not in chosen and argument.name in known:
            words = [word for word in argument.aliases if word in free]
            may_be = {"rho": _keeps, "epsilon": _is_small}.get(argument.name, lambda default: True)
            _first(found, argument.name, [word for word in words if may_be(free[word])])
    _misspelled(found, free, known)
    momentum = free.get("momentum", NONE) if "momentum" in found else NONE
    if "rho" in known and "rho" not in {*found, *chosen} and momentum is not NONE and _keeps(momentum):
        # Without another weight of the old moment, "momentum" that is on by default is that weight.
        found["rho"] = found.pop("momentum")
    return {**found, **{keras: own for keras, own in chosen.items() if own}}


def _misspelled(found: dict[str, str], free: Mapping[str, Any], known: Collection[str]) -> None:
    """Add the arguments whose names are one letter away from what people call one that is not found yet."""
    for keras in (name for name in ("learning_rate", "rho", "epsilon") if name in known):
        words = [word for word in (keras, *BY_NAME[keras].aliases) if len(word) >= _LONG]
        near = [
            own
            for own, default in free.items()
            if own not in (*found.values(), *HYPERPARAMETERS) and (keras != "rho" or _keeps(default))
            if isinstance(default, float) and any(_one_letter_away(own, word) for word in words)
        ]
        if keras not in found and len(near) == 1:
            found[keras] = near[0]


_LONG: Final = 4
"""Letters of a name that a misspelled one may still be told from."""


def _one_letter_away(own: str, word: str) -> bool:
    """Whether a letter is another, missing, or too many, or two have changed places; a digit is no letter."""
    before = _alike(own, word)
    rest, meant = own[before:], word[before:]
    after = _alike(rest[::-1], meant[::-1])
    rest, meant = rest[: len(rest) - after], meant[: len(meant) - after]
    swapped = len(rest) == 2 and rest == meant[::-1]
    return not set(rest + meant) & set(string.digits) and (swapped or max(len(rest), len(meant)) == 1)


def _alike(one: str, other: str) -> int:
    """Return how many letters two names begin with together."""
    return next(
        (place for place, two in enumerate(zip(one, other, strict=False)) if len({*two}) > 1), min(len(one), len(other))
    )


def _first(found: dict[str, str], name: str, words: list[str]) -> None:
    free = [word for word in words if word not in found.values()]
    if name not in found and free:
        found[name] = free[0]


def is_no_rate(default: Any) -> bool:
    """Whether a default is no learning rate's: nothing moves with it, or it is the weight of an old moment."""
    return isinstance(default, float) and (default == 0 or _keeps(default))


def _is_small(default: Any) -> bool:
    """Whether an argument with this default may be what a division is kept from zero by: `e=10` are epochs."""
    return not isinstance(default, int) or default < 1


def _keeps(default: Any) -> bool:
    """Whether an argument with this default may be the weight of an old moment."""
    return default in (NONE, UNKNOWN) or (isinstance(default, float) and _KEPT <= default < 1)
