"""A case for each rule: what is refused, what a rule takes of it, and what stands in its place."""

from pathlib import Path

import pytest

from parity.case.cells import collect, load_cells, select
from parity.errors import SpecError

CASE = """\
id = "shared"
summary = "For all"
probes = ["learning_rate"]
rule = "each"
steps = 2
where_taken = { beta_2 = 0.5, nesterov = true }
problem = { kind = "replayed", generator = "log_spaced", tensors = { w = [2] } }
hyperparameters = { learning_rate = 0.5 }
matrix = { dtype = ["float32", "float64"] }
"""


def below(root: Path, text: str = CASE) -> Path:
    (root / "each").mkdir(exist_ok=True)
    path = root / "each" / "shared.toml"
    path.write_text(text, encoding="utf-8")
    return path


def own(root: Path) -> Path:
    """Write the case that Adam has in place of that for all."""
    (root / "adam").mkdir()
    text = CASE.replace('"each"', '"adam"').replace("where_taken = { beta_2 = 0.5, nesterov = true }\n", "")
    path = root / "adam" / "shared.toml"
    path.write_text(text.replace("For all", "For one"), encoding="utf-8")
    return path


def test_each_rule_gets_the_case_with_what_it_takes(tmp_path: Path) -> None:
    cells = {cell.id: cell for cell in load_cells(below(tmp_path), tmp_path)}
    assert {"adam/shared[float32]", "adam/shared[float64]", "sgd/shared[float32]"} < set(cells)
    assert not any(name.startswith("rmsprop") for name in cells)
    assert cells["adam/shared[float64]"].hyperparameters.departures() == {"learning_rate": 0.5, "beta_2": 0.5}
    assert cells["sgd/shared[float64]"].hyperparameters.departures() == {"learning_rate": 0.5, "nesterov": True}
    assert {cell.rule for cell in cells.values() if cell.case == "lion/shared"} == {"lion"}


def test_a_rules_own_file_stands_in_the_place_of_what_is_shared(tmp_path: Path) -> None:
    below(tmp_path)
    own(tmp_path)
    cells, problems = collect(["*/shared"], tmp_path)
    assert not problems
    assert {cell.summary for cell in cells if cell.rule == "adam"} == {"For one"}
    assert {cell.summary for cell in cells if cell.rule != "adam"} == {"For all"}


def test_it_does_so_from_when_it_is_there_until_it_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parity.case.cells.CASES", tmp_path)
    below(tmp_path)

    def said() -> set[str]:
        return {cell.summary for pattern in ("*", "adam/shared") for cell in select([pattern]) if cell.rule == "adam"}

    assert said() == {"For all"}
    file = own(tmp_path)
    assert said() == {"For one"}
    file.unlink()
    assert said() == {"For all"}


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("beta_2 = 0.5", "beta_3 = 0.5", r"where_taken.beta_3: no rule has it. Did you mean 'beta_[12]'"),
        ("{ beta_2 = 0.5, nesterov = true }", "3", "allowed: a table of hyperparameters"),
        ("{ learning_rate = 0.5 }", "{ rho = 0.5 }", "unknown key 'rho'"),
        ("{ learning_rate = 0.5 }", "3", "hyperparameters"),
        ('"each"', '"adam"', "has no effect without rule = 'each'"),
    ],
)
def test_what_no_rule_may_have_is_refused_with_its_line(tmp_path: Path, old: str, new: str, wanted: str) -> None:
    with pytest.raises(SpecError, match=wanted) as caught:
        load_cells(below(tmp_path, CASE.replace(old, new)), tmp_path)
    assert "shared.toml:" in str(caught.value)


def test_a_case_of_a_persons_own_names_its_rule(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="which is for the cases that are shipped"):
        load_cells(below(tmp_path))


def test_patterns_of_any_argument_are_regular_expressions(tmp_path: Path) -> None:
    text = CASE.replace('"each"', '"muon"').replace("where_taken = { beta_2 = 0.5, nesterov = true }\n", "")
    path = tmp_path / "own.toml"
    path.write_text(text.replace("{ learning_rate = 0.5 }", '{ exclude_layers = ["head", "("] }'), encoding="utf-8")
    with pytest.raises(SpecError, match=r"exclude_layers: received '\(', which is no regular expression"):
        load_cells(path)


def test_a_case_may_be_for_some_rules_alone(tmp_path: Path) -> None:
    cells = load_cells(below(tmp_path, CASE + 'only = ["sgd", "adam"]\n'), tmp_path)
    assert {cell.rule for cell in cells} == {"sgd", "adam"}
    for only, wanted in (
        ('["rmsprop"]', "received 'rmsprop'; allowed: some of"),
        ("[]", "received"),
        ("3", "received 3"),
    ):
        with pytest.raises(SpecError, match=f"only: {wanted}"):
            load_cells(below(tmp_path, CASE + f"only = {only}\n"), tmp_path)
