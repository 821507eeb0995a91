"""What README.md shows of a whole program is what its own example says."""

import re
from pathlib import Path

import pytest

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```[a-z]*\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def block(start: str) -> str:
    (found,) = (text for text in BLOCKS if text.startswith(start))
    return str(found)


def test_the_example_of_the_readme_says_what_is_shown(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    from parity.explain.whole.page import page
    from parity.explain.whole.stages import answer
    from parity.explain.whole.text import render

    for name in ("network", "model"):
        (tmp_path / f"{name}.py").write_text(block(f"# {name}.py\n"), encoding="utf-8")
    found = answer(tmp_path / "network.py", "", (tmp_path / "model.py", "build"), "", {}, 30.0).document()
    said = render(found).splitlines()
    for line in block("1. Every gradient").splitlines():
        assert line in said
    assert "train()" not in render(found)
    shown = page(found)
    assert "Every gradient" in shown or "every gradient" in shown
    assert 'class="parts first"' in shown
