"""Tensors without a gradient at some steps: who is handed none, what a case may say, and what is said of who moves."""

from pathlib import Path

import numpy as np
import pytest
from surrounded import left_out, not_driven, own

from parity.case.cells import select
from parity.diagnosis.mutants import mutants
from parity.errors import SpecError
from parity.problem.problems import make
from parity.runner.loop import run_pair

CASE = """\
id = "own"
summary = "Some have none"
probes = ["absent_gradient"]
steps = 4
problem = { kind = "replayed", generator = "log_spaced", tensors = { w = [3], b = [2] }, absent = { b = [1, 2] } }
hyperparameters = { weight_decay = 0.5 }
"""


def test_a_problem_says_who_has_none_and_hands_out_zeros_in_their_place(tmp_path: Path) -> None:
    problem = make(own(tmp_path, CASE))
    assert [sorted(problem.absent(step)) for step in range(4)] == [[], ["b"], ["b"], []]
    assert [bool(problem.gradients(step)["b"].any()) for step in range(4)] == [True, False, False, True]
    assert all(problem.gradients(step)["w"].all() for step in range(4))


def test_the_page_is_identical_to_itself_and_who_moves_is_told_where(tmp_path: Path) -> None:
    cell = own(tmp_path, CASE)
    assert run_pair(cell, "reference").verdict.name == "IDENTICAL"
    wrong = {m.variant: m for m in mutants() if m.mistake == "absent_gradient"}
    assert set(wrong) == {"taken for zero", "decayed"}
    for mutant in wrong.values():
        pair = run_pair(cell, "mutant", mutant.make(cell))
        (lockstep,) = (item for item in pair.comparisons if item.comparison == "lockstep")
        first = lockstep.first_divergence
        assert (lockstep.verdict, first.step, first.tensor) == ("DIVERGED", 1, "b")
        assert "no gradient at this step" in first.note


def test_a_persons_class_is_not_handed_a_gradient_that_is_none(tmp_path: Path) -> None:
    assert "here some have none" in not_driven(own(tmp_path, CASE))


@pytest.mark.parametrize(
    ("absent", "wanted"),
    [
        ("{ v = [1] }", r"absent.v: received no shape of it in problem.tensors"),
        ("{ b = [] }", r"problem.absent.b"),
        ("{ b = [-1] }", r"problem.absent.b"),
        ("{ b = [1], w = [3, 1] }", r"received step 1, at which no other tensor has a gradient"),
    ],
)
def test_what_a_case_must_not_say_is_refused(tmp_path: Path, absent: str, wanted: str) -> None:
    with pytest.raises(SpecError, match=wanted):
        own(tmp_path, CASE.replace("{ b = [1, 2] }", absent))


def test_vectors_scripts_twins_and_searches_leave_such_cases_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "in which some tensors have no gradient" in left_out(tmp_path, CASE, capsys)


def test_each_rule_is_judged_so() -> None:
    cells = select(["*/absent*"])
    assert len({cell.rule for cell in cells}) > 12
    assert all(np.size(make(cell).absent(3)) for cell in cells)
