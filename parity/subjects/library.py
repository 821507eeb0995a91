"""What the adapters of other libraries share: which arguments they have, the learning rate of a step, gradients."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from parity.bounds.numerics import Array
from parity.bounds.rule import plain_argument, reference_rule
from parity.case.spec import Hyperparameters
from parity.errors import AbsentArgumentError, UnsupportedError
from parity.problem.problems import Problem
from parity.subjects.adapter import Own, Taken, Tensors

_DECAYS = ("weight_decay", "adam_weight_decay")


class Row(NamedTuple):
    """A rule as a library has it, as data: all that an adapter needs to know of it.

    Attributes:
        kind: the class, or the function that makes one.
        arguments: the library's names of arguments to Keras', of several to those that it takes as one tuple.
        slots: what the library calls a slot; one that means something else there is left out, and not shown.
        fixed: what is passed in any case.
        off: its arguments that it is to be passed None for where Keras has 0.
        instead: rows that stand for this one where a flag is set, by Keras' name of the flag.
        matrices_alone: whether it takes no other tensors.
    """

    kind: str
    arguments: Mapping[str, str | tuple[str, ...]]
    slots: Mapping[str, str]
    fixed: Mapping[str, Any] = MappingProxyType({})
    off: tuple[str, ...] = ()
    instead: Mapping[str, Any] = MappingProxyType({})
    matrices_alone: bool = False

    @property
    def names(self) -> frozenset[str]:
        """Keras' names of the arguments that it has."""
        words = [(word,) if isinstance(word, str) else word for word in self.arguments.values()]
        return frozenset({"learning_rate", *self.instead, *(name for each in words for name in each)})

    def values(self, given: Hyperparameters) -> dict[str, Any]:
        """Return the library's arguments but for the learning rate; a decay that is off is 0.

        Raises:
            UnsupportedError: any other argument is None, which means something else to the library.
        """
        found: dict[str, Any] = dict(self.fixed)
        for own, word in self.arguments.items():
            found[own] = getattr(given, word) if isinstance(word, str) else tuple(getattr(given, each) for each in word)
            if word in _DECAYS:
                found[own] = found[own] or 0.0
            if found[own] is None:
                raise UnsupportedError(f"{self.kind} cannot be without {own}; the case sets {word!r} to None.")
            if own in self.off:
                found[own] = found[own] or None
        return found

    def chosen(self, given: Hyperparameters) -> "Row":
        """Return the row that stands for the rule with a case's arguments: this one, unless a flag names another."""
        other: Row = next((row for flag, row in self.instead.items() if getattr(given, flag)), self)
        return other


class OwnSubject:
    """What somebody's optimizer of a library has beside the library's own adapter, which it stands before."""

    title = ""
    """How it is driven, in words."""
    _given: Any
    circumstances: dict[str, Any]

    def __init__(self, own: Own) -> None:
        super().__init__()
        self.own, self.name = own, own.plain

    def require(self, problem: Problem) -> None:
        """Refuse what the class, or the function that makes it, lacks.

        Raises:
            AbsentArgumentError: an argument that the case sets.
        """
        self.own.bound(problem.cell.hyperparameters)

    def shown(self, values: Mapping[str, Any]) -> str:
        """Return its name with what it is passed."""
        return f"{self.name}({', '.join(f'{k}={v!r}' for k, v in values.items() if not callable(v))})"

    def tell(self) -> None:
        """Add to the circumstances how it is driven and what it is passed."""
        self.circumstances |= self.own.told(self.title, self._given)


class LibrarySubject:
    """The update rules of a library; on a model problem its gradients come from the naive NumPy network.

    ``rows`` has one for each rule; a rule without is UNSUPPORTED.
    """

    library = ""
    rows: Mapping[str, Row] = MappingProxyType({})
    remedy = ""

    def __init__(self) -> None:
        self.name = self.library
        self.resolved = ""
        self.circumstances: dict[str, Any] = {}

    def open(self, problem: Problem) -> None:
        """Refuse what the library lacks, then build its optimizer and its variables."""
        given = problem.cell.hyperparameters
        self.require(problem)
        if problem.slices(0):
            raise UnsupportedError(f"{self.name} is driven with dense gradients; the case has sparse ones.")
        self._problem, self._given = problem, given
        self._rate = plain_argument(given.learning_rate)
        self.build(problem)

    def require(self, problem: Problem) -> None:
        """Refuse what the library lacks."""
        given, rule = problem.cell.hyperparameters, problem.cell.rule
        if rule not in self.rows:
            has = ", ".join(row.kind for row in self.rows.values())
            raise UnsupportedError(f"{self.library} has no optimizer for the rule {rule!r}; it has {has}.")
        row = self.rows[rule].chosen(given)
        self.name = f"{self.library}.{row.kind}"
        taken = self.takes(rule)
        lacking = {name: value for name, value in given.departures().items() if name not in taken}
        if lacking:
            name, value = next(iter(lacking.items()))
            message = f"{self.name} has no argument {name!r}, which is set to {value!r}. {self.remedy}"
            raise AbsentArgumentError(name, message)
        self._require_tensors(row, problem)

    def _require_tensors(self, row: Row, problem: Problem) -> None:
        """Refuse tensors that tf.keras updates by another rule than the library does."""
        apart = getattr(reference_rule(problem.cell), "is_adams", None)
        for name, w in problem.params.items():
            if row.matrices_alone and w.ndim != 2:
                raise UnsupportedError(f"{self.name} takes matrices alone; {name} has the shape {list(w.shape)}.")
            if apart is not None and w.ndim == 2 and apart(name, w):
                raise UnsupportedError(f"{self.name} takes every matrix; {name}, by its name, is Adam's in tf.keras.")

    def takes(self, rule: str) -> frozenset[str]:
        """Return Keras' names of the arguments that the library has for a rule."""
        return self.rows[rule].names if rule in self.rows else frozenset()

    @property
    def row(self) -> Row:
        """That of the rule of the case that is open."""
        return self.rows[self._problem.cell.rule].chosen(self._given)

    def used(self) -> dict[str, str]:
        """Return what the library calls the slots that the rule has with the case's arguments, to ours."""
        rule = reference_rule(self._problem.cell)
        started = rule.init(self._problem.params)
        return {own: slot for own, slot in self.row.slots.items() if slot in started}

    def build(self, problem: Problem) -> None:
        """Create the optimizer and take the weights."""
        raise NotImplementedError

    def apply(self, number: int, gradients: Mapping[str, Array]) -> None:
        """Make one step of the library."""
        raise NotImplementedError

    def read(self) -> dict[str, Tensors]:
        """Return parameters and slots as NumPy arrays of their own."""
        raise NotImplementedError

    def step(self, number: int, gradients: Tensors | None) -> Taken:
        """Apply the replayed gradients, or those of the NumPy network at the library's parameters."""
        taken = Taken()
        if gradients is None:
            evaluation = self._problem.evaluate({n: np.asarray(w) for n, w in self.read()["parameter"].items()}, number)
            taken = Taken(evaluation.loss, evaluation.gradients)
            gradients = evaluation.gradients
        self.apply(number, gradients)
        return taken

    def close(self) -> None:
        """Nothing to release."""

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a zero-based step."""
        return float(self._rate(step) if callable(self._rate) else self._rate)
