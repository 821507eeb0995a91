"""Every mutant of every rule dies in a shipped case of that rule, and none is the rule itself."""

import inspect

import pytest

from parity.bounds.rule import page
from parity.case.cells import collect
from parity.case.rule import DEFAULT, names
from parity.diagnosis import scale_mutants
from parity.diagnosis.choices import switches
from parity.diagnosis.family import family
from parity.diagnosis.keras_base_tests import notices_scale
from parity.diagnosis.keras_tests import notices
from parity.diagnosis.kill import caught, kill_records, shortened, unkept_promises
from parity.diagnosis.mutants import Mutant, mutants
from parity.reference.loss_scale import LossScale

RULES = [name for name in names() if name != DEFAULT]
LEAST = {"sgd": 15, "adam": 15, "adamw": 15}
UNKEPT = {
    "sgd": {
        ("sgd/plain", "state_carried"),
        ("sgd/zeros", "state_carried"),
        ("sgd/zeros", "zero_gradient"),
        ("sgd/everything", "decay_order"),
        ("sgd/everything", "tensor_mixup"),
        ("sgd/odd_shapes", "tensor_mixup"),
        ("sgd/plain", "tensor_mixup"),
    },
    "adadelta": {("adadelta/odd_shapes", "learning_rate")},
    "lion": {("lion/betas", "beta_1")},
}
"""What a case cannot show of one rule: SGD without a momentum keeps no state, and no limit
of that case reaches its gradients; Adadelta's first steps are so small that
no other rate moves a weight by a bit, and a hundredth less of Lion's beta_1 turns none of that case's directions."""
CELLS = {rule: [cell for cell in collect(["*"])[0] if cell.rule == rule] for rule in RULES}


def dies(mutant):
    own = CELLS[mutant.rule]
    short = any(caught(shortened(cell), mutant) for cell in own)
    return short or any(caught(cell, mutant) for cell in own if cell.steps <= 40)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("rule", RULES)
def test_every_mutant_of_a_rule_dies_in_one_of_its_cases(rule):
    every = mutants(rule)
    assert len(every) >= LEAST.get(rule, 8)
    assert len({(mutant.mistake, mutant.variant) for mutant in every}) == len(every)
    assert [(mutant.mistake, mutant.variant) for mutant in every if not dies(mutant)] == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("rule", RULES)
def test_a_case_catches_what_it_says_it_probes_of_a_rule(rule):
    promised = {mistake for cell in CELLS[rule] for mistake in cell.probes}
    unkept = unkept_promises(kill_records(CELLS[rule], promised))
    assert {(case, mistake) for case, mistake, _ in unkept} == UNKEPT.get(rule, set())


@pytest.mark.parametrize("rule", RULES)
def test_every_choice_and_every_number_of_a_rule_has_a_mutant(rule):
    mistakes = {mutant.mistake for mutant in mutants(rule)}
    assert mistakes >= set(switches(rule))
    assert mistakes >= {"learning_rate", "schedule", "sign", "clipping", "weight_decay", "use_ema", "loss_scale"}


@pytest.mark.parametrize("rule", RULES)
def test_the_page_itself_is_no_mutant(rule):
    same = Mutant("none", "none", lambda cell: family(rule).kind, rounding=True, rule=rule)
    few = [cell for cell in CELLS[rule] if cell.dtype == "float32"][:3]
    assert few
    assert not any(caught(shortened(cell, 3), same) for cell in few)


def test_a_mutant_is_made_in_cases_of_its_own_rule_alone():
    lost = next(mutant for mutant in mutants("adam") if mutant.mistake == "sign")
    assert lost.make(CELLS["sgd"][0]) is None
    assert set(inspect.signature(family("adam").kind).parameters) >= {"beta_1", "epsilon_place", "starts"}


@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_keras_own_tests_notice_some_mutants_and_not_all_that_the_cases_catch(rule):
    """They look at few values, to four digits: what moves less, and what they do not set, they cannot see."""
    noticed = [notices(kind, rule) for m in mutants(rule) if (kind := m.kind(CELLS[rule][0])) is not None]
    assert 0 < sum(noticed) < len(noticed)


@pytest.mark.parametrize("rule", names())
def test_keras_own_tests_pass_with_the_page(rule):
    assert not notices(page(rule), rule)


SEEN = {
    "step not skipped",
    "infinity passes",
    "not divided",
    "not halved",
    "quartered",
    "never grows",
    "grows a step late",
}
"""What Keras' loss_scale_optimizer_test.py looks at, of one tensor whose gradient is finite or infinite."""


def test_keras_own_tests_of_the_loss_scale_pass_with_its_page_and_notice_what_they_look_at():
    assert not notices_scale(LossScale)
    noticed = {name for name, (kind, needs) in scale_mutants.variants().items() if not needs and notices_scale(kind)}
    assert noticed >= SEEN
    assert not noticed & {
        "NaN passes",
        "skipped tensor by tensor",
        "never below one",
        "the first tensor alone is tested",
    }


@pytest.mark.parametrize(
    ("mistake", "variant"),
    [("constraint", "missing"), ("gradient_accumulation", ""), ("clipping", ""), ("use_ema", "")],
)
def test_keras_own_tests_of_what_stands_around_a_rule_notice_some(mistake, variant):
    cells = CELLS["adam"]
    found = [m for m in mutants("adam") if m.mistake == mistake and variant in m.variant]
    kinds = [kind for m in found if (kind := next((k for c in cells if (k := m.kind(c)) is not None), None))]
    assert any(notices(kind, "adam") for kind in kinds)
