"""Why a person's own subject diverges, once a subject: the cause, the lines to change, and which cases it explains."""

from collections.abc import Iterator, Sequence
from typing import Any

from parity.case.rule import DEFAULT
from parity.case.spec import Cell
from parity.errors import ParityError
from parity.reference.switches import BY_NAME
from parity.report.facts import Facts, outcome
from parity.report.numbers import clean, many
from parity.subjects import is_users
from parity.verdicts.verdict import Verdict

TIME_LIMIT = 60.0
UNKNOWN = "the cause is not known"
MOST_CASES = 60
"""Failing cases on which a cause is checked; more would take longer than the run."""


def causes(facts: Facts, cells: Sequence[Cell]) -> dict[str, list[str]]:
    """Return, in lines, what a diagnosis says of each person's own subject that diverges."""
    found = {}
    known = {cell.id: cell for cell in cells}
    for subject in facts.subjects:
        failing = [
            pair.case
            for pair in facts.pairs
            if pair.subject == subject and outcome(pair) in (Verdict.DIVERGED, Verdict.NON_FINITE)
        ]
        sought = [known[case] for case in failing if case in known and known[case].rule == DEFAULT]
        if is_users(subject) and sought:
            found[subject] = list(_cause(subject, sought))
    return found


def _cause(subject: str, failing: list[Cell]) -> Iterator[str]:
    from parity.diagnosis.child import diagnose_apart

    try:
        document = diagnose_apart(subject, TIME_LIMIT, failing[:MOST_CASES])
    except ParityError as error:
        yield f"{UNKNOWN}: {clean(str(error))}"
        return
    yield from map(clean, explained(document, len(failing)))


def explained(document: dict[str, Any], failing: int) -> Iterator[str]:
    """Yield the lines on one subject from the JSON form of its diagnosis, which was checked on its failing cases."""
    from parity.diagnosis.findings import Finding
    from parity.diagnosis.text import formulas
    from parity.diagnosis.words import cause

    finding, found = Finding[document["verdict"]], document["explanations"]
    named = [each for each in found if each["confirmed"] and (each["switches"] or each["numbers"])]
    outcomes = document["cases"]
    other = [case for case, what in outcomes.items() if what == "otherwise"]
    elsewhere = named and outcomes and len(other) == len(outcomes)
    if not named or finding is Finding.UNEXPLAINED or elsewhere:
        evidence = f" ({'; '.join(document['evidence'])})" if document["evidence"] else ""
        said = f"diagnosed, it {finding.value}{evidence}."
        if elsewhere:
            alike = cause(named[0]["switches"], named[0]["hyperparameters"])
            said = f"what it does elsewhere reproduces no case that diverges{evidence}: {alike}"
        yield f"{UNKNOWN}; {said} `parity diagnose {document['subject']}` says more"
        return
    # What only rounds otherwise is no cause of a divergence, where something else is found.
    switches = {n: value for n, value in named[0]["switches"].items() if not BY_NAME[n].rounds}
    switches = switches if switches or named[0]["hyperparameters"] else named[0]["switches"]
    yield cause(switches, named[0]["hyperparameters"])
    yield from formulas(switches)
    agreed = len(outcomes) - len(other)
    line = f"  it reproduces {agreed} of {many(failing, 'case')} that diverge{'s' * (failing == 1)}"
    unchecked = failing - len(outcomes)
    line += f"; {many(unchecked, 'other')} {'was' if unchecked == 1 else 'were'} not checked" if unchecked else ""
    yield line
    if other:
        yield f"  it does not explain {', '.join(other[:5])}{' and more' * (len(other) > 5)}"
