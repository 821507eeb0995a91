import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from parity.errors import ParityError
from parity.explain.experiment import Experiment
from parity.explain.pool import Pool
from parity.explain.store import Store, Task

START = "from parity.explain import command as c; import argparse as a; p = a.ArgumentParser(); c.configure(p); "
PROGRAM = START + "raise SystemExit(c.main(p.parse_args()))"


def _command(experiment: Path, cache: Path) -> list[str]:
    return [sys.executable, "-c", PROGRAM, str(experiment), "--json", "--jobs", "2", "--cache", str(cache)]


def _finished(cache: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in cache.glob("*.json")}


def _killed_early(command: list[str], cache: Path) -> dict[str, int]:
    """Start the command, kill it once some runs are finished, and return those."""
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=Path.cwd())
    deadline = time.monotonic() + 60
    while len(_finished(cache)) < 3 and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    time.sleep(0.5)
    return _finished(cache)


def test_killed_and_started_again_repeats_no_finished_run_and_ends_alike(
    write: Callable[[str], Path], small_text: str, tmp_path: Path
) -> None:
    experiment = write(small_text)
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    before = _killed_early(_command(experiment, broken), broken)
    results = [
        subprocess.run(_command(experiment, cache), capture_output=True, check=True) for cache in (broken, whole)
    ]
    after = _finished(broken)
    assert len(before) >= 3
    assert len(after) > len(before)
    assert {name: after[name] for name in before} == before
    assert after.keys() == _finished(whole).keys()
    assert results[0].stdout == results[1].stdout
    assert json.loads(results[0].stdout)["experiment"] == "small"
    assert all(line.endswith(b" runs to make") for line in results[0].stderr.splitlines())
    assert not list(whole.glob("*.part"))


def test_runs_are_the_same_whoever_makes_them(small: Experiment, inline: Pool, tmp_path: Path) -> None:
    task = Task(small.programs[1], 0, 1)
    spread = Pool(Store(tmp_path / "spread"), 2).run([task], "test")[task]
    here = inline.run([task], "test")[task]
    assert spread["digest"] == here["digest"]
    assert spread["loss"] == here["loss"]


def test_errors_of_a_run_reach_the_caller(small: Experiment, tmp_path: Path) -> None:
    with pytest.raises((ParityError, KeyError)):
        Pool(Store(tmp_path), 1).run([Task(small.programs[0], 0, 1, "absent")], "test")
