"""The baseline's life through the command line, with real runs of an optimizer that somebody edits."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from gating import Line, optimizer

from parity.circumstances import doctor

ROOT = Path(__file__).parents[2]
CASES = ("rmsprop/plain[float32]", "rmsprop/plain[float64]")
MINE = ("--subject", "mine.py:RMSprop")


def test_from_nothing_to_a_baseline_through_a_change_and_back(line: Line, tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    optimizer(mine, "identical")
    assert line("check", *CASES, *MINE) == 1, "missing"
    assert line.out.count("MISSING") == 4
    assert "There is no baseline in reports/baseline for what ran." in line.out
    (waiting,) = line.left()
    assert waiting.endswith(".json.obtained")

    assert line("accept") == 0
    assert line.out.count("new: IDENTICAL") == 4
    (record,) = line.left()
    before = (line.baseline / record).read_bytes()
    assert line("check", *CASES, *MINE, "--jobs", "2") == 0, "same"
    assert line.out == "All 4 comparisons are as accepted.\n"
    assert line.left() == [record]

    optimizer(mine, "rounding")
    assert line("check", *CASES, *MINE) == 1, "changed"
    assert "of kernel was IDENTICAL, now ROUNDING, 0." in line.out
    assert "of the bound, since step " in line.out
    assert "it is the code that changed" in line.out
    assert (line.baseline / record).read_bytes() == before, "a check never changes the baseline"
    assert line("accept", "rmsprop/plain[float32]") == 0, "a part of it"
    assert "2 comparisons still wait to be accepted." in line.out
    assert line("check", CASES[0], *MINE) == 0, "filtered"
    assert "What an earlier check obtained of other cases still waits in" in line.out
    assert line.left() == [record, record + ".obtained"], "what the filtered check did not look at still waits"
    assert line("accept") == 0
    assert line.left() == [record]
    assert line("check", *CASES, *MINE) == 0

    optimizer(mine, "identical")
    assert line("check", *CASES, *MINE) == 1, "better"
    assert line.out.count("BETTER") == 4
    assert line("accept") == 0
    assert (line.baseline / record).read_bytes() == before, "the same outcomes make the same bytes"


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("diverged", "was IDENTICAL, now DIVERGED from step 0 (parameter of kernel at [1, 9], stage denominator), at "),
        ("hiding", "still IDENTICAL, but compared 8,845 values, before 17,690"),
        ("raising", "was IDENTICAL, now FAILED: raised ZeroDivisionError: division by zero in mine.py"),
    ],
)
def test_what_became_of_an_optimizer_is_said_in_words(line: Line, tmp_path: Path, kind: str, says: str) -> None:
    optimizer(tmp_path / "mine.py", "identical")
    line("check", CASES[0], *MINE)
    line("accept")
    optimizer(tmp_path / "mine.py", kind)
    assert line("check", CASES[0], *MINE) == 1
    assert line.out.count(says) == 2


def test_an_outcome_that_leaves_nothing_to_accept_removes_what_an_earlier_check_left(
    line: Line, tmp_path: Path
) -> None:
    optimizer(tmp_path / "mine.py", "identical")
    line("check", CASES[0], *MINE)
    line("accept")
    optimizer(tmp_path / "mine.py", "diverged")
    line("check", CASES[0], *MINE)
    assert any(name.endswith(".obtained") for name in line.left())
    optimizer(tmp_path / "mine.py", "identical")
    assert line("check", CASES[0], *MINE) == 0
    assert not any(name.endswith(".obtained") for name in line.left())


def test_an_accepted_divergence_is_as_expected_and_is_told(line: Line, tmp_path: Path) -> None:
    optimizer(tmp_path / "mine.py", "diverged")
    line("check", CASES[0], *MINE)
    line("accept")
    assert line("check", CASES[0], *MINE) == 0
    assert "2 comparisons of those as accepted are DIVERGED." in line.out


def test_a_case_file_of_ones_own_is_guarded_by_its_path(line: Line, tmp_path: Path) -> None:
    text = (doctor.Path(doctor.__file__).parents[1] / "cases" / "rmsprop" / "defaults.toml").read_text(encoding="utf-8")
    (tmp_path / "defaults.toml").write_text(text, encoding="utf-8")
    assert line("check", "defaults.toml", "--subject", "reference") == 1
    assert line("accept", "defaults.toml") == 0
    assert line("check", "defaults.toml", "--subject", "reference") == 0
    assert line("accept", "--prune") == 0
    assert "Nothing waits" in line.out, "its file is still there"
    (tmp_path / "defaults.toml").unlink()
    assert line("accept", "--prune") == 0
    assert "2 entries removed" in line.out


@pytest.mark.sampled(5)
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("after", [0.6, 1.2])
def test_an_interrupted_check_is_run_again_to_the_same_end(
    line: Line, tmp_path: Path, sent: signal.Signals, after: float
) -> None:
    optimizer(tmp_path / "mine.py", "identical")
    line("check", "rmsprop/plain[float32]", *MINE)
    line("accept")
    optimizer(tmp_path / "mine.py", "rounding")
    kept = {name: (line.baseline / name).read_bytes() for name in line.left()}
    command = [sys.executable, "-m", "parity", "check", "rmsprop/plain[float32]", *MINE]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(after)
        process.send_signal(sent)
    assert {name: (line.baseline / name).read_bytes() for name in kept} == kept
    assert line("check", "rmsprop/plain[float32]", *MINE) == 1
    assert line.left() == [*kept, f"{next(iter(kept))}.obtained"]


def test_the_report_of_the_same_run_is_written_with_the_check_beside_it(line: Line, tmp_path: Path) -> None:
    assert line("check", CASES[0], "--subject", "reference", "--report", "out") == 1
    assert line.out.splitlines()[-1] == "out/index.html"
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert [item["case"] for item in results["results"]] == [CASES[0]] * 2
    page = (tmp_path / "out" / "check.md").read_text(encoding="utf-8")
    assert page.startswith("# Check: 2 missing from the baseline; 0 as accepted.")


def test_a_check_of_the_reference_names_no_library_it_does_not_use(line: Line) -> None:
    line("check", CASES[0], "--subject", "reference")
    line("accept")
    (made,) = json.loads(line.record().read_text(encoding="utf-8"))["circumstances"].values()
    assert set(made["packages"]) == {"numpy", "ml_dtypes"}
    assert made["cpu"] == doctor.cpu()
