"""Any optimizer that a person would write, in whichever shape ``binding`` finds that it has."""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FunctionType, ModuleType
from typing import Any, Final

import numpy as np

from parity.bounds.numerics import Array, differs
from parity.bounds.rule import around, page, plain_argument
from parity.case.rule import DEFAULT
from parity.case.spec import Hyperparameters, LearningRateSchedule, hyperparameters
from parity.errors import MisbehavedError, UnsupportedError
from parity.problem.problems import Problem
from parity.reference import posted
from parity.reference.optimizer import Optimizer
from parity.subjects.adapter import EVERYTHING, Taken, Tensors
from parity.subjects.binding import words
from parity.subjects.binding.bound import Bound
from parity.subjects.binding.drivers.arrays import Together
from parity.subjects.binding.drivers.shape import Driver, Shape
from parity.subjects.binding.drivers.states import Pure, Transformation
from parity.subjects.binding.fitting import fits
from parity.subjects.binding.rates import Mover, Place, mover
from parity.subjects.binding.trials import Known, known_of, maker, ways_of
from parity.subjects.naming import split_bound

NUMBER_ONLY: Final = "the class takes a number for its learning rate"
"""How the reason begins of a case that changes the rate, where the class cannot be given another one."""


class NumpySubject:
    """Drives somebody's optimizer; params and grads go in as they are, so a wrong dtype or an in-place change shows."""

    def __init__(self, kind: Callable[..., Any], name: str) -> None:
        self._kind, self._name = kind, name
        self._plain, self._chosen = split_bound(name)
        self.resolved = name
        self.circumstances: dict[str, Any] = {}
        self.written: list[str] = []
        """What was written into a gradient, in words."""

    @property
    def knows(self) -> frozenset[str]:
        """What may stand around an update: a page knows all, and nobody says what else a class is handed."""
        return EVERYTHING if isinstance(self._kind, type) and issubclass(self._kind, Optimizer) else frozenset()

    @property
    def kind(self) -> Callable[..., Any]:
        """The class, or the function that makes an optimizer."""
        return self._kind

    def bound(self, given: Hyperparameters) -> Bound:
        """Return what the constructor is passed of a case's hyperparameters.

        Raises:
            AbsentArgumentError: it lacks an argument that the case sets.
        """
        return self.known().bind(self._kind, given)

    def moved(self, given: Hyperparameters) -> list[Place] | None:
        """Return where the learning rate is set before each step, None where it is not: it is a number, or taken.

        An empty list is an update rule, which is passed another number.

        Raises:
            UnsupportedError: the case has a schedule, and setting the number changes no step.
        """
        bound, known = self.bound(given), self.known()
        if not callable(bound.values.get(bound.spelled.get("learning_rate", ""))) or self._takes_schedules(known):
            return None
        ways = ways_of(self._kind, known)
        if ways is None:
            raise UnsupportedError(self._no_schedule(given))
        return ways

    def open(self, problem: Problem) -> None:
        """Construct the optimizer with the case's hyperparameters and take the initial weights.

        Raises:
            UnsupportedError: it lacks an argument that the case sets.
            SubjectError: it has no shape that can be driven.
        """
        self._problem = problem
        self._rate = problem.cell.hyperparameters.learning_rate
        given, known = problem.cell.hyperparameters, self.known()
        bound, shape = self.bound(given), known.shape
        self._mover: Mover | None = None
        own = bound.spelled.get("learning_rate", "")
        ways = self.moved(given)
        if ways is not None:
            bound.values[own] = self._rate_at(0)
        made = maker(self._kind, bound)
        make = made if not problem.cell.surroundings else lambda **beside: around(made(**beside), problem.cell)
        try:
            with self._numbers_only():
                self._driver: Driver = shape.drive(make, problem.params, self._rate_at, problem.cell.steps)
        except TypeError as error:
            if "unexpected keyword argument" not in str(error):
                raise
            raise UnsupportedError(f"the constructor refuses an argument that the case sets: {error}.") from error
        if ways is not None:
            self._mover = mover(self._driver, ways, bound, own)
        shown = ", ".join(f"{name}={value!r}" for name, value in bound.passed.items())
        stepping = ", ".join(f"{name}={value!r}" for name, value in bound.stepping.items())
        attributes = ", ".join(f"{name}={value!r}" for name, value in bound.attributes.items())
        of_class = f", with {attributes} of the class" if attributes else ""
        self.resolved = f"{self._plain}({shown}){of_class}{f', and with each step {stepping}' if stepping else ''}"
        self.circumstances = dict(
            words.circumstances(shape.title, bound, self._chosen, known.settled_for(given), shape.hands)
        )
        if ways is not None:
            self.circumstances[words.MOVED] = ", ".join(".".join(way) for way in ways) or own

    def _takes_schedules(self, known: Known) -> bool:
        """Whether the optimizer takes a callable of the step for its learning rate."""
        # Who computes in 16 bits shows no small step beside the weights of a trial.
        # Who computes in 16 bits shows no small step beside the weights of a trial, who divides by epsilon no other.
        for rate in (1e-3, 4.0, 1e-9):
            scheduled = hyperparameters()(learning_rate=LearningRateSchedule(values=[rate]))
            if fits(known.shape, maker(self._kind, known.bind(self._kind, scheduled))):
                return True
        return False

    def _no_schedule(self, given: Hyperparameters) -> str:
        kind = type(given.learning_rate).__name__
        return f"{NUMBER_ONLY}, not a callable of the step: the case sets {kind}."

    def shape(self) -> Shape:
        """Return the shape that the optimizer is driven in.

        Raises:
            SubjectError: it has none.
        """
        return self.known().shape

    def known(self) -> Known:
        """Return what trying the class found, its shape and what its arguments are.

        Raises:
            SubjectError: it has no shape that can be driven.
        """
        found: Known | None = getattr(self, "_found", None)
        if found is None:
            found = self._found = known_of(self._kind, self._name, self._chosen)
        return found

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
        if left := self._left_out(number):
            none: Any = dict.fromkeys(left)
            gradients = {**gradients, **none}
        if self._mover is not None:
            self._mover(self._rate_at(number))
        with self._numbers_only():
            self._advance(gradients)
        return taken

    def _left_out(self, number: int) -> frozenset[str]:
        """Return the tensors that are handed over without a gradient at a step."""
        return self._problem.absent(number) | self._problem.frozen(number)

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
            raise UnsupportedError(self._no_schedule(self._problem.cell.hyperparameters)) from error

    def read(self) -> dict[str, Tensors]:
        """Return copies of the parameters and, where the class shows them, of its slots."""
        shown: dict[str, Tensors] = {"parameter": _copies(self._driver.params, "params")}
        if isinstance(self._driver, Pure) and callable(getattr(self._driver.optimizer, "slots", None)):
            for slot, tensors in _mapping(self._driver.optimizer.slots(self._driver.state), "slots").items():
                shown[slot] = _copies(_mapping(tensors, f"slots()[{slot!r}]"), slot)
        return shown

    def kept(self) -> Iterator[Array]:
        """Yield the arrays that the optimizer keeps, wherever it does, and those that its driver keeps for it."""
        yield from _arrays_in(self._driver, set(), _DEEPEST)

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
        """End what waits for another step."""
        driver: Driver | None = getattr(self, "_driver", None)
        if driver is not None:
            driver.close()


