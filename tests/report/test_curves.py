import numpy as np
import synthetic

from parity.report.curves import LETTERS, curves
from parity.verdicts.results import Comparison


def decode(encoded: list[object]) -> list[float]:
    low, high, letters = encoded
    assert isinstance(low, float)
    assert isinstance(high, float)
    text = str(letters)
    codes = [LETTERS.index(text[i]) * 64 + LETTERS.index(text[i + 1]) for i in range(0, len(text), 2)]
    special = {4093: 0.0, 4094: np.inf, 4095: np.nan}
    return [special.get(code, 10 ** (low + (high - low) * code / 4092)) for code in codes]


def comparison(steps: int, ratios: np.ndarray) -> Comparison:
    table = synthetic.table(np.random.default_rng(0), steps, ("parameter",), 1, 0.1)
    return Comparison("a", "b", "replayed", "lockstep", "ROUNDING", "", table={**table, "ratio": ratios})


def test_few_steps_keep_every_value() -> None:
    ratios = np.array([0.0, 0.5, np.nan, np.inf, 2.0])
    (curve,) = curves(comparison(5, ratios), 80)["slots"]
    np.testing.assert_allclose(decode(curve["y"]), ratios, rtol=1e-3)
    assert curve["outside"] == [3, 4]


def test_many_steps_keep_every_peak() -> None:
    ratios = np.full(1000, 0.01)
    ratios[[3, 777]] = 0.9, 1.5
    (curve,) = curves(comparison(1000, ratios), 80)["slots"]
    values = decode(curve["y"])
    assert len(values) == 80
    assert max(values) > 1.49
    assert curve["outside"] == [31]


def test_tensors_of_a_slot_become_one_curve_of_their_largest() -> None:
    table = synthetic.table(np.random.default_rng(0), 10, ("parameter", "second_moment"), 3, 0.1)
    drawn = curves(Comparison("a", "b", "replayed", "lockstep", "ROUNDING", "", table=table), 80)["slots"]
    assert [curve["slot"] for curve in drawn] == ["parameter", "second_moment"]
    largest = np.asarray(table["ratio"]).reshape(10, 2, 3).max(axis=2)
    np.testing.assert_allclose(decode(drawn[0]["y"]), largest[:, 0], rtol=1e-2)


def test_an_identical_comparison_needs_no_curve() -> None:
    table = synthetic.table(np.random.default_rng(0), 10, ("parameter",), 1, 0.0)
    assert curves(Comparison("a", "b", "replayed", "lockstep", "IDENTICAL", "", table=table), 80) == {}
    (slot,) = curves(Comparison("a", "b", "replayed", "lockstep", "ROUNDING", "", table=table), 80)["slots"]
    assert slot == {"slot": "parameter", "equal": True}


def test_equal_losses_are_stored_once() -> None:
    losses = {"obtained": [2.0, 1.0], "expected": [2.0, 1.0]}
    drawn = curves(Comparison("a", "b", "shared", "free", "IDENTICAL", "", losses=losses), 80)["losses"]
    assert drawn["equal"]
    assert "limit" not in drawn
