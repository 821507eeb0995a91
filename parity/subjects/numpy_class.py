"""Any optimizer that a person would write, in whichever shape ``binding`` finds that it has."""

import copy
import importlib
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np

from parity.bounds.numerics import Array, differs
from parity.bounds.rule import page, plain_argument
from parity.case.rule import DEFAULT
from parity.case.spec import Hyperparameters, LearningRateSchedule, hyperparameters
from parity.errors import MisbehavedError, NotInstalledError, SubjectError, UnsupportedError, UsageError
from parity.problem.problems import Problem
from parity.reference import posted
from parity.subjects.adapter import Adapter, Own, Taken, Tensors
from parity.subjects.binding import words
from parity.subjects.binding.arguments import Bound, bind, config_of
from parity.subjects.binding.rates import TOLD, Mover, Place, move, places
from parity.subjects.binding.recognise import Shape, after_steps, fits, is_rule, recognise
from parity.subjects.binding.shapes import Driver, Make, Pure, Together, Transformation
from parity.subjects.generators import seeded
from parity.subjects.source import missing_class, missing_file, split_mode

FRAMEWORKS: Final = ("torch", "tensorflow", "keras", "tf_keras", "jax", "optax")
"""Libraries that a person's class may extend, and that need not be installed."""


class NumpySubject:
    """Drives somebody's optimizer; params and grads go in as they are, so a wrong dtype or an in-place change shows."""

    def __init__(self, kind: Callable[..., Any], name: str, chosen: Mapping[str, str] | None = None) -> None:
        self._kind, self._name, self._chosen = kind, name, dict(chosen or {})
        self.resolved = name
        self.circumstances: dict[str, Any] = {}
        self.written: list[str] = []
        """What was written into a gradient, in words."""

    @property
    def kind(self) -> Callable[..., Any]:
        """The class, or the function that makes an optimizer."""
        return self._kind

    def open(self, problem: Problem) -> None:
        """Construct the optimizer with the case's hyperparameters and take the initial weights.

        Raises:
            UnsupportedError: it lacks an argument that the case sets.
            SubjectError: it has no shape that can be driven.
        """
        self._problem = problem
        self._rate = problem.cell.hyperparameters.learning_rate
        bound, shape = bind(self._kind, problem.cell.hyperparameters, self._chosen), self.shape()
        self._mover: Mover | None = None
        own = bound.spelled.get("learning_rate", "")
        ways: list[Place] | None = None
        if callable(bound.values.get(own)) and not self._takes_schedules(shape):
            ways = ways_of(self._kind, shape, self._chosen)
            if ways is None:
                raise UnsupportedError(self._no_schedule())
            bound.values[own] = self._rate_at(0)
        try:
            with self._numbers_only():
                self._driver: Driver = shape.drive(maker(self._kind, bound), problem.params, self._rate_at)
        except TypeError as error:
            if "unexpected keyword argument" not in str(error):
                raise
            raise UnsupportedError(f"the constructor refuses an argument that the case sets: {error}.") from error
        if ways is not None:
            self._mover = _mover(self._driver, ways, bound, own)
        shown = ", ".join(f"{name}={value!r}" for name, value in bound.values.items())
        self.resolved = f"{self._name}({shown})"
        self.circumstances = dict(words.circumstances(shape.title, bound))
        if ways is not None:
            self.circumstances[words.MOVED] = ", ".join(".".join(way) for way in ways) or own

    def _takes_schedules(self, shape: Shape) -> bool:
        """Whether the optimizer takes a callable of the step for its learning rate."""
        # Who computes in 16 bits shows no small step beside the weights of a trial.
        for rate in (1e-3, 4.0):
            scheduled = hyperparameters()(learning_rate=LearningRateSchedule(values=[rate]))
            if fits(shape, maker(self._kind, bind(self._kind, scheduled, self._chosen))):
                return True
        return False

    def _no_schedule(self) -> str:
        kind = type(self._rate).__name__
        return f"the class takes a number for its learning rate, not a callable of the step: the case sets {kind}."

    def shape(self) -> Shape:
        """Return the shape that the optimizer is driven in.

        Raises:
            SubjectError: it has none.
        """
        known = getattr(self, "_shape", None)
        if known is None:
            known = self._shape = shape_of(self._kind, self._name, self._chosen)
        return known

    def _rate_at(self, step: int) -> float:
        rate = plain_argument(self._rate)
        return float(rate(step) if callable(rate) else rate)

    def step(self, number: int, gradients: Tensors | None) -> Taken:
        """Make one step; a model problem's gradients come from the naive NumPy network at the subject's parameters."""
        taken = Taken()
        if gradients is None:
            evaluation = self._problem.evaluate(self._driver.params, number)
            taken = Taken(evaluation.loss, evaluation.gradients)
            gradients = evaluation.gradients
        elif self._problem.rotates and not self._renewed(gradients):
            gradients = {name: gradients[name] for name in self._problem.params}
        if self._mover is not None:
            self._mover(self._rate_at(number))
        with self._numbers_only():
            self._advance(gradients)
        return taken

    def _advance(self, gradients: Tensors) -> None:
        if isinstance(self._driver, Pure | Transformation):
            self._driver.step(gradients)
            return
        own = {name: array.copy() for name, array in gradients.items()}
        self._driver.step(own)
        for name, array in gradients.items():
            changed = np.flatnonzero(differs(own[name], array)) if not self.written else np.empty(0, dtype=np.int64)
            if changed.size:
                old, new = array.flat[changed[0]], own[name].flat[changed[0]]
                self.written.append(f"update wrote into the gradient of {name}: {old!s} became {new!s}")

    def _renewed(self, gradients: Tensors) -> bool:
        """Whether the optimizer is handed a mapping at each step: its parameters are then new arrays in this order."""
        # A mapping promises names, neither their order nor which arrays they stand for.
        return isinstance(self._driver, Pure | Transformation | Together) and self._driver.renew(list(gradients))

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
            raise UnsupportedError(self._no_schedule()) from error

    def read(self) -> dict[str, Tensors]:
        """Return copies of the parameters and, where the class shows them, of its slots."""
        shown: dict[str, Tensors] = {"parameter": _copies(self._driver.params, "params")}
        if isinstance(self._driver, Pure) and callable(getattr(self._driver.optimizer, "slots", None)):
            for slot, tensors in _mapping(self._driver.optimizer.slots(self._driver.state), "slots").items():
                shown[slot] = _copies(_mapping(tensors, f"slots()[{slot!r}]"), slot)
        return shown

    def save(self) -> Any:
        """Return copies of parameters and state.

        Raises:
            UnsupportedError: the class keeps its state to itself.
        """
        if not isinstance(self._driver, Pure):
            raise UnsupportedError("the optimizer keeps its state to itself, so that nothing can be saved.")
        return copy.deepcopy((dict(self._driver.params), self._driver.state))

    def restore(self, saved: Any) -> None:
        """Take up what ``save`` of another instance returned."""
        assert isinstance(self._driver, Pure)
        self._driver.params, self._driver.state = copy.deepcopy(saved)

    def close(self) -> None:
        """Nothing to release."""


