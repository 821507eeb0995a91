"""One generated case, one subject and one relation in, one outcome out: what a worker does with a task."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from parity import subjects
from parity.bounds.rule import page
from parity.case.cells import load_cells
from parity.case.rule import DEFAULT, find
from parity.case.spec import Cell, hyperparameters
from parity.errors import NotInstalledError, UnsupportedError, one_line
from parity.fuzz.features import features
from parity.fuzz.files import place
from parity.fuzz.plan import applies
from parity.fuzz.relations import TWINS
from parity.fuzz.twins import judged
from parity.fuzz.words import EXACT, Example, Outcome
from parity.problem import problems
from parity.runner.loop import run_pair
from parity.subjects.adapter import Adapter, Taken, Tensors
from parity.verdicts.results import Comparison
from parity.verdicts.verdict import Verdict


class Plain:
    """A subject without its ablations, which would run again what a search runs once."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self.open, self.read, self.close = adapter.open, adapter.read, adapter.close

    def step(self, number: int, gradients: Tensors | None) -> Taken:
        """Make a step of the subject."""
        return self._adapter.step(number, gradients)

    @property
    def resolved(self) -> str:
        """What the subject says that it is."""
        return self._adapter.resolved

    @property
    def circumstances(self) -> dict[str, Any]:
        """What the subject says that it runs in."""
        return self._adapter.circumstances


def judge_example(example: Example, relation: str, subject: str, folder: Any) -> Outcome:
    """Write an example as a case into a folder, read it as any case, and judge it."""
    (cell,) = load_cells(place(example, folder))
    return judge_cell(cell, relation, subject)


def features_of(example: Example) -> list[str]:
    """Return the features of an example, read in this process: for one whose worker died before it could tell."""
    with tempfile.TemporaryDirectory(prefix="parity-fuzz-") as folder, np.errstate(all="ignore"):
        (cell,) = load_cells(place(example, Path(folder)))
        return sorted(features(problems.make(cell)))


def judge_cell(cell: Cell, relation: str, subject: str) -> Outcome:
    """Run one relation on a case and a subject.

    Raises:
        ParityError: the case's data cannot be read, or the subject cannot be loaded.
    """
    with np.errstate(all="ignore"):
        outcome = _reference(cell, subject) if relation == "reference" else _twin(cell, relation, subject)
        if outcome.fails:
            outcome = replace(outcome, features=sorted(features(problems.make(cell))))
    return outcome


def _reference(cell: Cell, subject: str) -> Outcome:
    pair = run_pair(cell, subject, Plain(subjects.create(subject)))  # type: ignore[arg-type]  # it has all the methods
    worst = max(pair.comparisons, key=lambda item: item.outcome.severity)
    return outcome_of(worst)


def outcome_of(item: Comparison) -> Outcome:
    """Return a comparison as an outcome."""
    verdict, first = item.outcome, item.first_divergence
    plain = Outcome(verdict.name, text=item.reason, fails=verdict.fails, compared=verdict.compared)
    if not verdict.fails:
        return plain
    if first is None:
        return replace(plain, stage=raised(item.reason))
    names = ("slot", "stage", "step", "tensor", "index", "obtained", "expected", "bound")
    return replace(plain, **{name: getattr(first, name) for name in names})


def raised(reason: str) -> str:
    """Return what kind of failure a reason speaks of, without the numbers of this one."""
    head = reason.partition(" in ")[0].partition(":")[0]
    return "".join("N" if c.isdigit() else c for c in head)[:120]


def _twin(cell: Cell, relation: str, subject: str) -> Outcome:
    make: Callable[[], Adapter] = lambda: subjects.create(subject)  # noqa: E731  # a name for what is passed on
    problem = problems.make(cell)
    if not applies(relation, page(cell.rule, cell.folder)):
        text = f"{cell.rule} mixes the elements of a tensor: {relation} has no sense."
        return Outcome(Verdict.UNSUPPORTED.name, text=text)
    for clause in cell.surroundings.values():
        return Outcome(Verdict.UNSUPPORTED.name, text=f"{clause}, of which twins know nothing.")
    try:
        return judged(TWINS[relation](problem, make), exact=relation in EXACT)
    except NotInstalledError as error:
        return Outcome(Verdict.NOT_INSTALLED.name, text=str(error))
    except UnsupportedError as error:
        return Outcome(Verdict.UNSUPPORTED.name, text=str(error))
    except Exception as error:  # whatever a subject raises is a finding, and the search goes on
        stage, text = f"raised {type(error).__name__}", f"raised {one_line(error)}"
        return Outcome(Verdict.FAILED.name, stage=stage, text=text, fails=True)


def accepted(subject: str, rule: str = DEFAULT) -> list[str]:
    """Return the hyperparameters that a subject takes, and ``schedules`` if its rate may change from step to step.

    Raises:
        ParityError: the subject cannot be loaded.
    """
    from parity.subjects.numpy_class import NumpySubject

    record = hyperparameters(rule)
    names = list(record.__struct_fields__)
    adapter = subjects.create(subject)
    own: Any = adapter if isinstance(adapter, NumpySubject) else getattr(adapter, "own", None)
    if own is None:
        takes = getattr(adapter, "takes", None)
        return [*(names if takes is None else [n for n in names if n in takes(rule)]), "schedules"]
    found = []
    for name, domain, default in find(rule).parameters:
        try:
            own.bound(record(**{name: _SET.get(domain, default)}))
            found.append(name)
        except UnsupportedError:
            continue
    return [*found, "schedules"]


_SET: dict[str, Any] = {
    "rate": 0.5,
    "fraction": 0.5,
    "non_negative": 0.5,
    "positive": 0.5,
    "flag": True,
    "count": 2,
    "several": 2,
    "patterns": ["w0"],
}
"""A value of each domain that is no default: it is passed, or a class says that it lacks the argument."""
