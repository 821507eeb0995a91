"""A loop that trains at the top of a file comes in, a call that runs its body once on a batch goes out.

A file that trains when it is read is taken without that. ``loop(X=x, y=y)`` in a binding sets the file's names ``X``
and ``y`` and runs, once, the innermost loop there that reads them all; what it left behind is an attribute of what it
returns: ``loop(X=x, y=y).loss``.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from parity.errors import SubjectError

LOOP: Final = "loop"
"""What it is called in a binding."""


@dataclass(frozen=True, slots=True)
class Left:
    """What the names of a file stand for after its loop ran once."""

    names: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        """Return what a name stands for.

        Raises:
            SubjectError: the file has no such name.
        """
        if name not in self.names:
            raise SubjectError(f"the loop left nothing behind that is called {name!r}")
        return self.names[name]


class Loops:
    """The loops at the top of a file, and of what it does as a program.

    Args:
        tree: the file.
        path: where it lies.
        names: what its names stand for.
    """

    def __init__(self, tree: ast.Module, path: Path, names: dict[str, Any]) -> None:
        self._loops = list(_loops(tree.body))
        self._path, self._names = path, names

    def __call__(self, **given: Any) -> Left:
        """Set names of the file and run the body of the innermost loop that reads them all, once.

        What counts the turns of a loop is zero, as in the first turn, unless it is given.

        Raises:
            SubjectError: there is no such loop.
        """
        fit = [loop for loop in self._loops if given.keys() <= _read(loop)]
        if not fit:
            have = ", ".join(f"line {loop.lineno}" for loop in self._loops) or "none"
            raise SubjectError(f"loop: no loop at the top of the file reads {', '.join(given)}; its loops: {have}")
        body = min(fit, key=lambda loop: sum(1 for _ in ast.walk(loop))).body
        once = ast.parse("for _ in (0,): pass").body[0]  # so that what it continues or breaks ends here
        assert isinstance(once, ast.For)
        once.body = body
        counts = (name for loop in self._loops for name in _counted(loop))
        self._names.update({name: 0 for name in counts if name not in self._names} | given)
        exec(compile(ast.Module([once], []), str(self._path), "exec"), self._names)
        return Left(self._names)


def _loops(body: list[ast.stmt]) -> Iterator[ast.For | ast.While]:
    for statement in body:
        if isinstance(statement, ast.For | ast.While):
            yield statement
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for name in ("body", "orelse", "finalbody"):
                yield from _loops(getattr(statement, name, []))


def _read(loop: ast.For | ast.While) -> set[str]:
    """Return the names that a loop's body reads."""
    nodes = (node for statement in loop.body for node in ast.walk(statement))
    return {node.id for node in nodes if isinstance(node, ast.Name)}


def _counted(loop: ast.For | ast.While) -> Iterator[str]:
    """Yield the name that counts the turns of a loop: over a range, or the first of what ``enumerate`` yields."""
    match loop:
        case ast.For(target=ast.Name(id=name), iter=ast.Call(func=ast.Name(id="range"))):
            yield name
        case ast.For(target=ast.Tuple(elts=[ast.Name(id=name), *_]), iter=ast.Call(func=ast.Name(id="enumerate"))):
            yield name
