"""A person's class or function in, the lines of its file out in which it computes each line of the formula."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

_MOST: Final = 3
"""Lines beyond which naming them helps nobody."""


def places(kind: Any) -> dict[str, str]:
    """Return where a class or function computes what: ``{"step": "mine.py:17"}`` by the names of the formula's lines.

    What is computed is read from the text alone: a root, a square, an array of ones. A line of the formula for which
    there is none, or more than three, is left out, and so is all of them where there is no text.
    """
    try:
        lines, first = inspect.getsourcelines(kind)
        tree = ast.parse(textwrap.dedent("".join(lines)))
        name = Path(inspect.getsourcefile(kind) or "").name
    except (OSError, TypeError, SyntaxError):
        return {}
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.Assign | ast.AugAssign | ast.Return)]
    numbers = {line: [first - 1 + each.lineno for each in statements if does(each)] for line, does in _DOES.items()}
    if not numbers["start"]:
        numbers["start"] = [first - 1 + each.lineno for each in statements if _calls(each, _ZEROS)]
    return {
        line: f"{name}:{', '.join(map(str, sorted(set(found))))}"
        for line, found in numbers.items()
        if name and 0 < len(set(found)) <= _MOST
    }


_ONES: Final = frozenset({"ones", "ones_like", "full", "full_like"})
_ZEROS: Final = frozenset({"zeros", "zeros_like"})
_ROOTS: Final = frozenset({"sqrt", "rsqrt"})


def _within(statement: ast.stmt) -> Iterator[ast.AST]:
    value = getattr(statement, "value", None)
    return ast.walk(value) if value is not None else iter(())


def _calls(statement: ast.stmt, names: frozenset[str]) -> bool:
    functions = (node.func for node in _within(statement) if isinstance(node, ast.Call))
    called = (each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "") for each in functions)
    return any(name in names for name in called)


def _raised_to(statement: ast.stmt, powers: tuple[float, ...]) -> bool:
    raised = (node.right for node in _within(statement) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow))
    return any(isinstance(power, ast.Constant) and power.value in powers for power in raised)


def _takes_root(statement: ast.stmt) -> bool:
    return _calls(statement, _ROOTS) or _raised_to(statement, (0.5,))


def _squares(statement: ast.stmt) -> bool:
    by_itself = (
        ast.dump(node.right) in (ast.dump(node.left), ast.dump(getattr(node.left, "right", node.op)))
        for node in _within(statement)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)
    )
    return _calls(statement, frozenset({"square"})) or _raised_to(statement, (2,)) or any(by_itself)


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
