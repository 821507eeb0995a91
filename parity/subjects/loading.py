"""A name comes in, ``file.py:Class`` or ``package.module:Class``; the adapter that drives what it names goes out."""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

from parity.circumstances.child import tell
from parity.errors import NotInstalledError, SubjectError, UsageError, printable
from parity.subjects.adapter import Adapter
from parity.subjects.frameworks import framework_of, of_framework
from parity.subjects.importing import FRAMEWORKS, folders_above, module_named, module_of
from parity.subjects.naming import split_bound
from parity.subjects.numpy_class import NumpySubject, require_shape
from parity.subjects.source import missing_class, missing_file, split_mode


def load_class(name: str) -> Adapter:
    """Return the adapter of ``file.py:Class`` or ``package.module:Class``.

    Raises:
        SubjectError: no such file, no such class, it cannot be imported, or it follows neither style.
    """
    mode, name = split_mode(name)
    where, _, attribute = split_bound(name)[0].rpartition(":")
    module = _load_file(Path(where)) if where.endswith(".py") else _load_module(where)
    kind = getattr(module, attribute, None)
    classes = [
        key for key, value in vars(module).items() if inspect.isclass(value) and value.__module__ == module.__name__
    ]
    if kind is None or not (callable(kind) or framework_of(kind)):
        raise missing_class(where, attribute, classes)
    follows_adapter = all(hasattr(kind, method) for method in ("open", "read", "close"))
    if follows_adapter:
        adapter: Adapter = kind()
        return adapter
    subject = maker_of(kind, name, mode)()
    if isinstance(subject, NumpySubject):
        require_shape(subject)
    return subject


def maker_of(kind: Any, name: str, mode: str = "") -> Callable[[], Adapter]:
    """Return what makes the adapter of somebody's optimizer: of a framework's, or of any shape.

    Args:
        kind: a class, a function that makes optimizers or is one, or an instance of a framework's.
        name: the subject's name, with what was bound by hand.
        mode: how the steps of one of Keras' run, such as ``keras-graph``.

    Raises:
        SubjectError: an instance does not tell what it was made with.
        UsageError: it is none of these, or has no mode and is given one.
    """
    own = of_framework(kind, name, mode)
    if own is not None:
        return own
    if not callable(kind):
        raise UsageError(f"subject must be a name or a class. Received: {type(kind).__name__}.")
    return lambda: NumpySubject(kind, name)


_PATIENCE: Final = 5.0
"""Seconds of its own after which it is said that an import takes long."""
_GLANCE: Final = 0.25
"""Seconds between two looks at whether a framework is being imported."""


@contextmanager
def _never_silent(what: str) -> Iterator[None]:
    """Say after some seconds that it is an import that takes long, and what to do about it."""
    why = "what stands at the top level of a file, such as training, runs whenever it is imported"
    how = "Wait, as long as --time-limit says, or put it below: if __name__ == '__main__':"
    said = printable(f"{what} has been importing for {_PATIENCE:g} s: {why}. {how}")
    told: list[str] = []
    done = Event()

    def watch() -> None:
        left, glance = _PATIENCE, min(_PATIENCE, _GLANCE)
        while left > 0:
            if done.wait(glance):
                return
            left -= 0.0 if _framework_loads() else glance
        told.append(said)
        tell(said)

    watching = Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        done.set()
        watching.join()  # so that nothing is told into an answer
        if told:
            tell("")


def _framework_loads() -> bool:
    """Whether it is a framework that is being imported right now, which takes seconds whoever does it."""
    specs = [getattr(sys.modules.get(name), "__spec__", None) for name in FRAMEWORKS]
    return any(getattr(spec, "_initializing", False) for spec in specs)


def _load_file(path: Path) -> Any:
    if not path.is_file():
        raise missing_file(path)
    try:
        with _never_silent(path.as_posix()):
            return module_of(path)
    except BaseException as error:  # a user's file may raise anything, SystemExit included
        if isinstance(error, ModuleNotFoundError) and error.name in FRAMEWORKS:
            raise NotInstalledError(f"{path.as_posix()} needs {error.name}: pip install {error.name}.") from error
        said = f"{path.as_posix()} cannot be imported: {type(error).__name__}: {str(error).rstrip('.')}."
        raise SubjectError(said + _whence(path, error)) from error


def _whence(path: Path, error: BaseException) -> str:
    """Return how to go on where a file imports what is not there, or what another module of that name hides."""
    name = str(getattr(error, "name", None) or "").partition(".")[0] if isinstance(error, ImportError) else ""
    if not name:
        return ""
    folders = folders_above(path.parent.resolve() / path.name)
    if isinstance(error, ModuleNotFoundError) and error.name == name:
        looked = f"It lies neither here nor in {' or '.join(dict.fromkeys([str(folders[0]), str(folders[-1])]))}"
        between = " or between them" if len(folders) > 2 else ""
        return f" {looked}{between}: run from the folder that holds {name}, or install it if it is a library."
    place = getattr(sys.modules.get(name), "__file__", None)
    hidden = next((each for each in folders if (each / name).is_dir() or (each / f"{name}.py").is_file()), None)
    if place is None or hidden is None or Path(place).is_relative_to(hidden):
        return ""
    how = f"rename that one, or have its folder searched first: PYTHONPATH={hidden}"
    return f" {name} is {place}, which is found before the one in {hidden}: {how}."


def _load_module(name: str) -> Any:
    try:
        with _never_silent(f"module {name}"):
            return module_named(name)
    except BaseException as error:  # a user's module may raise anything, SystemExit included
        how = "Name a subject as path/to/file.py:Class, or by a module that Python finds from this folder"
        raise SubjectError(f"module {name!r} cannot be imported: {type(error).__name__}: {error}. {how}.") from error
