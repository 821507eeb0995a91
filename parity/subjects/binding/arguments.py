"""Which hyperparameter a constructor's argument is: by its name, its default, and what else is there."""

import ast
import contextlib
import inspect
import io
import string
import textwrap
from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import numpy as np

from parity.bounds.rule import plain_argument
from parity.case.rule import names
from parity.case.spec import Hyperparameters, hyperparameters
from parity.errors import AbsentArgumentError, SubjectError, did_you_mean
from parity.reference.arguments import ARGUMENTS, BY_NAME
from parity.subjects.binding.roles import parameters_of, role_of

NONE: Final = inspect.Parameter.empty
AMBIGUOUS: Final = {"rho": "memory", "momentum": "momentum", "learning_rate": "rate"}
"""Keras' names that people's own may be taken for by mistake, and what an argument does that is the one."""
_KEPT: Final = 0.3
"""A default below this is no weight of an old moment: `decay=0.0` is how fast the learning rate decays."""

SAYS_LITTLE: Final = ("alpha", "beta", "gamma")
"""Names of a number that weighs something old, or something else: which it is only a trial tells."""

HYPERPARAMETERS: Final = tuple(
    dict.fromkeys(word for argument in ARGUMENTS for word in (argument.name, *argument.aliases))
)
"""Every name that people give to an argument of Keras'."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What a constructor is passed.

    Attributes:
        values: its own names to values.
        spelled: Keras' names to its own.
        defaults: its own names to its defaults, of all that it has and that is a number or a switch.
        owns: its own name of the argument that takes the parameters, an empty string where it has none.
        takes_gradients: its own name of the argument that takes arrays of gradients beside them.
        may_own: its own name of an argument that may take the parameters, which only a trial tells: one that has a
            default, or the only one that must be given and has a name that says nothing.
        keras: Keras' names to Keras' defaults, of the rule that it was bound for.
        spreads: whether what takes the parameters is ``*name``, so that each is an argument by itself.
        shaped: its own name of the argument that takes the shape of a tensor.
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

    @property
    def left(self) -> dict[str, Any]:
        """The arguments that stay at their own default."""
        return {name: value for name, value in self.defaults.items() if name not in self.values}

    @property
    def has_rate(self) -> bool:
        """Whether one of its own arguments is the learning rate for certain, and not the weight of an old moment."""
        own = self.spelled.get("learning_rate", "")
        return own != "" and own not in BY_NAME["rho"].aliases

    @property
    def departures(self) -> dict[str, tuple[Any, Any]]:
        """Keras' names of the arguments whose default is not Keras': that default, and Keras'."""
        found = {}
        for name, own in self.spelled.items():
            if own in self.defaults and not _same(self.defaults[own], self.keras.get(name)):
                found[name] = (self.defaults[own], self.keras.get(name))
        return found


def _same(own: Any, keras: Any) -> bool:
    return own == keras or (keras in (None, False) and own in (None, False, 0))


