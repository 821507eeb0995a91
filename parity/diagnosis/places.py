"""A person's class or function in, the lines of its file out in which it computes each line of the formula."""

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

_MOST: Final = 3
"""Lines beyond which naming them helps nobody."""


class _Statement(NamedTuple):
    """A statement with the file and the line that it stands in."""

    file: str
    line: int
    node: ast.stmt


def places(kind: Any) -> dict[str, str]:
    """Return where a class or function computes what: ``{"step": "mine.py:17"}`` by the names of the formula's lines.

    What is computed is read from the text alone: a root, a square, an array of ones; of a class, from that of the
    classes that it extends, too. A line of the formula for which there is none, or more than three, is left out, and so
    are all of them where there is no text.
    """
    statements = list(_statements(kind))
    found = {line: [each for each in statements if does(each.node)] for line, does in _DOES.items()}
    found["start"] = found["start"] or [each for each in statements if _calls(each.node, _ZEROS)]
    shown = {line: sorted({(each.file, each.line) for each in those}) for line, those in found.items()}
    return {line: _spelled(at) for line, at in shown.items() if 0 < len(at) <= _MOST}


def _spelled(places: list[tuple[str, int]]) -> str:
    files = dict.fromkeys(file for file, _ in places)
    return "; ".join(f"{file}:{', '.join(str(n) for name, n in places if name == file)}" for file in files)


def _statements(kind: Any) -> Iterator[_Statement]:
    """Yield the statements of a function, or of a class and what it extends; a method that is replaced is left out."""
    replaced: set[str] = set()
    for each in kind.__mro__ if isinstance(kind, type) else (kind,):
        tree, first, name = _text(each)
        if tree is None or (each is not kind and _is_a_library(each)):
            continue
        methods = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)] if each is not kind else []
        hidden = {id(inner) for node in methods if node.name in replaced for inner in ast.walk(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign | ast.AugAssign | ast.Return) and id(node) not in hidden:
                yield _Statement(name, first - 1 + node.lineno, node)
        if isinstance(each, type):
            replaced |= vars(each).keys() - _asked_of_a_base(tree)


def _text(kind: Any) -> tuple[ast.Module | None, int, str]:
    """Return the text of a class or function, the line that it begins in, and the name of its file."""
    try:
        lines, first = inspect.getsourcelines(kind)
        name = Path(inspect.getsourcefile(kind) or "").name
        return (ast.parse(textwrap.dedent("".join(lines))) if name else None), first, name
    except (OSError, TypeError, SyntaxError):
        return None, 0, ""


def _is_a_library(kind: type[Any]) -> bool:
    parts = Path(inspect.getsourcefile(kind) or "").parts
    return bool({"site-packages", "dist-packages"} & set(parts)) or kind.__module__ in sys.stdlib_module_names


def _asked_of_a_base(tree: ast.Module) -> set[str]:
    """Return the methods that are called as ``super().method``."""
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    attributes = (each for each in calls if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Call))
    return {each.attr for each in attributes if getattr(each.value.func, "id", "") == "super"}  # type: ignore[attr-defined]


_ONES: Final = frozenset({"ones", "ones_like", "full", "full_like"})
_ZEROS: Final = frozenset({"zeros", "zeros_like"})
_ROOTS: Final = frozenset({"sqrt", "rsqrt"})


def _within(statement: ast.stmt) -> Iterator[ast.AST]:
    value = getattr(statement, "value", None)
    return ast.walk(value) if value is not None else iter(())


def _calls(statement: ast.stmt, names: frozenset[str]) -> bool:
    return any(isinstance(node, ast.Call) and _name(node) in names for node in _within(statement))


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _raised_to(statement: ast.stmt, powers: tuple[float, ...]) -> bool:
    raised = (node.right for node in _within(statement) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow))
    return any(isinstance(power, ast.Constant) and power.value in powers for power in raised)


def _takes_root(statement: ast.stmt) -> bool:
    return (_calls(statement, _ROOTS) or _raised_to(statement, (0.5,))) and not _measures(statement)


def _measures(statement: ast.stmt) -> bool:
    """Return whether a statement takes the root of a sum, which is the norm that a gradient is clipped by."""
    roots = [node for node in _within(statement) if isinstance(node, ast.Call) and _name(node) in _ROOTS]
    return any(isinstance(inner, ast.Call) and _name(inner) == "sum" for root in roots for inner in ast.walk(root))


def _squares(statement: ast.stmt) -> bool:
    by_itself = (
        ast.dump(node.right) in (ast.dump(node.left), ast.dump(getattr(node.left, "right", node.op)))
        for node in _within(statement)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)
    )
    squares = _calls(statement, frozenset({"square"})) or _raised_to(statement, (2,)) or any(by_itself)
    return squares and not _measures(statement)


def _subtracts(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.AugAssign):
        return isinstance(statement.op, ast.Sub)
    value = getattr(statement, "value", None)
    if not isinstance(value, ast.BinOp) or not isinstance(value.op, ast.Sub):
        return False
    return isinstance(value.left, ast.Name | ast.Attribute | ast.Subscript)


_DOES: Final[dict[str, Callable[[ast.stmt], bool]]] = {
    "start": lambda statement: _calls(statement, _ONES),
    "second moment": _squares,
    "step": _takes_root,
    "weights": _subtracts,
}
