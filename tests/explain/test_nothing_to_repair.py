"""Where side A is at the target as it is, nothing is said to repair it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pretend import PretendPool

from parity.errors import UsageError
from parity.explain import text
from parity.explain.experiment import Experiment, load
from parity.explain.explanation import Explanation, explain
from parity.explain.factors import Program

Loss = Callable[[Program, int], float]
FRESH = 1000

RATES = """
experiment = "rates"
summary = "Two rates and two batches, both of which learn."
target = 0.5
seeds = 3
epochs = 1

[both]
layers = [784, 10]

[a]
name = "left"
learning_rate = 0.002
batch_size = 2

[b]
name = "right"
"""


@pytest.fixture
def rates(write: Callable[[str], Path]) -> Experiment:
    return load(write(RATES))


@pytest.fixture
def told(rates: Experiment, tmp_path: Path) -> Callable[..., Explanation]:
    def tell(loss: Loss, **changed: Any) -> Explanation:
        return explain(msgspec.structs.replace(rates, **changed), PretendPool(tmp_path / "runs", loss))

    return tell


def _quick(program: Program) -> bool:
    return program.learning_rate == 0.002


def test_side_a_at_the_target_is_not_repaired_though_side_b_gets_lower(told: Callable[..., Explanation]) -> None:
    found = told(lambda program, seed: (0.4 if _quick(program) else 0.2) + 0.001 * (seed % 3))
    assert found.repair is not None
    assert found.repair.factors == []
    assert found.repair.smaller_tried == 0
    assert len(found.repair.confirmed_by) == 3
    assert [one.repaired_seeds for one in found.alone] == [0, 0]
    assert found.attribution is not None
    assert found.attribution.factors[0].factors == ["learning_rate"]
    shown = text.explanation(found)
    assert "left reaches the target 0.5 as it is: nothing needs repair" in shown
    assert "smallest repair: none needed, left is there as it is" in shown
    assert not any(words in shown for words in ("Smallest repair", "No single change repairs", "/0"))


def test_sides_that_seeds_do_not_tell_apart_have_no_gap(told: Callable[..., Explanation]) -> None:
    found = told(lambda program, seed: 0.3 - (0.01 * (-1) ** seed if _quick(program) else 0.0))
    assert found.attribution is None
    assert found.repair is not None
    assert found.repair.factors == []
    assert any("no gap to share among batch_size, learning_rate" in line for line in found.conclusion)
    assert not any("Smallest repair" in line for line in found.conclusion)


def test_a_single_seed_tells_no_sides_apart(rates: Experiment, tmp_path: Path) -> None:
    pool = PretendPool(tmp_path / "runs", lambda program, seed: 0.1 if _quick(program) else 0.2)
    assert explain(rates, pool, seeds=1).attribution is None


def test_better_side_a_is_told_that_nothing_needs_repair(told: Callable[..., Explanation]) -> None:
    with pytest.raises(UsageError, match=r"both sides reach the target 0\.5 as they are, so nothing needs repair"):
        told(lambda program, seed: (0.1 if _quick(program) else 0.2) + 0.001 * (seed % 3))


def test_side_a_that_misses_the_target_on_fresh_seeds_needs_repair(told: Callable[..., Explanation]) -> None:
    found = told(lambda program, seed: (0.9 if seed >= FRESH else 0.4) if _quick(program) else 0.2)
    assert found.repair is not None
    assert found.repair.factors == ["learning_rate"]
    assert found.repair.smaller_tried == 0


def test_only_seeds_that_miss_the_target_are_repaired(told: Callable[..., Explanation]) -> None:
    found = told(lambda program, seed: (0.9 if seed == 0 or seed > FRESH else 0.4) if _quick(program) else 0.2)
    assert {one.factor: one.repaired_seeds for one in found.alone} == {"learning_rate": 1, "batch_size": 0}
    assert found.repair is not None
    assert found.repair.factors == ["learning_rate"]
    assert "1/1" in text.changes(found)


@pytest.mark.parametrize("target", [0.4, 0.9, 50.0])
def test_a_target_that_both_sides_meet_exactly_or_by_far_asks_for_nothing(
    told: Callable[..., Explanation], target: float
) -> None:
    found = told(lambda program, seed: 0.4 if _quick(program) else 0.3, target=target)
    assert found.repair is not None
    assert found.repair.factors == []
