"""Judges in a process of their own: the subject goes on with the next block while they judge the one before.

Blocks lie in memory that both processes see, in two places that take turns; what passes through the pipes is words.
"""

import contextlib
import mmap
import os
from typing import Any

import msgspec
import numpy as np

from parity.bounds.numerics import Array
from parity.circumstances import wire
from parity.circumstances.child import Child, NoAnswerError
from parity.errors import MisbehavedError, ParityError
from parity.problem.problems import Problem
from parity.trajectory.blocks import Block, Plan
from parity.verdicts.results import Comparison

PLACES = 2


def places(memory: int, nbytes: int) -> list[Array]:
    """Return the places in a descriptor's memory, bytes ``[nbytes]`` each."""
    seen = mmap.mmap(memory, PLACES * nbytes)
    # A subject may fork and let the copy go on: it must not write what the judges read.
    seen.madvise(mmap.MADV_DONTFORK)
    return np.split(np.frombuffer(seen, dtype=np.uint8), PLACES)


class Beside:
    """Hands blocks to a process that judges as ``Judges`` does, and waits for it where it is slower than the subject.

    Raises (from ``feed`` and ``finish``):
        ParityError: the judges raised it.
        MisbehavedError: they ended in another way.
    """

    def __init__(self, problem: Problem) -> None:
        self._owner = os.getpid()
        self._memory = os.memfd_create("parity")
        try:
            # In the subject's group, which is ended as one.
            self._child = Child(
                "parity.judge.beside.process", str(self._memory), descriptors=[self._memory], follows=True
            )
        except OSError:
            os.close(self._memory)
            raise
        self._waiting = 0
        self._send({"cell": msgspec.to_builtins(problem.cell)})

    def hold(self, plan: Plan) -> list[Array]:
        """Return two places that the other process sees too."""
        os.ftruncate(self._memory, PLACES * plan.nbytes)
        self._send({"slots": plan.slots, "capacity": plan.capacity})
        return places(self._memory, plan.nbytes)

    def feed(self, block: Block) -> None:
        """Have a block judged, once the one before it is: then its place may be written again."""
        self._settle()
        gradients = block.gradient_rows is not None
        self._send({"start": block.start, "count": block.count, "gradients": gradients, "losses": block.losses})
        self._waiting += 1

    def finish(self, name: str) -> list[Comparison]:
        """Return the comparisons once all blocks are judged."""
        self._settle()
        self._send({"finish": name})
        return wire.comparisons_from(self._answer()["comparisons"])

    def close(self) -> None:
        """End the process, which holds nothing that would be lost."""
        self._leave_if_copied()
        self._child.end()
        with contextlib.suppress(OSError):
            os.close(self._memory)

    def _settle(self) -> None:
        while self._waiting:
            self._answer()
            self._waiting -= 1

    def _send(self, message: dict[str, Any]) -> None:
        self._leave_if_copied()
        self._child.tell(message)

    def _leave_if_copied(self) -> None:
        """End this process if it is a copy that a subject forked: the pipes belong to the original."""
        if os.getpid() != self._owner:
            os._exit(0)

    def _answer(self) -> dict[str, Any]:
        try:
            answer = self._child.answer()
        except NoAnswerError as ended:
            raise MisbehavedError(f"the process that judges {ended.how} before it answered") from ended
        if "error" in answer:
            raise ParityError(str(answer["error"]))
        if "failed" in answer:
            raise MisbehavedError(str(answer["failed"]))
        return dict(answer)
