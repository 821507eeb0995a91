"""What somebody's code asks of a mapping that it is handed: by its text, else as it runs."""

import ast
import contextlib
import inspect
import io
import textwrap
from collections.abc import Callable, Collection
from copy import deepcopy
from functools import cache
from typing import Any, Final

from parity.bounds.rule import plain_argument
from parity.case.rule import names
from parity.case.spec import hyperparameters
from parity.reference.arguments import ARGUMENTS, BY_NAME
from parity.subjects.binding.parts import NONE, argument_of, taken_apart

HYPERPARAMETERS: Final = tuple(
    dict.fromkeys(word for argument in ARGUMENTS for word in (argument.name, *argument.aliases))
)
"""Every name that people give to an argument of Keras'."""


def is_off_at_zero(name: str, default: Any) -> bool:
    """Whether zero says to a constructor that an argument is off: a decay that is on by default, or must be given."""
    return bool(default) and name in BY_NAME and BY_NAME[name].domain == "non_negative"


@cache
def rule_of(name: str) -> str:
    """Return the first rule that has an argument of Keras' name, empty if none has."""
    return next((rule for rule in names() if name in hyperparameters(rule).__struct_fields__), "")


def usual(name: str) -> Any:
    """Return Keras' default of an argument, zero where None says that it is off."""
    value = plain_argument(getattr(hyperparameters(rule_of(name))(), name))
    return 0.0 if value is None and is_off_at_zero(name, NONE) else value


class LookedUp(dict[str, Any]):
    """A mapping that remembers what it was asked for, with a default for it; it has what Keras has a name for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[str, Any] = {}

    def __bool__(self) -> bool:
        return True  # or who says `config or {}` would ask another one

    def __missing__(self, name: str) -> Any:
        if (value := usual_of(name)) is None:
            raise KeyError(name)
        self.asked.setdefault(name, NONE)
        return value

    def get(self, name: str, default: Any = None) -> Any:
        """Return what is there, else the default, which is remembered."""
        self.asked.setdefault(name, deepcopy(default))
        return super().get(name, default)

    def setdefault(self, name: str, default: Any = None) -> Any:
        """Return what is there, else the default, which is remembered and kept."""
        self.asked.setdefault(name, deepcopy(default))
        return super().setdefault(name, default)


def usual_of(word: str) -> Any:
    """Return Keras' default of what people call so, a pair of what they call so, None where nothing is called so."""
    parts, kinds = taken_apart({word: NONE})
    if kinds:
        return kinds[word](usual_of(part) for part in parts)
    named = (each for each in ARGUMENTS if word in (each.name, *each.aliases))
    return next((usual(each.name) for each in named if rule_of(each.name)), None)


def signature(kind: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the parameters of what makes an optimizer, none where Python cannot tell."""
    try:
        return dict(inspect.signature(kind).parameters)
    except (TypeError, ValueError):
        return {}


def of_class(kind: Any, by_hand: Collection[str] = ()) -> dict[str, Any]:
    """Return the numbers that a class has as attributes, under names that people use or that somebody bound by hand.

    Of one that nobody may extend, none: they are set on a class like it.
    """
    if not inspect.isclass(kind):
        return {}
    try:
        type(kind.__name__, (kind,), {})
    except Exception:  # it says so by whatever it raises
        return {}
    held = {name: value for base in reversed(kind.__mro__[:-1]) for name, value in vars(base).items()}
    parts, kinds = taken_apart({name: value for name, value in held.items() if not name.startswith("_")}, by_hand)
    known = {argument_of(part) for part in parts if part in HYPERPARAMETERS or part in by_hand}
    return {name: held[name] for name in known if name in kinds or isinstance(held[name], bool | int | float | None)}


@cache
def behind_kwargs(kind: Callable[..., Any]) -> dict[str, Any]:
    """Return what a constructor takes by way of its ``**kwargs``, with defaults.

    As far as its text says so, or that of a base class to which they are passed on; else what a trial shows.
    """
    found = {} if inspect.isclass(kind) else _enclosed(kind)
    if found:
        return found
    makers = [vars(base).get("__init__") for base in kind.__mro__[:-1]] if inspect.isclass(kind) else [kind]
    for maker in filter(inspect.isfunction, makers):
        function = _parsed(maker)
        found = {name: p.default for name, p in signature(maker).items() if p.kind in PASSED} | found
        found.pop("self", None)
        if function is None or function.args.kwarg is None:
            break
        holder = function.args.kwarg.arg
        found = read(function, holder) | found
        if not _passes_on(function, holder):
            break
    return found or _kept(kind) or _demanded(kind)


def _demanded(kind: Callable[..., Any]) -> dict[str, Any]:
    """Return what a constructor cannot do without, as it says by the key that it misses; nothing if it wants more."""
    given = dict[str, Any]()
    with contextlib.redirect_stdout(io.StringIO()):
        while True:
            try:
                kind(**given)
            except KeyError as error:
                key = str(error.args[0]) if error.args else ""
                value = None if key in given else usual_of(key)
                if value is None:
                    return {}
                given[key] = value
            except (Exception, SystemExit):  # what it lacks, or refuses, is told by who makes it for a case
                return {}
            else:
                return dict.fromkeys(given, NONE)


def _enclosed(kind: Callable[..., Any]) -> dict[str, Any]:
    """Return the arguments of the one function that a decorator's function encloses, if they are hyperparameters."""
    cells = inspect.getclosurevars(kind).nonlocals.values() if inspect.isfunction(kind) else ()
    functions = [each for each in cells if inspect.isfunction(each)]
    taken = [{n: p.default for n, p in signature(f).items() if p.kind in PASSED} for f in functions]
    known = [each for each in taken if set(each) & set(HYPERPARAMETERS)]
    return {n: default for n, default in known[0].items() if n in HYPERPARAMETERS} if len(known) == 1 else {}


PASSED: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def _parsed(function: Callable[..., Any]) -> ast.FunctionDef | None:
    tree = tree_of(function)
    return next((node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)), None) if tree else None


