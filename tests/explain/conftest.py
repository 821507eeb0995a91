"""A small experiment, and a pool that needs no processes."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pretend import InlinePool

from parity.explain.experiment import Experiment, load
from parity.explain.store import Store

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
