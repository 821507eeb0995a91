"""The steps of a run: an opened subject in, its trajectory out, block by block."""

from collections.abc import Iterator

from parity.problem.problems import Problem
from parity.runner.course import Course, Stopped
from parity.subjects.adapter import Adapter
from parity.trajectory.blocks import Block, Hold, Recorder, in_one_place


def blocks(
    problem: Problem,
    adapter: Adapter,
    hold: Hold = in_one_place,
    judged: Problem | None = None,
    course: Course | None = None,
) -> Iterator[Block]:
    """Drive an opened subject through all steps and yield its trajectory in blocks.

    Each is alive until its place in memory is written again, as ``hold`` has them: unless given, until the next.

    Args:
        problem: what the subject is given.
        adapter: the subject.
        hold: where blocks are written to.
        judged: what is recorded, unless given all of the problem.
        course: may end the run after what was made of it.

    Raises:
        NotComparable: the subject shows names, shapes or dtypes that are not the case's.
    """
    replayed, course = problem.cell.gradients == "replayed", course or Course()
    recorder = Recorder(judged or problem, adapter.read(), hold)
    course.begin(problem.cell.steps)
    for number in range(problem.cell.steps):
        try:
            with course:
                gradients = problem.gradients(number) if replayed else None
                taken = adapter.step(number, gradients)
                shown = adapter.read()
        except Stopped:
            course.heed()
            break
        recorder.add(shown, gradients if replayed else taken.gradients, taken.loss)
        # A library reuses the memory of what nobody holds, which is in the caches; of a large step, there is little.
        del taken, shown, gradients
        course.at(number + 1)
        if recorder.full:
            yield from recorder.take()
    yield from recorder.take()
