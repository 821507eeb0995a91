"""A process that diagnoses one subject for another one: whatever the subject prints or does ends here."""

import os
import sys
from contextlib import suppress
from typing import Any

from parity.circumstances import launch, wire
from parity.circumstances.child import Child, NoAnswerError, private_pipes
from parity.diagnosis.findings import Diagnosis, Finding
from parity.errors import NotInstalledError, SubjectError


def diagnose_apart(name: str, time_limit: float) -> dict[str, Any]:
    """Return the JSON form of a diagnosis made in a process of its own, stopped after ``time_limit`` seconds.

    Raises:
        SubjectError: the subject cannot be loaded, or follows no style.
    """
    process = Child("parity.diagnosis.child")
    try:
        answer = dict(process.ask({"subject": name}, time_limit))
        if "error" in answer:
            raise SubjectError(str(answer["error"]))
        return answer
    except NoAnswerError as ended:
        late = f"did not finish within {time_limit:g} s and was stopped"
        return _failed(name, f"its process {ended.how} before it answered" if ended.how else late)
    finally:
        process.end()


def main() -> None:
    """Answer one request; the argument is the id of the process that asks."""
    launch.follow(int(sys.argv[1]))
    requests, answers = private_pipes()
    name = wire.read(requests)["subject"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from parity import subjects
    from parity.diagnosis.diagnose import diagnose

    try:
        with suppress(NotInstalledError):  # a finding, like whatever else it raises
            subjects.create(name)
        document = diagnose(lambda: subjects.create(name), name).document()
    except SubjectError as error:
        document = {"error": str(error)}
    except SystemExit as error:
        document = _failed(name, f"the subject called sys.exit({error.code!r})")
    wire.write(answers, document)


def _failed(name: str, reason: str) -> dict[str, Any]:
    return Diagnosis(name, Finding.FAILED, evidence=(reason,)).document()


if __name__ == "__main__":
    main()
