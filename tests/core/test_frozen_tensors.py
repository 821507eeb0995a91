"""Tensors that are not trained at some steps: what is handed out, what a case may say, what is said of who moves."""

from pathlib import Path

import numpy as np
import pytest
from surrounded import not_driven, own

from parity.case.cells import select
from parity.diagnosis.mutants import mutants
from parity.diagnosis.tensor_mutants import FROZEN_RULES
from parity.errors import SpecError
from parity.problem.problems import make
from parity.runner.loop import run_pair

CASE = """\
id = "own"
summary = "One is frozen and thawed"
probes = ["frozen_tensor"]
steps = 5
problem = { kind = "replayed", generator = "log_spaced", tensors = { w = [3], b = [2] }, frozen = { b = [1, 2] } }
hyperparameters = { weight_decay = 0.5 }
"""


def test_a_frozen_tensor_has_a_gradient_and_stays_where_it_is(tmp_path: Path) -> None:
    from parity.bounds.rule import reference_rule

    cell = own(tmp_path, CASE)
    problem, rule = make(cell), reference_rule(cell)
    assert [sorted(problem.frozen(step)) for step in range(5)] == [[], ["b"], ["b"], [], []]
    assert all(problem.gradients(step)["b"].all() for step in range(5))
    params, state = dict(problem.params), rule.init(problem.params)
    for step in range(5):
        before, kept = params["b"], state["second_moment"]["b"]
        params, state = rule.step(params, problem.gradients(step), state)
        assert np.array_equal(params["b"], before) is (step in (1, 2))
        assert np.array_equal(state["second_moment"]["b"], kept) is (step in (1, 2))


def test_the_page_is_identical_to_itself_and_who_moves_is_told_where(tmp_path: Path) -> None:
    cell = own(tmp_path, CASE)
    assert run_pair(cell, "reference").verdict.name == "IDENTICAL"
    found = {}
    for mutant in (each for each in mutants() if each.mistake == "frozen_tensor" and not each.needs):
        pair = run_pair(cell, "mutant", mutant.make(cell))
        (lockstep,) = (item for item in pair.comparisons if item.comparison == "lockstep")
        assert lockstep.verdict == "DIVERGED", mutant.variant
        found[mutant.variant] = lockstep.first_divergence
    trained = found["trained all the same"]
    assert (trained.step, trained.tensor) == (1, "b")
    assert "it is not trained at this step, so that nothing of it is to change" in trained.note
    assert (found["state of a thawed tensor starts anew"].step, found["all state starts anew"].step) == (3, 1)


def test_a_persons_class_is_not_driven_so(tmp_path: Path) -> None:
    assert "here some are not trained at some steps" in not_driven(own(tmp_path, CASE))


@pytest.mark.parametrize(
    ("frozen", "wanted"),
    [
        ("{ v = [1] }", r"frozen.v: received no shape of it in problem.tensors"),
        ("{ b = [] }", r"problem.frozen.b"),
        ("{ b = [1], w = [3, 1] }", r"received step 1, at which no other tensor has a gradient"),
        ("{ b = [1] }, absent = { w = [1] }", r"received step 1, at which no other tensor has a gradient"),
    ],
)
def test_what_a_case_must_not_say_is_refused(tmp_path: Path, frozen: str, wanted: str) -> None:
    with pytest.raises(SpecError, match=wanted):
        own(tmp_path, CASE.replace("{ b = [1, 2] }", frozen))


def test_beneath_a_loss_scale_none_is_frozen(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"problem.frozen: received together with loss_scale"):
        own(tmp_path, CASE + "loss_scale = { initial_scale = 4.0 }\n")


def test_fit_goes_on_in_another_call_wherever_other_tensors_are_trained(tmp_path: Path) -> None:
    from parity.subjects.keras_fit import _alike

    assert _alike(make(own(tmp_path, CASE))) == [range(1), range(1, 3), range(3, 6)]
    (plain,) = select(["rmsprop/defaults"])
    assert _alike(make(plain)) == [range(plain.steps + 1)]


def test_the_rules_that_have_its_mutants_are_those_with_its_cases() -> None:
    cells = [cell for cell in select(["*"]) if "frozen" in cell.surroundings]
    assert {cell.rule for cell in cells} == set(FROZEN_RULES)
    assert {mistake for cell in cells for mistake in cell.probes} == {"frozen_tensor"}
