"""The process that runs generated cases: reads tasks from standard input, answers on a private descriptor.

What a library or a user's class prints goes nowhere; if it dies, it takes this process with it and nothing else.
"""

import sys
from pathlib import Path
from typing import Any

from parity.circumstances import launch, wire
from parity.circumstances.child import private_pipes
from parity.errors import ParityError


def main() -> None:
    """Serve tasks until standard input closes; the arguments are who asked for it and a folder to write in."""
    tasks, answers = private_pipes()
    launch.follow(int(sys.argv[1]))
    while (task := wire.read(tasks)) is not None:
        wire.write(answers, _answer(task, Path(sys.argv[2])))


def _answer(task: dict[str, Any], folder: Path) -> Any:
    from parity.case.spec import cell_of
    from parity.fuzz.judging import accepted, judge_cell, judge_example
    from parity.fuzz.words import Example

    subject = str(task["subject"])
    try:
        if "relation" not in task:
            return {"accepted": accepted(subject, task["rule"])}
        if "cell" in task:
            return {"outcome": judge_cell(cell_of(task["cell"]), task["relation"], subject)}
        example = Example(task["toml"], task["weights"], task["gradients"])
        return {"outcome": judge_example(example, task["relation"], subject, folder)}
    except ParityError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    main()
