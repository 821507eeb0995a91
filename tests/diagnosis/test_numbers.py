"""How numbers are held is told as that: no other rule, no other cause, and no word on what was not compared."""

import branches
import numbers_held as held
import pytest

from parity.case.cells import select
from parity.diagnosis.diagnose import diagnose
from parity.diagnosis.findings import Finding
from parity.diagnosis.identify import identified, likely
from parity.diagnosis.text import render
from parity.diagnosis.wider import SHOWS_LOCALS
from parity.subjects.numpy_class import NumpySubject

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def maker(kind):
    return lambda: NumpySubject(kind, kind.__name__)


def found(kind, rule="rmsprop", cases=()):
    return diagnose(maker(kind), kind.__name__, select(cases) if cases else [], rule=rule)


def test_a_rate_of_pythons_numbers_is_adams_to_every_bit_and_no_decay_is_made_up():
    seen = identified(maker(held.Adam), "Adam")
    assert (seen.rule, seen.finding) == ("adam", Finding.ROUNDING)
    assert dict(seen.explanations[0].member.switches)["powers"] == "rate"
    assert seen.explanations[0].ratio == 0


def test_a_rate_that_is_rounded_to_float32_is_named_and_is_no_other_rule():
    seen = identified(maker(held.Single), "Adam")
    assert seen.rule == "adam"
    assert dict(seen.explanations[0].member.switches)["powers"] == "float32"
    assert "rounded to float32, whatever the weights are" in render(seen.document())
    assert "AdamW" not in render(seen.document())


@pytest.mark.parametrize(("kind", "rule"), [(held.OfPairs, "adam"), (held.RMSprop, "rmsprop"), (held.Plain, "")])
def test_a_pair_of_betas_says_adam_where_no_name_says_more(kind, rule):
    assert likely(maker(kind), "mine.py:Optimizer")[0] == rule


@pytest.mark.parametrize(("kind", "rule"), [(held.Sums, "rmsprop"), (held.AdagradOfSums, "adagrad")])
def test_sums_are_told_as_the_rule_that_words_say_and_else_as_a_mistake_of_rmsprop(kind, rule):
    seen = identified(maker(kind), kind.__name__)
    assert (seen.rule, seen.finding) == (rule, Finding.EXPLAINED)
    assert any("as Adagrad" in said for said in seen.evidence) == (rule == "rmsprop")


@pytest.mark.skipif(not SHOWS_LOCALS, reason="this Python crashes where traced comprehensions show their locals")
def test_numpys_number_of_float64_is_named_with_its_line_beside_the_fault():
    seen = found(held.CoupledAdamW, "adamw")
    assert seen.finding is Finding.MIXED_DTYPES
    line = next(said for said in seen.evidence if said.startswith("line "))
    assert "np.sqrt(1 - self.beta2 ** self.t) is a number of float64" in line
    (told,) = {each.member.switches for each in seen.explanations}
    assert dict(told)["weight_decay_form"] == "coupled"
    assert all(each.confirmed for each in seen.explanations)


def test_a_start_that_a_page_casts_is_the_same_for_who_makes_float64():
    seen = found(held.WideAdagrad, "adagrad")
    assert seen.finding is Finding.MIXED_DTYPES
    assert {dict(each.member.switches).get("epsilon_place") for each in seen.explanations} == {"outside"}
    assert all(each.confirmed for each in seen.explanations)


def test_what_is_on_by_itself_in_one_mode_is_named_in_that_mode():
    seen = found(held.CentredWithMomentum)
    assert seen.finding is Finding.EXPLAINED
    assert not seen.evidence
    by_mode = {each.modes: dict(each.member.numbers) for each in seen.explanations}
    assert by_mode == {("plain",): {}, ("momentum",): {"centered": True}}


def test_an_effect_is_told_with_what_the_subject_takes():
    text = render(found(held.DampenedSGD, "sgd").document())
    effect = next(line for line in text.splitlines() if "Effect:" in line)
    assert "with momentum 0.9 its steps are 0.1 times" in effect
    assert "nesterov" not in effect


@pytest.mark.parametrize(
    ("kind", "finding", "said"),
    [
        (held.WideWhereLarge, Finding.MIXED_DTYPES, "its result has another dtype in rmsprop/plain[float32]"),
        (held.RaisesWhereLarge, Finding.FAILED, "it raises in rmsprop/plain[float32]"),
        (held.LacksScalars, Finding.IDENTICAL, ""),
    ],
)
def test_a_case_that_cannot_be_compared_is_named(kind, finding, said):
    seen = found(kind, cases=["rmsprop/plain[float32]"])
    assert seen.finding is finding
    assert seen.evidence == ((said,) if said else ())


def test_a_number_that_shows_beside_a_momentum_alone_is_named_and_not_called_idle():
    found = diagnose(lambda: NumpySubject(branches.Dampens, "Dampens"), "Dampens", rule="sgd")
    assert found.finding is Finding.EXPLAINED
    assert dict(found.explanations[0].member.numbers) == {"dampening": 0.1}
    assert not any("could be any other number" in line for line in found.evidence)
    assert "dampening is 0.1, where tf.keras has none" in render(found.document())
