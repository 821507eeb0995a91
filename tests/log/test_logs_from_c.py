"""The example in C writes a log of its own steps: a right one agrees, and a planted fault is named."""

import shutil
import subprocess
from pathlib import Path

import pytest
from logs import Judge, cause

from parity.commands.cli import main

COMPILER = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), "")
pytestmark = pytest.mark.skipif(not COMPILER, reason="no C compiler on this machine")

WRONG = {
    "epsilon_place": ("rmsprop/plain[float32]", "outside", ["-DROOT(v,e)=(sqrtf(v)+(e))"]),
    "second_moment_start": ("rmsprop/plain[float32]", 1.0, ["-DSECOND_MOMENT_START=1.0f"]),
    "denominator_power": ("rmsprop/plain[float32]", 1.0, ["-DROOT(v,e)=((v)+(e))"]),
    "learning_rate_place": (
        "rmsprop/momentum[float32,momentum=0.9]",
        "outside",
        ["-DRATE_INSIDE=1.0f", "-DRATE_OUTSIDE=rate"],
    ),
}


def logged(folder: Path, case: str, *switches: str) -> Path:
    """Export a case, compile the example, have it write its log, and return that."""
    assert main(["export", case, "--output", str(folder / "set")]) == 0
    strict = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2"]
    words = [COMPILER, *strict, *switches, "-o", str(folder / "example"), str(folder / "set" / "example.c"), "-lm"]
    subprocess.run(words, check=True, capture_output=True)
    path = folder / "steps.safetensors"
    done = subprocess.run([folder / "example", folder / "set", path], capture_output=True, text=True, check=True)
    assert done.stdout == f"LOG {case}: 12 steps in {path}\n"
    return path


@pytest.mark.sampled(2)
@pytest.mark.parametrize("case", ["rmsprop/plain[float32]", "rmsprop/momentum[float32,momentum=0.9]"])
@pytest.mark.parametrize("switches", [[], ["-O3", "-ffp-contract=fast"]], ids=str)
def test_a_log_of_a_right_program_in_c_agrees(judge: Judge, tmp_path: Path, capsys, case: str, switches) -> None:
    path = logged(tmp_path, case, *switches)
    capsys.readouterr()
    status, document = judge.json(path)
    assert status == 0
    assert document["verdict"] in (("IDENTICAL",) if not switches else ("IDENTICAL", "ROUNDING"))
    assert document["log"]["source"] == "example.c"
    assert document["log"]["judged"] == 12
    assert document["hyperparameters"]["rho"]["from"] == "log"


@pytest.mark.sampled(2)
@pytest.mark.parametrize("switch", WRONG)
def test_a_fault_that_is_planted_in_the_program_in_c_is_named(
    judge: Judge, tmp_path: Path, capsys, switch: str
) -> None:
    case, value, macros = WRONG[switch]
    path = logged(tmp_path, case, *macros)
    capsys.readouterr()
    status, document = judge.json(path)
    assert (status, document["verdict"]) == (1, "DIVERGED")
    assert cause(document) == ({switch: value}, {})


def test_a_log_that_cannot_be_written_is_status_2(tmp_path: Path) -> None:
    logged(tmp_path, "rmsprop/plain[float32]")
    words = [tmp_path / "example", tmp_path / "set", tmp_path / "none" / "steps.safetensors"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be written" in done.stderr
