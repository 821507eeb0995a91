"""The text of a class and of all that it needs of its file, for a script that is to stand by itself."""

import ast
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from parity.export.script.side import GLOBALS
from parity.subjects.importing import folders_above, place_of
from parity.subjects.source import names_bound

OWN = ("parity",)


class Inlined(NamedTuple):
    """What a class needs: imports, then definitions, both as lines."""

    imports: tuple[str, ...]
    source: tuple[str, ...]


class NotAloneError(Exception):
    """A class needs more than its own file and libraries; the text says what."""


def inlined(path: Path, name: str, bare: bool = False, unused: frozenset[str] = frozenset()) -> Inlined:
    """Return what a class or function at the top of a file needs, of that file and of those of its project.

    ``bare`` leaves out comments, docstrings, annotations, and methods that are known to be ``unused``.

    Raises:
        NotAloneError: it needs a whole module of its project, or a name that the script has for itself.
    """
    found = _Gathered(bare, unused)
    found.take(path.parent.resolve() / path.name, name)
    return Inlined(tuple(found.imports), tuple(found.source))


class _Gathered:
    """Imports and definitions as they are found: in a file, and in those that it imports names from."""

    def __init__(self, bare: bool, unused: frozenset[str]) -> None:
        self._bare, self._unused = bare, unused
        self.imports: list[str] = []
        self.source: list[str] = []
        self._taken = set[tuple[Path, str]]()
        self._homes: dict[str, tuple[Path, int]] = {}
        """Where each name is defined: a script has room for one of a name."""

    def take(self, path: Path, name: str) -> None:
        """Take up what defines a name in a file, what that needs first."""
        if (path, name) in self._taken:
            return
        self._taken.add((path, name))
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        if self._bare:
            tree = ast.fix_missing_locations(_Bare(self._unused).visit(tree))
        needed, used = _needed(tree, name)
        if not needed:
            raise NotAloneError(f"{path.name} does not say itself what {name} is")
        for statement in needed:
            if isinstance(statement, ast.ImportFrom) and _is_of_project(statement, path):
                self._import(statement, used, path)
            elif isinstance(statement, ast.Import | ast.ImportFrom):
                self.imports += _imports(statement, used, path)
            else:
                self._define(statement, text, path)

    def _import(self, statement: ast.ImportFrom, used: set[str], path: Path) -> None:
        file = _file_of(statement, path)
        for each in statement.names:
            own = each.asname or each.name
            if own not in used:
                continue
            if file is None:
                raise NotAloneError(f"{path.name} imports {'.' * statement.level}{statement.module or ''}")
            self.take(file, each.name)
            if own != each.name:
                self.source.append(f"{own} = {each.name}")

    def _define(self, statement: ast.stmt, text: str, path: Path) -> None:
        _require_own_names(statement)
        homes = {name: self._homes.get(name, (path, 0)) for name in names_bound([statement])}
        if any(home == (path, statement.lineno) for home in homes.values()):
            return
        for name, home in homes.items():
            if home[0] != path:
                raise NotAloneError(f"{home[0].name} and {path.name} both have a {name}")
            self._homes[name] = (path, statement.lineno)
        apart = self.source and not self._bare and isinstance(statement, ast.ClassDef | ast.FunctionDef)
        self.source += [*[""] * bool(apart), *_segment(statement, text, self._bare)]


def _is_of_project(statement: ast.ImportFrom, path: Path) -> bool:
    """Whether names come from a file of the same project: by dots, or from a folder above, unless it is installed."""
    if statement.level:
        return True
    try:
        _require_library(statement.module or "", path)
    except NotAloneError:
        return (statement.module or "").partition(".")[0] not in OWN and _file_of(statement, path) is not None
    return False


def _file_of(statement: ast.ImportFrom, path: Path) -> Path | None:
    """Return the file that names are imported from, None where it is no file beside this one or above it."""
    folders = [path.parents[statement.level - 1]] if statement.level else folders_above(path)
    words = (statement.module or "").split(".") if statement.module else []
    for folder in folders:
        place = folder.joinpath(*words)
        for file in (place.with_suffix(".py"), place / "__init__.py") if words else (folder / "__init__.py",):
            if file.is_file():
                return file
    return None


