"""An answer of the diagnosis held against cases: what they refute is said, and acquits nobody."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from parity.case.spec import Cell
from parity.diagnosis.arguments import (
    BEYOND,
    DOUBLE,
    OTHER_DTYPE,
    OTHERWISE,
    RAISES,
    UNDECIDED,
    reproducing,
    the_page,
    with_doubles,
)
from parity.diagnosis.behaviour import run
from parity.diagnosis.choices import modes
from parity.diagnosis.findings import Diagnosis, Explanation, Finding
from parity.diagnosis.member import bound_ratio
from parity.diagnosis.observe import Make, Observation, Unusable
from parity.diagnosis.probes import Probe, mode_of, of_cell
from parity.errors import NotInstalledError, UnsupportedError
from parity.subjects.numpy_class import NumpySubject

_MOST_CASES = 4


def on_these(found: Diagnosis, outcomes: dict[str, str], cells: Sequence[Cell] = ()) -> Diagnosis:
    """Add what became of cases, of which ``cells`` are; what nothing reproduces is said, and acquits nobody."""
    said, finding = refuted(outcomes), found.finding
    told = {cell.id for cell in cells if _is_told(cell, found.lacks)}
    others = _uncompared({case: outcome for case, outcome in outcomes.items() if case not in told})
    others.pop(finding, None)  # that is said already
    if finding in (Finding.IDENTICAL, Finding.ROUNDING):
        if said:
            finding = Finding.UNEXPLAINED if OTHERWISE in outcomes.values() else Finding.EXPLAINED
        elif others:
            finding = next(iter(others))
        said += _undecided(outcomes)
    said += others.values()
    return replace(found, finding=finding, evidence=(*found.evidence, *said), cases={**found.cases, **outcomes})


def _is_told(cell: Cell, lacks: Mapping[str, str]) -> bool:
    """Return whether what a subject lacks says already why a case of it cannot be compared."""
    asked = cell.hyperparameters.departures()
    given = {name for name, value in asked.items() if name != "learning_rate" or not isinstance(value, float | int)}
    words = {word.partition(" = ")[0] for label in lacks for word in label.split(", ")}
    words |= {"learning_rate"} if words & {"schedule", "a rate that changes"} else set()
    words |= {name for mode in words & {*modes(cell.rule)} for name in modes(cell.rule)[mode]}
    return bool(given & words) or (cell.dtype != "float32" and f"{cell.dtype} weights" in words)


def _uncompared(outcomes: Mapping[str, str]) -> dict[Finding, str]:
    """Return in which cases nothing could be compared, in words, by what that is."""
    raising, wider = (
        [case for case, outcome in outcomes.items() if outcome == ended] for ended in (RAISES, OTHER_DTYPE)
    )
    said = {Finding.FAILED: f"it raises in {_listed(raising)}"} if raising else {}
    return said | ({Finding.MIXED_DTYPES: f"its result has another dtype in {_listed(wider)}"} if wider else {})


def refuted(outcomes: Mapping[str, str]) -> list[str]:
    """Return what cases say against an answer, in words."""
    otherwise, beyond = (
        [case for case, outcome in outcomes.items() if outcome == refuting] for refuting in (OTHERWISE, BEYOND)
    )
    said = [f"no set of choices reproduces it in {_listed(otherwise)}"] if otherwise else []
    return said + ([f"what only rounds elsewhere is more than rounding in {_listed(beyond)}"] if beyond else [])


def _undecided(outcomes: Mapping[str, str]) -> list[str]:
    """Return in which cases an acquittal decides nothing, in words."""
    cases = [case for case, outcome in outcomes.items() if outcome == UNDECIDED]
    return [f"not decided in {_listed(cases)}: it differs where rounding alone could explain any difference"] * bool(
        cases
    )


def _listed(cases: Sequence[str]) -> str:
    more = f" and {len(cases) - _MOST_CASES} more" if len(cases) > _MOST_CASES else ""
    return f"{', '.join(cases[:_MOST_CASES])}{more}"


def on_cases(make: Make, found: Sequence[Explanation], cells: Sequence[Cell]) -> dict[str, str]:
    """Return, by case, whether an explanation reproduces it: to every bit, up to or beyond rounding, or otherwise.

    Where what fits differs under an infinite bound it is undecided.
    A case is left out where its gradients are not replayed, where it is of another rule than the explanations are, or
    where the subject lacks what it needs.
    """
    rules = {each.member.rule for each in found}
    own = [cell for cell in cells if cell.rule in rules]
    with np.errstate(all="ignore"):
        return {cell.id: outcome for cell in own if (outcome := _on_case(make, found, cell))}


def _on_case(make: Make, found: Sequence[Explanation], cell: Cell) -> str:
    mode = mode_of(cell)
    members = [e.member for e in found if e.confirmed and mode in (*e.modes, "weight_decay")]
    own = of_cell(cell, isinstance(make(), NumpySubject)) if members else None
    if own is None:
        return ""
    try:
        seen = _seen(make, own)
    except (NotInstalledError, UnsupportedError):
        return ""
    except Exception:  # the verdict of the case says what it raised
        return RAISES
    if seen.strange:
        return OTHER_DTYPE
    fitting, outcome = reproducing([*the_page(members), *members], seen, 1.0, one=True)
    rounds = fitting and all(member.rounding and member.size for member in fitting)
    if rounds and bound_ratio(members[0].page, seen, 1.0, 1.0) > 1:
        return BEYOND
    if outcome == OTHERWISE and cell.dtype == "float64" and reproducing(with_doubles(members), seen, 1.0, one=True)[0]:
        return DOUBLE
    return outcome


def _seen(make: Make, own: Probe) -> Observation:
    """Return what a subject does in a case: with axes, or vectors, where it takes no tensor without or of more."""
    try:
        return run(make, own)
    except (UnsupportedError, Unusable):
        raise
    except Exception as error:  # a person's code may raise anything
        shapes = own.tensors.shapes
        with_axes, vectors = (tuple(shape or (1,) for shape in shapes), tuple((math.prod(shape),) for shape in shapes))
        for others in dict.fromkeys((with_axes, vectors)):
            with suppress(Exception):  # what it raised first says more
                return run(make, replace(own, tensors=replace(own.tensors, shapes=others)))
        raise error from None
