"""CONTRIBUTING.md says through which functions a gradient passes, and those are the ones."""

import re
import sys

import pytest
from driving import cell, optimizer
from gradient_path import ROOT, path, small

from parity.case.spec import SCHEDULES
from parity.trajectory.layout import Layout

CHANGING = SCHEDULES["PiecewiseConstantDecay"]([3], [0.01, 0.001])
MOST = 12
pytestmark = pytest.mark.skipif(
    sys.version_info[:3] == (3, 13, 0),
    reason="Python 3.13.0 crashes where a traced comprehension that closes over its variable shows its locals",
)


def described() -> list[str]:
    """The functions that the section names, a line a hop."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("## The path of a gradient\n")[2].partition("\n## ")[0]
    return re.findall(r"^\d+\. `([\w.]+)`", section, flags=re.MULTILINE)


def test_the_path_of_a_gradient_is_the_one_that_is_described_and_it_is_short():
    assert path(small()) == [f"parity.{name}" for name in described()]
    assert len(described()) <= MOST


@pytest.mark.parametrize(
    ("subject", "given"),
    [
        (optimizer("right_reordered"), {"momentum": 0.9, "centered": True}),
        (optimizer("right_styles", "RateLast"), {"learning_rate": CHANGING}),
    ],
)
def test_other_arguments_and_larger_cases_take_the_same_path(subject, given):
    many = cell(steps=30, modes=("lockstep",), tensors={"kernel": [3, 4], "bias": [4]}, **given)
    assert set(path(many, subject)) <= set(path(small()))


def test_a_detour_is_seen(monkeypatch):
    real = Layout.unravel
    monkeypatch.setattr(Layout, "unravel", lambda self, rows: real(self, self.ravel({"": rows})))
    assert set(path(small())) - {f"parity.{name}" for name in described()} == {"parity.trajectory.layout.Layout.ravel"}
