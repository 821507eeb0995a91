"""Why a person's own subject diverges, once a subject: the cause, the lines to change, and which cases it explains."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import structs

from parity.case.rule import DEFAULT
from parity.case.spec import Cell
from parity.errors import ParityError
from parity.report.facts import Facts, outcome
from parity.subjects import is_users
from parity.verdicts.cause import Cause
from parity.verdicts.results import Run
from parity.verdicts.verdict import Verdict

TIME_LIMIT = 60.0
PARTING = (Verdict.DIVERGED, Verdict.NON_FINITE)
MOST_CASES = 60
"""Failing cases on which a cause is checked; more would take longer than the run."""


def explained(run: Run, cells: Sequence[Cell]) -> Run:
    """Return a run with the cause of each person's own subject that diverges, as a diagnosis of it says."""
    return structs.replace(run, causes=dict(_causes(Facts(run), {cell.id: cell for cell in cells})))


def _causes(facts: Facts, cells: dict[str, Cell]) -> Iterator[tuple[str, Cause]]:
    for subject in filter(is_users, facts.subjects):
        own = [pair for pair in facts.pairs if pair.subject == subject]
        failing = [pair.case for pair in own if outcome(pair) in PARTING]
        # Of other dtypes than float32 the reason says all that there is: NumPy has no way to keep them.
        others = [pair.case for pair in own if outcome(pair) is Verdict.NOT_COMPARABLE]
        failing += [case for case in others if case in cells and cells[case].dtype == "float32"]
        # What cannot be sought, as a case of another rule, is told as not checked.
        sought = _of_one_rule([cells[case] for case in failing if case in cells])
        if sought:
            diverge = all(outcome(pair) is Verdict.DIVERGED for pair in own if pair.case in failing)
            yield subject, structs.replace(_cause(subject, sought, failing), diverge=diverge)
        elif failing:
            known = "the choices that are known are those of the rules that are shipped"
            yield subject, Cause(f"The cause is not known: it was not sought, as {known}.", unchecked=failing)


def _of_one_rule(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cases of the shipped rule that most of them are of, and of the first one among equals."""
    counted = Counter(cell.rule for cell in cells if not cell.rule.endswith(".py"))
    rule = next((name for name, _ in counted.most_common(1)), "")
    rule = DEFAULT if DEFAULT in counted else rule
    return [cell for cell in cells if cell.rule == rule]


def _cause(subject: str, sought: list[Cell], failing: list[str]) -> Cause:
    from parity.diagnosis.cause import cause_of, unknown
    from parity.diagnosis.child import diagnose_apart

    try:
        document: dict[str, Any] = diagnose_apart(subject, TIME_LIMIT, sought[:MOST_CASES], rule=sought[0].rule)
    except ParityError as error:
        return unknown(str(error), failing)
    return cause_of(document, failing)
