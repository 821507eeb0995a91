"""Penalties, convolutions, labels without a second axis and RMSprop: right ones are not accused, mistakes are named."""

from pathlib import Path
from typing import Any

import pytest
from others import BEHIND, PROGRAMS, WRONG

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]


def ask(folder: Path, name: str, **wrong: str) -> Any:
    pytest.importorskip("tensorflow")
    from parity.explain.whole.stages import answer

    program = PROGRAMS[name]
    (folder / "mine.py").write_text(program.written(**wrong))
    (folder / "model.py").write_text(program.model)
    return answer(folder / "mine.py", "", (folder / "model.py", "build"), "", program.bind, 30.0)


@pytest.mark.parametrize("name", ["convolution"])
def test_a_right_one_is_not_accused(tmp_path: Path, name: str) -> None:
    found = ask(tmp_path, name)
    assert (found.first, found.mistakes, found.verdict) == (None, [], "ROUNDING")


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", [name for name in PROGRAMS if name != "convolution"])
def test_nor_is_another(tmp_path: Path, name: str) -> None:
    test_a_right_one_is_not_accused(tmp_path, name)


def named(tmp_path: Path, name: str, wrong: dict[str, str], first: str, mistake: str) -> None:
    found = ask(tmp_path, name, **wrong)
    assert found.first is not None
    assert found.first.name == first
    assert [(each.name, each.confirmed) for each in found.mistakes] == [(mistake, True)]


@pytest.mark.parametrize(("name", "wrong", "first", "mistake"), [WRONG[0], WRONG[7]])
def test_its_mistake_is_named(tmp_path: Path, name: str, wrong: dict[str, str], first: str, mistake: str) -> None:
    named(tmp_path, name, wrong, first, mistake)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("name", "wrong", "first", "mistake"), [each for n, each in enumerate(WRONG) if n not in (0, 7)]
)
def test_so_is_every_other_one(tmp_path: Path, name: str, wrong: dict[str, str], first: str, mistake: str) -> None:
    named(tmp_path, name, wrong, first, mistake)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("wrong", "second"), BEHIND)
def test_a_late_bias_hides_no_second_mistake(tmp_path: Path, wrong: dict[str, str], second: str) -> None:
    found = ask(tmp_path, "curves", **wrong)
    assert found.first.name == "prediction"
    assert [(e.name, e.confirmed) for e in found.mistakes] == [("bias_after_activation", True), (second, True)]
