"""Why a subject diverges, for a failing test: the diagnosis in a few lines, with a limit on the time it may take."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from parity.case import rule as rules
from parity.case.spec import Cell
from parity.errors import SubjectError, one_line

TIME_LIMIT = 60.0
AROUND = frozenset({"learning_rate", "weight_decay"})
"""What the diagnosis varies of what stands around every rule; what else of it a case sets is outside of the rule."""


def diagnosed(name: str, cell: Cell, known: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the diagnosis of a registered subject or of ``file.py:Class``, checked on a case too.

    It is made in a process of its own; one that is ``known`` already is only checked.
    """
    from parity.diagnosis.child import check_apart, diagnose_apart
    from parity.diagnosis.findings import Diagnosis, Finding

    try:
        if known:
            return check_apart(known, TIME_LIMIT, [cell])
        return diagnose_apart(name, TIME_LIMIT, [cell], rule=cell.rule)
    except SubjectError as error:  # it was loaded a moment ago; the test has failed and says so
        return Diagnosis(name, Finding.FAILED, evidence=(str(error),)).document()


def diagnosed_here(
    kind: Callable[..., Any], name: str, cell: Cell, known: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the diagnosis of a class object that no other process can load; a thread is what can be left behind."""
    from parity.diagnosis.cases import on_cases
    from parity.diagnosis.diagnose import diagnose
    from parity.diagnosis.findings import Diagnosis, Finding, explanations_of
    from parity.subjects.loading import maker_of

    make = maker_of(kind, name)

    def work() -> None:
        try:
            if known:
                found.append({**known, "cases": {**known["cases"], **on_cases(make, explanations_of(known), [cell])}})
            else:
                found.append(diagnose(make, name, [cell], rule=cell.rule).document())
        except BaseException as error:  # whatever it is, the test has already failed and must say so
            reasons.append(f"raised {one_line(error)}")

    found: list[dict[str, Any]] = []
    reasons: list[str] = []
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(TIME_LIMIT)
    if found or known:
        return found[0] if found else dict(known or {})
    late = f"did not finish within {TIME_LIMIT:g} s"
    return Diagnosis(name, Finding.FAILED, evidence=tuple(reasons or [late])).document()


@dataclass(frozen=True, slots=True)
class Sought:
    """What a failing case asks of a diagnosis: its mode, what else it sets, and whether rounding is the failure."""

    case: str
    mode: str = "plain"
    sets: tuple[str, ...] = ()
    rounding: bool = False


def sought(cell: Cell, rounding: bool) -> Sought:
    """Return what a cell asks; ``rounding`` is whether its differences are inside the bound."""
    from parity.diagnosis.choices import mode_of

    mode = mode_of(cell.rule, cell.hyperparameters)
    around = {parameter.name for parameter in rules.around()} - AROUND
    sets = [f"{key}={value!r}" for key, value in cell.hyperparameters.departures().items() if key in around]
    sets += [f"{cell.dtype} weights"] * (cell.dtype != "float32")
    sets += [f"{cell.gradients} gradients"] * (cell.gradients == "computed")
    if getattr(cell.problem, "order", "fixed") == "rotating":
        sets.append("its tensors in another order, and as other arrays, at each step")
    return Sought(cell.id, mode, tuple(sets), rounding)


def lines(document: dict[str, Any], case: Sought) -> list[str]:
    """Return the likeliest explanation of a failing case, its residual and the runner-up."""
    from parity.diagnosis.arguments import BEYOND, BITS, OTHERWISE
    from parity.diagnosis.cause import NO_FUNCTION
    from parity.diagnosis.findings import Finding

    finding, found, rule = Finding[document["verdict"]], document["explanations"], document.get("rule", rules.DEFAULT)
    evidence = "; ".join(document["evidence"])
    if case.mode in document["modes"]:
        found = [explanation for explanation in found if case.mode in explanation["modes"]]
    on_case = document["cases"].get(case.case, "")
    agrees = finding in (Finding.IDENTICAL, Finding.ROUNDING) and on_case != OTHERWISE
    rounds = agrees or (finding is Finding.EXPLAINED and found and _only_rounding(found[0], rule))
    if finding in (*NO_FUNCTION, Finding.OUTSIDE):
        beside = [each for each in found if each["confirmed"] and _choices(each)][: finding is not Finding.OUTSIDE]
        return [
            f"likeliest explanation: it {finding.value}{_said(evidence)}",
            *(f"  beside it   {_cause(each, rule)}" for each in beside),
        ]
    if rounds and on_case != BEYOND:
        if not (case.rounding and found and _choices(found[0])):
            return [_outside_the_rule(case)]
    elif not document["explanations"]:
        return [f"likeliest explanation: none: the diagnosis found that it {finding.value}{_said(evidence)}"]
    if not found:
        return [f"likeliest explanation: none; no set of choices reproduces it in mode {case.mode}"]
    if on_case == OTHERWISE:
        if case.sets and found[0]["confirmed"] and _only_rounding(found[0], rule):
            return [f"{_outside_the_rule(case)}{_said(evidence)}"]
        return [
            f"likeliest explanation: none for this case{_said(evidence)}",
            f"  elsewhere   {_cause(found[0], rule)}",
        ]
    text = _nearest(found[0], rule) if finding is Finding.UNEXPLAINED else _cause(found[0], rule)
    rivals, to = [*found[1:], *document["ties"]], "to " * (on_case == BITS)
    return [
        f"likeliest explanation: {text}{_said(evidence)}",
        f"  this case   {f'is reproduced {to}{on_case}' if on_case else 'was not checked'}",
        f"  residual    {_residual(found[0])}",
        f"  runner-up   {_whole(rivals[0], rule) if rivals else 'none: no other set of choices fits the probes'}",
    ]


def _outside_the_rule(case: Sought) -> str:
    elsewhere = f"; look at what this case sets: {', '.join(case.sets)}" if case.sets else ""
    return f"likeliest explanation: the rule itself is tf.keras', up to rounding at most{elsewhere}"


def _only_rounding(found: dict[str, Any], rule: str) -> bool:
    from parity.diagnosis.member import Member

    return Member(tuple(found["switches"].items()), tuple(found["hyperparameters"].items()), rule).rounding


def _nearest(found: dict[str, Any], rule: str) -> str:
    return "none of the known choices; the nearest: " + (
        _cause(found, rule) if _choices(found) else "tf.keras' own rule"
    )


def _said(evidence: str) -> str:
    return f" ({evidence})" if evidence else ""


def _choices(found: dict[str, Any]) -> bool:
    return bool(found["switches"] or found["hyperparameters"])


def _cause(found: dict[str, Any], rule: str) -> str:
    from parity.diagnosis.words import cause

    text = cause(found["switches"], found["hyperparameters"], rule).rstrip(".")
    return text[0].lower() + text[1:]


def _whole(found: dict[str, Any], rule: str) -> str:
    """Return every choice of a rival, which may differ from the cause in what only rounds."""
    from parity.diagnosis.words import rounding

    left = rounding(found["switches"], found["hyperparameters"], rule).rstrip(".")
    return _cause(found, rule) + (f", and {left[0].lower()}{left[1:]}" if left else "")


def _residual(found: dict[str, Any]) -> str:
    sure = "confirmed on probes that the search did not use" if found["confirmed"] else "not confirmed"
    size = (
        "0: every bit of the probes is reproduced"
        if found["bound_ratio"] == 0
        else f"{found['residual']:.2g} of a step"
    )
    return f"{size}; {sure}"
