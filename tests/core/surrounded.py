"""What tests of what stands around an update share: a case of their own, a person's class, and who is left out."""

from pathlib import Path
from typing import Any

import pytest

from parity.case.cells import load_cells
from parity.runner.loop import run_pair
from parity.subjects.numpy_class import NumpySubject


def own(folder: Path, text: str) -> Any:
    """Return the one cell of a case file with this text."""
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    (cell,) = load_cells(path)
    return cell


class Mine:
    """A person's own, right for plain gradients."""

    def __init__(self, learning_rate: float = 0.001, weight_decay: float = 0.0) -> None:
        self.rate, self.decay = learning_rate, weight_decay

    def update(self, w: Any, grad: Any) -> Any:
        return w - (self.rate * grad).astype(w.dtype)


def not_driven(cell: Any) -> str:
    """Return why a person's class is not driven in a cell."""
    pair = run_pair(cell, "mine", NumpySubject(Mine, "mine"))
    assert {item.verdict for item in pair.comparisons} == {"UNSUPPORTED"}
    return pair.comparisons[0].reason


def left_out(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return why no vector is made of a case, which probes and relations leave out, too."""
    from parity.commands.cli import main
    from parity.diagnosis.probes import of_cell
    from parity.fuzz.judging import judge_cell

    cell = own(folder, text)
    assert of_cell(cell) is None
    assert judge_cell(cell, "permute", "reference").verdict == "UNSUPPORTED"
    assert main(["export", str(folder / "own.toml"), "--output", str(folder / "vectors")]) == 3
    return capsys.readouterr().out
