"""Each relation catches a planted fault, and holds for right optimizers."""

from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import NoSuchExample

from parity.errors import ParityError
from parity.fuzz.judging import accepted, judge_example
from parity.fuzz.strategies import examples
from parity.verdicts.verdict import Verdict

PLANTED = Path(__file__).with_name("faulty.py")
OPTIMIZERS = Path(__file__).parents[1] / "optimizers"


def outcomes(relation, subject, folder, count):
    """The verdicts of generated cases, judged in this process."""
    found = []
    limits = settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=HealthCheck
    )

    def judge(example):
        found.append(judge_example(example, relation, subject, folder))
        return False

    with pytest.raises(NoSuchExample):
        find(examples(relation, frozenset(accepted(subject))), judge, settings=limits, random=Random(4))
    return found


@pytest.mark.parametrize(
    ("relation", "fault"),
    [
        ("resume", "StateAside"),
        ("permute", "WeighsByPlace"),
        ("split", "MeanOverElements"),
        ("accumulate", "SumsMicroBatches"),
        ("reference", "LosesLargeGradients"),
    ],
)
def test_a_relation_catches_the_fault_that_breaks_it(relation, fault, tmp_path):
    found = outcomes(relation, f"{PLANTED}:{fault}", tmp_path, 40)
    assert any(outcome.fails and outcome.tensor for outcome in found)


@pytest.mark.parametrize("relation", ["reference", "resume", "permute", "split", "accumulate"])
def test_a_right_optimizer_keeps_every_relation(relation, tmp_path):
    found = outcomes(relation, f"{PLANTED}:Right", tmp_path, 40)
    assert [outcome for outcome in found if outcome.fails] == []
    assert sum(outcome.compared for outcome in found) > 20


@pytest.mark.parametrize("relation", ["reference", "resume", "permute", "split", "accumulate"])
def test_the_reference_keeps_every_relation(relation, tmp_path):
    found = outcomes(relation, "reference", tmp_path, 40)
    assert [outcome for outcome in found if outcome.fails] == []


def test_a_class_that_hides_its_state_cannot_be_resumed(tmp_path):
    found = outcomes("resume", f"{OPTIMIZERS / 'right_tutorial.py'}:MyRMSProp", tmp_path, 5)
    assert {outcome.verdict for outcome in found} == {Verdict.UNSUPPORTED.name}


def test_a_subject_without_slices_cannot_be_asked_for_sparse_gradients(tmp_path):
    assert {o.verdict for o in outcomes("sparse", "reference", tmp_path, 5)} <= {"IDENTICAL"}


def test_what_a_class_accepts_is_asked_of_its_constructor():
    assert set(accepted(f"{PLANTED}:Right")) == {
        "learning_rate", "rho", "epsilon", "gradient_accumulation_steps", "schedules",
    }  # fmt: skip
    with pytest.raises(ParityError, match="no class 'Absent'"):
        accepted(f"{PLANTED}:Absent")
