"""Many failures are one message, at any width, that names every fault; everything is there with ``--verbose``."""

import sys
from argparse import Namespace
from functools import cache
from pathlib import Path

import pytest
import wrong

from parity.api import run_all
from parity.case.cells import select
from parity.commands.show import show
from parity.commands.why import explained

HERE = Path(wrong.__file__).parent
MOST_LINES = 40
WIDTHS = {"piped": 0, "80 columns": 80, "120 columns": 120}
USUAL = [wrong.Outside, wrong.OutsideOnesPrevious]


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.chdir(HERE)


@cache
def ran(kind):
    cells = select(["rmsprop/*"])
    return explained(run_all(cells, [f"wrong.py:{kind.__name__}"], jobs=1), cells), cells


def said(kind, monkeypatch, capsys, width=0, verbose=False):
    """Return what ``parity run`` prints of a class, on a terminal of a width or into a pipe."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: bool(width), raising=False)
    monkeypatch.setenv("COLUMNS", str(width or 80))
    show(*ran(kind), Namespace(verbose=verbose, steps=None, every=1, elements=None))
    return capsys.readouterr().out


def lines_of(text, width):
    """Return how many lines of a screen a text takes."""
    return sum(max(1, -(-len(line) // width)) if width else 1 for line in text.splitlines())


def told(kind, width, monkeypatch, capsys):
    text = said(kind, monkeypatch, capsys, width)
    flat, names = " ".join(text.split()), wrong.THREE.get(kind) or [wrong.ONE[kind].lower().rstrip(".")]
    assert lines_of(text, width) <= MOST_LINES, text
    assert [name for name in names if name not in flat.lower()] == []
    assert text.count("reproduce: ") == 1
    assert "--verbose shows each" in flat


@pytest.mark.sampled(3)
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("kind", USUAL, ids=lambda kind: kind.__name__)
def test_a_wrong_class_is_told_in_forty_lines_that_name_its_faults(kind, width, monkeypatch, capsys):
    told(kind, width, monkeypatch, capsys)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "kind", [k for k in [*wrong.ONE, *wrong.THREE] if k not in USUAL], ids=lambda kind: kind.__name__
)
def test_any_wrong_class_is_told_in_forty_lines_that_name_its_faults(kind, monkeypatch, capsys):
    for width in WIDTHS.values():
        told(kind, width, monkeypatch, capsys)


def test_what_a_class_lacks_is_told_once_a_reason(monkeypatch, capsys):
    text = said(wrong.Outside, monkeypatch, capsys)
    (line,) = [line for line in text.splitlines() if "the constructor has no argument" in line]
    assert all(f"{name} (" in line for name in ("momentum", "centered", "clipnorm", "use_ema"))
    assert text.count("UNSUPPORTED") == 1


def test_everything_is_there_if_asked_for(monkeypatch, capsys):
    text = said(wrong.Outside, monkeypatch, capsys, verbose=True)
    run, _ = ran(wrong.Outside)
    failing = [item for pair in run.pairs for item in pair.comparisons if item.outcome.fails]
    rows = [line for line in text.splitlines() if line.startswith("rmsprop/") and " – UNSUPPORTED" in line]
    assert len(rows) == sum(item.verdict == "UNSUPPORTED" for pair in run.pairs for item in pair.comparisons)
    assert text.count("reproduce: ") == len(failing) > 2
    assert "step=0 parameter kernel" in text
