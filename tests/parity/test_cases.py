"""The committed cases cover every argument, dtype, generator and mistake, and their data is what it says it is."""

import hashlib
import re
import struct

import numpy as np
import pytest

from parity.case.cells import all_cells, pattern_of, select
from parity.case.places import CASES
from parity.case.rule import names
from parity.case.spec import Cell, Mlp, Replayed, hyperparameters
from parity.case.words import DTYPES, MISTAKES, PROBES, SOURCES

CELLS = all_cells()
ROUNDED_ON_PURPOSE = {"numerics/float64_learning_rate"}


def rounds_to_float32(number: float) -> bool:
    return bool(struct.unpack("f", struct.pack("f", number))[0] == number)


def test_there_are_at_least_forty_cells() -> None:
    assert len(CELLS) >= 40


def test_ids_are_unique() -> None:
    assert len({cell.id for cell in CELLS}) == len(CELLS)


@pytest.mark.parametrize("rule", names())
def test_every_argument_departs_from_its_default_somewhere(rule: str) -> None:
    varied = {name for cell in CELLS if cell.rule == rule for name in cell.hyperparameters.departures()}
    assert varied == set(hyperparameters(rule).__struct_fields__)


@pytest.mark.parametrize("rule", names())
def test_every_rule_has_ten_cells_in_all_dtypes(rule: str) -> None:
    own = [cell for cell in CELLS if cell.rule == rule]
    assert len(own) >= 10
    assert {cell.dtype for cell in own} == set(DTYPES)


def test_a_case_for_each_rule_is_one_of_every_rule_but_the_first() -> None:
    shared = {path.stem for path in (CASES / "each").glob("*.toml")}
    for rule in names():
        kept = {cell.case.removeprefix(f"{rule}/") for cell in CELLS if cell.case.startswith(f"{rule}/")}
        assert (shared <= kept) is (rule != "rmsprop")
    assert not any(cell.case.startswith("each/") for cell in CELLS)


def test_every_dtype_and_source_of_gradients_is_used() -> None:
    assert {cell.dtype for cell in CELLS} == set(DTYPES)
    assert {cell.gradients for cell in CELLS} == set(SOURCES)


def test_every_schedule_is_used() -> None:
    rates = {type(cell.hyperparameters.learning_rate).__name__ for cell in CELLS}
    assert len(rates - {"float"}) == 7


def test_every_generator_is_used() -> None:
    used = {cell.problem.generator for cell in CELLS if isinstance(cell.problem, Replayed)}
    assert used == {"log_spaced", "sign_flips", "zeros", "constant", "repeated", "recorded"}


def test_every_mistake_is_probed_by_some_case() -> None:
    assert {word for cell in CELLS if cell.rule == "rmsprop" for word in cell.probes} == set(MISTAKES)
    assert {word for cell in CELLS for word in cell.probes} == set(PROBES)


def test_each_dtype_meets_log_spaced_gradients_over_the_whole_range() -> None:
    wide = {c.dtype for c in CELLS if isinstance(c.problem, Replayed) and (c.problem.low, c.problem.high) == (1e-7, 10)}
    assert wide == set(DTYPES)


def test_the_question_has_its_own_case() -> None:
    for cell in select(["network/question*"]):
        assert isinstance(cell.problem, Mlp)
        assert (cell.problem.layers, cell.problem.batch_size, cell.steps) == ([784, 512, 10], 1, 1000)


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.dtype == "float64"], ids=lambda cell: cell.id)
def test_a_float64_case_has_a_learning_rate_that_float32_holds(cell: Cell) -> None:
    rate = cell.hyperparameters.learning_rate
    if isinstance(rate, float):
        assert rounds_to_float32(rate) != (cell.case in ROUNDED_ON_PURPOSE)
    elif cell.case != "schedule/float64":
        assert all(rounds_to_float32(value) for value in getattr(rate, "values", []))


def test_a_cell_is_selected_by_its_own_id_alone() -> None:
    assert [pattern_of(cell) for cell in CELLS] == [cell.id for cell in CELLS]
    assert select([cell.id for cell in CELLS]) == CELLS
    assert select([CELLS[-1].id]) == [CELLS[-1]]


def test_data_files_have_the_checksums_of_their_readme() -> None:
    text = (CASES / "data" / "README.md").read_text(encoding="utf-8")
    sums = dict(re.findall(r"\| `([\w.]+\.npz)` \| `([0-9a-f]{64})` \|", text))
    for name, expected in sums.items():
        assert hashlib.sha256((CASES / "data" / name).read_bytes()).hexdigest() == expected, name
    assert set(sums) == {path.name for path in (CASES / "data").glob("*.npz")}


def test_recorded_gradients_fit_their_case() -> None:
    cell = select(["network/recorded"])[0]
    assert isinstance(cell.problem, Replayed)
    with np.load(CASES / "data" / "recorded_gradients.npz", allow_pickle=False) as archive:
        shapes = {name: list(archive[name].shape) for name in archive.files}
    assert shapes == {name: [cell.steps, *shape] for name, shape in cell.problem.tensors.items()}
