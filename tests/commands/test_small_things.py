"""What everyday use met: progress that counts what it says, refusals that name the way on, names beside paths."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import parity
from parity.case.cells import select
from parity.commands.cli import main
from parity.commands.fuzz import _status
from parity.diagnosis.findings import Diagnosis, Finding
from parity.diagnosis.text import render
from parity.errors import UsageError
from parity.explain import pool

ODD = """
import numpy as np


class Odd:
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.learning_rate, self.rho, self.epsilon = learning_rate, rho, epsilon
        self.v, self.t = {}, 0

    def update(self, params, grads):
        self.t += 1
        for name, g in grads.items():
            v = self.v[name] = self.rho * self.v.get(name, 0 * g) + (1 - self.rho) * np.abs(g) ** 2.5
            root = np.sqrt(np.sqrt(v) * (1 + 0.3 * np.sin(self.t)) + self.epsilon)
            params[name] -= self.learning_rate * np.sinh(g) / root
"""


class Hidden:
    """Takes a number for its rate and keeps it where it cannot be set anew."""

    def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7):
        self.rate, self.rho, self.momentum, self.epsilon = lambda: learning_rate, rho, momentum, epsilon
        self.v, self.m = {}, {}

    def update(self, params, grads):
        for name, g in grads.items():
            v = self.v[name] = self.rho * self.v.get(name, 0 * g) + (1 - self.rho) * (g * g)
            m = self.m[name] = self.momentum * self.m.get(name, 0 * g) + self.rate() * g / np.sqrt(v + self.epsilon)
            params[name] -= m


def unexplained(name: str, *near: dict[str, Any]) -> dict[str, Any]:
    found = Diagnosis(name, Finding.UNEXPLAINED).document()
    return found | {"explanations": [*near]}


@pytest.mark.parametrize("case", [{"id": "x"}, [{"id": "x"}], 3, [None]])
def test_what_is_no_case_is_refused_with_what_is(case: Any) -> None:
    with pytest.raises(UsageError, match=r"case: received .*; allowed: a case's id"):
        parity.run(case, Hidden)


def test_a_rate_that_cannot_change_is_unsupported_in_every_dtype_for_one_reason() -> None:
    results = parity.run(select(["schedule/momentum_rate_change"]), Hidden)
    assert {item.verdict for item in results} == {"UNSUPPORTED"}
    assert len({item.reason for item in results}) == 1


def test_a_reason_is_one_line_whatever_schedule_a_case_sets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "schedule/*[float32*", "schedule/float64", "--subject", f"{__file__}:Hidden"]) == 3
    assert capsys.readouterr().out.count("takes a number for its learning rate") == 1


def test_a_search_counts_failing_runs_as_what_they_are() -> None:
    found = {number: SimpleNamespace(runs=3) for number in range(5)}
    search: Any = SimpleNamespace(phase="searching", runs=40, elapsed=4.0, failures=SimpleNamespace(found=found))
    assert _status(search) == "searching: 40 runs, 10.0 a second, 15 failing, not told apart yet"
    search.failures.found = {}
    assert _status(search) == "searching: 40 runs, 10.0 a second, 0 failing"


def test_the_nearest_member_is_spelled_as_a_name() -> None:
    near = {"switches": {}, "hyperparameters": {}, "confirmed": False, "steps_alike": 0.75}
    assert "Nearest member, not the cause: tf.keras' RMSprop itself. 75% of its steps" in render(unexplained("x", near))


def test_what_no_choice_explains_is_shown_where_it_parts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd.py").write_text(ODD, encoding="utf-8")
    monkeypatch.setattr("parity.diagnosis.child.diagnose_apart", lambda name, *_, **__: unexplained(name))
    assert main(["diagnose", "odd.py:Odd"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("odd.py:Odd: UNEXPLAINED")
    assert "first divergence: step 0, slot parameter, tensor " in out
    assert "  expected    " in out
    assert "reproduce: parity run 'rmsprop/" in out


def test_a_library_that_is_absent_is_replayed_from_what_it_did(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parity.subjects.find_spec", lambda module: None)
    with pytest.raises(parity.errors.NotInstalledError, match="--subject golden:keras-eager"):
        parity.subjects.create("keras-eager")
    with pytest.raises(parity.errors.NotInstalledError) as refused:
        parity.subjects.create("torch")
    assert "golden" not in str(refused.value), "it was not recorded"


def test_an_experiment_goes_by_its_name(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["explain", "question", "--features", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["experiment"] == "question"
    assert main(["explain", "questoin"]) == 2
    assert "Did you mean 'question'?" in capsys.readouterr().err


def test_runs_that_take_long_are_told_without_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    monkeypatch.setattr(pool, "_SECONDS_BETWEEN_LINES", 0.0)
    with pool._progress("programs", 3, 1) as advance:
        assert capsys.readouterr().err == "parity: programs: 2 of 3 runs to make\n"
        advance()
        assert capsys.readouterr().err == "parity: programs: 2 of 3 runs are there\n"
        advance()
    with pool._progress("programs", 3, 3):
        pass
    assert capsys.readouterr().err == "", "nothing is to be made"
