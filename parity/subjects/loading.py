"""A name comes in, ``file.py:Class`` or ``package.module:Class``; the adapter that drives what it names goes out."""

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any, Final

from parity.case.error import printable
from parity.circumstances.child import tell
from parity.errors import NotInstalledError, SubjectError, UsageError
from parity.subjects.adapter import Adapter, Own
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
    if not callable(kind):
        raise missing_class(where, attribute, classes)
    follows_adapter = all(hasattr(kind, method) for method in ("open", "read", "close"))
    if follows_adapter:
        adapter: Adapter = kind()
        return adapter
    own = _of_framework(kind, name, mode)
    if own is not None:
        return own
    subject = NumpySubject(kind, name)
    require_shape(subject)
    return subject


def _of_framework(kind: Any, name: str, mode: str) -> Adapter | None:
    """Return the adapter of a class that extends a framework's optimizer, None for any other.

    Raises:
        UsageError: a mode is given for a class that has none.
    """
    bases = {f"{base.__module__.partition('.')[0]}.{base.__name__}" for base in getattr(kind, "__mro__", ())}
    if "keras.Optimizer" in bases:
        from parity.subjects.keras import KerasSubject
        from parity.subjects.keras_fit import KerasFitSubject

        own = Own(kind, name)
        if mode == "keras-fit":
            return KerasFitSubject(own=own)
        return KerasSubject(mode.removeprefix("keras-") or "eager", own=own)  # type: ignore[arg-type]  # checked above
    if mode:
        allowed = "a mode is for a class that extends keras.optimizers.Optimizer"
        raise UsageError(f"{name}: received the mode {mode!r}; {allowed}: name it without.")
    if "torch.Optimizer" in bases:
        from parity.subjects.torch import OwnTorchSubject

        return OwnTorchSubject(Own(kind, name))
    return None


_PATIENCE: Final = 5.0
"""Seconds after which it is said that an import takes long."""


@contextmanager
def _never_silent(what: str) -> Iterator[None]:
    """Say after some seconds that it is an import that takes long, and what to do about it."""
    why = "what stands at the top level of a file, such as training, runs whenever it is imported"
    how = "Wait, as long as --time-limit says, or put it below: if __name__ == '__main__':"
    said = printable(f"{what} has been importing for {_PATIENCE:g} s: {why}. {how}")
    told: list[str] = []

    def say() -> None:
        told.append(said)
        tell(said)

    timer = Timer(_PATIENCE, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # so that nothing is told into an answer
        if told:
            tell("")


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
