"""What is wrong in one branch, or from some step on, acquits nobody, and is told by itself."""

import branches
import pytest

from parity.diagnosis.apart import _formula
from parity.diagnosis.arguments import DOUBLE
from parity.diagnosis.cause import cause_of
from parity.diagnosis.diagnose import diagnose
from parity.diagnosis.findings import Finding
from parity.diagnosis.text import render
from parity.subjects.numpy_class import NumpySubject

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def found(kind, rule="rmsprop"):
    return diagnose(lambda: NumpySubject(kind, kind.__name__), kind.__name__, rule=rule)


@pytest.mark.parametrize(
    ("kind", "rule", "said"),
    [
        (
            branches.CoupledWhereCentred,
            "rmsprop",
            "with weight_decay = 0.25, centered = True, by itself: "
            "weight decay is added to the gradient instead of taken from the weights",
        ),
        (
            branches.DecaysMatricesAlone,
            "rmsprop",
            "by itself: kernel: as elsewhere; bias and scale: `weight_decay` changes nothing",
        ),
        (
            branches.DecaysAdamsMatricesAlone,
            "adam",
            "with weight_decay = 0.25, by itself: kernel: as elsewhere; bias and scale: `weight_decay` changes nothing",
        ),
        (
            branches.LimitsEachTensor,
            "rmsprop",
            "with global_clipnorm = 0.5 | global_clipnorm = 30.0, by itself: "
            "`global_clipnorm` limits the norm of each tensor, not that of all together",
        ),
        (
            branches.ForgetsTheClipBesideMomentum,
            "sgd",
            "with clipvalue = 0.05, momentum = 0.9, nesterov = True, by itself: `clipvalue` changes nothing",
        ),
    ],
)
def test_a_branch_that_differs_is_told_by_itself(kind, rule, said):
    seen = found(kind, rule)
    assert seen.finding is Finding.UNEXPLAINED
    assert any(said in line for line in seen.evidence), seen.evidence


def test_a_run_says_of_another_rule_what_it_computes_elsewhere():
    said = cause_of(found(branches.DecaysAdamsMatricesAlone, "adam").document(), []).beside
    assert any("bias and scale: `weight_decay` changes nothing" in line for line in said)
    assert any("of Python's numbers, and rounded once" in line for line in said)


def test_a_class_without_the_mistake_is_acquitted():
    assert found(branches.RMSprop).finding in (Finding.IDENTICAL, Finding.ROUNDING)


@pytest.mark.parametrize(("kind", "rule"), [(branches.Adamax, "adamax"), (branches.Nadam, "nadam")])
def test_betas_of_pythons_numbers_are_told_where_float64_shows_them(kind, rule):
    seen = found(kind, rule)
    assert seen.finding is Finding.ROUNDING
    assert {seen.moved[label] for label in seen.moved if label.startswith("float64")} == {DOUBLE}


def test_what_shows_only_where_gradients_change_is_told_so():
    text = render(found(branches.RMSpropThatClips).document())
    assert "clipped by value at 5" in text
    assert "within 1 %, as long as they stay the same; where gradients change from step to step they are others" in text


@pytest.mark.parametrize(
    ("kind", "finding", "said"),
    [
        (branches.ForgetsItsBuffers, Finding.UNEXPLAINED, "from step 50 on no set of choices reproduces it"),
        (branches.RaisesAtLast, Finding.FAILED, "too many steps"),
    ],
)
def test_what_begins_after_many_steps_acquits_nobody(kind, finding, said):
    seen = found(kind, "sgd")
    assert seen.finding is finding
    assert said in " ".join(seen.evidence)


def test_an_acquittal_says_how_many_steps_it_saw():
    seen = found(branches.SGD, "sgd")
    assert seen.finding is Finding.IDENTICAL
    assert seen.extent["steps"] == 320


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            branches.WarmsUp,
            "0.2 at step 0, 0.4 at step 1, 0.6 at step 2, 0.8 at step 3, 1 from step 4 to 11, which is min(1, 0.2·t), "
            "with t from 1",
        ),
        (branches.CorrectsAtFirst, "1 from step 0 to 9, "),
    ],
)
def test_a_number_that_goes_by_the_step_is_told(kind, said):
    seen = found(kind, "adam")
    assert seen.finding is Finding.UNEXPLAINED
    assert f"its steps are tf.keras' times a number that goes by the step alone: {said}" in " ".join(seen.evidence)


def test_a_factor_that_one_formula_alone_makes_has_that():
    steps = range(12)
    formula = {
        "1 / (1 + 0.01·t), with t from 1": {t: 1 / (1 + 0.01 * (t + 1)) for t in steps},
        "0.9^t, with t from 1": {t: 0.9 ** (t + 1) for t in steps},
        "1 - 0.05·t, with t from 1": {t: 1 - 0.05 * (t + 1) for t in steps},
        "1 / √t, with t from 1": {t: (t + 1) ** -0.5 for t in steps},
    }
    assert {words: _formula(factors) for words, factors in formula.items()} == {w: f", which is {w}" for w in formula}
    alike = {t: 1 / (1 + 1e-5 * (t + 1)) for t in steps}  # as good as 0.99999^t, and as a line
    assert _formula(alike) == ""
    assert _formula({t: 1.0 + (t % 3) for t in steps}) == ""


def test_a_decay_after_the_step_is_told_and_is_no_number_that_goes_by_it():
    seen = found(branches.DecaysAfterTheStep, "adamw")
    assert (seen.finding, seen.evidence) == (Finding.EXPLAINED, ())
    assert dict(seen.explanations[0].member.switches)["weight_decay_form"] == "after"


@pytest.mark.parametrize(("kind", "rule"), [(branches.DecaysItsBeta, "adam"), (branches.DecaysToAHalf, "adamw")])
def test_no_number_is_made_up_for_what_is_no_multiple(kind, rule):
    seen = found(kind, rule)
    assert seen.finding is Finding.UNEXPLAINED
    assert "times a number" not in " ".join(seen.evidence)
