"""A person's file comes in, its module goes out: under its package where it needs one, beside its project's modules.

What a project calls its modules hides nothing: ours, the standard library and what is installed are found first.
"""

import ast
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec, spec_from_file_location
from itertools import chain, count
from pathlib import Path
from types import ModuleType
from typing import Any, Final

FRAMEWORKS: Final = ("torch", "tensorflow", "keras", "tf_keras", "jax", "optax")
"""Libraries that a person's class may extend, and that need not be installed."""
_MOST: Final = 6
"""Folders above a file in which its project may begin."""
_TOPS: Final = (".git", ".hg", "pyproject.toml", "setup.py", "setup.cfg")
"""What lies in the folder that a project begins in: above it is nothing of the project's."""
_BEYOND: Final = "relative import beyond top-level package"
_OURS: Final = "parity_subject_"


def module_of(path: Path) -> ModuleType:
    """Return the module of a file, which is run anew each time; whatever it raises is raised.

    A file with relative imports is a module of its package: of the folders with an ``__init__.py`` around it, or of as
    many as its dots need. What it imports by name may lie in a folder above it, the nearest first, or in the current
    one.
    """
    path = path.parent.resolve() / path.name
    _follow((*folders_above(path), Path.cwd()))
    depth = _dots(path)
    if not depth:
        return _run(f"{_OURS}{path.stem}", path)
    depth = max(depth, _packaged(path))
    while True:
        try:
            return _in_package(path, depth)
        except ImportError as error:
            if _BEYOND not in str(error) or depth >= min(_MOST, len(path.parents) - 1):
                raise
        depth += 1  # a module that it imports has more dots than the file itself


def made_anew(kind: Any) -> Any:
    """Return the class or function that a person's file makes when it is run once more, with nothing of the first.

    None where it comes from elsewhere: a module of a package is run once.
    """
    name = getattr(kind, "__module__", "")
    before = sys.modules.get(name)
    if not name.startswith(_OURS) or "." in name or before is None or before.__file__ is None:
        return None
    try:
        return getattr(module_of(Path(before.__file__)), kind.__name__, None)
    finally:
        sys.modules[name] = before


def package_of(path: Path) -> str:
    """Return the package that a file's relative imports begin at, imported, and empty where it has no such imports.

    What the file imports by name is found where ``module_of`` finds it.
    """
    path = path.parent.resolve() / path.name
    _follow((*folders_above(path), Path.cwd()))
    depth = _dots(path)
    if not depth:
        return ""
    folders = list(reversed(path.parents[: max(depth, _packaged(path))]))
    *names, _ = _names(folders, path)
    for name, folder in zip(names, folders, strict=True):
        _package(name, folder)
    return names[-1]


def module_named(name: str) -> ModuleType:
    """Return a module by its dotted name, found as everywhere else, or from the current folder."""
    from importlib import import_module

    here = Path.cwd()
    _follow((here,))
    sys.path.append(str(here))  # so that folders of one name on both make one package, as in Python's own search
    try:
        return import_module(name)
    finally:
        sys.path.remove(str(here))


def folders_above(path: Path) -> tuple[Path, ...]:
    """Return the folders that a file's project may begin in, the nearest first."""
    found = []
    for folder in path.parents[:_MOST]:
        if folder == folder.parent:
            break
        found.append(folder)
        if any((folder / name).exists() for name in _TOPS):
            break
    return tuple(found)


def place_of(path: Path) -> tuple[Path, str]:
    """Return the folder in which Python itself finds a file's module, and the dotted name that it has there."""
    path = path.parent.resolve() / path.name
    depth = max(_dots(path), _packaged(path)) if _dots(path) else 0
    return path.parents[depth], ".".join([*(folder.name for folder in reversed(path.parents[:depth])), path.stem])


class _Project:
    """Finds in a project's folders what no other place has, so that it hides nothing."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders, self.found = tuple(folders), set[str]()

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return where a top-level module lies, None where it is none of the project's."""
        if path is not None or fullname in FRAMEWORKS:
            return None
        for folder in self.folders:
            spec = PathFinder.find_spec(fullname, [str(folder)])
            if spec is not None and (spec.loader is not None or _has_code(folder / fullname)):
                if _is_taken(fullname):
                    return None
                self.found.add(fullname)
                return spec if spec.loader is not None else _bare(fullname, folder / fullname)
        return None


def _is_taken(name: str) -> bool:
    """Whether a module of that name is found without a project; a mere folder of that name counts if it is installed.

    Python takes any folder that lies where it looks for a package, such as ``tests/core`` for ``core``.
    """
    for finder in sys.meta_path:
        spec = None if isinstance(finder, _Project) else finder.find_spec(name, None)
        if spec is not None:
            places = [Path(place).parts for place in spec.submodule_search_locations or ()]
            return spec.loader is not None or any({"site-packages", "dist-packages"} & {*parts} for parts in places)
    return False


