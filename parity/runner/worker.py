"""A process that runs pairs for another one: reads tasks from standard input, answers on a private descriptor.

Whatever a library or a user's class prints goes to a file and never to the terminal; a class that exits, crashes or
hangs takes this process with it and nothing else.
"""

import contextlib
import os
import signal
import sys
import tempfile
from typing import Any, BinaryIO

import msgspec

from parity.case.spec import Cell, cell_of
from parity.circumstances import launch, wire
from parity.circumstances.child import STOP, private_pipes, tell_place
from parity.errors import (
    MisbehavedError,
    NotInstalledError,
    ParityError,
    SubjectError,
    UnsupportedError,
    one_line,
)
from parity.runner.course import Course, Stopped
from parity.subjects import is_users
from parity.verdicts.results import Comparison, Pair
from parity.verdicts.verdict import Verdict

TAIL_BYTES = 4_000


def main() -> None:
    """Serve tasks until standard input closes; the argument is the id of the process that asked for it."""
    capture = _capture()
    tasks, answers = private_pipes(capture)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    owner = os.getpid()
    course = Course(lambda place: tell_place(place) if os.getpid() == owner else None)
    signal.signal(STOP, course.stop)
    launch.follow(int(sys.argv[1]))
    while (task := wire.read(tasks)) is not None:
        answer = _answer(task, capture, course)
        if os.getpid() != owner:
            os._exit(0)  # a subject forked in mid-run; its copy of this loop must not answer too
        wire.write(answers, answer)


def _capture() -> BinaryIO:
    """Return a file for what is printed, which lives as long as the process; in memory where no folder takes one."""
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return os.fdopen(os.memfd_create("printed") if hasattr(os, "memfd_create") else os.open(os.devnull, 2), "w+b")


def _answer(task: dict[str, Any], capture: BinaryIO, course: Course) -> dict[str, Any]:
    if "load" in task:
        return _loaded(str(task["load"]))
    if "repeat" in task:
        return _repeated(str(task["repeat"]), str(task["rule"]), str(task["folder"]))
    from parity.runner.loop import run_pair

    cell = cell_of(task["cell"])
    name = str(task["subject"])
    os.ftruncate(capture.fileno(), 0)
    capture.seek(0)
    try:
        if task.get("record"):
            from parity.runner.recording import record_pair

            pair = record_pair(cell, name, task["record"], task["megabytes"])
        else:
            pair = run_pair(cell, name, beside=bool(task.get("beside")), course=course)
    except SubjectError as error:
        pair = failed(cell, name, str(error))
    except ParityError as error:
        return {"error": str(error)}
    except Stopped:
        return {"stopped": True}
    except SystemExit as error:
        pair = failed(cell, name, f"the subject called sys.exit({error.code!r})")
    except BaseException as error:  # reported, so that other cases go on
        pair = failed(cell, name, f"raised {one_line(error)}")
    with contextlib.suppress(OSError, ValueError):  # a subject may have closed it
        sys.stdout.flush()
    return {"pair": msgspec.structs.replace(pair, output=_printed(capture) if is_users(name) else "")}


def _loaded(name: str) -> dict[str, Any]:
    """Load a user's class and return what keeps it from being driven at all; anything else shows when it runs."""
    from parity import subjects

    try:
        subjects.create(name)
    except (MisbehavedError, NotInstalledError, UnsupportedError):
        return {}
    except SubjectError as error:
        return {"error": str(error)}
    except Exception:  # an adapter's own constructor: each pair says what it raises
        return {}
    return {}


def _repeated(name: str, rule: str, folder: str) -> dict[str, Any]:
    """Return what is said against a user's class that does not repeat itself under a rule."""
    from parity import subjects
    from parity.runner.repeat import require_repeatable

    try:
        require_repeatable(name, subjects.create(name), True, rule, folder)
    except MisbehavedError as error:
        return {"said": str(error)}
    except BaseException:  # a class that exits or raises does so again in its pairs, which say so
        return {"said": ""}
    return {"said": ""}


def _printed(capture: BinaryIO) -> str:
    size = os.fstat(capture.fileno()).st_size
    with os.fdopen(os.dup(capture.fileno()), "rb") as file:
        file.seek(max(0, size - TAIL_BYTES))
        text = file.read(TAIL_BYTES).decode("utf-8", "replace")
    return text if size <= TAIL_BYTES else f"... ({size} bytes in all)\n{text}"


def failed(cell: Cell, name: str, reason: str) -> Pair:
    """Return a pair whose comparisons all failed for one reason."""
    comparisons = [
        Comparison(cell.id, name, cell.gradients, mode, Verdict.FAILED.name, reason) for mode in cell.comparisons
    ]
    return Pair(cell.id, cell.summary, name, name, comparisons)


if __name__ == "__main__":
    main()
