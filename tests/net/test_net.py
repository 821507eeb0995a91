"""The net tells what differs from what is kept, what is missing and what is too much, and refuses a wrong call."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import items
import net

TEXTS = {"words": "a\nb\n", "explain": "c\n"}


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setattr(items, "ITEMS", dict.fromkeys(TEXTS))
    net.keep(tmp_path, TEXTS)
    return tmp_path


def test_what_is_as_kept_passes(kept, capsys):
    assert net.compare(kept, TEXTS) == 0
    assert "All 2 items are as kept" in capsys.readouterr().out


def test_a_line_that_differs_is_shown(kept, capsys):
    assert net.compare(kept, TEXTS | {"words": "a\nB\n"}) == 1
    assert "--- words\n@@ -1,2 +1,2 @@\n a\n-b\n+B\n" in capsys.readouterr().out


def test_an_item_that_is_not_kept_and_one_that_is_no_more_made_fail(kept, monkeypatch, capsys):
    (kept / "explain.txt").unlink()
    assert net.compare(kept, TEXTS) == 1
    (kept / "gone.txt").write_text("d\n", encoding="utf-8")
    assert net.compare(kept, {"words": "a\nb\n"}) == 1
    assert "gone: kept, and made by no item" in capsys.readouterr().out
    assert net.compare(kept, {"words": "a\nb\n"}, whole=False) == 0


@pytest.mark.parametrize("words", [[], ["look"], ["keep", "a", "b"], ["compare", "--only=nothing"], ["compare", "-x"]])
def test_a_wrong_call_is_refused_with_what_is_allowed(words, capsys):
    assert net.main(words) == 2
    said = capsys.readouterr().out
    assert f"Received: {' '.join(words) or 'nothing'}" in said
    assert "words, explain" in said


def test_a_folder_that_is_not_there_is_named(tmp_path, capsys):
    assert net.main(["compare", str(tmp_path / "none")]) == 2
    assert "there is no such folder" in capsys.readouterr().out


def test_what_belongs_to_one_run_is_no_part_of_a_text():
    said = items.clean("ran in 1.25 s (3.4 a second) at TREE <object at 0x7f3a12345678>  ", Path("/somewhere"))
    assert said == "ran in TIME (TIME) at TREE <object at ADDRESS>"
    document = items.sorted_json('status 0\n{"b": 1, "seconds": 2.5, "a": [{"commit": "x", "c": 3}]}')
    assert document == 'status 0\n{\n "a": [\n  {\n   "c": 3\n  }\n ],\n "b": 1\n}'


def test_every_optimizer_in_the_tests_is_diagnosed_but_for_those_that_are_named():
    found = list(items.optimizers())
    assert len(found) > 80
    assert len(found) == len(set(found))
    assert "tests/optimizers/epsilon_outside.py:RMSprop" in found
