"""What the adapters of other libraries share: which arguments they have, the learning rate of a step, gradients."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.bounds.numerics import Array
from parity.bounds.rule import plain_argument
from parity.errors import AbsentArgumentError, UnsupportedError
from parity.problem.problems import Problem
from parity.subjects.adapter import Own, Taken, Tensors

PLAIN = frozenset({"learning_rate", "rho", "momentum", "epsilon", "centered"})


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
    """One update rule of a library; on a model problem its gradients come from the naive NumPy network."""

    name = ""
    rules = ("rmsprop",)
    supported = PLAIN
    remedy = ""

    def __init__(self) -> None:
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
        given = problem.cell.hyperparameters
        if problem.cell.rule not in self.rules:
            raise UnsupportedError(f"{self.name} is another rule than {problem.cell.rule!r}: {', '.join(self.rules)}.")
        lacking = {name: value for name, value in given.departures().items() if name not in self.supported}
        if lacking:
            name, value = next(iter(lacking.items()))
            message = f"{self.name} has no argument {name!r}, which is set to {value!r}. {self.remedy}"
            raise AbsentArgumentError(name, message)

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