class ReferenceSubject(NumpySubject):
    """The page of the case's rule beside itself: must be IDENTICAL everywhere."""

    def __init__(self) -> None:
        super().__init__(page(DEFAULT), "")

    def open(self, problem: Problem) -> None:
        """Construct the optimizer of the case's rule; see ``NumpySubject.open``."""
        cell = problem.cell
        self._kind = page(cell.rule, cell.folder)
        self._name = self._plain = f"reference.{cell.rule.removesuffix('.py')}:{self._kind.__name__}"
        super().open(problem)

    def _takes_schedules(self, known: Known) -> bool:
        return True  # every page does, also one whose first step a trial does not take for a descent


class PostedSubject(NumpySubject):
    """The optimizer of the question: accumulators start at one, so tf.keras parts from it before the first step.

    No argument aligns it; start the accumulators at zero instead.
    """

    def __init__(self) -> None:
        super().__init__(posted.Posted, "reference.posted:Posted")

    def open(self, problem: Problem) -> None:
        """Construct it for a case of its own rule; see ``NumpySubject.open``.

        Raises:
            UnsupportedError: also, the case is of another rule.
        """
        if problem.cell.rule != DEFAULT:
            raise UnsupportedError(f"it is another rule than {problem.cell.rule!r}: {DEFAULT!r}.")
        super().open(problem)


def require_shape(subject: NumpySubject) -> None:
    """Refuse a class that has no shape that can be driven; what it raises is told by the cases that it raises in.

    Raises:
        SubjectError: with what it has instead, and a wrapper to paste.
    """
    with suppress(UnsupportedError):
        subject.shape()


_DEEPEST = 6
"""How far from the driver a state is looked for: its optimizer's attribute's mapping's list's mapping."""


def _arrays_in(value: Any, seen: set[int], depth: int) -> Iterator[Array]:
    if isinstance(value, np.ndarray):
        yield value
    elif depth and id(value) not in seen and not isinstance(value, str | bytes | type | ModuleType):
        seen.add(id(value))
        inner: Any = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
        own = getattr(value, "__dict__", {}) if not isinstance(value, FunctionType) else {}
        for each in [*inner, *own.values()]:
            yield from _arrays_in(each, seen, depth - 1)


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
