"""Whole commands: two jobs beside one, a long run's memory beside a short one's, and start-up beside NumPy's."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence

import msgspec

from parity.api import Progress, run_all
from parity.case.cells import select

REPLAYED = ("rmsprop/*", "schedule/*", "numerics/*")
SUBJECT = "keras-graph"


def pairs_a_second(jobs: int) -> float:
    """Return how many replayed pairs of case and subject are done in a second, once every worker has TensorFlow."""
    cells = [cell for cell in select(REPLAYED) if cell.gradients == "replayed" and cell.case != "numerics/many_steps"]
    done: list[float] = []

    def note(news: Progress) -> None:
        if news.pair is not None:
            done.append(time.perf_counter())

    run_all(cells, [SUBJECT], jobs, note)
    # The first pairs of each worker pay for the import and for TensorFlow's own first calls.
    warm = 3 * jobs
    return (len(done) - 1 - warm) / (done[-1] - done[warm])


def start_up(words: Sequence[str]) -> float:
    """Return the milliseconds of a command from start to end."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    return (time.perf_counter() - began) * 1e3


def peak_megabytes(steps: int) -> float:
    """Return the peak memory of a run of the question's network, with Keras' gradients, in so many steps."""
    return _in_a_process("network/question_shared", steps)[0]


def whole_question() -> tuple[float, float]:
    """Return minutes and peak megabytes of the question's 100 epochs: 100,000 steps, gradients computed by both."""
    megabytes, minutes = _in_a_process("network/question", 100_000)
    return minutes, megabytes


def _in_a_process(case: str, steps: int) -> tuple[float, float]:
    arguments = ["x", case, str(steps)]
    program = f"import runpy, sys; sys.argv = {arguments!r}; runpy.run_path({__file__!r}, run_name='measured')"
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=os.environ)
    return float(done.stdout.strip().splitlines()[-1]), (time.perf_counter() - began) / 60


def _measured(case: str, steps: int) -> None:
    from parity.runner.loop import run_pair

    (cell,) = select([case])
    pair = run_pair(msgspec.structs.replace(cell, steps=steps, comparisons=["lockstep"]), SUBJECT, beside=True)
    assert pair.comparisons[0].verdict in ("IDENTICAL", "ROUNDING"), pair.comparisons[0]
    # Of the subject's process and of its judges'; the memory that both see counts twice.
    who = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    print(sum(resource.getrusage(each).ru_maxrss for each in who) / 1024)


if __name__ == "measured":
    _measured(sys.argv[1], int(sys.argv[2]))
