"""What a test is about, and what its failure says, without pytest in a process of its own."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import parity
from parity.case.cells import select
from parity.errors import UsageError
from parity.testing import again, cause
from parity.testing.assertion import Demand
from parity.testing.cause import Sought
from parity.testing.choose import choose
from parity.verdicts.results import Comparison
from parity.verdicts.verdict import Verdict

ROOT = Path(__file__).resolve().parents[2]


class Plain:
    """Right, in a tutorial's style, with no slot to show."""

    def __init__(self, learning_rate: float = 0.001, rho: float = 0.9, epsilon: float = 1e-7) -> None:
        self.learning_rate, self.rho, self.epsilon = learning_rate, rho, epsilon
        self.second: dict[str, Any] = {}

    def update(self, params: dict[str, Any], grads: dict[str, Any]) -> None:
        for name, g in grads.items():
            self.second[name] = self.rho * self.second.get(name, np.zeros_like(g)) + (1 - self.rho) * g * g
            params[name] -= self.learning_rate * g / self.root(self.second[name])

    def root(self, v: Any) -> Any:
        return np.sqrt(v + self.epsilon)


class Outside(Plain):
    def root(self, v: Any) -> Any:
        return np.sqrt(v) + self.epsilon


def ids(*arguments: Any, **narrowed: Any) -> set[str]:
    return {cell.id for cell in choose(*arguments, **narrowed)}


def test_a_pattern_means_its_float32_cells_and_a_name_what_it_names() -> None:
    assert ids("rmsprop/plain") == {"rmsprop/plain[float32]"}
    assert ids("rmsprop/plain[float64]") == {"rmsprop/plain[float64]"}
    assert ids("rmsprop/plain", dtypes=["float16", "bfloat16"]) == {"rmsprop/plain[float16]", "rmsprop/plain[bfloat16]"}


def test_case_files_may_be_named_by_a_glob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one.toml").write_bytes((ROOT / "cases" / "rmsprop" / "defaults.toml").read_bytes())
    monkeypatch.chdir(tmp_path)
    assert [cell.case for cell in choose("*.toml")] == ["defaults"]
    with pytest.raises(UsageError, match=r"no file matches 'none/\*\.toml'"):
        choose("none/*.toml")


def test_comparisons_and_gradients_narrow_what_is_run() -> None:
    assert {tuple(cell.comparisons) for cell in choose("rmsprop/*", comparisons="free")} == {("free",)}
    assert {cell.gradients for cell in choose("network/*", gradients=["shared", "computed"])} <= {"shared", "computed"}


def test_results_come_back_from_a_test_that_passes() -> None:
    results = parity.assert_parity(Plain, "rmsprop/plain")
    assert not results.verdict.fails
    assert {item.comparison for item in results.comparisons} == {"lockstep", "free"}


def test_a_factory_is_taken_for_a_class() -> None:
    parity.assert_parity(lambda learning_rate, rho, epsilon: Plain(learning_rate, rho, epsilon), "rmsprop/plain")


def test_a_failure_is_an_assertion_with_its_results() -> None:
    with pytest.raises(parity.NotInParity) as caught:
        parity.assert_parity(Outside, "rmsprop/plain", diagnose=False)
    assert isinstance(caught.value, AssertionError)
    assert caught.value.results.verdict is Verdict.DIVERGED
    assert "likeliest" not in str(caught.value)


def test_a_class_that_raises_is_told_by_its_own_error_and_not_diagnosed() -> None:
    class Raises(Plain):
        def root(self, v: Any) -> Any:
            raise RuntimeError("no root")

    with pytest.raises(parity.NotInParity) as caught:
        parity.assert_parity(Raises, "rmsprop/plain")
    assert "raised RuntimeError: no root in test_assertion.py" in str(caught.value)
    assert "likeliest" not in str(caught.value)


class Clips(Plain):
    """Right but for the limit, which it doubles."""

    def __init__(self, clipvalue: float | None = None, **others: float) -> None:
        super().__init__(**others)
        self.limit = 2 * (clipvalue or np.inf)

    def update(self, params: dict[str, Any], grads: dict[str, Any]) -> None:
        super().update(params, {name: np.clip(g, -self.limit, self.limit) for name, g in grads.items()})


@pytest.mark.exhaustive
def test_a_fault_outside_of_the_rule_is_sought_where_the_case_departs() -> None:
    with pytest.raises(parity.NotInParity, match=r"this case sets: clipvalue=0.001 \(no set of .* clipvalue ="):
        parity.assert_parity(Clips, "rmsprop/clipvalue")


