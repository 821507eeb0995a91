"""Any class that a person would write: ``init``/``step`` (and ``slots``), or a tutorial's ``update(params, grads)``."""

import copy
import importlib
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from parity.bounds.numerics import Array
from parity.bounds.rule import page, plain_argument
from parity.case.rule import DEFAULT
from parity.case.spec import Hyperparameters
from parity.errors import AbsentArgumentError, MisbehavedError, SubjectError, UnsupportedError
from parity.problem.problems import Problem
from parity.reference import posted
from parity.reference.arguments import BY_NAME
from parity.subjects.adapter import Adapter, Taken, Tensors
from parity.subjects.source import missing_class, missing_file


class NumpySubject:
    """Drives one user class; params and grads go in as they are, so a wrong dtype or an in-place change shows."""

    def __init__(self, kind: Callable[..., Any], name: str) -> None:
        self._kind, self._name = kind, name
        self.resolved = name
        self.circumstances: dict[str, Any] = {}

    @property
    def kind(self) -> Callable[..., Any]:
        """The class, or the function that makes an optimizer."""
        return self._kind

    def open(self, problem: Problem) -> None:
        """Construct the optimizer with the case's hyperparameters and take the initial weights."""
        self._problem = problem
        arguments = accepted_arguments(self._kind, problem.cell.hyperparameters)
        self._rate = problem.cell.hyperparameters.learning_rate
        try:
            with self._numbers_only():
                self._optimizer = self._kind(**arguments)
        except TypeError as error:
            if "unexpected keyword argument" not in str(error):
                raise
            raise UnsupportedError(f"the constructor refuses an argument that the case sets: {error}.") from error
        self._functional = callable(getattr(self._optimizer, "step", None))
        if self._functional:
            self._params: Tensors = dict(problem.params)
            self._state = self._optimizer.init(self._params)
        else:
            self._params = {name: array.copy() for name, array in problem.params.items()}
        shown = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        self.resolved = f"{self._name}({shown})"

    def step(self, number: int, gradients: Tensors | None) -> Taken:
        """Make one step; a model problem's gradients come from the naive NumPy network at the subject's parameters."""
        taken = Taken()
        if gradients is None:
            evaluation = self._problem.evaluate(self._params, number)
            taken = Taken(evaluation.loss, evaluation.gradients)
            gradients = evaluation.gradients
        with self._numbers_only():
            self._advance(gradients)
        return taken

    def _advance(self, gradients: Tensors) -> None:
        if self._problem.rotates:
            # A mapping promises names, neither their order nor which arrays they stand for.
            self._params = {name: np.array(self._params[name]) for name in gradients}
        if self._functional:
            returned = self._optimizer.step(_locked(self._params), _locked(gradients), self._state)
            if not isinstance(returned, tuple) or len(returned) != 2:
                raise MisbehavedError(f"step must return (params, state); received {type(returned).__name__}.")
            self._params, self._state = _mapping(returned[0], "step"), returned[1]
        else:
            returned = self._optimizer.update(self._params, {name: array.copy() for name, array in gradients.items()})
            self._params = self._params if returned is None else _mapping(returned, "update")

    @contextmanager
    def _numbers_only(self) -> Iterator[None]:
        """Turn a class's use of a schedule as if it were a number into an argument that it lacks."""
        try:
            yield
        except TypeError as error:
            kind = type(self._rate).__name__
            # An empty array times a callable is no error, but an array of objects.
            if isinstance(self._rate, float | int) or not {f"'{kind}'", "dtype('O')"} & _quoted(str(error)):
                raise
            text = f"the class takes a number for its learning rate, not a callable of the step: the case sets {kind}."
            raise UnsupportedError(text) from error

    def read(self) -> dict[str, Tensors]:
        """Return copies of the parameters and, where the class shows them, of its slots."""
        shown: dict[str, Tensors] = {"parameter": _copies(self._params, "params")}
        if self._functional and callable(getattr(self._optimizer, "slots", None)):
            for slot, tensors in _mapping(self._optimizer.slots(self._state), "slots").items():
                shown[slot] = _copies(_mapping(tensors, f"slots()[{slot!r}]"), slot)
        return shown

    def save(self) -> Any:
        """Return copies of parameters and state.

        Raises:
            UnsupportedError: the class keeps its state to itself.
        """
        if not self._functional:
            raise UnsupportedError("update(params, grads) keeps its state to itself, so that nothing can be saved.")
        return copy.deepcopy((dict(self._params), self._state))

    def restore(self, saved: Any) -> None:
        """Take up what ``save`` of another instance returned."""
        self._params, self._state = copy.deepcopy(saved)

    def close(self) -> None:
        """Nothing to release."""


