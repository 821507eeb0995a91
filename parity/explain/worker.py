"""The process that makes runs for a pool: reads them from standard input, keeps each, and answers with its record."""

import sys
from typing import Any

import msgspec

from parity.circumstances import launch, wire
from parity.circumstances.child import private_pipes
from parity.errors import ParityError, one_line
from parity.explain.pool import compute
from parity.explain.store import Task


def main() -> None:
    """Make runs until standard input closes; the argument is the id of the process that asked for them."""
    launch.follow(int(sys.argv[1]))
    requests, answers = private_pipes()
    while (request := wire.read(requests)) is not None:
        wire.write(answers, _answer(request))


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"record": compute(msgspec.convert(request["task"], Task), request["folder"], request["runs"])}
    except ParityError as error:
        return {"kind": type(error).__name__, "error": str(error)}
    except Exception as error:  # told to who asked, whose other runs go on
        return {"kind": "", "error": f"a run raised {one_line(error)}"}


if __name__ == "__main__":
    main()
