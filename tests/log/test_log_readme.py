"""What the page on the format shows is a log, and is judged as the page says."""

import re
from pathlib import Path

import pytest
from logs import Judge, cause

from parity.commands.cli import COMMANDS
from parity.reference.rmsprop import SLOTS
from parity.trajectory.log import names

PAGE = Path(names.__file__).with_name("README.md").read_text(encoding="utf-8")


def test_the_example_in_python_writes_a_log_whose_fault_is_named(
    judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = re.findall(r"^```python\n(import numpy.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    status, document = judge.json(Path("steps.npz"))
    assert (status, document["log"]["steps"]) == (1, 3)
    assert cause(document) == ({"epsilon_place": "outside"}, {})


def test_the_page_names_what_a_log_may_hold() -> None:
    for word in (*SLOTS, names.RATE, names.STEPS, names.RULE, names.SOURCE, names.HYPERPARAMETER):
        assert f"`{word}" in PAGE or f"/{word}" in PAGE, word
    assert "judge" in COMMANDS


@pytest.mark.parametrize("word", re.findall(r"`(\w+)`", PAGE.partition("Fields also go by")[2].partition("## What")[0]))
def test_every_other_name_on_the_page_means_a_field(word: str) -> None:
    assert names.field_of(word, SLOTS) is not None
