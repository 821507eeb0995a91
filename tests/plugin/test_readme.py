"""What README.md shows of a failing test is what a run of its own example prints."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```[a-z]*\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def block(start: str) -> str:
    (found,) = (text for text in BLOCKS if text.startswith(start))
    return str(found)


def test_the_failure_that_the_readme_shows_is_the_one_that_its_example_prints(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    for name in ("mine", "test_mine"):
        (pytester.path / f"{name}.py").write_text(block(f"# {name}.py\n"), encoding="utf-8")
    printed = [line.removeprefix("E").strip() for line in run("").stdout.lines]
    shown = [line.strip() for line in block("case rmsprop/order_changes").splitlines()]
    first = next(number for number, line in enumerate(printed) if line.endswith(shown[0]))
    assert printed[first + 1 : first + len(shown)] == shown[1:]
