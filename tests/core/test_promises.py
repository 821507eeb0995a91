"""What is derived from the makers' promises holds for every start that they allow, and hardly less would do."""

import numpy as np
import pytest

from parity.bounds.bounded import exact
from parity.bounds.numerics import dtype_of, format_of
from parity.circumstances import doctor
from parity.circumstances.promises import ESTIMATES, division_roundings

SIZE = 1 << 20
FLOAT32 = [estimate for estimate in ESTIMATES if estimate.dtype == "float32"]


def drawn(seed):
    return np.random.default_rng(seed).uniform(1, 4, SIZE).astype(np.float32)


def contracted(a, b, c):
    """Return a * b + c rounded once: float64 holds the product of two float32 numbers."""
    return (a.astype(np.float64) * b.astype(np.float64) + c.astype(np.float64)).astype(np.float32)


def start_of(estimate, a, sign):
    """Return the float32 numbers nearest the end of what is promised, on its inner side."""
    true = 1 / np.sqrt(a.astype(np.float64)) if estimate.root else 1 / a.astype(np.float64)
    start = (true * (1 + sign * float(estimate.promise))).astype(np.float32)
    outside = np.abs(start / true - 1) > float(estimate.promise)
    return np.where(outside, np.nextafter(start, true.astype(np.float32)), start), true


def refined(estimate, a, start):
    one, half, y = np.float32(1), np.float32(0.5), start
    for _ in range(estimate.steps):
        if estimate.form == "arm" and estimate.root:
            y = y * contracted(a * y, -y, np.float32(3)) * half
        elif estimate.form == "arm":
            y = y * contracted(a, -y, np.float32(2))
        elif estimate.form == "contracted" and estimate.root:
            y = contracted(-half * y, contracted(a * y, y, -one), y)
        elif estimate.form == "contracted":
            y = contracted(y, contracted(a, -y, one), y)
        elif estimate.root:
            y = y + (-half * y) * ((a * y) * y - one)
        else:
            y = y + y * (one - a * y)
    return y


@pytest.mark.parametrize("estimate", FLOAT32, ids=lambda estimate: estimate.instruction)
def test_a_refined_estimate_is_within_its_roundings_at_both_ends_of_the_promise_and_comes_near(estimate):
    a, limit = drawn(0), estimate.roundings(2.0**-24)
    worst = 0.0
    for sign in (-1, 0, 1):
        start, true = start_of(estimate, a, sign)
        found = float(np.max(np.abs(refined(estimate, a, start) / true - 1))) / 2.0**-24
        worst = max(worst, found)
    assert 0.7 * limit < worst <= limit


def test_the_reciprocal_root_of_sse_costs_what_its_steps_say():
    # Newton: 3/2 * (1.5 * 2**-12)**2 = 3.375 * 2**-24; two roundings enter by half, the last one whole.
    (sse,) = [estimate for estimate in FLOAT32 if estimate.instruction == "RSQRTPS"]
    assert 3.375 + 0.5 + 0.5 + 1 < sse.roundings(2.0**-24) < 3.375 + 0.5 + 0.5 + 1 + 0.01


def test_a_second_step_leaves_the_roundings_alone():
    (sse,) = [estimate for estimate in FLOAT32 if estimate.instruction == "RSQRTPS"]
    twice = type(sse)(sse.instruction, sse.feature, sse.dtype, sse.root, sse.promise, 2, sse.form)
    assert 2 <= twice.roundings(2.0**-24) < 2.001


@pytest.mark.parametrize(("name", "low", "high"), [("float64", 2, 2), ("float16", 2, 2.01), ("bfloat16", 2, 2.01)])
def test_where_no_estimate_reaches_a_division_is_a_reciprocal_and_a_product(name, low, high):
    assert low <= division_roundings(name, format_of(dtype_of(name)).unit) <= high


@pytest.mark.parametrize("estimate", FLOAT32, ids=lambda estimate: estimate.instruction)
def test_a_quotient_done_by_an_estimate_at_the_end_of_its_promise_is_within_the_bound(estimate):
    y, x = drawn(1), drawn(2)
    for sign in (-1, 0, 1):
        bounded = exact(x) / (np.sqrt(exact(y)) if estimate.root else exact(y))
        obtained = x * refined(estimate, y, start_of(estimate, y, sign)[0])
        assert np.all(np.abs(obtained - bounded.value) <= bounded.error)


def test_the_allowance_of_four_roundings_that_stood_here_would_not_do():
    y, x = drawn(3), drawn(4)
    (sse,) = [estimate for estimate in FLOAT32 if estimate.instruction == "RSQRTPS"]
    quotient = x.astype(np.float64) / np.sqrt(y.astype(np.float64))
    obtained = x * refined(sse, y, start_of(sse, y, 1)[0])
    assert np.max(np.abs(obtained / quotient - 1)) > (1 + 4) * 2.0**-24


def test_a_machine_is_told_which_estimates_it_has_and_what_the_bound_allows(monkeypatch):
    monkeypatch.setattr(doctor, "cpu", lambda: "A Processor (1/2) fma avx2")
    told = doctor.of_the_processor()["reciprocal root"]
    assert told.startswith("RSQRTPS: within 5.38 unit roundoffs (promised")
    assert told.endswith("the bound allows 5.38 everywhere")
    monkeypatch.setattr(doctor, "cpu", lambda: "Another (3) asimd sve")
    told = doctor.of_the_processor()["reciprocal root"]
    assert told.startswith("FRSQRTE: within 2.51 unit roundoffs")
    assert "RSQRTPS:" not in told.replace("FRSQRTE", "")
