"""The why of a divergence is what reproduces the cases that fail; what other cases refute is said beside it."""

import msgspec
import pytest

from parity.case.cells import select
from parity.case.rule import DEFAULT
from parity.commands.why import explained
from parity.diagnosis import child
from parity.diagnosis.cause import cause_of
from parity.verdicts import cause
from parity.verdicts.results import Comparison, Pair, Run


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
    also = "In all else that was tried it computes as tf.keras does, but: The moment multiplies (1 - rho)·g by g, which"
    assert found.beside == [f"{words[outcome][0].upper()}{words[outcome][1:]}.", f"{also} rounds otherwise."]


def of(case, verdict):
    comparison = Comparison(case, "its.py:Class", "replayed", "free", verdict, "")
    return Pair(case, "", "its.py:Class", "", [comparison])


def cell(case, rule=DEFAULT):
    return msgspec.structs.replace(select(["rmsprop/defaults"])[0], id=case, rule=rule)


def told(monkeypatch, pairs, cells, outcomes):
    asked = []

    def diagnosed(subject, limit, sought):
        asked.extend(each.id for each in sought)
        return document(cases=outcomes, epsilon_place="outside")

    monkeypatch.setattr(child, "diagnose_apart", diagnosed)
    (found,) = explained(Run(pairs, {}, "", 0.0), cells).causes.values()
    return found, asked


def test_failing_cases_of_other_rules_are_told_as_not_checked(monkeypatch):
    pairs = [of("a", "DIVERGED"), of("theirs", "DIVERGED"), of("fine", "IDENTICAL")]
    found, asked = told(monkeypatch, pairs, [cell("a"), cell("theirs", "sgd"), cell("fine")], {"a": "every bit"})
    assert asked == ["a"]
    assert (found.explained, found.unchecked) == (["a"], ["theirs"])
    assert cause.reach(found) == ["It reproduces 1 of 2 cases that diverge.", "Not checked on theirs."]


@pytest.mark.parametrize("verdict", ["NON_FINITE", "NOT_COMPARABLE"])
def test_cases_that_fail_otherwise_are_not_said_to_diverge(monkeypatch, verdict):
    found, _ = told(monkeypatch, [of("a", "DIVERGED"), of("b", verdict)], [cell("a"), cell("b")], {"a": "every bit"})
    assert cause.reach(found)[0] == "It reproduces 1 of 2 cases that fail."
    alone, _ = told(monkeypatch, [of("b", verdict)], [cell("b")], {"b": "every bit"})
    assert cause.reach(alone) == ["It reproduces 1 of 1 case that fails."]
