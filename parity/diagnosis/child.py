"""A process that diagnoses one subject for another one: whatever the subject prints or does ends here."""

import os
import signal
import subprocess
import sys
from typing import Any

from parity import launch, wire
from parity.diagnosis.findings import Diagnosis, Finding


def diagnose_apart(name: str, time_limit: float) -> dict[str, Any]:
    """Return the JSON form of a diagnosis made in a process of its own, stopped after ``time_limit`` seconds."""
    with subprocess.Popen(
        launch.module("parity.diagnosis.child", name, str(os.getpid())),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            out, _ = process.communicate(timeout=time_limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return _failed(name, f"did not finish within {time_limit:g} s and was stopped")
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    answer = _read(out)
    if answer is not None:
        return answer
    code = process.returncode
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
    return _failed(name, f"its process ended with {how} before it answered")


def main(name: str, parent: int) -> None:
    """Diagnose and write one frame to what was standard output; the subject's own output goes nowhere."""
    launch.follow(parent)
    answers = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from parity import subjects
    from parity.diagnosis.diagnose import diagnose
    from parity.errors import SubjectError

    try:
        document = diagnose(lambda: subjects.create(name), name).document()
    except SubjectError as error:
        document = _failed(name, str(error))
    except SystemExit as error:
        document = _failed(name, f"the subject called sys.exit({error.code!r})")
    wire.write(answers, document)


def _read(out: bytes) -> dict[str, Any] | None:
    import io

    answer = wire.read(io.BytesIO(out)) if len(out) > 8 else None
    return answer if isinstance(answer, dict) else None


def _failed(name: str, reason: str) -> dict[str, Any]:
    return Diagnosis(name, Finding.FAILED, evidence=(reason,)).document()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