def tree_of(kind: Callable[..., Any]) -> ast.Module | None:
    """Return the text of a class or a function, None where there is none."""
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(kind)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None


def read(function: ast.AST, holder: str) -> dict[str, Any]:
    """Return what a function reads from a mapping of that name, with defaults."""
    found = dict[str, Any]()
    for node in ast.walk(function):
        if isinstance(node, ast.Subscript) and is_name(node.value, holder) and isinstance(node.slice, ast.Constant):
            found.setdefault(str(node.slice.value), NONE)
        called = node.func if isinstance(node, ast.Call) else None
        if not (isinstance(node, ast.Call) and isinstance(called, ast.Attribute) and is_name(called.value, holder)):
            continue
        if called.attr in ("get", "pop", "setdefault") and node.args and isinstance(node.args[0], ast.Constant):
            found[str(node.args[0].value)] = _literal(node.args[1]) if len(node.args) > 1 else None
    return found


def _passes_on(function: ast.FunctionDef, holder: str) -> bool:
    """Whether a constructor hands its ``**kwargs`` to that of a base class."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and _is_init(node.func)]
    return any(word.arg is None and is_name(word.value, holder) for call in calls for word in call.keywords)


def _is_init(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "__init__"


_PROBE: Final = 0.4321098765432101
"""A number that nothing else is by chance: what holds it after construction holds what was passed."""


def _kept(kind: Callable[..., Any]) -> dict[str, Any]:
    """Return the known names under which an instance takes a number to where it otherwise has its own default."""
    return taken_by_name(kind, lambda passed: passed)


def taken_by_name(kind: Callable[..., Any], handed: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """Return the known names of numbers that an instance holds as they were handed, with what it holds otherwise.

    Who keeps whatever comes has no number of its own at the place that a strange name leads to.
    """
    plain, found = numbers_of(kind), dict[str, Any]()
    for name in (name for name in HYPERPARAMETERS if name.isidentifier() and not name.endswith("_")) if plain else ():
        held = _numbers(kind, handed({name: _PROBE}))
        places = [key for key, value in held.items() if value == _PROBE and key in plain]
        if places:
            found[name] = plain[places[0]]
    return found


@cache
def numbers_of(kind: Callable[..., Any]) -> dict[str, Any]:
    """Return the numbers that an instance holds that was made of nothing; none where it cannot be made so."""
    return _numbers(kind, {})


def _numbers(kind: Callable[..., Any], passed: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers that an instance holds, itself or in a mapping of its own; none where it cannot be made."""
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            made = kind(**passed)
            bases = reversed(type(made).__mro__[:-1])
            held = {name: value for each in (*bases, made) for name, value in vars(each).items()}
        except (Exception, SystemExit):  # what it lacks, or refuses, is told by who makes it for a case
            return {}
    mappings = [value for value in held.values() if isinstance(value, dict)]
    mappings += [vars(value) for value in held.values() if hasattr(value, "__dict__") and not callable(value)]
    found = {key: value for mapping in (*mappings, held) for key, value in mapping.items() if isinstance(key, str)}
    return {key.strip("_"): value for key, value in found.items() if isinstance(value, bool | int | float)}


def is_name(node: ast.expr, name: str) -> bool:
    """Whether an expression is a name, or an attribute of one, such as ``self.config``."""
    holder, _, attribute = name.rpartition(".")
    if not holder:
        return isinstance(node, ast.Name) and node.id == name
    return isinstance(node, ast.Attribute) and node.attr == attribute and is_name(node.value, holder)


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None
