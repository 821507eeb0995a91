"""A small experiment and pools that need no processes, so that these tests take milliseconds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parity.explain.experiment import Experiment, load
from parity.explain.factors import Program
from parity.explain.pool import Pool, compute
from parity.explain.store import Store, Task

SMALL = """
experiment = "small"
summary = "A small network that learns, and one that does not."
target = 1.9
epochs = 3
seeds = 2

[both]
layers = [784, 12, 10]
examples = 40

[a]
name = "slow"
forward_divisor = 512.0
probability_clip = 1e-7

[b]
name = "quick"
learning_rate = 0.003
"""


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


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def put(text: str) -> Path:
        path = tmp_path / "experiment.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return put


@pytest.fixture
def small_text() -> str:
    return SMALL


@pytest.fixture
def small(write: Callable[[str], Path]) -> Experiment:
    return load(write(SMALL))


@pytest.fixture
def inline(tmp_path: Path) -> InlinePool:
    return InlinePool(Store(tmp_path / "runs"))
