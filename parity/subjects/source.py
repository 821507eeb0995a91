"""What a user's file names at its top, read without running it: a misspelt class is refused before anything starts."""

import ast
import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from parity.errors import SubjectError, did_you_mean
from parity.subjects.naming import split_bound

_MAKERS: Final = frozenset({"globals", "locals", "vars", "setattr", "exec", "eval", "__getattr__"})
"""Names by which a module may get attributes that no statement of it spells out."""


MODES: Final = ("keras-eager", "keras-graph", "keras-xla", "keras-fit")
"""Ways to run a class that extends Keras' optimizer."""


def split_mode(name: str) -> tuple[str, str]:
    """Return the mode before a name, empty where there is none, and the name: ``keras-graph:mine.py:Mine``."""
    mode, _, rest = name.partition(":")
    return (mode, rest) if mode in MODES and ":" in rest else ("", name)


def require_named(name: str) -> None:
    """Refuse ``path/to/file.py:Class`` where there is no such file, or where it names no such class.

    A file that does not parse, or that may make its names as it runs, is left to whoever imports it.

    Raises:
        SubjectError: with the nearest file or class.
    """
    where, _, attribute = split_bound(split_mode(name)[1])[0].rpartition(":")
    path = Path(where)
    if not path.is_file():
        raise missing_file(path)
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    named = set(names_bound(tree.body))
    open_ended = "*" in named or any(isinstance(node, ast.Name) and node.id in _MAKERS for node in ast.walk(tree))
    if attribute not in named and not open_ended and not named & _MAKERS:
        raise missing_class(where, attribute, [node.name for node in tree.body if isinstance(node, ast.ClassDef)])


def missing_file(path: Path) -> SubjectError:
    """Return the error of a file that is not there, or is a folder."""
    if path.is_dir():
        return SubjectError(f"{path.as_posix()!r} is a folder. Name a subject as path/to/file.py:Class.")
    try:
        beside = [each.name for each in path.parent.iterdir() if each.suffix == ".py"]
    except OSError:
        beside = []
    hint = did_you_mean(path.name, beside)
    return SubjectError(f"no file {path.as_posix()!r}.{hint} Name a subject as path/to/file.py:Class.")


def missing_class(where: str, attribute: str, classes: list[str]) -> SubjectError:
    """Return the error of a class that a file or module does not have."""
    hint = did_you_mean(attribute, classes)
    return SubjectError(f"{where} has no class {attribute!r}.{hint} It defines: {', '.join(classes) or 'no class'}.")


_OF_PROCESS: Final = frozenset(
    [
        "hash",
        "id",
        "set",
        "frozenset",
        "SetComp",
        "Set",
        "getpid",
        "getppid",
        "environ",
        "getenv",
        "time",
        "time_ns",
        "perf_counter",
        "perf_counter_ns",
        "monotonic",
        "monotonic_ns",
        "process_time",
        "now",
        "today",
        "uuid1",
        "uuid4",
        "urandom",
        "SystemRandom",
        "gethostname",
    ]
)
"""What a process decides, and an order that hashes decide: their seed is another one in each."""


def names_of_process(kind: Any) -> list[str]:
    """Return what the file of a class uses that a process decides, in order; nothing where it cannot be read."""
    try:
        tree = ast.parse(Path(inspect.getsourcefile(kind) or "").read_bytes())
    except (OSError, TypeError, SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    words = {_word(node) for node in ast.walk(tree)}
    return sorted(words & _OF_PROCESS)


def _word(node: ast.AST) -> str:
    """Return what a node names or is."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else type(node).__name__


def names_bound(statements: Iterable[ast.stmt]) -> Iterator[str]:
    """Yield every name that statements of a module bind, also under a condition."""
    for statement in statements:
        if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield statement.name
            continue
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in statement.names)
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            elif isinstance(node, ast.stmt) and node is not statement:
                yield from names_bound([node])
