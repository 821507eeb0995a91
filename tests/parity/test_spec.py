"""The model of a case and the JSON Schema that it generates."""

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from parity.case.cells import load_cells
from parity.case.places import CASES, case_paths
from parity.case.spec import cell_of, hyperparameters, schema, schema_text
from parity.reference.rmsprop import RMSprop

CASE: dict[str, Any] = {
    "id": "a",
    "summary": "s",
    "probes": ["rho"],
    "steps": 2,
    "problem": {"kind": "replayed", "generator": "zeros", "tensors": {"k": [2]}},
    "weights": {"kind": "normal"},
    "hyperparameters": {
        "learning_rate": {"schedule": "ExponentialDecay", "initial_learning_rate": 1, "decay_steps": 1, "decay_rate": 1}
    },
}
VALIDATOR = jsonschema.Draft202012Validator(schema())


def documents() -> list[Path]:
    return [path for path in case_paths() if {"experiment", "known"}.isdisjoint(tomllib.loads(path.read_text("utf-8")))]


def test_the_committed_schema_is_the_generated_one() -> None:
    assert (CASES / "schema.json").read_text(encoding="utf-8") == schema_text(), "run: make schema"


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.stem)
def test_a_committed_case_follows_the_schema(path: Path) -> None:
    VALIDATOR.validate(tomllib.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("table", ["", "problem", "weights", "hyperparameters", "hyperparameters.learning_rate"])
def test_the_schema_refuses_unknown_keys_in_every_table(table: str) -> None:
    case = json.loads(json.dumps(CASE))
    VALIDATOR.validate(case)
    target = case
    for key in filter(None, table.split(".")):
        target = target[key]
    target["surprise"] = 1
    assert not VALIDATOR.is_valid(case)


@pytest.mark.parametrize("name", ["a\n", "../a", "a b", "<script>", "", "-a", "a" * 81])
def test_the_schema_refuses_ids_that_are_no_names(name: str) -> None:
    assert not VALIDATOR.is_valid({**CASE, "id": name})


def test_hyperparameters_have_the_names_and_defaults_of_the_reference() -> None:
    page, given = RMSprop(), hyperparameters()()
    for name in hyperparameters().__struct_fields__:
        expected = getattr(page, name)
        assert getattr(given, name) == (list(expected) if isinstance(expected, tuple) else expected), name


def test_departures_name_what_differs_from_the_defaults() -> None:
    assert hyperparameters()(rho=0.5, epsilon=1e-7).departures() == {"rho": 0.5}


def test_a_cell_survives_a_round_trip_through_json() -> None:
    for cell in load_cells(CASES / "rmsprop" / "everything.toml"):
        assert cell_of(msgspec.json.decode(msgspec.json.encode(cell))) == cell


def test_a_cell_cannot_be_changed() -> None:
    cell = load_cells(CASES / "rmsprop" / "defaults.toml")[0]
    with pytest.raises(AttributeError):
        cell.steps = 1  # type: ignore[misc]  # frozen: that it raises is the test
