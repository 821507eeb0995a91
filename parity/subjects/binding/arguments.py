"""Which hyperparameter a constructor's argument is: by its name, its default, and what else is there."""

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from parity.bounds.rule import plain_argument
from parity.case.spec import Hyperparameters
from parity.errors import AbsentArgumentError, SubjectError, did_you_mean
from parity.reference.arguments import BY_NAME
from parity.subjects.binding.asked import (
    HYPERPARAMETERS,
    PASSED,
    behind_kwargs,
    is_off_at_zero,
    numbers_of,
    rule_of,
    signature,
    usual,
)
from parity.subjects.binding.bound import Bound, Steps
from parity.subjects.binding.configs import config_of
from parity.subjects.binding.mappings import keys_of
from parity.subjects.binding.parts import NONE, UNKNOWN, argument_of, part_in, taken_apart
from parity.subjects.binding.roles import role_of
from parity.subjects.binding.spelling import is_several, spelled_in


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
    spelled = spelled_in(named, meant, given.__struct_fields__)
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
    return is_several(default) or isinstance(default, bool | int | float | None)


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


def _in_config(config: dict[str, Any], given: Hyperparameters, chosen: Mapping[str, str]) -> Bound:
    """Return what a config is filled with."""
    held = {name: value for name, value in config.items() if value is not None and _is_shown(value)}
    numbers, kinds = taken_apart(held)
    _require("its config", chosen, list(numbers), takes_any=False)
    spelled, departures = spelled_in(numbers, chosen, given.__struct_fields__), given.departures()
    for name, value in departures.items():
        if name not in spelled:
            raise AbsentArgumentError(name, f"its config has no {name!r}, which the case sets to {value!r}.")
    values = {own: plain_argument(getattr(given, name)) for name, own in spelled.items()}
    return Bound(values, spelled, numbers, keras=_defaults(given), kinds=kinds)


def _defaults(given: Hyperparameters) -> dict[str, Any]:
    """Return Keras' defaults of the rule that hyperparameters are of."""
    plain = type(given)()
    return {name: getattr(plain, name) for name in given.__struct_fields__}
