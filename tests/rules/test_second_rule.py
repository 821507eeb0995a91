"""A rule that the house does not know goes the whole way from a case to a report."""

import json
from pathlib import Path

import numpy as np
import pytest

from parity.api import Results, run_all
from parity.bounds.rule import bounded_rule, bounded_step, enclosure, reference_rule
from parity.case.cells import load_cells
from parity.case.rule import find, names, stages
from parity.case.spec import Cell
from parity.commands.cli import main
from parity.errors import SpecError
from parity.problem.problems import make
from parity.report.details import chain

HERE = Path(__file__).parent
CASE = str(HERE / "heavy_ball.toml")
CELLS = load_cells(HERE / "heavy_ball.toml")


@pytest.fixture(scope="module")
def results() -> Results:
    subjects = ["reference", f"{HERE / 'descent.py'}:Right", f"{HERE / 'descent.py'}:Forgetful", "optax"]
    return Results(run_all(CELLS, subjects).pairs)


def verdicts(results: Results, subject: str, momentum: bool) -> set[str]:
    chosen = [item for item in results.comparisons if item.subject.endswith(subject)]
    return {item.verdict for item in chosen if ("momentum" in item.case) is momentum}


def test_the_page_beside_itself_is_identical(results: Results) -> None:
    assert verdicts(results, "reference", True) == verdicts(results, "reference", False) == {"IDENTICAL"}


def test_the_page_beside_itself_has_the_name_of_the_rule_that_ran(results: Results) -> None:
    ran = {pair.resolved.partition("(")[0] for pair in results.pairs if pair.subject == "reference"}
    assert ran == {"reference.heavy_ball:HeavyBall"}


def test_a_right_class_is_right_and_what_it_lacks_is_said(results: Results) -> None:
    assert verdicts(results, "Right", False) == {"IDENTICAL"}
    assert verdicts(results, "Right", True) == {"IDENTICAL", "UNSUPPORTED"}


def test_a_wrong_class_parts_at_the_stage_of_its_mistake(results: Results) -> None:
    assert verdicts(results, "Forgetful", False) == {"IDENTICAL"}
    parted = [i for i in results.comparisons if i.subject.endswith("Forgetful") and i.first_divergence]
    assert parted
    assert {(i.first_divergence.step, i.first_divergence.stage) for i in parted if i.first_divergence} == {
        (1, "momentum_buffer")
    }


def test_a_library_that_has_another_rule_says_so(results: Results) -> None:
    found = [item for item in results.comparisons if item.subject == "optax"]
    assert {item.verdict for item in found} <= {"UNSUPPORTED", "NOT_INSTALLED"}


def test_the_report_shows_the_formulas_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where no answer of ours lies, which the page would show below
    subject = f"{HERE / 'descent.py'}:Forgetful"
    assert main(["report", CASE, "--subject", subject, "--output", str(tmp_path / "out"), "--jobs", "1"]) == 1
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "b ← μ·b − η·g" in page
    assert "second moment" not in page
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))["results"]
    places = [item["first_divergence"] for item in results]
    assert {place["stage"] for place in places if place} == {"momentum_buffer"}


def test_the_stages_and_their_forms_are_those_of_the_page() -> None:
    rule = find("heavy_ball.py", str(HERE))
    wanted = ("loss", "gradient", "accumulated_gradient", "momentum_buffer", "parameter", "average")
    assert stages(rule) == wanted
    plain, moving = ({"hyperparameters": given} for given in ({}, {"momentum": 0.9}))
    assert chain(plain, rule) == [("gradient", "g"), ("parameter", "w ← w − η·g")]
    assert chain(moving, rule)[-2:] == [("momentum_buffer", "b ← μ·b − η·g"), ("parameter", "w ← w + b")]


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.id)
def test_any_right_evaluation_is_inside_the_bounds_that_follow_from_the_page(cell: Cell) -> None:
    """The narrow page is one evaluation of many: no step of it leaves the bound on the exact one."""
    problem = make(cell)
    rule, bounded = reference_rule(cell), bounded_rule(cell)
    params, state = dict(problem.params), rule.init(problem.params)
    for step in range(cell.steps):
        grads = problem.gradients(step)
        start = {"parameter": params, "gradient": grads, **rule.slots(state)}
        reached = bounded_step(bounded, start, step)
        params, state = rule.step(params, grads, state)
        for slot, tensors in {"parameter": params, **rule.slots(state)}.items():
            for name, own in tensors.items():
                value, error = enclosure(reached[slot][name])
                assert np.all(np.abs(own.astype(value.dtype) - value) <= error), (slot, name, step)


def test_a_rule_without_a_page_is_refused_with_the_nearest(tmp_path: Path) -> None:
    case = (HERE / "heavy_ball.toml").read_text(encoding="utf-8")
    for rule, wanted in (("rmsporp", "Did you mean 'rmsprop'"), ("absent.py", "no file 'absent.py'")):
        path = tmp_path / "heavy_ball.toml"
        path.write_text(case.replace("heavy_ball.py", rule), encoding="utf-8")
        with pytest.raises(SpecError, match=wanted):
            load_cells(path)


def test_an_argument_that_the_rule_lacks_is_refused_with_those_it_has(tmp_path: Path) -> None:
    (tmp_path / "heavy_ball.py").write_text((HERE / "heavy_ball.py").read_text(encoding="utf-8"), encoding="utf-8")
    path = tmp_path / "heavy_ball.toml"
    case = (HERE / "heavy_ball.toml").read_text(encoding="utf-8")
    path.write_text(case.replace("momentum = 0.5", "rho = 0.5"), encoding="utf-8")
    with pytest.raises(SpecError, match=r"unknown key 'rho'.*nesterov"):
        load_cells(path)


def test_the_shipped_rules_are_the_pages_of_reference() -> None:
    assert "rmsprop" in names()
    assert "family" not in names()
