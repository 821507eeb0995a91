import re
from itertools import product

import pytest

from parity.case.places import CASES
from parity.explain import answer, figures, picture
from parity.explain.attribution import Attribution, Share
from parity.explain.experiment import load
from parity.explain.explanation import Corner
from parity.explain.page import TEMPLATE

WATERFALL = Attribution("to_target", 1.4, [], [], [], [Share(["x", "y"], 110.0, 1.0), Share(["x"], -10.0, 1.0)], True)


def test_published_curves_are_those_of_the_thread() -> None:
    curves = answer.published(load(CASES / "question" / "question.toml"))
    assert len(curves["keras"]) == 10
    assert len(curves["posted"]) == 101
    assert curves["keras"][-1] == (10, 0.0061)
    assert curves["posted"][0] == (0, 2.351585176975065)


def test_every_tenth_epoch_is_inside_the_spread_or_within_ten_percent() -> None:
    curve = {float(epoch): 1.0 for epoch in range(101)}
    rows = answer.tenths(curve, [[0.5] * 101, [1.2] * 101, [0.4] * 101])
    assert [row.epoch for row in rows] == list(range(10, 101, 10))
    assert all(row.within for row in rows)
    assert rows[0].off == pytest.approx(-50)
    assert not any(row.within for row in answer.tenths(curve, [[0.5] * 101, [0.8] * 101]))


def test_picture_is_the_same_every_time_and_shows_its_figures() -> None:
    pictures = [figures.waterfall(WATERFALL, 0.27, 0.0005, ["posted", "Keras"]) for _ in range(2)]
    assert pictures[0] == pictures[1]
    assert "x × y" in pictures[0]
    assert "−10.0" in pictures[0]


def test_square_shows_all_four_combinations() -> None:
    corners = [
        Corner([*one, *two], [2.3, 2.3], [loss, loss], loss)
        for (one, two), loss in zip(product([[], ["x"]], [[], ["y"]]), [0.27, 0.4, 0.17, 0.0005], strict=True)
    ]
    shown = figures.square(corners, ["x", "y"], [("a", "b"), ("c", "d")], 0.01)
    assert all(figure in shown for figure in (">0.27<", ">0.4<", ">0.17<", ">0.0005<"))


def test_text_in_a_picture_is_escaped() -> None:
    drawing = picture.Drawing(10, 10, "a < b")
    drawing.text(0, 0, "x & y")
    assert "a &lt; b" in drawing.svg()
    assert "x &amp; y" in drawing.svg()


def test_page_types_no_measured_figure() -> None:
    prose = re.sub(r"```.*?```", "", TEMPLATE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert re.findall(r"\d+\.\d+", prose) == []
