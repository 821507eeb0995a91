"""Constraints on weights: their page beside what they are for, where they are applied, and what a case may say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from surrounded import not_driven, own

from parity.bounds.rule import page
from parity.case.cells import select
from parity.diagnosis.mutants import mutants
from parity.diagnosis.tensor_mutants import CONSTRAINED_RULES
from parity.errors import SpecError
from parity.reference.constraints import EPSILON, MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from parity.runner.loop import run_pair

W = np.array([[3.0, -0.3], [-4.0, 0.4]])
CASE = """\
id = "own"
summary = "One is constrained"
probes = ["constraint"]
steps = 4
problem = { kind = "replayed", generator = "log_spaced", tensors = { w = [3, 2], b = [2] } }
constraints = { w = { constraint = "MaxNorm", max_value = 0.5 } }
"""


@pytest.mark.parametrize(
    ("constrain", "expected"),
    [
        (NonNeg(), [[3.0, 0.0], [0.0, 0.4]]),
        (MaxNorm(1.0), [[0.6, -0.3], [-0.8, 0.4]]),
        (UnitNorm(), [[0.6, -0.6], [-0.8, 0.8]]),
        (MinMaxNorm(1.0, 2.0), [[1.2, -0.6], [-1.6, 0.8]]),
        (MinMaxNorm(1.0, 3.0, rate=0.5), [[2.4, -0.45], [-3.2, 0.6]]),
        (MaxNorm(1.0, axis=1), [[0.995037190, -0.0995037190], [-0.995037190, 0.0995037190]]),
    ],
    ids=repr,
)
def test_each_is_what_it_says_but_for_epsilon(constrain: Any, expected: Any) -> None:
    np.testing.assert_allclose(constrain(W), expected, rtol=3 * EPSILON)
    for dtype in (np.float32, np.float16):
        assert constrain(W.astype(dtype)).dtype == dtype


def test_epsilon_is_added_to_the_norm() -> None:
    assert UnitNorm()(np.array([1e-7])).tolist() == [0.5]


def test_they_come_after_the_average_and_after_every_call_with_a_gradient() -> None:
    made: Any = page("sgd")(learning_rate=0.5, use_ema=True, ema_momentum=0.5, gradient_accumulation_steps=2)
    made.constraints = {"w": NonNeg(), "b": NonNeg()}
    params = {"w": np.array([1.0, -1.0]), "b": np.array([-1.0])}
    grads: dict[str, Any] = {"w": np.ones(2), "b": None}
    params, state = made.step(params, grads, made.init(params))
    assert (params["w"].tolist(), params["b"].tolist()) == ([1.0, 0.0], [-1.0])
    assert state["average"]["w"].tolist() == [1.0, -1.0]


def test_the_page_is_identical_to_itself_and_who_moves_is_told_where(tmp_path: Path) -> None:
    cell = own(tmp_path, CASE)
    assert run_pair(cell, "reference").verdict.name == "IDENTICAL"
    (missing,) = (each for each in mutants() if (each.mistake, each.variant) == ("constraint", "missing"))
    pair = run_pair(cell, "mutant", missing.make(cell))
    (lockstep,) = (item for item in pair.comparisons if item.comparison == "lockstep")
    first = lockstep.first_divergence
    assert (lockstep.verdict, first.step, first.tensor, first.stage) == ("DIVERGED", 0, "w", "parameter")
    assert first.note == "it is constrained after the step"


def test_a_persons_class_is_not_driven_with_them(tmp_path: Path) -> None:
    assert "without constraints on weights" in not_driven(own(tmp_path, CASE))


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("{ w = {", "{ v = {", r"constraints.v: received no shape of it in problem.tensors"),
        ("max_value = 0.5", "axis = 2", r"constraints.w.axis: w has 2 dimensions"),
        ('"MaxNorm", max_value', '"MinMaxNorm", min_value = 0.75, max_value', r"constraints.w.min_value: allowed"),
        ('"MaxNorm"', '"Other"', r"constraints.w.constraint: received 'Other'"),
        ("max_value = 0.5", "most = 0.5", r"constraints.w: unknown key 'most'"),
        ("max_value = 0.5", "max_value = -0.5", r"constraints.w.max_value: expected number >= 0.0; received -0.5"),
        ('{ constraint = "MaxNorm", max_value = 0.5 }', "3", r"constraints.w: expected table, got integer; received 3"),
        ('"replayed", generator = "log_spaced"', '"quadratic"', r"constraints: needs problem.kind = 'replayed'"),
    ],
)
def test_what_a_case_must_not_say_is_refused(tmp_path: Path, old: str, new: str, wanted: str) -> None:
    with pytest.raises(SpecError, match=wanted):
        own(tmp_path, CASE.replace(old, new))


def test_the_rules_that_have_its_mutants_are_those_with_its_cases() -> None:
    cells = [cell for cell in select(["*"]) if cell.constraints]
    assert {cell.rule for cell in cells} == set(CONSTRAINED_RULES)
    assert {mistake for cell in cells for mistake in cell.probes} == {"constraint"}
