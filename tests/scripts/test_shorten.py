"""What shows a failure is made shorter, and stays that failure."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity import subjects
from parity.case.cells import select
from parity.export.script.sample import Judge, Sample, drawn
from parity.export.script.shorten import Shortener, fewest
from parity.problem import problems
from parity.verdicts.verdict import Verdict

WRONG = Path(__file__).with_name("wrong.py")


@pytest.mark.parametrize("needed", [[3], [0, 19], [4, 5, 6], [0, 7, 13, 19], list(range(20))])
def test_only_what_is_needed_is_left(needed: list[int]) -> None:
    tried: list[list[int]] = []

    def fails(kept: list[int]) -> bool:
        tried.append(kept)
        return set(needed) <= set(kept)

    assert fewest(range(20), fails) == needed
    assert len(tried) <= 200
    assert [] not in tried


def test_where_nothing_can_go_everything_stays_in_order() -> None:
    assert fewest("abc", lambda kept: False) == ["a", "b", "c"]


def shortest(name: str, case: str = "rmsprop/defaults", seconds: float = 30.0) -> tuple[Sample, Any, Judge]:
    (cell,) = select([case])
    problem = problems.make(cell)
    judge = Judge(problem, subjects.create(f"{WRONG}:{name}"), name)
    sample = drawn(problem, cell.steps)
    failure = judge(sample)
    assert failure is not None
    shortener = Shortener(judge, failure, sample, time.monotonic() + seconds)
    shortener.run()
    return shortener.sample, shortener.failure, judge


@pytest.mark.parametrize(
    ("name", "steps", "tensors", "elements"),
    [("Forgets", 2, 1, 1), ("OfTheTensor", 1, 1, 2), ("OfAll", 1, 2, 2), ("Raises", 2, 1, 1)],
)
def test_the_fewest_steps_then_tensors_then_elements_are_found(
    name: str, steps: int, tensors: int, elements: int
) -> None:
    sample, failure, judge = shortest(name)
    assert (sample.steps, len(sample.params), sample.elements) == (steps, tensors, elements)
    again = judge(sample)
    assert again is not None
    assert again.kind == failure.kind


def test_an_order_that_matters_stays_and_one_that_does_not_goes() -> None:
    kept, failure, _ = shortest("ByPlace", "rmsprop/order_changes[float32]")
    assert kept.rotates
    assert len(kept.params) >= 2
    assert failure.verdict is Verdict.DIVERGED
    gone, _, _ = shortest("Forgets", "rmsprop/order_changes[float32]")
    assert not gone.rotates


def test_values_become_plain() -> None:
    sample, _, _ = shortest("Forgets")
    assert {float(w) for array in sample.params.values() for w in array.reshape(-1)} <= {0.0, 1.0}
    for row in sample.rows:
        for value in np.concatenate([array.reshape(-1) for array in row.values()]):
            assert value == np.float32(float(f"{value:.1g}"))


def test_the_time_that_is_given_is_kept() -> None:
    began = time.monotonic()
    sample, _, judge = shortest("Forgets", seconds=0.0)
    assert time.monotonic() - began < 5
    assert judge.runs == 1
    assert sample.elements > 1


def test_gradients_that_depend_on_the_weights_are_those_at_the_reference() -> None:
    (cell,) = select(["network/quick[computed]"])
    problem = problems.make(cell)
    whole = drawn(problem, 2)
    first = problem.evaluate(problem.params, 0).gradients
    assert all(np.array_equal(whole.rows[0][name], gradient) for name, gradient in first.items())
    part = drawn(problem, 2, lambda name, array: array.reshape(-1)[:2] if name == "dense_1/bias" else None)
    assert list(part.params) == ["dense_1/bias"]
    assert np.array_equal(part.rows[1]["dense_1/bias"], whole.rows[1]["dense_1/bias"].reshape(-1)[:2])
