"""A diagnosis in, the cause of what fails out: what a run, a report, a check and a failing test say of a subject."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from parity.case.rule import DEFAULT
from parity.diagnosis.arguments import DOUBLE, OTHERWISE
from parity.diagnosis.cases import refuted
from parity.diagnosis.findings import Finding
from parity.diagnosis.text import PYTHONS_NUMBERS, confirmation, elsewhere, formulas, sentence
from parity.diagnosis.words import cause, telling
from parity.verdicts.cause import Cause
from parity.verdicts.cause import named as listed

NO_FUNCTION = (Finding.NONDETERMINISTIC, Finding.GLOBAL_STATE, Finding.MUTATES_INPUTS, Finding.MIXED_DTYPES)
"""Findings that are causes themselves."""

Found = Mapping[str, Any]
"""An explanation in its JSON form."""


def cause_of(document: Mapping[str, Any], failing: Sequence[str]) -> Cause:
    """Return the cause from the JSON form of a diagnosis that was checked on cases.

    Args:
        document: the diagnosis.
        failing: ids of the cases in which the subject diverges.
    """
    finding, outcomes, rule = Finding[document["verdict"]], document["cases"], document.get("rule", DEFAULT)
    named = [each for each in document["explanations"] if each["confirmed"] and _differs(each)]
    said = _evidence(document)
    if finding in NO_FUNCTION:
        also = [f"Beside it: {_sentence(each, rule)}" for each in named[:1]]
        return Cause(f"It {finding.value}.", known=True, beside=[*said, *also], unchecked=list(failing))
    if finding is Finding.OUTSIDE:
        return Cause(f"It {finding.value}.", known=True, beside=said, unchecked=list(failing))
    if finding in (Finding.IDENTICAL, Finding.ROUNDING):
        return _of_numbers(outcomes, failing, said) or unknown(f"diagnosed, it {finding.value}", failing, said)
    if not named or finding is Finding.UNEXPLAINED:
        return unknown(f"diagnosed, it {sentence(document, finding)}", failing, [*said, *_besides(document, failing)])
    first = named[0]
    own = {case: outcomes[case] for case in failing if case in outcomes}
    if own and set(own.values()) == {OTHERWISE}:
        none = (
            f"what it does elsewhere reproduces none of the failing cases that were checked: {_sentence(first, rule)}"
        )
        return unknown(none, failing, said)
    otherwise = [case for case, outcome in own.items() if outcome == OTHERWISE]
    also = _doubles(own)
    return Cause(
        _sentence(first, rule),
        known=True,
        formula=formulas(
            telling(first["switches"], first["hyperparameters"], rule),
            first["hyperparameters"],
            document.get("places"),
            rule,
        ),
        confirmed=confirmation(first),
        beside=[*also, *_others(first, named[1:], rule), *_evidence(document, otherwise)],
        explained=[case for case in own if case not in otherwise],
        otherwise=otherwise,
        unchecked=[case for case in failing if case not in own],
    )


def _of_numbers(outcomes: Mapping[str, str], failing: Sequence[str], said: Sequence[str]) -> Cause | None:
    """Return the cause where a right rule diverges for its numbers, which tf.keras rounds; None where it does not."""
    doubles = [case for case in failing if outcomes.get(case) == DOUBLE]
    if not doubles:
        return None
    rest = [case for case in failing if case not in doubles]
    sentence = f"{PYTHONS_NUMBERS[0].upper()}{PYTHONS_NUMBERS[1:]}."
    return Cause(sentence, known=True, beside=list(said), explained=doubles, unchecked=rest)


def _besides(document: Mapping[str, Any], failing: Sequence[str]) -> list[str]:
    """Return what a subject computes where something explains it, in sentences: in all else, and in failing cases."""
    confirmed = [each for each in document["explanations"] if each["confirmed"]]
    outcomes = {case: document["cases"][case] for case in failing if case in document["cases"]}
    told = [elsewhere(each, document.get("rule", DEFAULT)) for each in confirmed[:1]]
    return [*told, *(_doubles(outcomes) if confirmed else [])]


def _doubles(outcomes: Mapping[str, str]) -> list[str]:
    doubles = [case for case, outcome in outcomes.items() if outcome == DOUBLE]
    return [f"In {listed(doubles)} {PYTHONS_NUMBERS}."] if doubles else []


def unknown(why: str, failing: Sequence[str], said: Sequence[str] = ()) -> Cause:
    """Return that no cause is known, and what is known instead."""
    return Cause(f"The cause is not known: {why.rstrip('.')}.", beside=list(said), unchecked=list(failing))


def _sentence(found: Found, rule: str) -> str:
    return cause(found["switches"], found["hyperparameters"], rule)


def _differs(found: Found) -> bool:
    return bool(found["switches"] or found["hyperparameters"])


def _others(first: Found, others: Sequence[Found], rule: str) -> list[str]:
    """Return what explains the same modes as well, and what explains others; what says the same is said once."""
    told, found = {(tuple(first["modes"]), _sentence(first, rule))}, []
    for each in others:
        modes, sentence = tuple(each["modes"]), _sentence(each, rule)
        if (modes, sentence) not in told:
            told.add((modes, sentence))
            head = "Or, just as well" if modes == tuple(first["modes"]) else f"In {', '.join(modes)}"
            found.append(f"{head}: {sentence}")
    return found


def _evidence(document: Mapping[str, Any], listed: Collection[str] = ()) -> list[str]:
    """Return the evidence as sentences, but for the refuting cases that a cause lists itself."""
    outcomes: Mapping[str, str] = document["cases"]
    lines = document["evidence"]
    if listed:
        whole = refuted(outcomes)
        left = refuted({case: outcome for case, outcome in outcomes.items() if case not in listed})
        lines = [*(line for line in lines if line not in whole), *left]
    return [f"{line[0].upper()}{line[1:].rstrip('.')}." for line in lines if line]
