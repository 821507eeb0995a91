"""Of how many differing values a cause is said is counted value by value; others are never among them."""

import numpy as np
import pytest
from driving import committed, judged, optimizer

from parity.verdicts.results import Explained

FLUSHED = "subnormal numbers are flushed to zero"


@pytest.fixture(scope="module")
def subnormal():
    (cell,) = committed("numerics/subnormal", steps=20)
    return cell


def test_flushed_moments_are_counted_and_are_all_that_differs(subnormal):
    seen = judged(subnormal, optimizer("flushes", "Flushing"))["lockstep"]
    assert seen.verdict == "ROUNDING"
    assert seen.explained == [Explained(FLUSHED, seen.differing)]
    assert f"{seen.differing} of the {seen.differing} values that differ in single steps" in seen.notes[0]


def test_what_differs_for_another_reason_is_not_counted(subnormal):
    seen = judged(subnormal, optimizer("flushes", "FlushingAndReciprocal"))["lockstep"]
    slot, differing = (np.asarray(seen.table[column]) for column in ("slot", "differing"))
    moments = int(differing[slot == "second_moment"].sum())
    assert seen.explained == [Explained(FLUSHED, moments)]
    assert 0 < moments < seen.differing


def test_the_free_comparison_counts_nothing(subnormal):
    assert judged(subnormal, optimizer("flushes", "Flushing"))["free"].explained == []
