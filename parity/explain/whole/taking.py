"""A person's file comes in, what it defines goes out: imports, functions, classes and simple assignments, no training.

A file that trains when it is imported is taken without running that. An assignment is simple if it calls nothing but
NumPy, what is built in, a method of what is there already, a class of the file, or a function of it whose name does not
say that it trains, reads or shows something. What fails is left out and named, since it may not be needed.
"""

import ast
import builtins
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from parity.case.tomlfile import show_path
from parity.errors import SubjectError, one_line
from parity.explain.whole.loops import Loops
from parity.explain.whole.showing import Shown
from parity.subjects.importing import package_of

_LIBRARIES: Final = ("tensorflow", "keras", "tf_keras", "torch", "jax")
"""Slow to import: a hand-written program computes without them."""
_SHOWING: Final = ("matplotlib", "seaborn", "tqdm", "IPython")
"""Made to show something: a class may do so where it is made, so that something stands in for them."""
_BUILT_IN: Final = (
    *("abs", "bool", "complex", "dict", "enumerate", "float", "frozenset", "id", "int", "iter", "len", "list", "map"),
    *(
        "max",
        "min",
        "next",
        "object",
        "pow",
        "range",
        "reversed",
        "round",
        "set",
        "slice",
        "sorted",
        "str",
        "sum",
        "tuple",
    ),
    *("type", "zip"),
)
_LOUD: Final = re.compile(
    r"train|fit|learn|run|main|load|read|fetch|download|plot|show|test|eval|save|open|input|get_data|sleep|exit", re.I
)
_NAME: Final = "parity_program"


@dataclass(slots=True)
class Taken:
    """What a file defines.

    Attributes:
        path: the file.
        names: what its names stand for.
        loops: those that it trains in, which are not run.
        left: what was left out, a sentence each.
    """

    path: Path
    names: dict[str, Any]
    loops: Loops
    left: list[str] = field(default_factory=list)


def take(path: Path, text: str = "") -> Taken:
    """Return what a file defines, without running the rest of it; ``text`` stands in place of what it holds.

    Raises:
        SubjectError: there is no such file, or it is no Python.
    """
    where = show_path(path)
    if not path.is_file():
        raise SubjectError(f"{where}: no such file. Name the file of your program, such as mine.py or mine.py:net.")
    try:
        tree = ast.parse(text or path.read_bytes(), str(path))
    except (SyntaxError, ValueError, RecursionError) as error:
        raise SubjectError(f"{where}: no Python that this one can read: {one_line(error)}.") from error
    module = ModuleType(_NAME)
    module.__file__ = str(path)
    sys.modules[_NAME] = module
    module.__package__ = package_of(path)
    taken = Taken(path, module.__dict__, Loops(tree, path, module.__dict__))
    for statement in _statements(tree.body):
        _take(statement, taken)
    return taken


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield what stands at the top, what is tried there, and what the file does as a program after all else."""
    last: list[ast.stmt] = []
    for statement in body:
        if isinstance(statement, ast.Try):
            yield from _statements(statement.body)
        elif isinstance(statement, ast.If) and "__name__" in ast.dump(statement.test):
            last += [each for each in statement.body if isinstance(each, ast.Assign | ast.AnnAssign)]
        else:
            yield statement
    yield from last


def _take(statement: ast.stmt, taken: Taken) -> None:
    match statement:
        case ast.Import() | ast.ImportFrom():
            wanted = (
                [statement.module or ""] if isinstance(statement, ast.ImportFrom) else [a.name for a in statement.names]
            )
            shows = any(name.partition(".")[0] in _SHOWING for name in wanted)
            if shows or any(name.partition(".")[0] in _LIBRARIES for name in wanted):
                taken.left.append(f"line {statement.lineno}: {', '.join(wanted)} is not imported")
                names = (alias.asname or alias.name.partition(".")[0] for alias in statement.names)
                taken.names.update({name: Shown() for name in names if shows and name != "*"})
                return
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            pass
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign() if statement.value is not None:
            loud = _loud(statement.value, taken.names)
            if loud:
                taken.left.append(f"line {statement.lineno}: {loud} is not called")
                return
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="seed" | "seterr"))):
            pass
        case _:
            return
    try:
        exec(compile(ast.Module([statement], []), str(taken.path), "exec"), taken.names)  # what the person wrote
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a person's code may raise anything, SystemExit included
        taken.left.append(f"line {statement.lineno}: raised {one_line(error)}")


def _loud(value: ast.expr, names: dict[str, Any]) -> str:
    """Return what an assignment calls that is not to be run, or an empty text."""
    for node in ast.walk(value):
        if isinstance(node, ast.Call) and not _quiet(node.func, names):
            return ast.unparse(node.func)
        if isinstance(node, ast.Await | ast.Yield | ast.YieldFrom):
            return ast.unparse(node)
    return ""


def _quiet(function: ast.expr, names: dict[str, Any]) -> bool:
    match function:
        case ast.Name(id=name):
            if name in names:
                return isinstance(names[name], type) or not _LOUD.search(name)
            return name in _BUILT_IN and hasattr(builtins, name)
        case ast.Attribute(value=holder, attr=name):
            root = holder
            while isinstance(root, ast.Attribute | ast.Subscript | ast.Call):
                root = root.func if isinstance(root, ast.Call) else root.value
            if isinstance(root, ast.Name) and isinstance(names.get(root.id), Shown):
                return True
            return not _LOUD.search(name) and (not isinstance(holder, ast.Name) or holder.id in names)
        case _:
            return False
