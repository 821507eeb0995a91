"""Pools that make runs here and now, or pretend to have made them, so that tests take milliseconds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from parity.explain.factors import Program
from parity.explain.pool import Pool, compute
from parity.explain.store import Store, Task


class InlinePool(Pool):
    """A pool that makes its runs here and now."""

    def _compute(self, tasks: list[Task], jobs: int, threads: int, advance: Any) -> dict[Task, dict[str, Any]]:
        return {task: compute(task, str(self.store.folder)) for task in tasks}


class PretendPool(InlinePool):
    """A pool whose final loss is a formula of program and seed; the weights do not depend on ``deaf`` factors."""

    def __init__(self, folder: Path, loss: Callable[[Program, int], float], deaf: tuple[str, ...] = ()) -> None:
        super().__init__(Store(folder))
        self.loss, self.deaf = loss, deaf

    def _compute(self, tasks: list[Task], jobs: int, threads: int, advance: Any) -> dict[Task, dict[str, Any]]:
        return {task: self._pretend(task) for task in tasks}

    def _pretend(self, task: Task) -> dict[str, Any]:
        heard = {name: getattr(task.program, name) for name in task.program.__struct_fields__ if name not in self.deaf}
        loss = self.loss(task.program, task.seed)
        return {"loss": [2.3, loss], "accuracy": [0.1, 0.9], "printed": [loss], "digest": f"{heard} {task.seed}"}
