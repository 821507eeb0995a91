"""A process that diagnoses one subject for another one: whatever the subject prints or does ends here."""

import copy
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from parity.case.rule import DEFAULT
from parity.circumstances import launch, wire
from parity.circumstances.child import Child, NoAnswerError, private_pipes
from parity.errors import NotInstalledError, SubjectError

if TYPE_CHECKING:  # what asks starts the process first, and imports while that works
    from parity.case.spec import Cell


def diagnose_apart(
    name: str,
    time_limit: float,
    cells: "Sequence[Cell]" = (),
    meanwhile: Callable[[], Any] = lambda: None,
    rule: str = DEFAULT,
) -> dict[str, Any]:
    """Return the JSON form of a diagnosis made in a process of its own, stopped after ``time_limit`` seconds.

    Args:
        name: the subject's name.
        time_limit: seconds that it may take.
        cells: cases on which the answer is checked too.
        meanwhile: what is done here while that process works.
        rule: the rule that the subject is held against, empty to find out which it is.

    Raises:
        SubjectError: the subject cannot be loaded, or follows no style.
    """
    found = _ask({"subject": name, "cells": _plain(cells), "rule": rule}, time_limit, meanwhile)
    return found if isinstance(found, dict) else _failed(name, found)


def check_apart(document: dict[str, Any], time_limit: float, cells: "Sequence[Cell]") -> dict[str, Any]:
    """Return a diagnosis whose answer is checked on more cases, in a process of its own."""
    found = _ask({"subject": document["subject"], "cells": _plain(cells), "known": document}, time_limit)
    return {**document, "cases": {**document["cases"], **(found if isinstance(found, dict) else {})}}


def _plain(cells: "Sequence[Cell]") -> list[Any]:
    import msgspec

    return [msgspec.to_builtins(cell) for cell in cells]


def _ask(
    request: dict[str, Any], time_limit: float, meanwhile: Callable[[], Any] = lambda: None
) -> dict[str, Any] | str:
    """Return what the process answers, or in words why it did not."""
    process = Child("parity.diagnosis.child")
    try:
        process.tell(request)
        meanwhile()
        answer = dict(process.answer(time_limit))
        if "error" in answer:
            raise SubjectError(str(answer["error"]))
        return answer
    except NoAnswerError as ended:
        what = "its import did not end" if process.news else "did not finish"
        late = f"{what} within {time_limit:g} s and was stopped"
        return f"its process {ended.how} before it answered" if ended.how else late
    finally:
        process.end()


def main() -> None:
    """Answer one request; the argument is the id of the process that asks."""
    launch.follow(int(sys.argv[1]))
    requests, answers = private_pipes()
    request = wire.read(requests)
    name = request["subject"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    document: dict[str, Any]
    from parity import subjects
    from parity.case.cells import cells_of
    from parity.case.spec import cell_of
    from parity.diagnosis.cases import on_cases
    from parity.diagnosis.diagnose import diagnose
    from parity.diagnosis.findings import Diagnosis, Finding, explanations_of
    from parity.diagnosis.identify import identified, none_shipped

    try:
        make = _maker(name)
        cells = [cell_of(cell) for cell in request["cells"]]
        if request.get("first"):
            document = {"first": _first(name, make, request["rule"])}
        elif "known" in request:
            document = on_cases(make, explanations_of(request["known"]), cells)
        else:
            # A library would take minutes.
            shipped = cells_of if subjects.is_users(name) else none_shipped
            rule = request["rule"]
            said = _otherwise_elsewhere(name, make, rule) if subjects.is_users(name) else ""
            if said:
                wire.write(answers, Diagnosis(name, Finding.NONDETERMINISTIC, evidence=(said,)).document())
                return
            held = diagnose(make, name, cells, shipped(rule), rule) if rule else None
            found = held or identified(make, name, cells, shipped)
            document = found.document()
    except SubjectError as error:
        document = {"error": str(error)}
    except SystemExit as error:
        document = _failed(name, f"the subject called sys.exit({error.code!r})")
    wire.write(answers, document)


def _first(name: str, make: Callable[[], Any], rule: str) -> dict[str, bytes]:
    """Return the bits of what a subject shows over the first probe, by slot; of nothing where it cannot run."""
    from parity.diagnosis.behaviour import Watched, run
    from parity.diagnosis.probes import first_probe

    try:
        shown = run(Watched(make, name), first_probe(rule=rule or DEFAULT)).columns
    except Exception:  # the diagnosis says what it raises
        return {}
    return {slot: rows.tobytes() for slot, rows in shown.items()}


def _otherwise_elsewhere(name: str, make: Callable[[], Any], rule: str) -> str:
    """Return that a class makes other steps in another process, empty where it does not, or names nothing that would.

    That process has another seed of hashes, another id, and starts later.
    """
    from parity.subjects.source import names_of_process

    decides = names_of_process(getattr(make(), "kind", None))
    if not decides:
        return ""
    own = _first(name, make, rule)
    if _first(name, make, rule) != own:  # one process shows that, and where
        return ""
    environment = {**os.environ, "PYTHONHASHSEED": "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"}
    process = Child("parity.diagnosis.child", environment=environment, follows=True)
    try:
        answer = process.ask({"subject": name, "cells": [], "rule": rule, "first": True}, _PATIENCE)
    except NoAnswerError:
        return ""
    finally:
        process.end()
    same = dict(answer).get("first", own) == own
    return "" if same else f"another process makes other steps of the same inputs (its file uses {', '.join(decides)})"


_PATIENCE = 10.0
"""Seconds that another process may take to make a few steps."""


def _maker(name: str) -> Callable[[], Any]:
    """Return what makes adapters of a subject, a user's over the same class each time: its file is loaded once."""
    from parity import subjects

    try:
        first = subjects.create(name)
    except NotInstalledError:  # a finding, like whatever else it raises
        return lambda: subjects.create(name)
    return lambda: copy.copy(first)


def _failed(name: str, reason: str) -> dict[str, Any]:
    from parity.diagnosis.findings import Diagnosis, Finding

    return Diagnosis(name, Finding.FAILED, evidence=(reason,)).document()


if __name__ == "__main__":
    main()
