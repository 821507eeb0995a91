"""All judges of a pair as one: blocks in, comparisons out; in this process, or in another one beside the subject."""

import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np
import xxhash

from parity.bounds.numerics import Array
from parity.judge.free import Free
from parity.judge.lockstep import Lockstep
from parity.judge.scope import scoped
from parity.problem.problems import Problem
from parity.trajectory.blocks import Block, Plan, in_one_place
from parity.verdicts.results import Comparison

WORTH = 300_000_000
"""Values that a run makes before a process of its own pays: steps times elements. It costs a second to start."""

WORTH_TENSORS = 300_000
"""Steps times tensors, of which each costs some microseconds, however small it is."""


class Judging(Protocol):
    """What the step loop hands its blocks to."""

    def hold(self, plan: Plan) -> list[Array]:
        """Return the places that blocks are to be written to, in turn."""

    def feed(self, block: Block) -> None:
        """Take a block; its place may be written again once all other places were."""

    def finish(self, name: str) -> list[Comparison]:
        """Return the comparisons that the case asks for, by the subject's name."""

    def close(self) -> None:
        """Release what was held."""


class Judges:
    """Judges block by block, at once."""

    def __init__(self, problem: Problem) -> None:
        modes = problem.cell.comparisons
        # Free comparison of computed gradients needs the local steps too.
        needs_local = "lockstep" in modes or problem.cell.gradients == "computed"
        self._cell, self._problem = problem.cell, problem
        self._numbers = problem.numbers if problem.cell.every > 1 else None
        self._lockstep = Lockstep(problem) if needs_local else None
        self._free = Free(problem) if "free" in modes else None
        self._digests: dict[str, Any] = {}

    def hold(self, plan: Plan) -> list[Array]:
        """Return one place: a block is judged before the next one is written."""
        return in_one_place(plan)

    def compile(self) -> None:
        """Compile what large steps take, before the first one is there."""
        for fold in (self._lockstep, self._free):
            if fold is not None and fold.pieces is not None:
                fold.pieces.compile()

    def feed(self, block: Block) -> None:
        """Take a block into one digest for each slot, which does not depend on where blocks end, and judge it."""
        for slot, rows in block.rows.items():
            self._digests.setdefault(slot, xxhash.xxh3_128()).update(rows[1:].reshape(-1).view(np.uint8).data)
        for part, is_judged in ((block, True),) if self._numbers is None else self._parts(block, self._numbers):
            for fold in (self._lockstep, self._free):
                if fold is not None:
                    (fold.feed if is_judged else fold.pass_by)(part)

    def _parts(self, block: Block, numbers: Sequence[int]) -> Iterator[tuple[Block, bool]]:
        """Yield a block in parts that are judged, as the ``numbers`` of steps say, and that are not, in their order."""
        row, end = 0, block.start + block.count
        first, last = (bisect_left(numbers, step) for step in (block.start, end))
        for step in numbers[first:last]:
            at = step - block.start
            if row < at:
                yield block.among(row, at), False
            yield block.among(at, at + 1), True
            row = at + 1
        if row < block.count:
            yield block.among(row, block.count), False

    def finish(self, name: str) -> list[Comparison]:
        """Return the comparisons that the case asks for, by the subject's name."""
        return [scoped(item, self._problem) for item in self._finish(name)]

    def _finish(self, name: str) -> list[Comparison]:
        local = None if self._lockstep is None else self._lockstep.result()
        whole = None if self._free is None else self._free.result(local)
        evidence = {Lockstep.mode: local, Free.mode: whole}
        lines = [f"{slot} {self._digests[slot].hexdigest()}\n" for slot in sorted(self._digests)]
        digest = xxhash.xxh3_128("".join(lines).encode()).hexdigest()
        comparisons = [
            each.comparison(self._cell, name, mode)
            for mode, each in evidence.items()
            if each is not None and mode in self._cell.comparisons
        ]
        return [msgspec.structs.replace(item, digest=digest) for item in comparisons]

    def close(self) -> None:
        """Do nothing: only memory was held."""


def judging(problem: Problem, beside: bool) -> Judging:
    """Return the judges of a pair; with ``beside``, those of a long run are a process of their own, where it can be."""
    pays = problem.values >= WORTH or problem.cell.steps * len(problem.params) >= WORTH_TENSORS
    if not beside or not pays or not hasattr(os, "memfd_create"):
        return Judges(problem)
    from parity.judge.beside.beside import Beside

    try:
        return Beside(problem)
    except OSError:  # no process or no memory to be had: slower, and the same results
        return Judges(problem)