def _needed(tree: ast.Module, name: str) -> tuple[list[ast.stmt], set[str]]:
    """Return the statements that bind a name and all that they use, in their order, and these names."""
    by_name: dict[str, list[ast.stmt]] = {}
    for statement in tree.body:
        for bound in names_bound([statement]):
            by_name.setdefault(bound, []).append(statement)
    used, left = set[str](), [name]
    kept: dict[int, ast.stmt] = {}
    while left:
        current = left.pop()
        if current in used:
            continue
        used.add(current)
        for statement in by_name.get(current, []):
            kept[id(statement)] = statement
            if not isinstance(statement, ast.Import | ast.ImportFrom):
                left += _loaded(statement)
    return [statement for statement in tree.body if id(statement) in kept], used


def _loaded(statement: ast.stmt) -> Iterator[str]:
    return (node.id for node in ast.walk(statement) if isinstance(node, ast.Name))


def _imports(statement: ast.Import | ast.ImportFrom, used: set[str], path: Path) -> Iterator[str]:
    names = [each for each in statement.names if (each.asname or each.name).partition(".")[0] in used]
    if isinstance(statement, ast.ImportFrom):
        _require_library("." * statement.level + (statement.module or ""), path)
        yield ast.unparse(ast.ImportFrom(statement.module, names, 0))
        return
    for each in names:
        _require_library(each.name, path)
        yield ast.unparse(ast.Import([each]))


def _require_library(module: str, path: Path) -> None:
    """Refuse a module that is neither Python's nor installed.

    Raises:
        NotAloneError: it lies beside the file, or is ours.
    """
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names and top:
        return
    spec = find_spec(top) if top and top not in OWN else None
    home = Path(spec.origin) if spec is not None and spec.origin else None
    if home is None or not any(part in ("site-packages", "dist-packages") for part in home.parts):
        raise NotAloneError(f"{path.name} imports {module}")


def _require_own_names(statement: ast.stmt) -> None:
    taken = set(names_bound([statement])) & GLOBALS
    if taken:
        raise NotAloneError(f"{sorted(taken)[0]} is a name of the script's own")


def _segment(statement: ast.stmt, text: str, bare: bool) -> list[str]:
    if bare:
        return [line for line in ast.unparse(statement).splitlines() if line.strip()]
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(each.lineno for each in decorators)])
    return text.splitlines()[first - 1 : statement.end_lineno]


class _Bare(ast.NodeTransformer):
    """Takes docstrings and annotations away, where nothing reads them, and methods that nobody calls."""

    def __init__(self, unused: frozenset[str]) -> None:
        self._unused = unused

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Leave a function its statements."""
        node.returns = None
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
        self._strip(node)
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Leave a class its statements; a decorator may read its annotations."""
        self._strip(node)
        node.body = [each for each in node.body if getattr(each, "name", "") not in self._unused] or [ast.Pass()]
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """Leave fields as they are."""
        return node

    def _strip(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            node.body = node.body[1:] or [ast.Pass()]


def imported(path: Path, name: str) -> Inlined:
    """Return what imports a class from the file that it lies in, as a module of its package if it needs one."""
    path = path.parent.resolve() / path.name
    folder, module = place_of(path)
    words = module.split(".")
    if all(map(str.isidentifier, words)) and words[0] not in sys.stdlib_module_names and words[0] not in GLOBALS:
        where = f"sys.path.insert(0, {str(folder)!r})  # where {path.relative_to(folder).as_posix()} lies"
        return Inlined((), (where, f"from {module} import {name}"))
    place = (f"sys.path.insert(0, {str(path.parent)!r})", f"{name} = runpy.run_path({str(path)!r})[{name!r}]")
    return Inlined(("import runpy",), place)
