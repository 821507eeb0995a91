"""Accepting: twice, in part, late, killed half-way, and several at once."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from gating import ELSEWHERE, Line, made

ROOT = Path(__file__).parents[2]
A, B = "rmsprop/defaults", "rmsprop/plain[float32]"
SUBJECTS = ("reference", "posted", "keras-eager")
ACCEPTING = """
import os, sys
from pathlib import Path
from parity.commands.cli import main
left, replace = int(sys.argv[1]), Path.replace
def dying(self, target):
    global left
    left -= 1
    if left < 0:
        os._exit(9)
    return replace(self, target)
if left >= 0:
    Path.replace = dying
sys.exit(main(["accept"]))
"""
BUSY = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from gating import a_run, made
from parity.baseline import accepting, gate
from parity.errors import UsageError
name, rounds = sys.argv[1], int(sys.argv[2])
print("ready", flush=True)
for number in range(rounds):
    for case in ("one", "two"):
        run = a_run(made(f"{{name}}/{{case}}", digest=str(number)))
        gate.settle(run, Path("reports/baseline"), whole=False, everyone=False)
    accepting.accept(Path("reports/baseline"), [f"{{name}}/*"])
"""


def python(program: str, folder: Path, *words: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, *words]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_with_nothing_at_all_it_says_where_to_begin(line: Line) -> None:
    assert line("accept") == 2
    assert "there is neither a baseline in 'reports/baseline' nor anything to accept. `parity check`" in line.err
    (line.baseline).mkdir(parents=True)
    assert line("accept") == 2


def test_accepting_twice_changes_nothing_the_second_time(line: Line) -> None:
    line.accepted(made(A))
    kept = line.record().read_bytes()
    assert line("accept") == 0
    assert line.out == "Nothing waits to be accepted: the last check found everything as the baseline has it.\n"
    assert line.record().read_bytes() == kept


def test_entries_that_a_check_did_not_cover_are_never_lost(line: Line) -> None:
    line.accepted(made(A), made(B), made(A, subject="posted"))
    line.accepted(made(B, "ROUNDING", ratio=0.4), words=(B,))
    kept = {entry["case"]: entry["verdict"] for entry in json.loads(line.record().read_bytes())["entries"]}
    assert kept == {A: "IDENTICAL", B: "ROUNDING"}
    assert line.record("posted").exists()


def test_a_part_is_accepted_by_case_and_subject_and_the_rest_waits(line: Line) -> None:
    line.check(made(A), made(B), made(A, subject="posted"))
    assert line("accept", "rmsprop/plain", "--subject", "reference") == 0
    assert line.left() == ["posted.json.obtained", "reference.json", "reference.json.obtained"]
    assert line.check(made(A), made(B), made(A, subject="posted")) == 1
    assert line.out.count("MISSING") == 2
    assert line("accept") == 0
    assert line.check(made(A), made(B), made(A, subject="posted")) == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("rmsprop/rho",), "nothing that fits 'rmsprop/rho' waits to be accepted"),
        (("--subject", "torch"), "nothing of subject 'torch' waits to be accepted"),
    ],
)
def test_a_name_that_fits_nothing_is_refused_and_nothing_is_accepted(
    line: Line, words: tuple[str, ...], says: str
) -> None:
    line.check(made(A))
    assert line("accept", *words) == 2
    assert says in line.err
    assert line.left() == ["reference.json.obtained"]


def test_what_was_compared_with_another_baseline_is_refused(line: Line) -> None:
    line.accepted(made(A), made(B))
    line.check(made(A, "ROUNDING", ratio=0.4), made(B))
    waiting = (line.baseline / "reference.json.obtained").read_bytes()
    line.accepted(made(A, "ROUNDING", ratio=0.7), made(B))
    (line.baseline / "reference.json.obtained").write_bytes(waiting)
    kept = line.record().read_bytes()
    assert line("accept") == 2
    assert f"the baseline of {A} lockstep of reference changed since it was compared, so nothing was accept" in line.err
    assert line.record().read_bytes() == kept
    line.check(made(B), words=(B,))
    assert line.left() == ["reference.json"], "the next check drops what nobody can accept any more"


def test_an_outcome_of_another_commit_is_named(line: Line) -> None:
    line.check(made(A), circumstances=ELSEWHERE | {"commit": "badc0de"})
    assert line("accept") == 0
    assert "obtained at another commit than this one: badc0de" in line.out
    assert "badc0de" not in line.record().read_text(encoding="utf-8")


def test_json_is_one_document(line: Line) -> None:
    line.check(made(A))
    assert line("accept", "--json") == 0
    document = json.loads(line.out)
    assert [change["entry"]["case"] for change in document["accepted"]["reference"]] == [A]
    assert document["waiting"] == 0


@pytest.mark.parametrize("renames", range(4))
def test_killed_before_each_rename_it_is_run_again_to_the_same_end(line: Line, renames: int) -> None:
    before = [made(A, subject=subject) for subject in SUBJECTS]
    after = [made(A, "ROUNDING", ratio=0.4, subject=subject) for subject in SUBJECTS]
    line.accepted(*before)
    old = {subject: line.record(subject).read_bytes() for subject in SUBJECTS}
    line.check(*after)
    process = python(ACCEPTING, line.folder, str(renames))
    process.communicate(timeout=60)
    assert process.returncode == (9 if renames < 3 else 0)
    new = [subject for subject in SUBJECTS if line.record(subject).read_bytes() != old[subject]]
    assert len(new) == renames
    assert line("accept") == 0
    assert line.left() == sorted(f"{subject}.json" for subject in SUBJECTS), "no part of a file is left"
    assert line.check(*after) == 0


@pytest.mark.sampled(3)
@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_moment_every_file_is_whole(line: Line, seed: int) -> None:
    line.baseline.mkdir(parents=True)
    process = python(BUSY, line.folder, "killed", "100000")
    assert process.stdout
    process.stdout.readline()
    time.sleep(random.Random(seed).uniform(0.0, 0.2))
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    items = [made("killed/one"), made("killed/two")]
    assert line.check(*items) == 1
    assert line("accept") == 0
    assert line.check(*items) == 0
    assert line.left() == ["reference.json"]


def test_checks_and_accepts_at_once_lose_nothing(line: Line) -> None:
    line.baseline.mkdir(parents=True)
    busy = [python(BUSY, line.folder, name, "40") for name in ("left", "right")]
    assert [process.communicate(timeout=120)[1].decode() for process in busy] == ["", ""]
    entries = json.loads(line.record().read_bytes())["entries"]
    assert {(entry["case"], entry["digest"]) for entry in entries} == {
        (f"{name}/{case}", "39") for name in ("left", "right") for case in ("one", "two")
    }
    assert line.left() == ["reference.json"]
