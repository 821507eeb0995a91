"""The why of a divergence is what reproduces the cases that fail; what other cases refute is said beside it."""

import pytest

from parity.diagnosis.cause import cause_of
from parity.verdicts import cause


def document(verdict="EXPLAINED", cases=None, evidence=(), **switches):
    one = {
        "switches": switches,
        "hyperparameters": {},
        "numbers": {},
        "residual": 0.0,
        "bound_ratio": 0.0,
        "confirmed": True,
        "modes": ["plain"],
    }
    return {
        "subject": "its.py:Class",
        "verdict": verdict,
        "explanations": [one],
        "evidence": list(evidence),
        "cases": cases or {},
    }


def test_what_reproduces_no_case_that_fails_is_not_called_the_why():
    said = "no set of choices reproduces it in a, b"
    outcomes = {"a": "otherwise", "b": "otherwise"}
    found = cause_of(document(cases=outcomes, evidence=[said], increment_order="rate_over_root"), ["a", "b"])
    assert not found.known
    assert "what it does elsewhere reproduces none of the failing cases that were checked" in found.sentence
    assert "The learning rate is divided by the root first" in found.sentence
    assert found.beside == ["No set of choices reproduces it in a, b."]


def test_a_shipped_case_that_is_refuted_says_nothing_of_failing_ones_that_were_not_checked():
    said = "no set of choices reproduces it in shipped"
    found = cause_of(document(cases={"shipped": "otherwise"}, evidence=[said], epsilon_place="outside"), ["computed"])
    assert found.known
    assert (found.explained, found.otherwise, found.unchecked) == ([], [], ["computed"])
    assert found.beside == ["No set of choices reproduces it in shipped."]


def test_a_shipped_case_that_is_not_refuted_hides_no_failing_ones_that_are():
    outcomes = {"shipped": "every bit", "a": "otherwise"}
    assert not cause_of(document(cases=outcomes, epsilon_place="outside"), ["a"]).known


def test_what_reproduces_some_says_which_it_does_not_and_says_it_once():
    said = ["no set of choices reproduces it with weight_decay", "no set of choices reproduces it in b"]
    outcomes = {"a": "every bit", "b": "otherwise"}
    found = cause_of(document(cases=outcomes, evidence=said, epsilon_place="outside"), ["a", "b"])
    assert found.sentence == "Epsilon is added after the root instead of under it."
    assert cause.reach(found) == ["It reproduces 1 of 2 cases that diverge.", "It does not explain b."]
    assert found.beside == ["No set of choices reproduces it with weight_decay."]


@pytest.mark.parametrize("outcome", ["otherwise", "beyond rounding"])
def test_the_case_that_turned_an_acquittal_is_named_where_no_cause_is(outcome):
    words = {
        "otherwise": "no set of choices reproduces it in shipped",
        "beyond rounding": "what only rounds elsewhere is more than rounding in shipped",
    }
    told = document("UNEXPLAINED", {"shipped": outcome}, [words[outcome]], moment_form="chained")
    found = cause_of(told, ["a"])
    assert not found.known
    assert found.beside == [f"{words[outcome][0].upper()}{words[outcome][1:]}."]
