"""The project's own report shows the question and the posted program as they were answered; nobody else's does."""

import json
from pathlib import Path

import pytest
from synthetic import run

from parity.explain.whole.page import curves, page
from parity.report.answer import answer
from parity.report.facts import Facts
from parity.report.html import render
from parity.report.program import FOLDER, program

ROOT = Path(__file__).resolve().parents[2]
OURS = Facts(run(subjects=("keras-eager",)))
ANSWER = json.loads((ROOT / FOLDER / "answer.json").read_text("utf-8"))


def test_the_section_says_where_they_part_why_and_which_lines_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = str(program(OURS))
    assert "they part first in <b>weights</b>" in text
    assert "z2 = a1 @ W2 + B2" in text
    assert "yours with these lines changed" in text
    assert [name in text for name in ("own gradient", "update", "epoch", "metric")] == [True] * 4
    for mistake in ANSWER["explanation"]:
        assert mistake["sentence"][1:].partition(" (")[0].partition("'")[0] in text


def test_without_an_answer_there_is_no_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert program(OURS) == answer(OURS) == ""


def test_a_report_of_somebodys_own_class_shows_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    both = Facts(run(subjects=("keras-eager", "mine.py:RMSprop")))
    assert program(both) == answer(both) == ""
    pages = [render(run(subjects=subjects)) for subjects in (("keras-eager",), ("mine.py:RMSprop",))]
    assert ['id="program"' in page for page in pages] == ['id="answer"' in page for page in pages] == [True, False]


def test_the_committed_page_is_that_of_the_committed_answer() -> None:
    assert (ROOT / FOLDER / "index.html").read_text("utf-8") == page(ANSWER)
    assert (ROOT / FOLDER / "curves.svg").read_text("utf-8") == curves(ANSWER["curves"])
