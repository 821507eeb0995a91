"""The why of a divergence is what reproduces the cases that diverge, not what was found elsewhere."""

from parity.commands.why import UNKNOWN, explained


def document(outcomes, **switches):
    found = {"switches": switches, "hyperparameters": {}, "confirmed": True}
    return {
        "subject": "its.py:Class",
        "verdict": "EXPLAINED",
        "explanations": [found],
        "evidence": ["no set of choices reproduces it with weight_decay"],
        "cases": outcomes,
    }


def test_what_reproduces_no_case_that_diverges_is_not_called_the_why():
    (line,) = explained(document({"a": "otherwise", "b": "otherwise"}, increment_order="rate_over_root"), 2)
    assert line.startswith(f"{UNKNOWN}; what it does elsewhere reproduces no case that diverges (no set of choices")
    assert "The learning rate is divided by the root first" in line


def test_what_reproduces_some_says_which_it_does_not():
    lines = list(explained(document({"a": "every bit", "b": "otherwise"}, epsilon_place="outside"), 2))
    assert lines[0] == "Epsilon is added after the root instead of under it."
    assert lines[-2:] == ["  it reproduces 1 of 2 cases that diverge", "  it does not explain b"]