def bind(
    kind: Callable[..., Any],
    given: Hyperparameters,
    chosen: Mapping[str, str] | None = None,
    served: Collection[str] = (),
) -> Bound:
    """Return the arguments for a constructor: every hyperparameter that it accepts.

    Args:
        kind: a class, or a function that makes an optimizer.
        given: the hyperparameters of a case.
        chosen: Keras' names to the constructor's own, where a person or a trial settled them; empty for one that none
            of its own is.
        served: Keras' names of what a class need not take, since it is handed them with each step.

    Raises:
        AbsentArgumentError: the case sets a hyperparameter that the constructor lacks; it is never ignored.
        SubjectError: the constructor lacks an argument that somebody chose.
    """
    config = config_of(kind)
    if config is not None:
        return _in_config(config, given, chosen or {})
    signature = _signature(kind)
    named = {name: p.default for name, p in signature.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    open_ended = any(p.kind is p.VAR_KEYWORD for p in signature.values())
    read = _behind_kwargs(kind) if open_ended else {}
    named |= {name: default for name, default in read.items() if name not in named}
    title = getattr(kind, "__name__", type(kind).__name__)
    _require(title, chosen or {}, [name for name in named if role_of(name) not in _STRUCTURE], open_ended and not read)
    spelled = _spelled(named, chosen or {}, given.__struct_fields__)
    departures, values = given.departures(), dict[str, Any]()
    for name in given.__struct_fields__:
        own = spelled.get(name) or (name if open_ended and not read and name in departures else "")
        value = plain_argument(getattr(given, name))
        if not own:
            if name in departures and name not in served:
                message = f"the constructor has no argument {name!r}, which the case sets to {departures[name]!r}."
                raise AbsentArgumentError(name, message)
            continue
        # None says that an argument is off, which a class of its own says with its own default.
        default = named.get(own, NONE)
        if value is None and _is_off_at_zero(name, default):
            value = 0.0
        elif value is None and default not in (NONE, None):
            continue
        values[own] = value
    for name, own in _needed(signature, spelled).items():
        values[own], spelled[name] = _usual(name), own
    taken = set(spelled.values())
    owns = [
        name for name, p in signature.items() if name not in taken and p.default is NONE and p.kind < p.VAR_POSITIONAL
    ]
    shaped = next((name for name in signature if name.lower() in _SHAPES), "")
    owns = [name for name in owns if name != shaped]
    spread = [name for name, p in signature.items() if p.kind is p.VAR_POSITIONAL and role_of(name) in _MANY]
    owns += spread
    roles = {role_of(name): name for name in reversed(owns)}
    numbers = {name: value for name, value in named.items() if isinstance(value, bool | int | float | None)}
    defaults = {name: value for name, value in numbers.items() if name != shaped}
    owner = roles.get("params") or roles.get("layers") or roles.get("model") or ""
    may_own = "" if owner or shaped else _possible(signature, taken)
    gradients = roles.get("grads", "") if owner else ""
    spreads = owner != "" and owner in spread
    return Bound(values, spelled, defaults, owner, gradients, may_own, _defaults(given), spreads, shaped)


def _is_off_at_zero(name: str, default: Any) -> bool:
    """Whether zero says to a constructor that an argument is off: a decay that is on by default, or must be given."""
    return bool(default) and name in BY_NAME and BY_NAME[name].domain == "non_negative"


def _needed(signature: Mapping[str, inspect.Parameter], spelled: Mapping[str, str]) -> dict[str, str]:
    """Return Keras' names of what must be given and only other rules have, such as Adam's betas, to its own."""
    needed = [name for name, p in signature.items() if p.default is NONE and p.kind in _PASSED]
    found: dict[str, str] = {}
    for own in (name for name in needed if name not in spelled.values()):
        words = (each for each in BY_NAME.values() if own in (each.name, *each.aliases) and each.name not in spelled)
        argument = next((each for each in words if each.name not in found and _rule_of(each.name)), None)
        if argument is not None:
            found[argument.name] = own
    return found


@cache
def _rule_of(name: str) -> str:
    """Return the first rule that has an argument of Keras' name, empty if none has."""
    return next((rule for rule in names() if name in hyperparameters(rule).__struct_fields__), "")


def _usual(name: str) -> Any:
    """Return Keras' default of an argument, zero where None says that it is off."""
    value = plain_argument(getattr(hyperparameters(_rule_of(name))(), name))
    return 0.0 if value is None and _is_off_at_zero(name, NONE) else value


def _possible(signature: Mapping[str, inspect.Parameter], taken: set[str]) -> str:
    """Return the argument that may take the parameters although neither its name nor its place says so."""
    free = {name: p for name, p in signature.items() if name not in taken and p.kind < p.VAR_POSITIONAL}
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
        counts = isinstance(value, int | float) and after.get(name, value) != value
        rest = {key: held for key, held in config.items() if key != name}
        if (counts or np.shape(value)) and _config_after(rule, rest) is not None:
            config = rest
        elif counts:
            config[name] = 2 * value - after[name]
    return config


class _LookedUp(dict[str, Any]):
    """A mapping that remembers what it was asked for, with a default for it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[str, Any] = {}

    def get(self, name: str, default: Any = None) -> Any:
        """Return what is there, else the default, which is remembered."""
        self.asked.setdefault(name, deepcopy(default))
        return super().get(name, default)

    def setdefault(self, name: str, default: Any = None) -> Any:
        """Return what is there, else the default, which is remembered and kept."""
        self.asked.setdefault(name, deepcopy(default))
        return super().setdefault(name, default)


def _config_looked_up(rule: Callable[..., Any]) -> dict[str, Any] | None:
    """Return what a step looks up in a config, None where none of it is a hyperparameter."""
    config = _LookedUp()
    if _config_after(rule, config, copies=False) is None:
        return None
    return config.asked if set(config.asked) & set(HYPERPARAMETERS) else None


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
    numbers = {name: value for name, value in config.items() if isinstance(value, bool | int | float)}
    _require("its config", chosen, list(numbers), takes_any=False)
    spelled, departures = _spelled(numbers, chosen, given.__struct_fields__), given.departures()
    for name, value in departures.items():
        if name not in spelled:
            raise AbsentArgumentError(name, f"its config has no {name!r}, which the case sets to {value!r}.")
    values = {own: plain_argument(getattr(given, name)) for name, own in spelled.items()}
    return Bound(values, spelled, numbers, keras=_defaults(given))


def _defaults(given: Hyperparameters) -> dict[str, Any]:
    """Return Keras' defaults of the rule that hyperparameters are of."""
    plain = type(given)()
    return {name: getattr(plain, name) for name in given.__struct_fields__}


def _signature(kind: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(kind).parameters)
    except (TypeError, ValueError):
        return {}


def _spelled(named: Mapping[str, Any], chosen: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    """Return Keras' names to a constructor's own; what was chosen is settled, and so is the argument that it took.

    ``known`` are those of the rule; what another rule calls so is another name of one of them, a switch, or nothing.
    """
    free = {name: default for name, default in named.items() if name not in chosen.values()}
    others = {word for argument in ARGUMENTS if argument.name in known for word in argument.aliases}
    switches = (name for name, argument in BY_NAME.items() if argument.domain == "flag" and name not in others)
    own = dict.fromkeys((*(name for name in BY_NAME if name in known), *switches, *known))
    found: dict[str, str] = {name: name for name in own if name in free and name not in chosen}
    for argument in ARGUMENTS:
        if argument.name not in chosen and argument.name in known:
            words = [word for word in argument.aliases if word in free]
            _first(found, argument.name, words if argument.name != "rho" else [w for w in words if _keeps(free[w])])
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


def _keeps(default: Any) -> bool:
    """Whether an argument with this default may be the weight of an old moment."""
    return default is NONE or (isinstance(default, float) and _KEPT <= default < 1)


@cache
def _behind_kwargs(kind: Callable[..., Any]) -> dict[str, Any]:
    """Return what a constructor takes by way of its ``**kwargs``, with defaults.

    As far as its text says so, or that of a base class to which they are passed on; else what a trial shows.
    """
    found = {} if inspect.isclass(kind) else _enclosed(kind)
    if found:
        return found
    makers = [vars(base).get("__init__") for base in kind.__mro__[:-1]] if inspect.isclass(kind) else [kind]
    for maker in filter(inspect.isfunction, makers):
        function = _parsed(maker)
        found = {name: p.default for name, p in _signature(maker).items() if p.kind in _PASSED} | found
        found.pop("self", None)
        if function is None or function.args.kwarg is None:
            break
        holder = function.args.kwarg.arg
        found = _read(function, holder) | found
        if not _passes_on(function, holder):
            break
    return found or _kept(kind)


def _enclosed(kind: Callable[..., Any]) -> dict[str, Any]:
    """Return the arguments of the one function that a decorator's function encloses, if they are hyperparameters."""
    cells = inspect.getclosurevars(kind).nonlocals.values() if inspect.isfunction(kind) else ()
    functions = [each for each in cells if inspect.isfunction(each)]
    taken = [{n: p.default for n, p in _signature(f).items() if p.kind in _PASSED} for f in functions]
    known = [each for each in taken if set(each) & set(HYPERPARAMETERS)]
    return {n: default for n, default in known[0].items() if n in HYPERPARAMETERS} if len(known) == 1 else {}


_PASSED: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def _parsed(function: Callable[..., Any]) -> ast.FunctionDef | None:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    return next((node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)), None)


def _read(function: ast.FunctionDef, holder: str) -> dict[str, Any]:
    """Return what a function reads from a mapping of that name, with defaults."""
    found = dict[str, Any]()
    for node in ast.walk(function):
        if isinstance(node, ast.Subscript) and _is(node.value, holder) and isinstance(node.slice, ast.Constant):
            found.setdefault(str(node.slice.value), NONE)
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is(node.func.value, holder)):
            continue
        if node.func.attr in ("get", "pop", "setdefault") and node.args and isinstance(node.args[0], ast.Constant):
            found[str(node.args[0].value)] = _literal(node.args[1]) if len(node.args) > 1 else None
    return found


