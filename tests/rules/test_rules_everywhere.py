"""What is built for one rule works with every one: logs, searches, choosing by rule, JSON, the report, the list.

Generated cases: of two rules here, of all of them in `make exhaustive`.
"""

import json
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

import parity
from parity.api import describe, run_all
from parity.bounds.rule import page, reference_rule
from parity.case.cells import load_cells, select
from parity.case.rule import find, names
from parity.commands.cli import main
from parity.errors import SpecError, UsageError
from parity.problem.problems import make
from parity.report import html, json_, markdown
from parity.testing.choose import choose
from parity.trajectory.log.writing import LogWriter
from parity.verdicts.results import Run


def log(path: Path, rule: str, steps: tuple[int, ...] = (0, 3, 4), factor: float = 1.0) -> Path:
    """Write down some steps of a page, the gradients of those from the third on multiplied by a factor."""
    problem = make(select([f"{rule}/plain[float32]"])[0])
    made, writer = reference_rule(problem.cell), LogWriter(path)
    params, state = dict(problem.params), made.init(problem.params)
    for step in range(max(steps) + 1):
        before, grads = {"parameter": params, **made.slots(state)}, problem.gradients(step)
        used = {name: np.asarray(g * (factor if step > 2 else 1)).astype(g.dtype) for name, g in grads.items()}
        params, state = made.step(params, used, state)
        if step in steps:
            writer.step(step, before, grads, {"parameter": params, **made.slots(state)})
    writer.finish({"learning_rate": problem.cell.hyperparameters.learning_rate}, rule, "a test")
    return path


