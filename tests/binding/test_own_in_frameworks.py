"""Somebody's optimizer in a framework is driven as that framework's own, in each mode, and its slots are compared."""

from pathlib import Path

import pytest

import parity
from parity.case.cells import select
from parity.diagnosis.diagnose import diagnose
from parity.diagnosis.findings import Finding
from parity.errors import SubjectError, UnsupportedError, UsageError
from parity.problem import problems
from parity.runner.loop import run_pair
from parity.subjects import create
from parity.subjects.binding import words
from parity.subjects.frameworks import framework_of

HERE = Path(__file__).parent
PLAIN = "rmsprop/plain[float32]"
AGREES = {"IDENTICAL", "ROUNDING"}
in_keras = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]
MODES = [pytest.param(mode, marks=in_keras) for mode in ("keras-eager", "keras-graph", "keras-xla", "keras-fit")]


def named(framework: str, name: str) -> str:
    pytest.importorskip({"keras": "tensorflow"}.get(framework, framework))
    return f"{HERE / f'own_in_{framework}.py'}:{name}"


def ran(subject: str, case: str = PLAIN):
    (cell,) = select([case])
    return run_pair(cell, subject, create(subject))


def lockstep(pair):
    return next(item for item in pair.comparisons if item.comparison == "lockstep")


def slots(pair) -> set[str]:
    return set(lockstep(pair).table["slot"])


@pytest.mark.sampled(3)
@pytest.mark.parametrize("mode", MODES)
def test_a_subclass_of_keras_is_judged_in_each_mode(mode) -> None:
    wrong, right = ran(f"{mode}:{named('keras', 'Outside')}"), ran(f"{mode}:{named('keras', 'Right')}")
    assert {item.verdict for item in right.comparisons} <= AGREES
    assert {item.verdict for item in wrong.comparisons} == {"DIVERGED"}
    first = lockstep(wrong).first_divergence
    assert (first.slot, first.step, first.stage) == ("parameter", 0, "denominator")
    assert slots(wrong) == {"parameter", "second_moment"}
    told = " ".join(words.lines(wrong.circumstances))
    where = {
        "eager": "eagerly",
        "graph": "in a tf.function",
        "xla": "compiled by XLA",
        "fit": "inside a real model.fit",
    }
    assert where[mode.removeprefix("keras-")] in told
    assert "name" not in told


@pytest.mark.parametrize(("wrong", "right"), [("torch:Outside", "torch:Right"), ("optax:outside", "optax:right")])
def test_a_fault_in_torch_or_optax_is_seen_in_the_slots_and_weights(wrong, right) -> None:
    bad, good = (ran(named(*subject.split(":"))) for subject in (wrong, right))
    assert {item.verdict for item in good.comparisons} <= AGREES
    assert {item.verdict for item in bad.comparisons} == {"DIVERGED"}
    assert lockstep(bad).first_divergence.stage == "denominator"
    assert slots(bad) == slots(good) == {"parameter", "second_moment"}
    assert "driven as a" in words.lines(bad.circumstances)[0]


@pytest.mark.parametrize(
    ("framework", "name"),
    [
        pytest.param("keras", "Outside", marks=[*in_keras, pytest.mark.exhaustive]),
        pytest.param("keras", "instance", marks=[*in_keras, pytest.mark.exhaustive]),
        ("torch", "Outside"),
        ("torch", "made"),
        ("torch", "instance"),
        ("optax", "outside"),
        ("optax", "by_hand"),
    ],
)
def test_epsilon_after_the_root_is_named(framework, name) -> None:
    found = diagnose(lambda: create(named(framework, name)), name)
    assert found.finding is Finding.EXPLAINED
    best = found.explanations[0]
    assert dict(best.member.switches)["epsilon_place"] == "outside"
    assert best.confirmed
    assert words.DRIVEN in found.binding


@pytest.mark.parametrize(
    ("framework", "name"), [("torch", "Right"), ("optax", "right"), ("optax", "instance"), ("optax", "with_trace")]
)
def test_a_right_one_is_acquitted(framework, name) -> None:
    found = diagnose(lambda: create(named(framework, name)), name)
    assert found.finding in (Finding.IDENTICAL, Finding.ROUNDING), found.evidence


@pytest.mark.parametrize(
    ("framework", "name"),
    [pytest.param("keras", "Unnamed", marks=in_keras), ("torch", "Unnamed"), ("optax", "by_hand")],
)
def test_slots_by_names_that_are_not_the_frameworks_are_not_compared(framework, name) -> None:
    assert slots(ran(named(framework, name))) == {"parameter"}


def test_a_trace_is_the_momentum_buffer_with_its_sign_turned() -> None:
    found = ran(named("optax", "with_trace"), "rmsprop/momentum[float32,momentum=0.9]")
    assert {item.verdict for item in found.comparisons} <= AGREES
    assert slots(found) == {"parameter", "second_moment", "momentum_buffer"}


def test_a_rate_that_torch_cannot_change_is_unsupported() -> None:
    adapter, cell = create(named("torch", "Stubborn")), select(["schedule/exponential"])[0]
    with pytest.raises(UnsupportedError, match="keeps no 'lr' in its param_groups"):
        adapter.open(problems.make(cell))


@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
def test_a_function_and_an_instance_are_driven_as_what_they_make() -> None:
    for name, verdicts in (("made", AGREES), ("instance", {"DIVERGED"})):
        found = ran(f"keras-eager:{named('keras', name)}")
        assert {item.verdict for item in found.comparisons} <= verdicts
        assert "learning_rate" in found.circumstances[words.DEFAULTS]
    with pytest.raises(SubjectError, match=r"its get_config\(\) lacks boost"):
        create(named("keras", "silent"))


@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
def test_classes_and_instances_in_a_notebook_are_those_of_the_framework() -> None:
    pytest.importorskip("tensorflow")
    import own_in_keras

    assert {item.verdict for item in parity.run(PLAIN, own_in_keras.Right)} == {"IDENTICAL"}
    assert parity.run(PLAIN, own_in_keras.instance).verdict is parity.Verdict.DIVERGED
    with pytest.raises(parity.NotInParity, match="keras"):
        parity.assert_parity(own_in_keras.instance, PLAIN, diagnose=False)


def test_nothing_is_taken_for_a_frameworks_that_extends_none() -> None:
    class Optimizer:
        pass

    assert framework_of(Optimizer) == framework_of(Optimizer()) == framework_of(len) == framework_of(None) == ""
    with pytest.raises(UsageError, match="a name or a class"):
        parity.run(PLAIN, Optimizer())