def _passes_on(function: ast.FunctionDef, holder: str) -> bool:
    """Whether a constructor hands its ``**kwargs`` to that of a base class."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and _is_init(node.func)]
    return any(word.arg is None and _is(word.value, holder) for call in calls for word in call.keywords)


def _is_init(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "__init__"


_PROBE: Final = 0.4321098765432101
"""A number that nothing else is by chance: what holds it after construction holds what was passed."""


def _kept(kind: Callable[..., Any]) -> dict[str, Any]:
    """Return the known names under which an instance takes a number to where it otherwise has its own default."""
    plain, found = _numbers(kind, {}), {}
    for name in HYPERPARAMETERS if plain else ():
        # Who keeps whatever comes has no number of its own at the place that a strange name leads to.
        places = [key for key, value in _numbers(kind, {name: _PROBE}).items() if value == _PROBE and key in plain]
        if places:
            found[name] = plain[places[0]]
    return found


def _numbers(kind: Callable[..., Any], passed: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers that an instance holds, itself or in a mapping of its own; none where it cannot be made."""
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            made = kind(**passed)
            bases = reversed(type(made).__mro__[:-1])
            held = {name: value for each in (*bases, made) for name, value in vars(each).items()}
        except Exception:  # what it lacks, or refuses, is told by who makes it for a case
            return {}
    mappings = [value for value in held.values() if isinstance(value, dict)]
    mappings += [vars(value) for value in held.values() if hasattr(value, "__dict__") and not callable(value)]
    found = {key: value for mapping in (*mappings, held) for key, value in mapping.items() if isinstance(key, str)}
    return {key.strip("_"): value for key, value in found.items() if isinstance(value, bool | int | float)}


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None
