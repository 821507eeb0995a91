"""A process that writes the script of one subject for another one: whatever the subject prints or does ends here."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from parity.case.spec import Cell, cell_of
from parity.circumstances import launch, wire
from parity.circumstances.child import Child, NoAnswerError, private_pipes
from parity.circumstances.doctor import WORKER_ENVIRONMENT
from parity.errors import ParityError, one_line
from parity.export.script.reproduce import NOT_SHOWN, Outcome, reproduce


def reproduce_apart(name: str, cells: Sequence[Cell], time_limit: float, say: Callable[[str], None]) -> Outcome:
    """Return what a process of its own makes of a subject; a person's own has ``time_limit`` seconds for each answer.

    Raises:
        ParityError: a case's data cannot be read, or the subject cannot be loaded.
    """
    process = Child("parity.export.script.child", environment={**WORKER_ENVIRONMENT, **os.environ})
    try:
        process.tell(
            {"subject": name, "cells": [msgspec.to_builtins(cell) for cell in cells], "seconds": time_limit / 3}
        )
        while True:
            answer = process.answer(time_limit)
            if "said" in answer:
                say(str(answer["said"]))
                continue
            if "error" in answer:
                raise ParityError(str(answer["error"]))
            return msgspec.convert(answer, Outcome)
    except NoAnswerError as ended:
        how = f"its process {ended.how}" if ended.how else f"it did not answer within {time_limit:g} s (--time-limit)"
        return Outcome(NOT_SHOWN, reason=f"{name}: {how}; no script shows that.")
    finally:
        process.end()


def main() -> None:
    """Answer one request, with news on the way; the argument is the id of the process that asks."""
    launch.follow(int(sys.argv[1]))
    requests, answers = private_pipes()
    request = wire.read(requests)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    name = str(request["subject"])
    answer: Any
    try:
        cells = [cell_of(cell) for cell in request["cells"]]
        answer = reproduce(name, cells, float(request["seconds"]), lambda text: wire.write(answers, {"said": text}))
    except ParityError as error:
        answer = {"error": str(error)}
    except OSError as error:  # no folder to run a script in is nothing about the subject
        answer = {"error": f"{one_line(error)}; a script is run by itself in a folder for temporary files."}
    except SystemExit as error:
        answer = Outcome(NOT_SHOWN, reason=f"{name} called sys.exit({error.code!r}); no script shows that.")
    wire.write(answers, answer)


if __name__ == "__main__":
    main()
