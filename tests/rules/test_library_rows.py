"""What the adapters of other libraries know of each rule is data: arguments and slots that there are."""

from collections.abc import Mapping
from importlib import import_module
from inspect import signature
from operator import attrgetter
from typing import Any

import pytest

from parity.case.cells import select
from parity.case.rule import find, names
from parity.case.spec import hyperparameters
from parity.diagnosis import libraries
from parity.errors import UnsupportedError
from parity.problem.problems import make
from parity.runner.loop import run_pair
from parity.subjects import optax, tf1, tf_keras, torch
from parity.subjects.library import LibrarySubject, Row
from parity.verdicts.verdict import Verdict

ADAPTERS: dict[str, type[LibrarySubject]] = {
    "torch": torch.TorchSubject,
    "optax": optax.OptaxSubject,
    "tf_keras": tf_keras.TfKerasSubject,
    "tf_keras-legacy": tf_keras.TfKerasLegacySubject,
    "tf1": tf1.Tf1Subject,
}
ROWS = [(name, rule, row) for name, kind in ADAPTERS.items() for rule, row in kind.rows.items()]


@pytest.mark.parametrize(("name", "rule", "row"), ROWS, ids=[f"{name}-{rule}" for name, rule, _ in ROWS])
def test_a_row_names_arguments_and_slots_of_its_rule(name: str, rule: str, row: Row) -> None:
    known = find(rule)
    assert row.names <= {parameter.name for parameter in known.parameters}
    assert set(row.slots.values()) <= set(known.slots)
    assert len(set(row.slots.values())) == len(row.slots)
    values = row.values(hyperparameters(rule)())
    assert set(values) == {*row.arguments, *row.fixed}
    assert {own for own, value in values.items() if value is None} <= set(row.off), "a decay that is off is 0"
    assert set(row.off) <= set(row.arguments)


@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
@pytest.mark.parametrize("name", ADAPTERS)
def test_a_library_has_what_its_rows_name(name: str) -> None:
    pytest.importorskip({"tf1": "tensorflow"}.get(name, name.partition("-")[0]), reason="the library is not installed")
    home, _, inside = ADAPTERS[name].library.replace("tf.", "tensorflow.").partition(".")
    rows = ADAPTERS[name].rows.values()
    for row in [*rows, *(other for each in rows for other in each.instead.values())]:
        found: Any = attrgetter(f"{inside}.{row.kind}" if inside else row.kind)(import_module(home))
        assert set(row.arguments) | set(row.fixed) <= set(signature(found).parameters), row.kind


def test_a_flag_may_stand_for_another_row() -> None:
    rows: Mapping[str, Row] = optax.ROWS
    kinds = [rows["adam"].chosen(hyperparameters("adam")(amsgrad=flag)).kind for flag in (False, True)]
    assert kinds == ["adam", "amsgrad"]
    assert "amsgrad" in rows["adam"].names


@pytest.mark.parametrize(
    ("adapter", "case", "said"),
    [
        (torch.TorchSubject, "muon/plain[float32]", "torch.optim.Muon takes every matrix; embedding, by its name"),
        (torch.TorchSubject, "muon/odd_shapes", r"torch.optim.Muon takes matrices alone; one has the shape \[1\]"),
        (
            optax.OptaxSubject,
            "muon/plain[float32]",
            "optax.contrib.muon takes every matrix; embedding, by its name, is",
        ),
    ],
)
def test_tensors_of_another_rule_there_are_refused(adapter: type[LibrarySubject], case: str, said: str) -> None:
    (cell,) = select([case])
    with pytest.raises(UnsupportedError, match=said):
        adapter().require(make(cell))


@pytest.mark.parametrize("adapter", [torch.TorchSubject, optax.OptaxSubject])
def test_matrices_alone_are_taken(adapter: type[LibrarySubject]) -> None:
    for cell in select(["muon/matrices"]):
        adapter().require(make(cell))
    if adapter is optax.OptaxSubject:  # the others are Adam's there, too
        adapter().require(make(select(["muon/odd_shapes"])[0]))


def test_an_argument_that_nothing_stands_for_is_refused() -> None:
    rows: Mapping[str, Row] = optax.ROWS
    with pytest.raises(UnsupportedError, match="cannot be without consistent_rms; the case sets 'rms_rate' to None"):
        rows["muon"].values(hyperparameters("muon")(rms_rate=None))


