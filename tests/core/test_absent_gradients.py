"""Tensors without a gradient at some steps: who is handed none, what a case may say, and what is said of who moves."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.case.cells import load_cells, select
from parity.diagnosis.mutants import mutants
from parity.errors import SpecError
from parity.problem.problems import make
from parity.runner.loop import run_pair
from parity.subjects.numpy_class import NumpySubject

CASE = """\
id = "own"
summary = "Some have none"
probes = ["absent_gradient"]
steps = 4
problem = { kind = "replayed", generator = "log_spaced", tensors = { w = [3], b = [2] }, absent = { b = [1, 2] } }
hyperparameters = { weight_decay = 0.5 }
"""


def own(folder: Path, text: str = CASE) -> Any:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    (cell,) = load_cells(path)
    return cell


def test_a_problem_says_who_has_none_and_hands_out_zeros_in_their_place(tmp_path: Path) -> None:
    problem = make(own(tmp_path))
    assert [sorted(problem.absent(step)) for step in range(4)] == [[], ["b"], ["b"], []]
    assert [bool(problem.gradients(step)["b"].any()) for step in range(4)] == [True, False, False, True]
    assert all(problem.gradients(step)["w"].all() for step in range(4))


def test_the_page_is_identical_to_itself_and_who_moves_is_told_where(tmp_path: Path) -> None:
    cell = own(tmp_path)
    assert run_pair(cell, "reference").verdict.name == "IDENTICAL"
    wrong = {m.variant: m for m in mutants() if m.mistake == "absent_gradient"}
    assert set(wrong) == {"taken for zero", "decayed"}
    for mutant in wrong.values():
        pair = run_pair(cell, "mutant", mutant.make(cell))
        (lockstep,) = (item for item in pair.comparisons if item.comparison == "lockstep")
        first = lockstep.first_divergence
        assert (lockstep.verdict, first.step, first.tensor) == ("DIVERGED", 1, "b")
        assert "no gradient at this step" in first.note


class Mine:
    """A person's own."""

    def __init__(self, learning_rate: float = 0.001, weight_decay: float = 0.0) -> None:
        self.rate, self.decay = learning_rate, weight_decay

    def update(self, w: Any, grad: Any) -> Any:
        return w - (self.rate * grad).astype(w.dtype)


def test_a_persons_class_is_not_handed_a_gradient_that_is_none(tmp_path: Path) -> None:
    pair = run_pair(own(tmp_path), "mine", NumpySubject(Mine, "mine"))
    assert {item.verdict for item in pair.comparisons} == {"UNSUPPORTED"}
    assert "here some have none" in pair.comparisons[0].reason


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


def test_vectors_scripts_twins_and_searches_leave_such_cases_out(tmp_path: Path, capsys: Any) -> None:
    from parity.commands.cli import main
    from parity.diagnosis.probes import of_cell
    from parity.fuzz.judging import judge_cell

    cell = own(tmp_path)
    assert of_cell(cell) is None
    assert judge_cell(cell, "permute", "reference").verdict == "UNSUPPORTED"
    assert main(["export", str(tmp_path / "own.toml"), "--output", str(tmp_path / "vectors")]) == 3
    assert "in which some tensors have no gradient" in capsys.readouterr().out


def test_each_rule_is_judged_so() -> None:
    cells = select(["*/absent*"])
    assert len({cell.rule for cell in cells}) > 12
    assert all(np.size(make(cell).absent(3)) for cell in cells)
