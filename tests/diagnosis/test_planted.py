"""Planted mistakes, with the state visible and without: each named or tied, none named wrongly.

Of RMSprop two hundred triples, the first of the five hundred that ``planted.py`` goes through as a script, which takes
too long for a suite; of the other rules that people write each choice alone, and some pairs of them.
"""

import planted
import pytest

from parity.diagnosis.findings import Finding, hyperparameters

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

TRIPLES = planted.drawn(planted.sets(3), 500)[:200]
AT_A_TIME = 25


@pytest.mark.exhaustive
@pytest.mark.parametrize("slots", [True, False], ids=["slots", "parameters"])
@pytest.mark.parametrize("first", range(0, len(TRIPLES), AT_A_TIME))
def test_three_mistakes_at_once_are_named_or_tied_and_no_confirmed_answer_is_wrong(first, slots):
    found = {triple: planted.check(triple, slots) for triple in TRIPLES[first : first + AT_A_TIME]}
    assert [triple for triple, each in found.items() if not each.inside] == []
    assert [triple for triple, each in found.items() if not each.right] == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("slots", [True, False], ids=["slots", "parameters"])
@pytest.mark.parametrize("rule", planted.RULES)
def test_each_choice_of_a_rule_is_named_or_tied_and_no_confirmed_answer_is_wrong(rule, slots):
    found = {choices: planted.check(choices, slots, rule) for choices in planted.singles_of(rule)}
    assert {each for choices in found for each in choices} >= set(planted.departures(rule))
    assert [choices for choices, each in found.items() if not each.inside] == []
    assert [choices for choices, each in found.items() if not each.right] == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("slots", [True, False], ids=["slots", "parameters"])
@pytest.mark.parametrize("rule", planted.RULES)
def test_two_choices_of_a_rule_are_named_or_tied_and_no_confirmed_answer_is_wrong(rule, slots):
    found = {pair: planted.check(pair, slots, rule) for pair in planted.drawn(planted.pairs_of(rule), 20)}
    assert [pair for pair, each in found.items() if not each.inside] == []
    assert [pair for pair, each in found.items() if not each.right] == []


SOME = {
    "sgd": ("dampens", "always"),
    "adam": ("correction_count", "ahead"),
    "adamw": ("weight_decay_form", "coupled"),
    "adagrad": ("sum_of", "magnitudes"),
    "adadelta": ("change_moment_of", "step"),
    "lion": ("direction_of", "moment"),
    "nadam": ("momentum_schedule", "constant"),
    "adamax": ("epsilon_place", "inside"),
}


@pytest.mark.parametrize("rule", planted.RULES)
def test_a_choice_of_a_rule_is_named(rule):
    """One of those that the exhaustive part holds, and nothing that its answer is not."""
    choices = next(each for each in planted.singles_of(rule) if each[-1] == SOME[rule])
    found = planted.diagnosis_of(planted.box(choices, rule=rule), rule)
    assert found.finding is Finding.EXPLAINED
    named = {**dict(found.explanations[0].member.switches), **hyperparameters(found.explanations[0].member)}
    assert named == dict(choices)


def test_a_choice_that_shows_beside_another_alone_is_no_tie_without_it():
    """The first gradient enters a buffer whole or not only where others are dampened."""
    found = planted.diagnosis_of(planted.box([("learning_rate_place", "outside")], rule="sgd"), "sgd")
    members = planted.members_of(found)
    assert ("learning_rate_place", "outside") in members[0].switches
    assert not any({"first_gradient", "dampens"} & {*dict(member.switches)} for member in members)
