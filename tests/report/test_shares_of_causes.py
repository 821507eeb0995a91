"""A panel says of how many differing values a cause was shown, and never lets it speak for the rest."""

from parity.report.facts import Facts
from parity.report.subjects import panels
from parity.verdicts.results import Comparison, Explained, Pair, Run

FLUSH = "subnormal numbers are flushed to zero"


def stepwise(case: str, differing: int, *explained: Explained, **more: str) -> Comparison:
    fields = {"gradients": "replayed", "comparison": "lockstep", "verdict": "ROUNDING"} | more
    return Comparison(
        case, "theirs", **fields, reason="", compared=10 * differing, differing=differing, explained=list(explained)
    )


def said(*items: Comparison) -> str:
    page = panels(Facts(Run([Pair(item.case, "", item.subject, "", [item]) for item in items], {}, "", 0.0)))
    return " ".join(page.split())


def test_a_cause_of_few_values_leaves_the_others_without_one() -> None:
    page = said(
        stepwise("small", 22_000, Explained(FLUSH, 22_000)),
        stepwise("network", 20_000_000, gradients="computed"),
        stepwise("sums", 900),
        stepwise("listed", 12, verdict="KNOWN_DIVERGENCE"),
    )
    assert f"<b>0.1 %</b> (22,000): {FLUSH}, shown in 1 case." in page
    assert "<b>99.9 %</b> (20 million): no cause was shown; there each side computes the gradients" in page
    assert "<b>Less than 0.1 %</b> (900): no cause was shown.</li>" in page
    assert "<b>Less than 0.1 %</b> (12): in cases that are listed as known to diverge" in page


def test_a_cause_of_all_values_says_so() -> None:
    page = said(stepwise("small", 400, Explained(FLUSH, 400)), stepwise("other", 8, Explained(FLUSH, 8)))
    assert f"<b>All</b> (408): {FLUSH}, shown in 2 cases." in page
    assert "no cause" not in page


def test_a_value_with_two_causes_counts_once() -> None:
    page = said(stepwise("small", 400, Explained(FLUSH, 100), Explained("a rewrite", 400)))
    assert "<b>All</b> (400): a rewrite, shown in 1 case." in page
    assert FLUSH not in page


def test_differences_that_travel_on_are_told_from_those_of_single_steps() -> None:
    page = said(stepwise("small", 5, Explained(FLUSH, 5)), stepwise("small", 700, comparison="free"))
    assert "50 element-steps differ in some bit in single steps, each from equal values" in page
    assert "7,000 element-steps differ in some bit where each side goes on by itself" in page
    assert f"<b>All</b> (5): {FLUSH}" in page
