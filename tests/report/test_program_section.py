"""The report shows the posted program beside its Keras model as it was answered, and nothing where it was not."""

import json
from pathlib import Path

import pytest

from parity.explain.whole.page import curves, page
from parity.report.program import FOLDER, program

ROOT = Path(__file__).resolve().parents[2]
ANSWER = json.loads((ROOT / FOLDER / "answer.json").read_text("utf-8"))


def test_the_section_says_where_they_part_why_and_which_lines_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = str(program(None))  # type: ignore[arg-type]  # it reads what is committed, whatever was run
    assert "they part first in <b>weights</b>" in text
    assert "z2 = a1 @ W2 + B2" in text
    assert "yours with these lines changed" in text
    assert [name in text for name in ("own gradient", "update", "epoch", "metric")] == [True] * 4
    for mistake in ANSWER["explanation"]:
        assert mistake["sentence"][1:].partition(" (")[0].partition("'")[0] in text


def test_without_an_answer_there_is_no_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert program(None) == ""  # type: ignore[arg-type]  # as above


def test_the_committed_page_is_that_of_the_committed_answer() -> None:
    assert (ROOT / FOLDER / "index.html").read_text("utf-8") == page(ANSWER)
    assert (ROOT / FOLDER / "curves.svg").read_text("utf-8") == curves(ANSWER["curves"])
