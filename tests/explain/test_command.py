import json
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parity.errors import SpecError
from parity.explain import command

Write = Callable[[str], Path]


def _run(*arguments: str) -> int:
    parser = ArgumentParser()
    command.configure(parser)
    return command.main(parser.parse_args(arguments))


@pytest.mark.parametrize("part", [["--config"], ["--steps", "2"], ["--features"]])
def test_json_is_one_document_and_nothing_else(
    write: Write, small_text: str, capsys: pytest.CaptureFixture[str], part: list[str]
) -> None:
    assert _run(str(write(small_text)), "--json", *part) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == 1
    assert document["experiment"] == "small"
    assert document["result"]


def test_config_shows_what_differs_before_any_run(
    write: Write, small_text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(str(write(small_text)), "--config") == 0
    differs, _, same = capsys.readouterr().out.partition("Same on both sides")
    assert "forward_divisor" in differs
    assert "momentum" in same


def test_whole_explanation_is_printed(
    write: Write, small_text: str, capsys: pytest.CaptureFixture[str], inline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_pool", lambda arguments: inline)
    assert _run(str(write(small_text))) == 0
    assert "Smallest repair" in capsys.readouterr().out


def test_misspelt_factor_is_an_error_of_the_file(write: Write, small_text: str) -> None:
    with pytest.raises(SpecError, match="Did you mean 'forward_divisor'"):
        _run(str(write(small_text.replace("forward_divisor", "forward_divisr"))), "--config")


@pytest.mark.parametrize("number", ["0", "-1", "x", "1001"])
def test_counts_outside_their_range_are_refused(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        _run("x.toml", "--steps", number)
    assert caught.value.code == 2
    assert "allowed: a whole number from 1 to 1000" in capsys.readouterr().err


def test_parts_exclude_each_other() -> None:
    with pytest.raises(SystemExit):
        _run("x.toml", "--config", "--features")
