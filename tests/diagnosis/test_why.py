"""The why of a divergence is what reproduces the cases that diverge, not what was found elsewhere."""

from parity.diagnosis.cause import cause_of


def document(outcomes, **switches):
    found = {"switches": switches, "hyperparameters": {}, "confirmed": True, "modes": ["plain"], "bound_ratio": 0}
    return {
        "subject": "its.py:Class",
        "verdict": "EXPLAINED",
        "explanations": [found],
        "evidence": ["no set of choices reproduces it with weight_decay"],
        "cases": outcomes,
    }


def test_what_reproduces_no_case_that_diverges_is_not_called_the_why():
    cause = cause_of(document({"a": "otherwise", "b": "otherwise"}, increment_order="rate_over_root"), ["a", "b"])
    assert not cause.known
    assert "what it does elsewhere reproduces no case that diverges" in cause.sentence
    assert "The learning rate is divided by the root first" in cause.sentence
    assert cause.beside == ["No set of choices reproduces it with weight_decay."]
    assert cause.unchecked == ["a", "b"]


def test_what_reproduces_some_says_which_it_does_not():
    cause = cause_of(document({"a": "every bit", "b": "otherwise"}, epsilon_place="outside"), ["a", "b"])
    assert cause.sentence == "Epsilon is added after the root instead of under it."
    assert (cause.explained, cause.otherwise, cause.unchecked) == (["a"], ["b"], [])
