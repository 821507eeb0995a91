"""A loss scale that moves: what a case may say, who is driven with it, what is said of who moves, who leaves it out."""

from pathlib import Path

import numpy as np
import pytest
from surrounded import left_out, not_driven, own

from parity.case.cells import select
from parity.diagnosis import scale_mutants
from parity.diagnosis.mutants import mutants
from parity.errors import SpecError
from parity.problem.problems import make
from parity.runner.loop import run_pair

CASE = """\
id = "own"
summary = "One overflows"
probes = ["dynamic_loss_scale"]
steps = 5
problem = { kind = "replayed", generator = "log_spaced", tensors = { w = [3], b = [2] }, overflow = { b = [1, 2, 3] } }
loss_scale = { initial_scale = 4.0, dynamic_growth_steps = 1 }
"""


def test_one_element_overflows_in_turn_and_the_scale_is_known_beforehand(tmp_path: Path) -> None:
    problem = make(own(tmp_path, CASE))
    assert all(np.isfinite(problem.gradients(step)["w"]).all() for step in range(5))
    spoiled = [problem.gradients(step)["b"] for step in (1, 2, 3)]
    assert [int(np.flatnonzero(~np.isfinite(each)).item()) for each in spoiled] == [1, 0, 1]
    assert [str(each[~np.isfinite(each)].item()) for each in spoiled] == ["-inf", "nan", "inf"]
    assert [problem.scale_at(step) for step in range(5)] == [4.0, 8.0, 4.0, 2.0, 1.0]


def test_the_page_is_identical_to_itself_and_shows_what_is_around_it(tmp_path: Path) -> None:
    pair = run_pair(own(tmp_path, CASE), "reference")
    assert pair.verdict.name == "IDENTICAL"
    (lockstep,) = (item for item in pair.comparisons if item.comparison == "lockstep")
    # Five steps and the start, of parameters, of a second moment, and of three numbers a tensor.
    assert lockstep.compared == 6 * (5 + 5 + 3 * 2)


def test_who_moves_is_told_where(tmp_path: Path) -> None:
    cell, found = own(tmp_path, CASE), {}
    for mutant in (each for each in mutants() if each.mistake == "dynamic_loss_scale" and not each.needs):
        pair = run_pair(cell, "mutant", mutant.make(cell))
        (lockstep,) = (item for item in pair.comparisons if item.comparison == "lockstep")
        if lockstep.first_divergence is not None:
            found[mutant.variant] = lockstep.first_divergence
    assert (found["not halved"].slot, found["not halved"].step) == ("loss_scale", 1)
    assert (found["skipped steps are counted"].slot, found["skipped steps are counted"].step) == ("updates", 1)
    alone = found["skipped tensor by tensor"]
    assert (alone.slot, alone.tensor, alone.step) == ("second_moment", "w", 1)
    assert "a gradient is not finite at this step, which is skipped" in alone.note
    assert (found["not divided"].slot, found["not divided"].step) == ("second_moment", 0)


def test_a_persons_class_is_not_driven_with_it(tmp_path: Path) -> None:
    assert "a loss scale that moves" in not_driven(own(tmp_path, CASE))


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("b = [1, 2, 3]", "v = [1]", r"overflow.v: received \[1\]; allowed: a dense tensor"),
        ("b = [1, 2, 3]", "b = []", r"problem.overflow.b"),
        ("loss_scale = { initial_scale = 4.0, dynamic_growth_steps = 1 }", "", "only a loss scale skips such steps"),
        ("steps = 5", 'steps = 5\ndtype = "float16"', "dtype: received together with loss_scale, 'float16'"),
        ("overflow =", "absent = { w = [0] }, overflow =", "problem.absent: received together with loss_scale"),
        ("initial_scale = 4.0", "initial_scale = 0.0", r"loss_scale.initial_scale"),
        ("dynamic_growth_steps = 1", "growth = 1", r"unknown key 'growth'"),
        ("steps = 5", "steps = 5\nhyperparameters = { loss_scale_factor = 2.0 }", "beneath which tf.keras drops it"),
        ("steps = 5", 'steps = 5\nonly = ["adam"]', "only: has no effect without rule = 'each'"),
    ],
)
def test_what_a_case_must_not_say_is_refused(tmp_path: Path, old: str, new: str, wanted: str) -> None:
    with pytest.raises(SpecError, match=wanted):
        own(tmp_path, CASE.replace(old, new))


def test_a_loss_that_depends_on_the_weights_is_refused(tmp_path: Path) -> None:
    text = CASE.replace('"replayed", generator = "log_spaced"', '"quadratic"').replace(
        ", overflow = { b = [1, 2, 3] }", ""
    )
    with pytest.raises(SpecError, match=r"loss_scale: needs problem.kind = 'replayed'; received 'quadratic'"):
        own(tmp_path, text + 'gradients = "shared"\n')


def test_vectors_twins_and_probes_leave_such_cases_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "in which a loss scale moves, and steps that overflow are skipped" in left_out(tmp_path, CASE, capsys)


def test_the_rules_that_have_its_mutants_are_those_with_its_cases() -> None:
    cells = [cell for cell in select(["*"]) if cell.loss_scale is not None]
    assert {cell.rule for cell in cells} == set(scale_mutants.RULES)
    assert {mistake for cell in cells for mistake in cell.probes} == {"dynamic_loss_scale"}
