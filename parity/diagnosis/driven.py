"""What driving a person's own optimizer shows beside its steps: what it is passed, keeps, and does not use."""

from contextlib import suppress
from typing import Any

import msgspec

from parity.case.spec import Hyperparameters
from parity.diagnosis.choices import modes as modes_of
from parity.diagnosis.observe import Make
from parity.diagnosis.places import places
from parity.diagnosis.probes import ProbeProblem, first_probe
from parity.diagnosis.wider import kept_wider
from parity.errors import AbsentArgumentError
from parity.subjects.binding import words
from parity.subjects.binding.trials import idle
from parity.subjects.numpy_class import NumpySubject


def binding_of(make: Make, rule: str) -> tuple[dict[str, str], list[str]]:
    """Return how a person's own optimizer is driven and what it is passed, and what else that shows.

    That is what it keeps in a wider dtype, and which numbers of its own change nothing.
    """
    binding, shown = dict[str, str](), list[str]()
    with suppress(Exception):  # the diagnosis says what it raises
        adapter = make()
        if isinstance(adapter, NumpySubject) or getattr(adapter, "own", None) is not None:
            problem = ProbeProblem(first_probe(rule=rule))
            try:
                adapter.open(problem)
                binding = words.of(adapter.circumstances)
                if isinstance(adapter, NumpySubject):
                    adapter.step(0, problem.gradients(0))
                    wider = kept_wider(adapter)
                    shown += [wider] if wider else []
                    shown += [
                        f"its {own} of {default!r} changes no step of a trial: it could be any other number"
                        for own, default in _idle(adapter, problem.cell.hyperparameters, rule)
                    ]
            finally:
                adapter.close()
    return binding, shown


def _idle(adapter: NumpySubject, given: Hyperparameters, rule: str) -> list[tuple[str, Any]]:
    """Return the numbers of its own, with their defaults, that change nothing in any mode of a rule that it has."""
    bound = adapter.bound(given)
    left = idle(adapter.kind, adapter.known(), bound)
    for asked in modes_of(rule).values() if left else ():
        with suppress(AbsentArgumentError):
            beside = idle(adapter.kind, adapter.known(), adapter.bound(msgspec.structs.replace(given, **asked)))
            left = [own for own in left if own in beside]
    return [(own, bound.defaults[own]) for own in left]


def places_of(make: Make) -> dict[str, str]:
    """Return where a person's own file computes each line of the formula."""
    try:
        adapter = make()
    except Exception:  # the diagnosis says what it raises
        return {}
    return places(adapter.kind) if isinstance(adapter, NumpySubject) else {}