def maker(kind: Callable[..., Any], bound: Bound) -> Make:
    """Return what makes an instance with what it is passed; of an update rule, the rule with it."""
    if config_of(kind) is not None:
        return lambda: (kind, bound.values)
    if is_rule(kind, bound):
        return lambda: lambda *given: kind(*given, **bound.values)
    return lambda **more: kind(**bound.values, **more)


def _mover(driver: Driver, ways: list[Place], bound: Bound, own: str) -> Mover:
    """Return what sets the learning rate of an optimizer; an update rule is passed another number."""
    if not ways:
        return lambda rate: bound.values.__setitem__(own, rate)
    return lambda rate: move(driver, ways, rate)


_WAYS: dict[int, tuple[Any, list[Place] | None]] = {}
"""Identity of a class to the class, and where its learning rate can be set: a process looks once."""


def ways_of(kind: Callable[..., Any], shape: Shape, chosen: Mapping[str, str] | None = None) -> list[Place] | None:
    """Return where a class that takes a number holds its learning rate, None if setting it there changes no step.

    An update rule, which is passed its numbers at every call, holds it nowhere.
    """
    known = _WAYS.get(id(kind))
    if known is None or known[0] is not kind:
        known = kind, _ways(kind, shape, chosen)
        if inspect.isclass(kind):
            _WAYS[id(kind)] = known
    return known[1]


def _ways(kind: Callable[..., Any], shape: Shape, chosen: Mapping[str, str] | None) -> list[Place] | None:
    bound = bind(kind, hyperparameters()(learning_rate=TOLD), chosen)
    own = bound.spelled.get("learning_rate", "")
    if config_of(kind) is None and is_rule(kind, bound):
        return [] if own in bound.values else None
    found: list[Place] = []

    def moved(driver: Driver, step: int) -> None:
        found[:] = found or places(driver, bound)
        move(driver, found, TOLD if step == 0 else 8 * TOLD)

    with seeded(0):
        plain = after_steps(shape, maker(kind, bound))
    with seeded(0):
        other = after_steps(shape, maker(kind, bound), moved)
    follows = plain is not None and other is not None and found and not np.array_equal(plain, other)
    return found if follows else None


_SHAPES: dict[int, tuple[Any, dict[str, str], Shape]] = {}
"""Identity of a class to the class, what was settled by hand, and its shape: a process looks once."""


def shape_of(kind: Callable[..., Any], name: str, chosen: Mapping[str, str] | None = None) -> Shape:
    """Return the shape that a class is driven in, found with Keras' hyperparameters.

    Raises:
        SubjectError: it has none.
    """
    known = _SHAPES.get(id(kind))
    if known is None or known[0] is not kind or known[1] != dict(chosen or {}):
        bound = bind(kind, hyperparameters()(), chosen)
        with seeded(0):  # a trial draws nothing from the generators that a run finds
            known = kind, dict(chosen or {}), recognise(kind, maker(kind, bound), bound, name)
        if inspect.isclass(kind):  # a function that makes optimizers may be made for one case alone
            _SHAPES[id(kind)] = known
    return known[2]


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
    mode, name = split_mode(name)
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


def require_shape(subject: NumpySubject) -> None:
    """Refuse a class that has no shape that can be driven; what it raises is told by the cases that it raises in.

    Raises:
        SubjectError: with what it has instead, and a wrapper to paste.
    """
    with suppress(UnsupportedError):
        subject.shape()


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
    except ModuleNotFoundError as error:
        if error.name in FRAMEWORKS:
            raise NotInstalledError(f"{path.as_posix()} needs {error.name}: pip install {error.name}.") from error
        raise SubjectError(f"{path.as_posix()} cannot be imported: {type(error).__name__}: {error}.") from error
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
    return bind(kind, given).values


def _quoted(message: str) -> set[str]:
    return set(re.findall(r"dtype\('O'\)|'\w+'", message))


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