class ReferenceSubject(NumpySubject):
    """The page of the case's rule beside itself: must be IDENTICAL everywhere."""

    def __init__(self) -> None:
        super().__init__(page(DEFAULT), "")

    def open(self, problem: Problem) -> None:
        """Construct the optimizer of the case's rule; see ``NumpySubject.open``."""
        cell = problem.cell
        self._kind = page(cell.rule, cell.folder)
        self._name = f"reference.{cell.rule.removesuffix('.py')}:{self._kind.__name__}"
        super().open(problem)


class PostedSubject(NumpySubject):
    """The optimizer of the question: accumulators start at one, so tf.keras parts from it before the first step.

    No argument aligns it; start the accumulators at zero instead.
    """

    def __init__(self) -> None:
        super().__init__(posted.Posted, "reference.posted:Posted")


def load_class(name: str) -> Adapter:
    """Return the adapter of ``file.py:Class`` or ``package.module:Class``.

    Raises:
        SubjectError: no such file, no such class, it cannot be imported, or it follows neither style.
    """
    where, _, attribute = name.rpartition(":")
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
    require_methods(kind, name)
    return NumpySubject(kind, name)


def require_methods(kind: Callable[..., Any], name: str) -> None:
    """Refuse a class that follows neither style.

    Raises:
        SubjectError: with what it has instead.
    """
    if not (hasattr(kind, "init") and hasattr(kind, "step")) and not hasattr(kind, "update"):
        methods = [key for key in getattr(kind, "__dict__", {}) if not key.startswith("_")]
        raise SubjectError(
            f"{name} has neither init(params) and step(params, grads, state) nor update(params, grads); "
            f"add one of the two. Its methods: {', '.join(methods) or 'none'}."
        )


def _load_file(path: Path) -> Any:
    if not path.is_file():
        raise missing_file(path)
    spec = importlib.util.spec_from_file_location(f"parity_subject_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.parent.resolve()))
    sys.path.append(os.getcwd())  # what it imports may lie here, but hides no library
    try:
        spec.loader.exec_module(module)
    except BaseException as error:  # a user's file may raise anything, SystemExit included
        raise SubjectError(f"{path.as_posix()} cannot be imported: {type(error).__name__}: {error}.") from error
    return module


def _load_module(name: str) -> Any:
    sys.path.insert(0, "")
    try:
        return importlib.import_module(name)
    except BaseException as error:  # a user's module may raise anything, SystemExit included
        how = "Name a subject as path/to/file.py:Class, or by a module that Python finds from this folder"
        raise SubjectError(f"module {name!r} cannot be imported: {type(error).__name__}: {error}. {how}.") from error


def accepted_arguments(kind: Callable[..., Any], given: Hyperparameters) -> dict[str, Any]:
    """Return the keyword arguments for a constructor: every hyperparameter that it accepts.

    Raises:
        UnsupportedError: the case sets a hyperparameter that the constructor lacks; it is never ignored.
    """
    signature = inspect.signature(kind).parameters
    anything = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in signature.values())
    departures = given.departures()
    arguments: dict[str, Any] = {}
    for name in given.__struct_fields__:
        aliases = BY_NAME[name].aliases if name in BY_NAME else ()
        spelled = next((word for word in (name, *aliases) if word in signature), None)
        if spelled is None and anything and name in departures:
            spelled = name
        if spelled is not None:
            arguments[spelled] = plain_argument(getattr(given, name))
        elif name in departures:
            message = f"the constructor has no argument {name!r}, which the case sets to {departures[name]!r}."
            raise AbsentArgumentError(name, message)
    return arguments


def _quoted(message: str) -> set[str]:
    return set(re.findall(r"dtype\('O'\)|'\w+'", message))


def _locked(tensors: Tensors) -> dict[str, Array]:
    """Return read-only views: a step that writes into its inputs raises where it does so."""
    views = {name: np.asarray(array).view() for name, array in tensors.items()}
    for view in views.values():
        view.setflags(write=False)
    return views


def _mapping(value: Any, method: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise MisbehavedError(f"{method} must return a mapping from names to arrays; received {type(value).__name__}.")
    return value


def _copies(tensors: Mapping[str, Any], what: str) -> dict[str, Array]:
    result = {}
    for name, array in tensors.items():
        if not isinstance(array, np.ndarray | np.generic):
            raise MisbehavedError(f"{what}[{name!r}] must be a NumPy array; received {type(array).__name__}.")
        result[name] = np.array(array)
    return result
