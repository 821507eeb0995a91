"""A process that diagnoses one subject for another one: whatever the subject prints or does ends here."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec

from parity.case.spec import Cell, cell_of
from parity.circumstances import launch, wire
from parity.circumstances.child import Child, NoAnswerError, private_pipes
from parity.diagnosis.findings import Diagnosis, Finding, explanations_of
from parity.errors import NotInstalledError, SubjectError


def diagnose_apart(name: str, time_limit: float, cells: Sequence[Cell] = ()) -> dict[str, Any]:
    """Return the JSON form of a diagnosis made in a process of its own, stopped after ``time_limit`` seconds.

    ``cells`` are cases on which the answer is checked too.

    Raises:
        SubjectError: the subject cannot be loaded, or follows no style.
    """
    found = _ask({"subject": name, "cells": _plain(cells)}, time_limit)
    return found if isinstance(found, dict) else _failed(name, found)


def check_apart(document: dict[str, Any], time_limit: float, cells: Sequence[Cell]) -> dict[str, Any]:
    """Return a diagnosis whose answer is checked on more cases, in a process of its own."""
    found = _ask({"subject": document["subject"], "cells": _plain(cells), "known": document}, time_limit)
    return {**document, "cases": {**document["cases"], **(found if isinstance(found, dict) else {})}}


def _plain(cells: Sequence[Cell]) -> list[Any]:
    return [msgspec.to_builtins(cell) for cell in cells]


def _ask(request: dict[str, Any], time_limit: float) -> dict[str, Any] | str:
    """Return what the process answers, or in words why it did not."""
    process = Child("parity.diagnosis.child")
    try:
        answer = dict(process.ask(request, time_limit))
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
    from parity.case.cells import collect
    from parity.diagnosis.cases import on_cases
    from parity.diagnosis.diagnose import diagnose

    try:
        with suppress(NotInstalledError):  # a finding, like whatever else it raises
            subjects.create(name)
        cells = [cell_of(cell) for cell in request["cells"]]
        if "known" in request:
            document = on_cases(lambda: subjects.create(name), explanations_of(request["known"]), cells)
        else:
            shipped = collect(["*"])[0] if subjects.is_users(name) else []  # a library would take minutes
            document = diagnose(lambda: subjects.create(name), name, cells, shipped).document()
    except SubjectError as error:
        document = {"error": str(error)}
    except SystemExit as error:
        document = _failed(name, f"the subject called sys.exit({error.code!r})")
    wire.write(answers, document)


def _failed(name: str, reason: str) -> dict[str, Any]:
    return Diagnosis(name, Finding.FAILED, evidence=(reason,)).document()


if __name__ == "__main__":
    main()
