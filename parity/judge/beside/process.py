"""The process that ``Beside`` starts: it maps the memory of the blocks, judges them, and answers with comparisons."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np

from parity.case.spec import Cell
from parity.circumstances import launch, wire
from parity.circumstances.child import private_pipes
from parity.errors import ParityError, one_line
from parity.judge.beside import Judges
from parity.judge.beside.beside import places
from parity.problem import problems
from parity.trajectory.blocks import Plan, layout_of


def main() -> None:
    """Answer until standard input closes; the arguments are the owner's process id and the memory's descriptor."""
    launch.follow(int(sys.argv[1]))
    tasks, answers = private_pipes()

    def told() -> dict[str, Any]:
        message = wire.read(tasks)
        if message is None:
            raise SystemExit
        return dict(message)

    with np.errstate(all="ignore"):
        try:
            for answer in _answers(told, int(sys.argv[2])):
                wire.write(answers, answer)
        except ParityError as error:
            wire.write(answers, {"error": str(error)})
        except Exception as error:  # told to the owner, whose other cases go on
            wire.write(answers, {"failed": f"the judges raised {one_line(error)}"})


def _answers(told: Callable[[], dict[str, Any]], memory: int) -> Iterator[dict[str, Any]]:
    made = problems.make(msgspec.convert(told()["cell"], Cell))
    judges = Judges(made)
    wanted = told()
    plan = Plan(tuple(wanted["slots"]), wanted["capacity"], layout_of(made.params), made.dtype)
    held = places(memory, plan.nbytes)
    while "finish" not in (message := told()):
        losses = wire.restored(message["losses"])
        judges.feed(plan.block(held[0], message["start"], message["count"], message["gradients"], losses))
        held.append(held.pop(0))
        yield {"judged": message["start"] + message["count"]}
    yield {"comparisons": judges.finish(message["finish"])}


if __name__ == "__main__":
    main()
