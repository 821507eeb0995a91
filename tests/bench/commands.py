"""Whole commands: two jobs beside one, a long run's memory beside a short one's, and start-up beside NumPy's."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence

import msgspec

from parity.api import Progress, run_all
from parity.casefile import select

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
    """Return the peak memory of a process that runs the question's network for so many steps, with Keras' gradients."""
    program = f"import runpy, sys; sys.argv = ['x', '{steps}']; runpy.run_path({__file__!r}, run_name='measured')"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=os.environ)
    return float(done.stdout.strip().splitlines()[-1])


def _measured(steps: int) -> None:
    from parity.runner import run_pair

    (cell,) = select(["network/question_shared"])
    run_pair(msgspec.structs.replace(cell, steps=steps), SUBJECT)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "measured":
    _measured(int(sys.argv[1]))