def _follow(folders: Sequence[Path]) -> None:
    """Search these folders for what nothing else finds, those of the file that came last before others."""
    projects = [each for each in sys.meta_path if isinstance(each, _Project)]
    mine = next((each for each in projects if each.folders == tuple(folders)), None) or _Project(folders)
    others = [each for each in projects if each is not mine]
    for name in {name for each in others for name in each.found}:
        _forget(name)  # another project's module of the same name is not this one's
    for each in others:
        each.found.clear()
    sys.meta_path[:] = [mine, *others, *(each for each in sys.meta_path if not isinstance(each, _Project))]


def _forget(name: str) -> None:
    for each in [each for each in sys.modules if each == name or each.startswith(f"{name}.")]:
        del sys.modules[each]


def _has_code(folder: Path) -> bool:
    return any(next(folder.glob(pattern), None) for pattern in ("*.py", "*/*.py", "*/*/*.py"))


def _bare(name: str, folder: Path) -> ModuleSpec:
    """Return the spec of a package that runs nothing."""
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    return spec


def _dots(path: Path) -> int:
    """Return how many folders up the relative imports of a file reach, wherever they stand in it."""
    try:
        return _levels(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):  # told by whoever runs it
        return 0


@lru_cache(maxsize=64)
def _levels(text: bytes) -> int:
    """Return what ``_dots`` does, of a file's text: a run names the same file for every case."""
    tree = ast.parse(text)
    return max((node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)), default=0)


def _packaged(path: Path) -> int:
    """Return in how many packages a file lies."""
    outside = (number for number, folder in enumerate(path.parents) if not (folder / "__init__.py").is_file())
    return next(outside, len(path.parents) - 1)


def _in_package(path: Path, depth: int) -> ModuleType:
    """Return a file's module as one of the package that begins so many folders above it."""
    folders = list(reversed(path.parents[:depth]))
    names = list(_names(folders, path))
    before, known = sys.modules.get(names[-1]), set(sys.modules)
    raised = []
    try:
        for name, folder in zip(names, folders, strict=False):
            raised += _package(name, folder)
        module = sys.modules.get(names[-1])
        # Its package may have imported it a moment ago.
        return module if module is not None and module is not before else _run(names[-1], path)
    except BaseException as error:
        for name in set(sys.modules) - known:
            if name.partition(".")[0] == names[0]:
                del sys.modules[name]
        if raised and _BEYOND not in str(error):
            raise raised[0] from error
        raise


def _names(folders: Sequence[Path], path: Path) -> Iterator[str]:
    """Yield the dotted names of packages, and then that of the module in them."""
    name = _top(folders[0])
    yield name
    for word in (*(folder.name for folder in folders[1:]), path.stem):
        name = f"{name}.{word.replace('.', '_')}"
        yield name


def _top(folder: Path) -> str:
    """Return what a package is called: as its folder, so that it may import itself by name, unless that is taken."""
    name = folder.name
    may = name.isidentifier() and name not in (*sys.stdlib_module_names, *FRAMEWORKS)
    if may and (_is(name, folder) or (name not in sys.modules and not _is_taken(name))):
        return name
    own = f"{_OURS}{name.replace('.', '_')}"
    names = chain([own], (f"{own}_{number}" for number in count(2)))
    return next(each for each in names if each not in sys.modules or _is(each, folder))


def _is(name: str, folder: Path) -> bool:
    """Whether a module that was imported is the package in a folder."""
    return str(folder) in getattr(sys.modules.get(name), "__path__", ())


def _package(name: str, folder: Path) -> list[Exception]:
    """Import a package unless that is done, and return what its ``__init__.py`` raised: a module may do without it."""
    if _is(name, folder):
        return []
    file = folder / "__init__.py"
    made = spec_from_file_location(name, file, submodule_search_locations=[str(folder)]) if file.is_file() else None
    spec = made or _bare(name, folder)
    module = module_from_spec(spec)
    _enter(name, module)
    try:
        if made is not None and made.loader is not None:
            with _nothing_written():
                made.loader.exec_module(module)
    except Exception as error:  # as far as it came, it is there
        return [error]
    return []


def _run(name: str, path: Path) -> ModuleType:
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    _enter(name, module)
    with _nothing_written():
        spec.loader.exec_module(module)
    return module


@contextmanager
def _nothing_written() -> Iterator[None]:
    """Import without leaving compiled files beside a person's own."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def _enter(name: str, module: ModuleType) -> None:
    sys.modules[name] = module
    parent, _, own = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], own, module)
