"""The exported set, judged from its files alone: right optimizers pass, each mistake that a vector names fails."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from parity.bounds.rule import reference_rule
from parity.case.cells import select
from parity.case.spec import Cell
from parity.case.words import MISTAKES
from parity.commands.cli import main
from parity.diagnosis.mutants import mutants
from parity.export import proof
from parity.export.consume import first_miss, read_vector, within
from parity.export.folder import vector_of
from parity.problem.problems import make
from parity.reference.family import Family
from parity.subjects.binding.arguments import bind
from parity.trajectory.golden.place import SHIPPED
from parity.trajectory.golden.store import open_recording

PROGRAM = {"data_order", "network"}
# A vector has a gradient of each tensor at each step and knows of nothing around an update; other cases are left out.
LEFT_OUT = {"absent_gradient", "constraint", "dynamic_loss_scale", "frozen_tensor"}


@cache
def vectors(folder: Path) -> list[tuple[Cell, Any, dict[str, Any]]]:
    paths = [folder / entry["vector"] for entry in json.loads((folder / "index.json").read_text())["vectors"]]
    read = [read_vector(path) for path in paths]
    return [(select([vector.id])[0], vector, values) for vector, values in read]


@pytest.mark.exhaustive
@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_every_mistake_that_a_vector_names_leaves_its_bounds(conformance: Path, every: int) -> None:
    """In the suite of every fourth vector; of all of them it is exhaustive."""
    for cell, vector, values in vectors(conformance)[::every]:
        named = {mutant: proof.title(mutant) for mutant in mutants()}
        assert set(vector.catches) <= set(named.values())
        for mutant, title in named.items():
            make_one = proof.factory(cell, mutant)
            if make_one is not None:
                missed = first_miss(vector, values, make_one) is not None
                assert missed == (title in vector.catches), (cell.id, title)


def test_every_flag_is_a_probe_that_is_shown_to_be_caught(conformance: Path) -> None:
    for cell, vector, _ in vectors(conformance):
        assert set(vector.flags) <= set(cell.probes)
        assert set(vector.flags) <= {name.partition("/")[0] for name in vector.catches}


def test_the_set_catches_every_mistake_that_is_more_than_rounding(conformance: Path) -> None:
    caught = {name for _, vector, _ in vectors(conformance) for name in vector.catches}
    missing = {
        proof.title(mutant)
        for mutant in mutants()
        if not (mutant.rounding or mutant.handed or mutant.mistake in (*PROGRAM, *LEFT_OUT))
        and proof.title(mutant) not in caught
    }
    assert missing == set()


@pytest.mark.parametrize(
    "switch", [{}, {"division": "rsqrt"}, {"moment_form": "lerp"}, {"moment_form": "chained"}], ids=str
)
def test_another_order_of_the_same_operations_passes(conformance: Path, switch: dict[str, str]) -> None:
    for cell, vector, values in vectors(conformance):
        if vector.rule != "rmsprop":  # the family's
            continue

        def build(cell: Cell = cell) -> Family:
            return Family(**{**bind(Family, cell.hyperparameters).values, **switch})

        assert first_miss(vector, values, build) is None, cell.id


@pytest.mark.parametrize("library", ["keras-eager", "keras-graph", "keras-xla"])
def test_what_tf_keras_was_recorded_to_do_is_inside_every_bound(conformance: Path, library: str) -> None:
    checked = 0
    for cell, vector, values in vectors(conformance):
        if not list((SHIPPED / library).glob(f"{vector.values.removesuffix('.safetensors')}.json")):
            continue
        _, reader = open_recording(SHIPPED / library, make(cell))
        # A tensor has not every slot: only a matrix has moments of rows and columns.
        pairs = (f"{slot}/{tensor}" for slot in vector.slots for tensor in vector.tensors)
        for name in (pair for pair in pairs if f"expected/{pair}" in values):
            for step in range(vector.steps):
                obtained = reader.row(name, step + 1).astype(np.float64)
                expected = values[f"expected/{name}"][step + 1].astype(np.float64)
                assert within(obtained, expected, values[f"bound_run/{name}"][step]).all(), (cell.id, name, step)
                checked += obtained.size
    assert checked > 1_000


def test_a_vector_names_the_recordings_that_have_its_bits(conformance: Path) -> None:
    (plain,) = [vector for cell, vector, _ in vectors(conformance) if cell.id == "rmsprop/plain[float32]"]
    assert [text.partition(" ")[0] for text in plain.source.agrees] == ["keras-eager"]


def test_bounds_grow_with_a_run_and_are_a_few_roundings_for_a_step(conformance: Path) -> None:
    (plain,) = [(v, values) for cell, v, values in vectors(conformance) if cell.id == "rmsprop/plain[float32]"]
    values = plain[1]
    for slot in plain[0].slots:
        step, run = values[f"bound_step/{slot}/kernel"], values[f"bound_run/{slot}/kernel"]
        assert (run >= step).all()
        assert np.array_equal(run[0], step[0])
        expected = np.abs(values[f"expected/{slot}/kernel"][1:].astype(np.float64))
        assert (step <= 32 * np.finfo(np.float32).eps * (expected + 1e-2)).all()


def test_the_json_of_a_set_follows_its_schemas(conformance: Path) -> None:
    index = json.loads((conformance / "index.json").read_text())
    jsonschema.validate(index, json.loads((conformance / "index.schema.json").read_text()))
    schema = json.loads((conformance / "vector.schema.json").read_text())
    for entry in index["vectors"]:
        jsonschema.validate(json.loads((conformance / entry["vector"]).read_text()), schema)
    assert set(index["flags"]) <= set(MISTAKES)
    used = {flag for entry in index["vectors"] for flag in entry["flags"]}
    assert used <= set(index["flags"])
    assert {word for entry in index["vectors"] for word in entry["requires"]} <= set(index["requires"])


def test_the_lines_say_what_the_index_says(conformance: Path) -> None:
    head, *rows = [line.split("\t") for line in (conformance / "index.tsv").read_text().splitlines()]
    for row, entry in zip(rows, json.loads((conformance / "index.json").read_text())["vectors"], strict=True):
        for column, text in zip(head, row, strict=True):
            value = entry[column]
            assert text == (",".join(value) or "-" if isinstance(value, list) else str(value))


def test_the_same_case_yields_the_same_bytes() -> None:
    (cell,) = select(["rmsprop/defaults"])
    assert vector_of(cell)[1] == vector_of(cell)[1]


def test_a_vector_is_as_long_as_its_flags_need() -> None:
    (short, long) = (vector_of(select([name])[0])[0] for name in ("rmsprop/defaults", "schedule/piecewise"))
    assert short.steps == 12
    assert long.steps in (12, 60)
    assert "schedule" in long.flags


def test_cases_that_would_judge_a_model_are_left_out_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "network/quick", "--output", str(tmp_path / "set")]) == 3
    assert "left out: 2 cells" in capsys.readouterr().out
    assert not (tmp_path / "set").exists()


def test_weight_decay_names_the_tensors_that_it_reaches(conformance: Path) -> None:
    (found,) = [vector for cell, vector, _ in vectors(conformance) if cell.id == "rmsprop/weight_decay_excluded"]
    assert found.decayed == ["kernel"]


def test_inside_a_bound_means_what_the_readme_says() -> None:
    nan, inf = np.nan, np.inf
    obtained = np.array([1.0, 1.5, nan, nan, inf, inf, -inf, 7.0])
    expected = np.array([1.0, 1.0, nan, 1.0, inf, 1.0, inf, 1.0])
    bound = np.array([0.0, 0.4, 0.0, 1.0, 0.0, 1.0, 1.0, inf])
    assert within(obtained, expected, bound).tolist() == [True, False, True, False, True, False, False, True]


def test_a_vector_of_another_rule_has_its_numbers_slots_and_formulas(conformance: Path) -> None:
    found = {vector.rule: (cell, vector, values) for cell, vector, values in vectors(conformance)}
    assert set(found) == {"rmsprop", "adam", "nadam", "adafactor"}
    adam, nadam, factored = (found[rule][1] for rule in ("adam", "nadam", "adafactor"))
    beta_2 = found["adam"][0].hyperparameters.beta_2
    assert (adam.constants["beta_2"], adam.constants["one_minus_beta_2"]) == (beta_2, 1 - beta_2)
    assert adam.requires == ["amsgrad"]
    assert adam.source.made_by == "reference/adam.py"
    assert found["nadam"][2]["expected/momentum_product/kernel"].shape == (nadam.steps + 1,)
    assert "expected/row_moment/bias" not in found["adafactor"][2]
    assert found["adafactor"][2]["bound_run/row_moment/kernel"].shape[0] == factored.steps
    rules = json.loads((conformance / "index.json").read_text())["rules"]
    assert set(rules) == set(found)
    assert list(rules["adam"])[-1] == "parameter"


def test_the_page_of_another_rule_passes_its_vectors_and_a_wrong_one_does_not(conformance: Path) -> None:
    for cell, vector, values in vectors(conformance):
        if vector.rule == "rmsprop":
            continue
        assert proof.agrees(cell, vector, values)
        wrong = reference_rule(cell)
        wrong.learning_rate = 3 * float(cell.hyperparameters.learning_rate)
        assert first_miss(vector, values, lambda wrong=wrong: wrong) is not None
