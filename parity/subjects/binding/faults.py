"""Whether what trials raised lies in the optimizer's own code: it would raise that whatever it was handed."""

import ast
import inspect
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

from parity.subjects.binding.drivers.holders import Layer, TakingLayer
from parity.subjects.binding.drivers.shape import Shape

_OURS: Final = str(Path(__file__).parents[2])
_HANDED: Final = frozenset({"params", "grads", "pairs", "pairs back", "name", "index"})
"""Roles of what is handed as it is; what else a call takes may be something that a trial does not know."""


class Tried(NamedTuple):
    """A shape that was tried, and what that raised."""

    shape: Shape
    raised: Sequence[BaseException]

    @property
    def method(self) -> str:
        """What was called."""
        call = self.shape.more.get("call")
        return str(call.name if call is not None else self.shape.more.get("method", ""))


def broken(kind: Callable[..., Any], tried: Sequence[Tried]) -> Shape | None:
    """Return the likeliest shape of a method that raises in every trial what it would raise however it is called.

    That is, in the likeliest, that something lacks a name which nobody hands in or sets, or a layer of its own class
    what that sets at times; or it raises the same from one line of its file for arrays, lists and mappings alike. None
    if no method does so.
    """
    files = _files(kind)
    for method in dict.fromkeys(each.method for each in tried):
        all_of_it = [each for each in tried if each.method == method]
        group = [each for each in all_of_it if not each.shape.owns_loop] or all_of_it
        of_its_own = next((each for each in group if each.raised and _layer_lacks(each.raised[0])), None)
        if of_its_own is not None:
            return of_its_own.shape
        if not group[0].raised:
            continue
        said = {_said(error, files) for each in group for error in each.raised}
        first = group[0].raised[0]
        lacks = _said(first, files) is not None and _is_its_own(first, files)
        alike = len(said) == 1 and None not in said and all(each.raised for each in group)
        if lacks or (alike and _whatever_it_holds(group)):
            return group[0].shape
    return None


def _files(kind: Any) -> set[str]:
    """Return the files that a class and its bases, or a function, are written in."""
    found = set()
    for each in kind.__mro__[:-1] if inspect.isclass(kind) else [kind]:
        try:
            found.add(inspect.getsourcefile(each) or "")
        except TypeError:  # written in C
            continue
    return {file for file in found if file}


def _said(error: BaseException, files: set[str]) -> tuple[str, str, int] | None:
    """Return what was raised and in which line of these files, None if ours raised it: then it was the wrong thing."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames or frames[-1].filename.startswith(_OURS):
        return None
    own = [frame for frame in frames if frame.filename in files]
    return (type(error).__name__, str(error), own[-1].lineno or 0) if own else None


def _is_its_own(error: BaseException, files: set[str]) -> bool:
    """Whether an attribute is missing that nobody hands in: of a module, a function, or of what the file defines.

    Or whether a function stands where what it returns is meant.
    """
    if isinstance(error, TypeError):
        return "operand" in str(error) and any(word in str(error) for word in _FUNCTIONS)
    if not isinstance(error, AttributeError) or not error.name:
        return False
    if isinstance(error.obj, ModuleType) or inspect.isroutine(error.obj):
        return True
    kind = error.obj if inspect.isclass(error.obj) else type(error.obj)
    home = getattr(sys.modules.get(kind.__module__), "__file__", None)
    ran = {frame.name for frame in traceback.extract_tb(error.__traceback__)} | {"__init__"}
    return home in files and not _is_set(kind, error.name, ran)


_FUNCTIONS: Final = ("'numpy._ArrayFunctionDispatcher'", "'function'", "'builtin_function_or_method'", "'method'")
"""What is no operand, and nobody hands in as one: a function that was to be called."""


def _layer_lacks(error: BaseException) -> bool:
    """Whether a layer of its own class, made as that makes itself, lacks what a method of the class sets at times."""
    if not isinstance(error, AttributeError):
        return False
    layer = error.obj
    if not (isinstance(layer, Layer) and type(layer) not in (Layer, TakingLayer) and layer.is_whole):
        return False
    return any(error.name in _stored(tree) for tree in _texts(type(layer).__mro__[2:-1]) if tree is not None)


def _texts(kinds: Sequence[type]) -> Iterator[ast.Module | None]:
    """Yield the text of each class, None where there is none to read."""
    for each in kinds:
        try:
            yield ast.parse(textwrap.dedent(inspect.getsource(each)))
        except (OSError, TypeError, SyntaxError):
            yield None


def _is_set(kind: type, name: str, ran: set[str]) -> bool:
    """Whether a method sets the attribute that somebody may call before a step, or one that cannot be read does.

    Those that ``ran`` did not, and nobody calls from outside what begins with two underscores.
    """
    for tree in _texts(kind.__mro__[:-1]):
        if tree is None:
            return True
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id in ("setattr", "vars"):
                return True
            if isinstance(node, ast.Attribute) and node.attr == "__dict__":
                return True
            known = not isinstance(node, ast.FunctionDef) or node.name in ran or node.name.startswith("__")
            if not known and name in _stored(node):
                return True
    return False


def _stored(function: ast.AST) -> set[str]:
    """Return the attributes that a function sets; who adds to one needs it first."""
    adds = {id(node.target) for node in ast.walk(function) if isinstance(node, ast.AugAssign)}
    nodes = [node for node in ast.walk(function) if isinstance(node, ast.Attribute) and id(node) not in adds]
    return {node.attr for node in nodes if isinstance(node.ctx, ast.Store)}


def _whatever_it_holds(group: Sequence[Tried]) -> bool:
    """Whether arrays, lists and mappings were handed to a call that takes nothing else, and not to a constructor."""
    held = {(each.shape.driver, each.shape.more.get("as_list")) for each in group}
    calls = [each.shape.more.get("call") for each in group]
    plain = all(call is not None and _HANDED.issuperset(call.roles) for call in calls)
    raised = [error for each in group for error in each.raised]
    made = any(frame.name == "__init__" for e in raised for frame in traceback.extract_tb(e.__traceback__)[-2:])
    return plain and len(held) > 1 and not made