@pytest.mark.exhaustive
def test_a_demand_for_equal_bits_is_answered_with_the_choice_that_rounds_otherwise() -> None:
    with pytest.raises(parity.NotInParity) as caught:
        parity.assert_parity(Plain, "rmsprop/*", exact=True)
    assert "exact demands IDENTICAL" in str(caught.value)
    assert "which rounds otherwise" in str(caught.value)


def test_a_cause_that_only_rounds_is_not_given_for_a_divergence() -> None:
    plain = explained({"moment_form": "chained"}, confirmed=True, bound_ratio=0)
    found = diagnosis("EXPLAINED", plain, explained({"nesterov": True}, modes=["momentum"]))
    assert cause.lines(found, Sought("c", sets=("clipvalue=1.0",)))[0].endswith("sets: clipvalue=1.0")
    assert (
        cause.lines(found, Sought("c", "momentum"))[0] == "likeliest explanation: the momentum looks ahead (Nesterov)"
    )
    lost = diagnosis("EXPLAINED", plain)
    assert cause.lines(lost, Sought("c", "momentum")) == [
        "likeliest explanation: none; no set of choices reproduces it in mode momentum"
    ]


def test_a_diagnosis_that_takes_too_long_is_left_and_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()

    class Waits(Plain):
        def root(self, v: Any) -> Any:
            done.wait(60)
            return super().root(v)

    monkeypatch.setattr(cause, "TIME_LIMIT", 0.2)
    try:
        lines = cause.lines(cause.diagnosed_here(Waits, "Waits", select(["rmsprop/defaults"])[0]), Sought("c"))
    finally:
        done.set()
    assert lines == [
        "likeliest explanation: none: the diagnosis found that it raised, or showed something that is no trajectory "
        "(did not finish within 0.2 s)"
    ]


def explained(switches: dict[str, Any], **more: Any) -> dict[str, Any]:
    found = {"switches": switches, "hyperparameters": {}, "residual": 0.25, "bound_ratio": 9.0, "modes": ["plain"]}
    return {**found, "confirmed": False, **more}


def diagnosis(verdict: str, *explanations: dict[str, Any], ties: Any = ()) -> dict[str, Any]:
    found = {"verdict": verdict, "evidence": [], "modes": ["plain", "momentum"], "cases": {"c": "every bit"}}
    return {**found, "explanations": list(explanations), "ties": list(ties)}


def test_the_runner_up_is_another_explanation_or_a_larger_set() -> None:
    first, second = explained({"rho_role": "new"}), explained({"nesterov": True})
    lines = cause.lines(diagnosis("EXPLAINED", first, second), Sought("c"))
    assert lines[3] == "  runner-up   the momentum looks ahead (Nesterov)"
    tie = {"switches": {"bias_correction": True}, "hyperparameters": {}}
    lines = cause.lines(diagnosis("EXPLAINED", first, ties=[tie]), Sought("c"))
    assert lines[3] == "  runner-up   the moments are divided by 1 - rho^t, as in Adam"


def test_what_no_choice_explains_is_not_given_a_cause() -> None:
    lines = cause.lines(diagnosis("UNEXPLAINED", explained({})), Sought("another"))
    assert lines[:3] == [
        "likeliest explanation: none of the known choices; the nearest: tf.keras' own rule",
        "  this case   was not checked",
        "  residual    0.25 of a step; not confirmed",
    ]


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_passes_or_fails_as_the_command_line_has_it(verdict: Verdict) -> None:
    (cell,) = select(["rmsprop/clipnorm[float32,clipnorm=0.5]"])
    item = Comparison(cell.id, "x", "replayed", "lockstep", verdict.name, "")
    assert (Demand().objection(item, cell) is not None) == verdict.fails
    exact_is_content = verdict in (Verdict.IDENTICAL, Verdict.UNSUPPORTED, Verdict.NOT_INSTALLED)
    assert (Demand(exact=True).objection(item, cell) is None) == exact_is_content
    if verdict is Verdict.UNSUPPORTED:
        assert Demand(allow_unsupported=("clipnorm",)).objection(item, cell) is None
        assert Demand(allow_unsupported=("clipvalue",)).objection(item, cell) is not None
        assert Demand(allow_unsupported=False).objection(item, cell) is not None


def test_a_command_is_given_only_for_a_class_that_another_process_can_load() -> None:
    command = again.how("rmsprop/plain[float32]", "mine.py:RMSprop")
    assert command == "reproduce: parity run 'rmsprop/plain[float32]' --subject mine.py:RMSprop"
    text = again.how("rmsprop/plain[float32]", "", "it has no name in a module", "tests/test_x.py::test_a[b c]")
    assert text.splitlines()[0] == "reproduce: pytest 'tests/test_x.py::test_a[b c]'"
    assert "FILE.py:CLASS" in text
