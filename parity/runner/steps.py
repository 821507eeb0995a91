"""The steps of a run: an opened subject in, its trajectory out, block by block."""

from collections.abc import Iterator

from parity.problem.problems import Problem
from parity.subjects.adapter import Adapter
from parity.trajectory.blocks import Block, Hold, Recorder, in_one_place


def blocks(problem: Problem, adapter: Adapter, hold: Hold = in_one_place) -> Iterator[Block]:
    """Drive an opened subject through all steps and yield its trajectory in blocks.

    Each is alive until its place in memory is written again, as ``hold`` has them: unless given, until the next.

    Raises:
        NotComparable: the subject shows names, shapes or dtypes that are not the case's.
    """
    replayed = problem.cell.gradients == "replayed"
    recorder = Recorder(problem, adapter.read(), hold)
    for number in range(problem.cell.steps):
        gradients = problem.gradients(number) if replayed else None
        taken = adapter.step(number, gradients)
        recorder.add(adapter.read(), gradients if replayed else taken.gradients, taken.loss)
        # A library reuses the memory of what nobody holds, which is in the caches.
        del taken
        if recorder.full:
            yield from recorder.take()
    yield from recorder.take()
