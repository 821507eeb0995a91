import math

import synthetic

from parity.report.facts import Facts, headline, representative
from parity.report.numbers import clean, exact, plain, times
from parity.verdicts.results import Comparison, Pair, Run


def run_of(*items: Comparison) -> Facts:
    pairs = [Pair(item.case, "", item.subject, "", [item]) for item in items]
    return Facts(Run(pairs, {}, "", 0.0))


def one(case: str, subject: str, verdict: str) -> Comparison:
    return Comparison(case, subject, "replayed", "lockstep", verdict, "")


def test_headline_counts_what_agrees() -> None:
    facts = run_of(one("a", "x", "IDENTICAL"), one("b", "x", "ROUNDING"), one("c", "x", "IDENTICAL"))
    assert headline(facts) == "All 3 comparisons agree: 2 bit for bit, 1 within rounding."


def test_headline_does_not_count_the_unjudged_as_agreement() -> None:
    facts = run_of(one("a", "x", "IDENTICAL"), one("a", "y", "NOT_INSTALLED"), one("a", "z", "UNDECIDED"))
    assert headline(facts) == "1 of 3 comparisons agree: 1 bit for bit; 1 not installed, 1 undecided."


def test_headline_names_who_diverges_and_how_many_agree() -> None:
    facts = run_of(
        one("a", "x", "IDENTICAL"), one("b", "x", "IDENTICAL"), one("a", "y", "DIVERGED"), one("b", "y", "ROUNDING"),
        one("a", "z", "NOT_INSTALLED"), one("b", "z", "NOT_INSTALLED"),
    )  # fmt: skip
    assert headline(facts) == "y diverges in 1 of 2 cases; one other subject agrees."


def test_nothing_compared_is_never_agreement() -> None:
    assert headline(run_of()) == "Nothing was compared: the run is empty."
    assert headline(run_of(one("a", "x", "UNSUPPORTED"))) == "Nothing was compared: 1 unsupported."


def test_the_representative_is_the_earliest_stage_in_lockstep() -> None:
    late = Comparison("a", "x", "replayed", "lockstep", "DIVERGED", "", synthetic.divergence(3, "parameter"))
    early = Comparison("b", "x", "replayed", "lockstep", "DIVERGED", "", synthetic.divergence(3, "denominator"))
    free = Comparison("c", "x", "replayed", "free", "DIVERGED", "", synthetic.divergence(0, "gradient"))
    pair, item = representative(run_of(late, early, free).pairs)
    assert (pair.case, item) == ("b", early)


def test_values_print_with_digits_that_read_back() -> None:
    assert exact(0.1, "float64") == "0.10000000000000001"
    assert exact(0.10000000149011612, "float32") == "0.100000001"
    assert exact("NaN") == "NaN"
    assert exact(math.inf) == "Infinity"


def test_plain_leaves_nothing_that_strict_json_lacks() -> None:
    import numpy as np

    values = {"a": math.nan, "b": np.float32(-np.inf), "c": np.arange(2), 3: {1, 2}, "d": np.bool_(True)}
    assert plain(values) == {"a": "NaN", "b": "-Infinity", "c": [0, 1], "3": [1, 2], "d": True}


def test_ratios_read_as_words() -> None:
    assert [times(value) for value in (0.83, 1250.4, 3.4e6, "Infinity")] == ["0.83", "1,250", "3.4 million", "Infinity"]


def test_terminal_codes_and_direction_marks_are_removed() -> None:
    assert clean("\x1b[31mred\x1b[0m\x00\u202e\ud800") == "red\ufffd\ufffd\ufffd"
