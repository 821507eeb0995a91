"""A long run's table keeps the worst row of each window of steps, and its memory stays flat."""

import numpy as np

from parity.judge import table as tables
from parity.judge.table import Table
from parity.trajectory.layout import layout_of

LAYOUT = layout_of({"kernel": np.zeros((2, 3)), "bias": np.zeros(3)})


def built(steps: int, block: int, ratio) -> Table:
    builder = Table(LAYOUT)
    for start in range(0, steps, block):
        builder.thin()
        count = min(block, steps - start)
        for slot in ("parameter", "second_moment"):
            columns = builder.open(start, count, slot).columns
            columns["ratio"] += ratio(columns["step"])
    return builder


def test_a_short_run_keeps_every_row(monkeypatch):
    monkeypatch.setattr(tables, "MAX_ROWS", 400)
    table = built(100, 7, lambda step: step * 0.0).rows()
    assert len(table["step"]) == 400
    assert table["step"].tolist() == sorted(table["step"].tolist())


def test_a_long_run_keeps_the_worst_row_of_each_window_for_each_slot_and_tensor(monkeypatch):
    monkeypatch.setattr(tables, "MAX_ROWS", 400)
    peaks = {1, 333, 800, 997}
    table = built(1000, 10, lambda step: np.where(np.isin(step, list(peaks)), 0.5 + step / 2000, 0.1)).rows()
    assert len(table["step"]) < 2 * 400
    for slot in ("parameter", "second_moment"):
        for tensor in ("kernel", "bias"):
            kept = {
                int(step)
                for step, s, t in zip(table["step"], table["slot"], table["tensor"], strict=True)
                if (s, t) == (slot, tensor)
            }
            assert peaks <= kept


def test_equal_rows_keep_the_first_of_a_window_and_the_row_before_the_first_step(monkeypatch):
    monkeypatch.setattr(tables, "MAX_ROWS", 40)
    builder = Table(LAYOUT)
    builder.open(-1, 1, "parameter")
    for start in range(0, 64, 8):
        builder.open(start, 8, "parameter")
    builder.thin()
    assert sorted(set(builder.rows()["step"].tolist())) == [-1, *range(0, 64, 8)]
