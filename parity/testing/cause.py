"""Why a subject diverges, for a failing test: the diagnosis in a few lines, with a limit on the time it may take."""

import threading
from collections.abc import Callable
from typing import Any

TIME_LIMIT = 60.0


def diagnosed(name: str) -> dict[str, Any]:
    """Return the diagnosis of a registered subject or of ``file.py:Class``, made in a process of its own."""
    from parity.diagnosis.child import diagnose_apart

    return diagnose_apart(name, TIME_LIMIT)


def diagnosed_here(kind: Callable[..., Any], name: str) -> dict[str, Any]:
    """Return the diagnosis of a class object that no other process can load; a thread is what can be left behind."""
    from parity.diagnosis.diagnose import diagnose
    from parity.diagnosis.findings import Diagnosis, Finding
    from parity.subjects.numpy_class import NumpySubject

    def work() -> None:
        try:
            found.append(diagnose(lambda: NumpySubject(kind, name), name).document())
        except BaseException as error:  # whatever it is, the test has already failed and must say so
            reasons.append(f"raised {type(error).__name__}: {error}")

    found: list[dict[str, Any]] = []
    reasons: list[str] = []
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(TIME_LIMIT)
    late = f"did not finish within {TIME_LIMIT:g} s"
    return found[0] if found else Diagnosis(name, Finding.FAILED, evidence=tuple(reasons or [late])).document()


def lines(document: dict[str, Any], sets: list[str]) -> list[str]:
    """Return the likeliest explanation, its residual and the runner-up; ``sets`` is what the failing case sets."""
    from parity.diagnosis.findings import Finding

    finding = Finding[document["verdict"]]
    evidence = "; ".join(document["evidence"])
    if finding in (Finding.IDENTICAL, Finding.ROUNDING):
        return _outside_the_rule(finding, sets) if sets else [f"likeliest explanation: none; the rule {finding.value}"]
    if not document["explanations"]:
        return [f"likeliest explanation: none: the diagnosis found that it {finding.value}" + _said(evidence)]
    first, *others = document["explanations"]
    if finding is Finding.UNEXPLAINED:
        text = "none of the known choices; the nearest: " + (_cause(first) if _choices(first) else "tf.keras' own rule")
    else:
        text = _cause(first)
    rivals = [*(found for found in others if found["modes"] == first["modes"]), *document["ties"]]
    return [
        f"likeliest explanation: {text}{_said(evidence)}",
        f"  residual    {_residual(first)}",
        f"  runner-up   {_cause(rivals[0]) if rivals else 'none: no other set of choices fits'}",
    ]


def _outside_the_rule(finding: Any, sets: list[str]) -> list[str]:
    return [f"likeliest explanation: the rule itself {finding.value}; look at what this case sets: {', '.join(sets)}"]


def _said(evidence: str) -> str:
    return f" ({evidence})" if evidence else ""


def _choices(found: dict[str, Any]) -> bool:
    return bool(found["switches"] or found["hyperparameters"])


def _cause(found: dict[str, Any]) -> str:
    from parity.diagnosis.words import cause

    text = cause(found["switches"], found["hyperparameters"]).rstrip(".")
    return text[0].lower() + text[1:]


def _residual(found: dict[str, Any]) -> str:
    sure = "confirmed on probes that the search did not use" if found["confirmed"] else "not confirmed"
    size = "0: every bit is reproduced" if found["bound_ratio"] == 0 else f"{found['residual']:.2g} of a step"
    return f"{size}; {sure}"
