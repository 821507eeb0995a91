"""Code runs only where somebody named it: what merely lies in the current folder is not imported, whatever its name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = ["numpy", "msgspec", "parity", "reference", "conftest", "sitecustomize", "usercustomize", "json", "rich"]
NAMES += ["random", "runpy", "platform", "fcntl", "tensorflow", "keras", "pandas", "ml_dtypes", "safetensors"]
TRAP = """
with open({mark!r}, "a") as file:
    file.write(__name__)
raise SystemExit(9)
"""
OPTIMIZER = """
import numpy as np
{more}

class RMSprop:
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7): self.kept = learning_rate, rho, epsilon
    def init(self, params): return {{name: np.zeros_like(w) for name, w in params.items()}}
    def step(self, params, grads, state):
        rate, rho, epsilon = self.kept
        state = {{n: rho * state[n] + (1 - rho) * (g * g) for n, g in grads.items()}}
        return {{n: params[n] - rate * g / np.sqrt(state[n] + epsilon) for n, g in grads.items()}}, state
    def slots(self, state): return {{"second_moment": state}}
"""
START = {
    "parity": [sys.executable, "-P", "-c", "from parity.commands.cli import main; raise SystemExit(main())"],
    "python -m parity": [sys.executable, "-m", "parity"],
}
CALLS = {
    "run": ["run", "rmsprop/defaults", "--subject", "reference"],
    "report": ["report", "rmsprop/defaults", "--subject", "reference", "--output", "report"],
    "check": ["check", "rmsprop/defaults", "--subject", "reference"],
    "record": ["record", "rmsprop/defaults", "--subject", "reference", "--output", "recorded"],
    "list": ["list"],
    "fuzz": ["fuzz", "--runs", "3", "--seed", "1", "--subject", "reference"],
    "diagnose": ["diagnose", "reference"],
    "golden": ["run", "rmsprop/defaults", "--subject", "golden:keras-eager"],
}


def called(folder: Path, how: str, words: list[str]) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([*START[how], *words], cwd=folder, env=environment, capture_output=True, text=True)


def trap(folder: Path, names: list[str]) -> Path:
    mark = folder / "imported"
    for name in names:
        (folder / f"{name}.py").write_text(TRAP.format(mark=str(mark)), encoding="utf-8")
    return mark


@pytest.mark.sampled(3)
@pytest.mark.parametrize("call", CALLS)
def test_nothing_that_lies_in_the_current_folder_is_imported(call: str, tmp_path: Path) -> None:
    mark = trap(tmp_path, NAMES)
    done = called(tmp_path, "parity", CALLS[call])
    assert not mark.exists(), mark.read_text()
    assert done.returncode == (1 if call == "check" else 0), done.stderr


@pytest.mark.parametrize("call", ["run", "record", "list"])
def test_nor_by_python_m_parity_once_parity_itself_was_found(call: str, tmp_path: Path) -> None:
    # Python has looked for runpy, parity and parity.__main__ before a line of ours runs, and puts the folder first.
    mark = trap(tmp_path, [name for name in NAMES if name not in ("parity", "runpy")])
    done = called(tmp_path, "python -m parity", CALLS[call])
    assert not mark.exists(), mark.read_text()
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["mine.py:RMSprop", "mine:RMSprop", "inner/mine.py:RMSprop", "package.mine:RMSprop"])
def test_a_named_class_runs_with_the_modules_beside_it(name: str, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "inner", tmp_path / "package"):
        folder.mkdir(exist_ok=True)
        (folder / "mine.py").write_text(OPTIMIZER.format(more="import companion"), encoding="utf-8")
    (tmp_path / "companion.py").write_text("", encoding="utf-8")
    done = called(tmp_path, "parity", ["run", "rmsprop/defaults", "--subject", name])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "IDENTICAL" in done.stdout


def test_a_class_of_another_subject_is_not_imported_for_this_one(tmp_path: Path) -> None:
    mark = trap(tmp_path, ["numpy"])
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "mine.py").write_text(OPTIMIZER.format(more=""), encoding="utf-8")
    done = called(tmp_path, "parity", ["run", "rmsprop/defaults", "--subject", "deep/mine.py:RMSprop"])
    assert not mark.exists()
    assert done.returncode == 0, done.stdout + done.stderr
