"""Whether tensors of one shape share their state, or depend on each other, which probes of other shapes do not show."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from parity.case.spec import Cell
from parity.diagnosis.arguments import OTHERWISE
from parity.diagnosis.behaviour import run
from parity.diagnosis.cases import on_cases
from parity.diagnosis.findings import Diagnosis, Finding
from parity.diagnosis.observe import Make, Observation
from parity.diagnosis.probes import EQUAL, probe
from parity.diagnosis.search import within
from parity.errors import raised
from parity.subjects.binding.fitting import MIXED
from parity.subjects.numpy_class import NumpySubject


def by_shape(
    make: Make, found: Diagnosis, outcomes: dict[str, str], cells: Sequence[Cell]
) -> tuple[Diagnosis, dict[str, str]]:
    """Return what explains a state that tensors of one shape share, too, and what became of cases.

    Our own probes have no two tensors of one shape, so that nothing else that was seen speaks for or against it.
    """
    refuting = [cell for cell in cells if outcomes.get(cell.id) == OTHERWISE]
    shared = _sharing(found, "")
    again = on_cases(make, shared.explanations, refuting) if refuting else {}
    if not again or OTHERWISE in again.values():
        return found, outcomes
    return _sharing(found, f"in {', '.join(again)}"), {**outcomes, **again}


def _sharing(found: Diagnosis, where: str) -> Diagnosis:
    """Return a diagnosis whose explanations share the state of a shape, with where that is seen."""
    taken = tuple(replace(e, member=e.member.having(state_of="shape")) for e in found.explanations)
    finding = Finding.EXPLAINED if found.finding in (Finding.IDENTICAL, Finding.ROUNDING) else found.finding
    said = f"with the state shared by shape it is reproduced {where}"
    return replace(found, finding=finding, explanations=taken, evidence=(*found.evidence, said))


def of_equal_shapes(make: Make, found: Diagnosis) -> Diagnosis:
    """Return what a subject is, whose tensors depend on each other, where three of them have one shape."""
    if found.finding not in (Finding.IDENTICAL, Finding.ROUNDING, Finding.EXPLAINED) or not _mixes(make):
        return found
    with np.errstate(all="ignore"):
        try:
            seen = [run(make, replace(probe(m, False, rule=found.rule), tensors=EQUAL)) for m in found.modes]
        except Exception as error:  # a person's code may raise anything
            return replace(found, lacks={**found.lacks, "tensors of one shape": raised(error)})
        if _reproduced(found, seen):
            return found
        shared = _sharing(found, "where tensors have one shape")
        if _reproduced(shared, seen):
            return shared
    finding = Finding.EXPLAINED if found.finding is Finding.EXPLAINED else Finding.UNEXPLAINED
    said = "no set of choices reproduces it where tensors have one shape"
    return replace(found, finding=finding, evidence=(*found.evidence, said))


def _mixes(make: Make) -> bool:
    """Return whether a trial showed that tensors of a person's own optimizer depend on each other's gradients."""
    with suppress(Exception):  # the diagnosis says what it raises
        adapter = make()
        return isinstance(adapter, NumpySubject) and MIXED in adapter.shape().title
    return False


def _reproduced(found: Diagnosis, observations: Sequence[Observation]) -> bool:
    """Return whether an explanation of each mode reproduces what was seen in it."""
    return all(
        any(within(each.member, seen) for each in found.explanations if seen.probe.mode in each.modes)
        for seen in observations
    )
