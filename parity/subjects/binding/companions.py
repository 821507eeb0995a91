"""Classes of a person's own that an optimizer asks for: what it is annotated with, checks for, or makes."""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import CodeType, FunctionType
from typing import Any

from parity.subjects.binding.roles import role_of


def companions(holder: Any, method: str) -> list[type]:
    """Return the classes of a person's own that a class's method or its constructors speak of, annotations first.

    Not the optimizer itself, nor what it extends, nor a class of a library that needs no file of theirs.
    """
    if not inspect.isclass(holder):
        return []
    makers = [vars(base).get("__init__") for base in holder.__mro__[:-1]]
    functions = [each for each in (getattr(holder, method, None), *makers) if inspect.isfunction(each)]
    functions = list(dict.fromkeys(map(inspect.unwrap, functions)))
    found = [each for function in functions for each in (*_annotated(function), *spoken_of(function))]
    own = [each for each in found if inspect.isclass(each) and _is_theirs(each, holder)]
    return list(dict.fromkeys(own))


def spoken_of(function: Callable[..., Any]) -> Iterator[Any]:
    """Yield what stands in a function's module under the names that its code uses."""
    space = getattr(function, "__globals__", {})
    for name in names_in(function.__code__):
        if name in space:
            yield space[name]


def names_in(code: CodeType) -> Iterator[str]:
    """Yield the names of globals and attributes that code uses, that of functions in it too."""
    yield from code.co_names
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from names_in(each)


def own_gradient(function: Any) -> str:
    """Return the name of the one function of its module that a function asks for gradients, empty if it is not told."""
    if not inspect.isfunction(function):
        return ""
    space = function.__globals__
    named = [name for name in dict.fromkeys(names_in(function.__code__)) if inspect.isfunction(space.get(name))]
    asked = [name for name in named if role_of(name) in ("grads", "gradient_function") and space[name] is not function]
    return asked[0] if len(asked) == 1 else ""


def with_own(function: Any, replaced: Mapping[str, Any]) -> Any:
    """Return a function that finds something else under names of its module, which stays as it is."""
    space = {**function.__globals__, **replaced}
    made = FunctionType(function.__code__, space, function.__name__, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _annotated(function: Callable[..., Any]) -> Iterator[Any]:
    with suppress(Exception):  # a name that is there for a type checker alone says nothing here
        found = inspect.get_annotations(function, eval_str=True)
        yield from (kind for name, kind in found.items() if name != "return")


def _is_theirs(kind: type, holder: type) -> bool:
    """Whether a class lies in a file of theirs, and is none that the optimizer extends."""
    if issubclass(holder, kind):
        return False
    file = getattr(sys.modules.get(kind.__module__), "__file__", None) or ""
    library = kind.__module__.partition(".")[0] in sys.stdlib_module_names or "site-packages" in file
    return kind.__module__ == holder.__module__ or (bool(file) and not library)
