"""The process that compares one program with one model: Keras' side runs here, the program's in a process beside it."""

import sys
from pathlib import Path

from parity.circumstances import launch, wire
from parity.circumstances.child import private_pipes
from parity.errors import NotInstalledError, ParityError


def main() -> None:
    """Answer one request; the argument is the id of the process that asks."""
    launch.follow(int(sys.argv[1]))
    requests, answers = private_pipes()
    request = wire.read(requests)
    try:
        _require_keras()
        from parity.explain.whole.stages import answer

        found = answer(
            Path(request["program"]),
            request["name"],
            (Path(request["keras"]), request["function"]),
            request["data"],
            request["bind"],
            request["seconds"],
            request["drawn"],
        )
        document = found.document()
    except ParityError as error:
        document = {"error": str(error)}
    wire.write(answers, document)


def _require_keras() -> None:
    try:
        import keras  # noqa: F401  # whether it is there
    except ImportError as error:
        raise NotInstalledError(f"Keras cannot be imported: {error}. pip install tensorflow.") from error


if __name__ == "__main__":
    main()
