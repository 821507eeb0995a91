"""Each relation catches a planted fault, and holds for right optimizers."""

from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import NoSuchExample
from listed import LISTED, shown

from parity.case import known
from parity.case.cells import select
from parity.case.spec import hyperparameters
from parity.commands.cli import main
from parity.errors import ParityError
from parity.fuzz.findings import signatures
from parity.fuzz.judging import accepted, judge_cell, judge_example
from parity.fuzz.strategies import examples
from parity.verdicts.verdict import Verdict

PLANTED = Path(__file__).with_name("faulty.py")
OPTIMIZERS = Path(__file__).parents[1] / "optimizers"


def outcomes(relation, subject, folder, count, allowed=None):
    """The verdicts of generated cases, judged in this process; ``allowed`` are the arguments that they may set."""
    found = []
    limits = settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=HealthCheck
    )

    def judge(example):
        found.append(judge_example(example, relation, subject, folder))
        return False

    with pytest.raises(NoSuchExample):
        find(examples(relation, allowed or frozenset(accepted(subject))), judge, settings=limits, random=Random(4))
    return found


@pytest.mark.sampled(3)
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


def unlisted(found, relation, subject):
    """What fails, and not as a known divergence does."""
    entries = signatures()
    return [
        outcome
        for outcome in found
        if outcome.fails and not any(entry.explains(subject, relation, outcome) for entry in entries)
    ]


COUNTS = pytest.mark.parametrize("count", [15, pytest.param(40, marks=pytest.mark.exhaustive)])
"""Generated cases in the suite, and those of which they are the first."""


@pytest.mark.sampled(3)
@COUNTS
@pytest.mark.parametrize("relation", ["reference", "resume", "permute", "split", "accumulate"])
def test_a_right_optimizer_keeps_every_relation(relation, count, tmp_path):
    subject = f"{PLANTED}:Right"
    found = outcomes(relation, subject, tmp_path, count)
    assert unlisted(found, relation, subject) == []
    assert sum(outcome.compared for outcome in found) > count // 2


@pytest.mark.sampled(3)
@COUNTS
@pytest.mark.parametrize("relation", ["reference", "resume", "permute", "split", "accumulate"])
def test_the_reference_keeps_every_relation(relation, count, tmp_path):
    found = outcomes(relation, "reference", tmp_path, count)
    assert unlisted(found, relation, "reference") == []


@pytest.mark.exhaustive
def test_the_search_meets_schedules_and_averages_where_batches_are_accumulated(tmp_path):
    counting = frozenset({"learning_rate", "schedules", "use_ema"})
    failing = [each for each in outcomes("accumulate", "reference", tmp_path, 120, counting) if each.fails]
    met = {entry.case for entry in LISTED for each in failing if entry.explains("reference", "accumulate", each)}
    assert {case.partition("[")[0] for case in met} >= {"found/accumulate_schedule", "found/accumulate_average"}


def test_a_listed_divergence_of_a_relation_shows_in_the_page_which_does_as_keras_does():
    assert all(shown("reference").values())


def test_without_what_counts_every_call_k_small_batches_are_one_large_one():
    for cell in {cell.case: cell for s in LISTED for cell in select([s.case])}.values():
        plain = msgspec.structs.replace(cell, hyperparameters=hyperparameters()(learning_rate=0.5))
        assert judge_cell(plain, "accumulate", "reference").verdict == Verdict.IDENTICAL.name


def test_a_divergence_of_a_relation_is_none_from_the_reference():
    from parity.api import run

    cases = sorted({entry.case for entry in known.load() if entry.relation})
    assert {item.verdict for case in cases for item in run(case, "reference").comparisons} == {"IDENTICAL"}


@pytest.mark.exhaustive
def test_a_listed_relation_asked_again_says_why_and_fails_nobody(capsys):
    assert (
        main(["fuzz", "--case", "found/accumulate_average", "--relation", "accumulate", "--subject", "reference"]) == 0
    )
    out = capsys.readouterr().out
    assert "KNOWN_DIVERGENCE: with gradient_accumulation_steps the average takes up the weights at every call" in out


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
