"""The process that ``Beside`` starts: it maps the memory of the blocks, judges them, and answers with comparisons."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from parity.case.spec import cell_of
from parity.circumstances import launch, wire
from parity.circumstances.child import private_pipes
from parity.errors import ParityError, one_line
from parity.judge.beside import Judges
from parity.judge.beside.beside import places
from parity.problem import problems
from parity.trajectory.blocks import Plan
from parity.trajectory.drawn import drawn
from parity.trajectory.layout import layout_of_problem


def main() -> None:
    """Answer until standard input closes; the arguments are the owner's process id and the memory's descriptor."""
    launch.follow(int(sys.argv[1]))
    tasks, answers = private_pipes()

    def message() -> dict[str, Any]:
        received = wire.read(tasks)
        if received is None:
            raise SystemExit
        return dict(received)

    with np.errstate(all="ignore"):
        try:
            for answer in _answers(message, int(sys.argv[2])):
                wire.write(answers, answer)
        except ParityError as error:
            wire.write(answers, {"error": str(error)})
        except Exception as error:  # told to the owner, whose other cases go on
            wire.write(answers, {"failed": f"the judges raised {one_line(error)}"})


def _answers(message: Callable[[], dict[str, Any]], memory: int) -> Iterator[dict[str, Any]]:
    problem = drawn(problems.make(cell_of(message()["cell"])))
    judges = Judges(problem)
    judges.compile()  # while the subject makes its first step
    shape = message()
    plan = Plan(tuple(shape["slots"]), shape["capacity"], layout_of_problem(problem), problem.dtype)
    memories = places(memory, plan.nbytes)
    while "finish" not in (task := message()):
        losses = wire.restored(task["losses"])
        judges.feed(plan.block(memories[0], task["start"], task["count"], task["gradients"], losses))
        memories.append(memories.pop(0))
        yield {"judged": task["start"] + task["count"]}
    yield {"comparisons": judges.finish(task["finish"])}


if __name__ == "__main__":
    main()
