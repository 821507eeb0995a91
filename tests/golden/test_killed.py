"""Recorders that are killed, meet each other or find the disk full leave whole recordings behind."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from parity.case.cells import select
from parity.commands.cli import main
from parity.problem.problems import make
from parity.trajectory.golden.store import open_recording

PATTERN = "rmsprop/e*"


def record(output: Path, *more: str) -> "subprocess.Popen[bytes]":
    words = [sys.executable, "-m", "parity", "record", PATTERN, "--subject", "reference", "--output", str(output)]
    return subprocess.Popen([*words, *more], stdout=subprocess.DEVNULL, start_new_session=True)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("kills", [2, pytest.param(6, marks=pytest.mark.exhaustive)])
def test_killed_at_random_moments_it_loses_nothing_and_the_next_run_completes(tmp_path: Path, kills: int) -> None:
    """In the suite two kills; more of them are exhaustive."""
    cells = select([PATTERN])
    for folder in ("whole", "torn"):
        assert record(tmp_path / folder, "--steps", "5").wait() == 0
    began = time.monotonic()
    assert record(tmp_path / "whole").wait() == 0
    lasts = time.monotonic() - began
    moments = random.Random(0)
    replaced = 0
    for _ in range(kills):
        running = record(tmp_path / "torn")
        time.sleep(moments.uniform(0.2, 1.0) * lasts)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        for cell in cells:
            few = msgspec.structs.replace(cell, steps=5)
            sheet, _ = open_recording(tmp_path / "torn" / "reference", make(few))
            assert sheet.steps in (5, cell.steps)
            replaced += sheet.steps == cell.steps
    assert replaced, "no kill came late enough to be a test"
    assert record(tmp_path / "torn").wait() == 0
    assert bytes_of(tmp_path / "torn" / "reference") == bytes_of(tmp_path / "whole" / "reference")


@pytest.mark.exhaustive
def test_recorders_at_the_same_time_leave_whole_recordings(tmp_path: Path) -> None:
    running = [record(tmp_path, "--steps", steps) for steps in ("3", "4", "5")]
    assert [each.wait() for each in running] == [0, 0, 0]
    folder = tmp_path / "reference"
    for cell in select([PATTERN]):
        open_recording(folder, make(msgspec.structs.replace(cell, steps=3)))
    assert len(list(folder.iterdir())) == 2 * len(select([PATTERN]))


def test_a_folder_that_cannot_be_written_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("here")
    call = ["record", "rmsprop/defaults", "--subject", "reference", "--output"]
    assert main([*call, str(tmp_path / "file")]) == 2
    said = capsys.readouterr().err
    assert said.count("parity: error:") == 1
    assert "cannot be written: Not a directory" in said
    assert (tmp_path / "file").read_text() == "here"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_one_message_and_the_old_recording_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from parity.runner import recording

    cell = select(["rmsprop/defaults"])[0]
    assert recording.record_pair(cell, "reference", str(tmp_path), 64).comparisons == []
    before = bytes_of(tmp_path)
    real = open

    def full(path: Path, mode: str) -> object:
        return real("/dev/full", mode) if str(path).endswith(".part") else real(path, mode)

    monkeypatch.setattr("builtins.open", full)
    with pytest.raises(recording.UsageError, match="No space left on device"):
        recording.record_pair(cell, "reference", str(tmp_path), 64)
    monkeypatch.undo()
    assert bytes_of(tmp_path) == before