def test_what_a_library_has_not_is_unsupported_and_says_what_it_has() -> None:
    for name, kind in ADAPTERS.items():
        adapter = kind()
        (lacking, *_) = [rule for rule in names() if rule not in adapter.rows]
        pair = run_pair(select([f"{lacking}/plain[float32]"])[0], name, adapter)  # type: ignore[arg-type]
        (reason,) = {item.reason for item in pair.comparisons}
        assert {item.outcome for item in pair.comparisons} == {Verdict.UNSUPPORTED}
        assert reason.startswith(f"{adapter.library} has no optimizer for the rule {lacking!r}; it has ")


def test_an_argument_of_several_numbers_is_passed_as_one() -> None:
    given: Any = hyperparameters("adam")(beta_1=0.5, amsgrad=True)
    row: Mapping[str, Row] = torch.ROWS
    assert row["adam"].values(given) == {"betas": (0.5, 0.999), "eps": 1e-7, "weight_decay": 0.0, "amsgrad": True}


EXPECTED = {
    ("torch", "sgd/plain[float32]"): "IDENTICAL",
    ("torch", "sgd/rate_in_buffer[momentum=0.75]"): "DIVERGED",
    ("torch", "adagrad/plain[float32]"): "ROUNDING",
    ("torch", "adadelta/plain[float32]"): "ROUNDING",
    ("torch", "adam/betas[epsilon=0.001]"): "DIVERGED",
    ("torch", "lion/plain[float32]"): "UNSUPPORTED",
    ("optax", "lion/plain[float32]"): "ROUNDING",
    ("optax", "lamb/plain[float32]"): "ROUNDING",
    ("optax", "adam/betas[epsilon=0.001]"): "DIVERGED",
    ("torch", "muon/matrices[nesterov=false]"): "DIVERGED",
    ("optax", "muon/matrices[nesterov=false]"): "ROUNDING",
    ("optax", "muon/matrices[defaults]"): "DIVERGED",
    ("optax", "schedule_free_adamw/plain[float32]"): "DIVERGED",
    ("optax", "adam/amsgrad[float32]"): "DIVERGED",
    ("tf_keras", "adam/amsgrad[float32]"): "IDENTICAL",
    ("tf_keras", "adamw/decay[exclude_from_weight_decay=kernel]"): "IDENTICAL",
    ("tf_keras-legacy", "sgd/momentum[float32,momentum=0.9]"): "IDENTICAL",
    ("tf_keras-legacy", "nadam/plain[float32]"): "DIVERGED",
}
"""As in `reports/matrix`: what differs has another place for epsilon, another place for the rate, another schedule,
rounds in bfloat16, a corrected mean, an average of the old iterate."""


@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
@pytest.mark.parametrize(("name", "case"), EXPECTED)
def test_a_library_computes_what_its_page_says(name: str, case: str) -> None:
    pytest.importorskip(name.partition("-")[0], reason="the library is not installed")
    cells = {cell.id: cell for cell in select([f"{case.partition('/')[0]}/*"])}
    pair = run_pair(cells[case], name)
    (lockstep,) = (item for item in pair.comparisons if item.comparison == "lockstep")
    assert lockstep.verdict == EXPECTED[name, case], lockstep.reason


def test_the_page_of_a_rule_has_a_row_a_case_and_a_column_a_subject() -> None:
    found = libraries.records("sgd", ["reference"])
    lines = libraries.page("sgd", found).splitlines()
    rows = [line for line in lines if line.startswith("| ") and "---" not in line]
    assert rows[0].startswith("| case | `reference` |")
    assert {line.split("|")[2].strip() for line in rows[1:]} == {"="}
    assert len(rows) - 1 == len({each.case for each in found}) > 8
    assert libraries.Found("a", "b", Verdict.DIVERGED, "first_moment", "").mark == "≠ first moment"


def test_the_page_of_a_rule_tells_all_that_a_subject_was_run_as_or_why_it_was_not_in_most_cases() -> None:
    def told(subject: str, *each: tuple[Verdict, str]) -> str:
        rows = [libraries.Found(f"sgd/{n}", subject, verdict, "", text) for n, (verdict, text) in enumerate(each)]
        return libraries.page("sgd", rows).splitlines()[-1]

    ran, not_ran = Verdict.IDENTICAL, Verdict.UNSUPPORTED
    assert told("b", (not_ran, "why."), (ran, "b.Two(x=1)"), (ran, "b.One(x=2)")) == "- `b`: b.Two, b.One."
    assert told(
        "c", (not_ran, "odd."), (not_ran, "it has none; it has (x)."), (not_ran, "it has none; it has (x).")
    ) == ("- `c`: it has none; it has (x).")
