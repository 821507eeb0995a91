"""A rule whose slots have shapes of their own goes the whole way from a case to a report."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.api import Results, run_all
from parity.bounds.compiled import forms
from parity.bounds.rule import bounded_rule, bounded_step, enclosure, reference_rule
from parity.case.cells import load_cells
from parity.case.spec import Cell
from parity.commands.cli import main
from parity.judge import beside
from parity.problem.problems import make
from parity.runner.loop import run_pair
from parity.trajectory.layout import layout_of_problem
from parity.verdicts.results import Comparison

HERE = Path(__file__).parent
CASE = str(HERE / "row_moments.toml")
CELLS = load_cells(HERE / "row_moments.toml")
PLAIN = [cell for cell in CELLS if not cell.hyperparameters.departures()]


def subject(name: str) -> str:
    return f"{HERE / 'rows.py'}:{name}"


@pytest.fixture(scope="module")
def results() -> Results:
    names = ("Right", "OneRow", "WholeTwice", "RowsHidden", "OneRowHidden")
    return Results(run_all(CELLS, ["reference", *map(subject, names)]).pairs)


def found(results: Results, name: str) -> list[Comparison]:
    plain = {cell.id for cell in PLAIN}
    return [item for item in results.comparisons if item.subject.endswith(f"{name}") and item.case in plain]


def places(results: Results, name: str) -> set[tuple[Any, ...]]:
    firsts = [item.first_divergence for item in found(results, name)]
    return {(at.step, at.slot, at.tensor, tuple(at.index), at.stage) if at else () for at in firsts}


@pytest.mark.exhaustive
def test_the_page_beside_itself_is_identical(results: Results) -> None:
    mine = [item for item in results.comparisons if item.subject == "reference"]
    assert len(mine) == 2 * len(CELLS)
    assert {item.verdict for item in mine} == {"IDENTICAL"}


def test_every_value_of_every_shape_is_counted(results: Results) -> None:
    parameters, rows, scalars = 4 * 6 + 6 + 1 + 2 * 3 * 5, 4 + 1 + 2 * 3, 4
    (cell,) = {item.compared for item in found(results, "reference")}
    assert cell == 9 * (parameters + rows + scalars)


@pytest.mark.parametrize("name", ["Right", "RowsHidden"])
def test_a_right_class_is_right_whether_it_shows_its_rows_or_not(results: Results, name: str) -> None:
    assert len(found(results, name)) == 2 * len(PLAIN)
    assert {item.verdict for item in found(results, name)} <= {"IDENTICAL", "ROUNDING"}


def test_a_wrong_row_is_named_by_its_index_among_the_rows(results: Results) -> None:
    assert places(results, "OneRow") == {(3, "row_moment", "cube", (1, 2), "row_moment")}


def test_a_wrong_number_of_a_tensor_has_an_empty_index(results: Results) -> None:
    assert places(results, "WholeTwice") == {(0, "tensor_moment", "bias", (), "tensor_moment")}


def test_a_wrong_row_that_is_hidden_shows_in_the_weights_of_that_row(results: Results) -> None:
    # In 16 bits the bound of what is hidden is as wide as the mistake.
    wide = [item for item in found(results, "OneRowHidden") if "[float32" in item.case or "[float64" in item.case]
    firsts = [item.first_divergence for item in wide]
    assert len(firsts) == 4
    assert {at and (at.step, at.slot, at.tensor, *at.index[:2]) for at in firsts} == {(3, "parameter", "cube", 1, 2)}


def test_the_table_and_the_sample_have_every_slot_in_its_own_size(results: Results) -> None:
    layout = layout_of_problem(make(PLAIN[0]))
    for item in found(results, "Right"):
        table = item.table
        for slot in ("parameter", "row_moment", "tensor_moment"):
            sizes = {
                t: int(n) for s, t, n in zip(table["slot"], table["tensor"], table["size"], strict=True) if s == slot
            }
            own = layout.of(slot)
            assert sizes == dict(zip(own.names, own.sizes.tolist(), strict=True))
        if item.comparison == "lockstep":
            steps = {slot: part.sampled for slot, part in item.catch.items()}
            assert steps == {slot: 8 * layout.of(slot).size for slot in ("parameter", "row_moment", "tensor_moment")}


def test_another_shape_is_not_comparable_and_both_are_said() -> None:
    pair = run_pair(PLAIN[0], subject("Columns"))
    assert {item.verdict for item in pair.comparisons} == {"NOT_COMPARABLE"}
    assert "row_moment of kernel has shape (6,); the rule's has (4,)" in pair.comparisons[0].reason


def test_a_row_that_is_not_finite_on_one_side_is_found() -> None:
    for item in run_pair(PLAIN[0], subject("Endless")).comparisons:
        at = item.first_divergence
        assert at is not None
        assert (item.verdict, at.step, at.slot, at.tensor, at.index) == ("NON_FINITE", 0, "row_moment", "kernel", [2])


def test_who_does_not_repeat_himself_is_told_so_with_the_row() -> None:
    where = "two runs with the same inputs differ at step 0, row_moment of kernel at ["
    for pair in [*run_all(PLAIN[:1], [subject("Noisy")]).pairs, run_pair(PLAIN[0], subject("Noisy"))]:
        assert {item.verdict for item in pair.comparisons} == {"FAILED"}
        assert pair.comparisons[0].reason.startswith(f"is not repeatable: {where}")


def test_compiled_forms_and_judges_beside_the_subject_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = run_pair(PLAIN[0], subject("OneRow"))
    for module in (forms, beside):
        monkeypatch.setattr(module, "WORTH", 0)
    apart = run_pair(PLAIN[0], subject("OneRow"), beside=True)
    for one, other in zip(plain.comparisons, apart.comparisons, strict=True):
        assert (one.verdict, one.digest, one.first_divergence) == (other.verdict, other.digest, other.first_divergence)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.id)
def test_any_right_evaluation_is_inside_the_bounds_that_follow_from_the_page(cell: Cell) -> None:
    problem = make(cell)
    rule, bounded = reference_rule(cell), bounded_rule(cell)
    params, state = dict(problem.params), rule.init(problem.params)
    for step in range(cell.steps):
        grads = problem.gradients(step)
        reached = bounded_step(bounded, {"parameter": params, "gradient": grads, **rule.slots(state)}, step)
        params, state = rule.step(params, grads, state)
        for slot, tensors in {"parameter": params, **rule.slots(state)}.items():
            for name, own in tensors.items():
                value, error = enclosure(reached[slot][name])
                assert np.shape(value) == np.shape(own)
                assert np.all(np.abs(np.asarray(own).astype(value.dtype) - value) <= error), (slot, name, step)


def test_the_report_names_the_row(tmp_path: Path) -> None:
    arguments = ["report", CASE, "--subject", subject("OneRow"), "--output", str(tmp_path), "--jobs", "1"]
    assert main(arguments) == 1
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "r ← ρ·r + (1−ρ)·mean(g², each row)" in page
    firsts = [item["first_divergence"] for item in json.loads((tmp_path / "results.json").read_text())["results"]]
    assert [1, 2] in [first["index"] for first in firsts if first]


def test_a_recording_holds_each_slot_in_its_own_shape(tmp_path: Path) -> None:
    assert main(["record", CASE, "--subject", "reference", "--output", str(tmp_path), "--jobs", "1"]) == 0
    again = run_all(PLAIN, [f"golden:{tmp_path / 'reference'}"]).pairs
    assert {item.verdict for pair in again for item in pair.comparisons} == {"IDENTICAL"}
