"""The hyperparameters that lie in one argument of a constructor: in a mapping, or as attributes of a config."""

import ast
import contextlib
import dataclasses
import inspect
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

import numpy as np

from parity.reference.arguments import BY_NAME
from parity.subjects.binding.asked import (
    HYPERPARAMETERS,
    PASSED,
    LookedUp,
    is_name,
    read,
    signature,
    taken_by_name,
    tree_of,
    usual_of,
)
from parity.subjects.binding.candidates.methods import methods_of, taken_by
from parity.subjects.binding.parts import NONE

_CONFIGS: Final = frozenset(
    {"config", "cfg", "conf", "hp", "hps", "hparams", "hyperparams", "hyperparameters", "hyper_params", "hyper"}
    | {"hyper_parameters", "settings", "setting", "options", "option", "opts", "opt", "args", "arguments", "kw", "conf"}
    | {"config_dict", "optimizer_config", "optim_config", "opt_config", "optimizer_params", "optim_params", "parms"}
)
"""Names of what holds hyperparameters, in a mapping or as attributes."""
_RATES: Final = frozenset({"learning_rate", *BY_NAME["learning_rate"].aliases})


class Holder(NamedTuple):
    """What lies in an argument, by key, with defaults, and what makes that argument of it by keywords."""

    keys: dict[str, Any]
    made_by: Callable[..., Any] = dict


@cache
def keys_of(kind: Callable[..., Any], argument: str) -> Holder:
    """Return the hyperparameters that lie in an argument of a constructor; nothing where none is a learning rate.

    A dataclass says so itself; else its text does, and what it asks of a stand-in; else it is tried with what it
    misses, or with a number that is found again where it otherwise has its own.
    """
    default = signature(kind)[argument].default
    fields = _fields(kind, argument, default)
    if fields is not None:
        return fields
    if default not in (NONE, None, {}):
        return Holder({})
    means_it = argument.lower() in _CONFIGS
    if not inspect.isclass(kind) and _writes(kind, argument):
        return Holder({})  # it is what goes from step to step
    keys, attributes = _looked_up(kind, argument, means_it)
    if means_it and inspect.isclass(kind):
        keys = {**_asked(kind, argument), **keys}
        attributes = attributes & set(keys)
        if not set(keys) & _RATES:
            keys = _missed(kind, argument) if default is NONE else _merged(kind, argument)
    return Holder(keys, SimpleNamespace if attributes else dict) if set(keys) & _RATES else Holder({})


def _fields(kind: Callable[..., Any], argument: str, default: Any) -> Holder | None:
    """Return the fields of the dataclass that an argument is annotated with, or has an instance of for its default."""
    maker = vars(kind).get("__init__", kind) if inspect.isclass(kind) else kind
    with contextlib.suppress(Exception):  # a name that is there for a type checker alone says nothing here
        own = dataclasses.is_dataclass(default)
        found: Any = type(default) if own else inspect.get_annotations(maker, eval_str=True).get(argument)
        if inspect.isclass(found) and dataclasses.is_dataclass(found):
            fields = dataclasses.fields(found)
            keys = {f.name: NONE if f.default is dataclasses.MISSING else f.default for f in fields}
            keys |= {f.name: getattr(default, f.name) for f in fields} if own else {}
            return Holder(keys, found) if set(keys) & _RATES else None
    return None


def _asked(kind: type, argument: str) -> dict[str, Any]:
    """Return what a constructor asks of what stands in for the argument, until it raises."""
    asked = _Attributes()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception, SystemExit):
        kind(**{**_others(kind), argument: asked})
    return asked.asked


def _others(kind: type) -> dict[str, Any]:
    return {name: None for name, p in signature(kind).items() if p.default is NONE and p.kind in PASSED}


def _merged(kind: type, argument: str) -> dict[str, Any]:
    """Return the known names by which a mapping takes a number to where an instance otherwise has its own default."""
    return taken_by_name(kind, lambda passed: {argument: passed})


def _missed(kind: type, argument: str) -> dict[str, Any]:
    """Return what a constructor, or a step after it, cannot do without, as it says by the key that it misses."""
    given = dict[str, Any]()
    while (key := _missing(kind, argument, given)) is not None:
        given[key] = usual_of(key)
    return dict.fromkeys(given, NONE)


def _missing(kind: type, argument: str, given: Mapping[str, Any]) -> str | None:
    """Return the next key that is missed, None where nothing known is."""
    w = np.ones(2, dtype=np.float32)
    for held in (w, {"w": w}, [w]):
        with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            try:
                made = kind(**{**_others(kind), argument: dict(given)})
            except (Exception, SystemExit) as error:
                return _key(error, given)
            for method in methods_of(made):
                try:
                    getattr(made, method)(*(held for p in taken_by(made, method) if p.required))
                except (Exception, SystemExit) as error:
                    if (key := _key(error, given)) is not None:
                        return key
    return None


def _key(error: BaseException, given: Mapping[str, Any]) -> str | None:
    named = error.args[0] if isinstance(error, KeyError) and error.args else getattr(error, "name", None)
    key = str(named or "")
    return key if key not in given and usual_of(key) is not None else None


class _Attributes(LookedUp):
    """The same by attributes, too."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error


def _looked_up(kind: Callable[..., Any], argument: str, attributes: bool) -> tuple[dict[str, Any], set[str]]:
    """Return what the text of a class, or of a function, looks up in an argument of its constructor, with defaults.

    In the argument itself, and where the constructor keeps it; also the names that it looks up as attributes.
    """
    trees = [tree for each in (kind.__mro__[:-1] if inspect.isclass(kind) else [kind]) if (tree := tree_of(each))]
    functions = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    maker = next((each for each in functions if not inspect.isclass(kind) or each.name == "__init__"), None)
    if maker is None:
        return {}, set()
    kept = [ast.unparse(target) for target, value in _assigned(maker) if is_name(value, argument)]
    places = [(argument, maker), *((name, tree) for name in kept for tree in trees)]
    # A step may give it a shorter name.
    steps = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    places += [(name, step) for step in steps for name in _aliases(step, kept)]
    found, by_attribute = dict[str, Any](), set[str]()
    for name, where in places:
        found = read(where, name) | found
        attributed = [node for node in ast.walk(where) if isinstance(node, ast.Attribute) and is_name(node.value, name)]
        by_attribute |= {node.attr for node in attributed if attributes and node.attr in HYPERPARAMETERS}
    return {**dict.fromkeys(sorted(by_attribute), NONE), **found}, by_attribute


def _writes(function: Callable[..., Any], argument: str) -> bool:
    """Whether the text of a function writes into a mapping that it is handed."""
    tree = tree_of(function)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Subscript) and is_name(node.value, argument) and not isinstance(node.ctx, ast.Load):
            return True
        if isinstance(node, ast.Attribute) and is_name(node.value, argument) and node.attr in ("setdefault", "update"):
            return True
    return False


def _aliases(function: ast.FunctionDef, kept: Sequence[str]) -> list[str]:
    """Return the names that a function gives to what is kept."""
    pairs = _assigned(function)
    return [t.id for t, value in pairs if isinstance(t, ast.Name) and any(is_name(value, name) for name in kept)]


def _assigned(function: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield what is assigned to what in a function, also several at once."""
    for node in (node for node in ast.walk(function) if isinstance(node, ast.Assign)):
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                yield from zip(target.elts, node.value.elts, strict=False)
            else:
                yield target, node.value
