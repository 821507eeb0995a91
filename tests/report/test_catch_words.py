"""What a report says of the bounds: shares that are never better than the counts, and slots that are weak by name."""

import synthetic

from parity.report import html, json_, markdown
from parity.report.catch import Mark, blind, marks, sentence, share, weakest
from parity.verdicts.results import Catch, Comparison, Pair, Run

STRONG, WEAK, OPEN = Catch(100, 100, 0, 100, 97), Catch(100, 90, 0, 10, 0), Catch(100, 0, 100, 0, 0)


def compared(verdict="IDENTICAL", mode="lockstep", **catch):
    return Comparison("a", "b", "replayed", mode, verdict, "", compared=100, catch=catch)


def pair(*comparisons):
    return Pair("a", "", "b", "b", list(comparisons))


def test_a_share_is_all_or_none_only_where_it_is():
    assert [share(part, 100_000) for part in (0, 1, 5_000, 50_000, 99_999, 100_000)] == [
        "0 %",
        "< 0.1 %",
        "5.0 %",
        "50 %",
        "99.9 %",
        "100 %",
    ]


def test_a_sentence_says_what_is_caught_and_what_is_not():
    assert sentence(Catch(100, 80, 10, 45, 9)) == (
        "a bound would catch a doubled step in 50 % of 90 sampled values, 1.001 times the step in 10 %; "
        "11 % had no bound; 10 more did not move"
    )
    assert "none of 100 sampled values had a bound" in sentence(OPEN)
    assert "none of 3 sampled values moved" in sentence(Catch(3))
    assert sentence(Catch()) == ""


def test_the_slot_that_catches_the_least_is_named_where_most_steps_pass():
    assert weakest({"parameter": WEAK, "second_moment": STRONG}) == ("parameter", WEAK)
    assert weakest({"parameter": WEAK, "second_moment": OPEN}) == ("second_moment", OPEN)
    assert weakest({"parameter": STRONG, "second_moment": Catch(5)}) is None


def test_a_strong_slot_hides_no_weak_one_in_a_cell():
    found = marks(pair(compared(parameter=WEAK, second_moment=STRONG), compared(mode="free")))
    assert found == [Mark("2× caught in 58 %"), Mark("parameter: 11 %", weak=True)]
    assert not any(mark.weak for mark in marks(pair(compared(parameter=STRONG))))
    assert Mark("parameter: no bound", weak=True) in marks(pair(compared(parameter=OPEN)))
    assert marks(pair(compared(parameter=Catch(5)))) == [Mark("nothing moved")]
    assert marks(pair(compared(mode="free"))) == []


def test_a_weak_slot_is_a_badge_in_the_table():
    page = html.render(Run([pair(compared(parameter=WEAK))], synthetic.CIRCUMSTANCES, "2026-01-02T03:04:05", 1.0))
    assert '<small class="catch">2× caught in 11 %</small><small class="catch weak">parameter: 11 %</small>' in page


def test_weak_bounds_matter_where_a_comparison_agrees():
    agreeing, failing = compared(parameter=WEAK), compared("DIVERGED", parameter=WEAK)
    assert blind([agreeing, failing, compared(parameter=STRONG)]) == [agreeing]


def test_every_report_says_what_the_bounds_would_catch():
    run = Run([pair(compared(parameter=WEAK))], synthetic.CIRCUMSTANCES, "2026-01-02T03:04:05", 1.0)
    page, summary = html.render(run), markdown.render(run)
    for words in ("catch a doubled step in 11 % of 90 sampled values", "steps of some slot could double unseen"):
        assert words in page
        assert words in summary
    assert 'id="catching"' in page
    counts = {"sampled": 100, "moved": 90, "unbounded": 0, "twofold": 10, "thousandth": 0}
    assert json_.document(run)["results"][0]["catch"] == {"parameter": counts}


def test_a_report_of_runs_that_sampled_nothing_says_nothing():
    run = Run([pair(compared(mode="free"))], synthetic.CIRCUMSTANCES, "2026-01-02T03:04:05", 1.0)
    assert "sampled value" not in markdown.render(run)
    assert "What that means" not in html.render(run)