@pytest.mark.parametrize("rule", names())
def test_a_log_of_any_rule_is_judged_slot_by_slot(rule: str, tmp_path: Path, capsys: Any) -> None:
    assert main(["judge", str(log(tmp_path / "steps.npz", rule)), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["verdict"], document["rule"], document["log"]["judged"]) == ("IDENTICAL", rule, 3)
    started = page(rule)().start(np.zeros((2, 2), np.float32))
    assert set(started) <= set(document["log"]["fields"]), "every slot of the rule is in the log, and judged"
    assert document["unseen"] == []


@pytest.mark.parametrize("rule", ["nadam", "adafactor", "lion"])
def test_a_log_of_another_rule_is_wrong_from_the_step_that_is(rule: str, tmp_path: Path, capsys: Any) -> None:
    assert main(["judge", str(log(tmp_path / "wrong.npz", rule, factor=-3.0)), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["first_divergence"]["step"] == 3


def test_a_slot_in_another_shape_than_the_rule_gives_it_is_refused(tmp_path: Path, capsys: Any) -> None:
    path = log(tmp_path / "steps.npz", "adafactor", (0,))
    arrays = dict(np.load(path))
    name = "step/0/before/row_moment/kernel"
    np.savez(tmp_path / "odd.npz", **{**arrays, name: arrays[name][:-1]})
    assert main(["judge", str(tmp_path / "odd.npz")]) == 2
    said = capsys.readouterr().err
    assert "before/row_moment/kernel has shape (3,)" in said
    assert "this slot then has (4,)" in said


SAMPLE = ("adam", "adafactor")
"""What the suite generates cases of; `make exhaustive` does so of every rule."""


@pytest.mark.filterwarnings("ignore:Mean of empty slice")  # of an empty tensor, which is NaN in tf.keras, too
@pytest.mark.filterwarnings("ignore:invalid value encountered in")
@pytest.mark.parametrize(
    "rule",
    [name if name in SAMPLE else pytest.param(name, marks=pytest.mark.exhaustive) for name in names()],
)
def test_cases_are_generated_of_any_rule_with_its_own_arguments(rule: str, tmp_path: Path) -> None:
    pytest.importorskip("hypothesis")
    from hypothesis import HealthCheck, Phase, settings
    from hypothesis import find as search
    from hypothesis.errors import NoSuchExample

    from parity.fuzz.files import place
    from parity.fuzz.judging import accepted, judge_cell
    from parity.fuzz.plan import holds
    from parity.fuzz.strategies import examples, hyperparameters

    allowed, own = frozenset(accepted("reference", rule)), {p.name for p in find(rule).parameters[1:6]}
    met: set[str] = set()

    def judged(example: Any) -> bool:
        (cell,) = load_cells(place(example, tmp_path))
        assert cell.rule == rule
        assert not judge_cell(cell, "reference", "reference").fails
        return False

    def named(given: dict[str, Any]) -> bool:
        met.update(given)
        return False

    limits = settings(
        max_examples=6, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=HealthCheck
    )
    with np.errstate(all="ignore"), pytest.raises(NoSuchExample):
        search(examples("reference", allowed, rule=rule), judged, settings=limits, random=Random(1))
    drawn = settings(limits, max_examples=150)
    with pytest.raises(NoSuchExample):
        search(hyperparameters(allowed, rule=rule), named, settings=drawn, random=Random(1))
    assert own & allowed <= met
    assert holds("permute", "reference", rule) == (rule not in ("nadam", "adafactor", "muon"))
    assert holds("split", "reference", rule) == (rule not in ("nadam", "adafactor", "lamb", "muon"))


def test_what_a_relation_does_not_hold_for_is_unsupported() -> None:
    from parity.fuzz.judging import judge_cell

    outcome = judge_cell(select(["lamb/plain[float32]"])[0], "split", "reference")
    assert (outcome.verdict, outcome.text) == (
        "UNSUPPORTED",
        "lamb mixes the elements of a tensor: split has no sense.",
    )


def test_a_test_names_its_rule() -> None:
    assert {cell.rule for cell in choose(rule="adam")} == {"adam"}
    assert {cell.case for cell in choose(["*/plain", "sgd/*"], rule="sgd")} > {"sgd/plain", "sgd/momentum"}
    assert {cell.rule for cell in choose()} == {"rmsprop"}
    with pytest.raises(SpecError, match="Did you mean 'adam'"):
        choose(rule="adem")
    with pytest.raises(UsageError, match="has the rule adam, dtypes float64, float32"):
        choose("sgd/*", rule="adam")


class Mine:
    """An SGD of a person's own."""

    def __init__(self, learning_rate: float = 0.01) -> None:
        self.rate = learning_rate

    def update(self, w: Any, grad: Any) -> Any:
        return w - (self.rate * grad).astype(w.dtype)


class Uphill(Mine):
    """Another one, of the wrong sign."""

    def update(self, w: Any, grad: Any) -> Any:
        return w + (self.rate * grad).astype(w.dtype)


def test_an_optimizer_is_asserted_by_its_rule() -> None:
    assert parity.assert_parity(Mine, rule="sgd", cases="sgd/plain").verdict.name in ("IDENTICAL", "ROUNDING")
    assert parity.assert_parity(Mine, ["*/zeros", "*/plain"], rule="sgd").comparisons[0].case.startswith("sgd/")
    with pytest.raises(AssertionError, match="DIVERGED"):
        parity.assert_parity(Uphill, rule="sgd", cases="sgd/plain", diagnose=False)


@pytest.fixture(scope="module")
def run() -> Run:
    cells = select(["adam/plain[float32]", "sgd/plain[float32]", "rmsprop/plain[float32]"])
    return run_all(cells, ["reference"])


def test_json_says_the_rule_of_each_result(run: Run) -> None:
    results = json_.document(run)["results"]
    assert {(item["case"].partition("/")[0], item["rule"]) for item in results} == {
        (rule, rule) for rule in ("adam", "sgd", "rmsprop")
    }
    assert list(results[0])[:3] == ["case", "rule", "subject"]


class Rows(HTMLParser):
    """The rows' rules, the filter's, and what the first column of the table says."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[str | None] = []
        self.heads: list[str] = []
        self.options: list[str] = []
        self._in = self._tag = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self._tag = tag
        self._in = given.get("id") or self._in if tag == "select" else self._in
        if tag == "tr" and "data-rule" in given:
            self.rows.append(given["data-rule"])

    def handle_data(self, text: str) -> None:
        if self._tag == "th" and text.strip():
            self.heads.append(text.strip())
        if self._tag == "option" and self._in == "filter-rule" and text.strip():
            self.options.append(text.strip())


def test_the_report_has_rules_in_its_first_column_and_a_filter_for_them(run: Run) -> None:
    seen = Rows()
    seen.feed(html.render(run))
    assert sorted(filter(None, seen.rows)) == ["adam", "rmsprop", "sgd"]
    assert seen.heads[:2] == ["rule", "case"]
    assert seen.options == ["all", "adam", "rmsprop", "sgd"]
    lines = [line for line in markdown.render(run).splitlines() if line.startswith("| `")]
    assert {line.split("|")[1].strip() for line in lines} == {"`adam`", "`rmsprop`", "`sgd`"}
    assert [describe(cell)["rule"] for cell in select(["adam/plain[float32]"])] == ["adam"]


def test_the_list_has_every_rule_with_its_arguments_and_slots(capsys: Any) -> None:
    assert main(["list", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    found = {rule["name"]: rule for rule in document["rules"]}
    assert list(found) == names()
    assert found["adam"]["arguments"] == ["beta_1", "beta_2", "epsilon", "amsgrad"]
    assert {"first_moment", "second_moment", "second_moment_max"} <= set(found["adam"]["slots"])
    assert {case["rule"] for case in document["cases"]} == set(names())
