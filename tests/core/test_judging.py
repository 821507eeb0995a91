"""Judges in a process of their own come to the same results, and their end is told apart from the subject's."""

import faulthandler
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from driving import cell, optimizer

from parity.case.spec import Mlp, Replayed, Weights
from parity.circumstances import launch, wire
from parity.errors import ParityError
from parity.judge import beside as judging
from parity.judge.beside.beside import Beside
from parity.problem import problems
from parity.runner import pool
from parity.runner.loop import run_pair
from parity.subjects.loading import load_class
from parity.trajectory import blocks as trajectory
from parity.verdicts.results import Pair

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system shares no memory by descriptor")


def network(gradients, **given):
    """The question's network, eight units wide."""
    spec = Mlp(layers=[784, 8, 10], examples=32, batch_size=2)
    found = msgspec.structs.replace(cell(steps=9, **given), problem=spec, weights=Weights(kind="glorot_uniform"))
    return msgspec.structs.replace(found, gradients=gradients)


CASES = {
    "right": (cell(steps=30), optimizer("right")),
    "rounding": (cell(steps=30), optimizer("right_styles", "Reciprocal")),
    "wrong": (cell(steps=30), optimizer("epsilon_outside")),
    "hidden slots": (cell(steps=30, momentum=0.9), optimizer("right_styles", "HidesEverything")),
    "tensor by tensor": (cell(steps=30, clipnorm=1.0), "reference"),
    "16 bits": (cell(steps=12, dtype="bfloat16"), "reference"),
    "one step": (cell(steps=1), "reference"),
    "own gradients": (network("computed"), optimizer("right_styles", "Reciprocal")),
    "own gradients, wrong": (network("computed"), optimizer("epsilon_outside")),
    "NaN": (cell(steps=30), optimizer("nan_and_wrong")),
}


@pytest.fixture
def anything_pays(monkeypatch):
    """Short runs have a process for their judges too, and blocks of few steps."""
    monkeypatch.setattr(judging, "WORTH", 0)
    monkeypatch.setattr(trajectory, "BLOCK_BYTES", 8_000)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("case", CASES)
def test_another_process_comes_to_the_same_results(case, anything_pays):
    given, subject = CASES[case]
    here, there = (run_pair(given, subject, beside=beside) for beside in (False, True))
    assert wire.packed(here.comparisons) == wire.packed(there.comparisons)
    assert any(item.compared for item in there.comparisons)


def test_only_long_runs_get_a_process(monkeypatch):
    made = problems.make(cell(steps=30))
    assert isinstance(judging.judging(made, beside=True), judging.Judges)
    monkeypatch.setattr(judging, "WORTH", 0)
    assert isinstance(judging.judging(made, beside=False), judging.Judges)


class Meddling:
    """A right subject that does something to the process of its judges before a step."""

    def __init__(self, meddle):
        self.inner, self.meddle = load_class(optimizer("right")), meddle

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def step(self, number, gradients):
        if number == 15:
            self.meddle()
        return self.inner.step(number, gradients)


@pytest.fixture
def started(monkeypatch, anything_pays):
    """Every ``Beside`` of the test."""
    found, real = [], Beside.__init__

    def noted(self, made):
        real(self, made)
        found.append(self)

    monkeypatch.setattr(Beside, "__init__", noted)
    return found


def test_judges_that_are_killed_fail_the_pair_and_say_so(started):
    meddling = Meddling(lambda: os.kill(started[0]._child.pid, signal.SIGKILL))
    for item in run_pair(cell(steps=30), "mine", meddling, beside=True).comparisons:
        assert item.verdict == "FAILED"
        assert "the process that judges ended with signal SIGKILL before it answered" in item.reason


def test_a_subject_that_closes_what_is_open_fails_and_nothing_hangs(started):
    def meddle():
        for stream in (started[0]._child._process.stdin, started[0]._child._process.stdout):
            os.close(stream.fileno())

    verdicts = {item.verdict for item in run_pair(cell(steps=30), "mine", Meddling(meddle), beside=True).comparisons}
    assert verdicts == {"FAILED"}
    assert not started[0]._child.alive


def test_a_copy_that_a_subject_forks_leaves_the_judges_alone(started):
    copies = []

    def meddle():
        pid = os.fork()
        if not pid:
            signal.alarm(30)
            faulthandler.disable()
        copies.append(pid)

    there = run_pair(cell(steps=30), "mine", Meddling(meddle), beside=True)
    assert wire.packed(there.comparisons) == wire.packed(
        run_pair(cell(steps=30), "mine", load_class(optimizer("right"))).comparisons
    )
    assert os.waitstatus_to_exitcode(os.waitpid(copies[0], 0)[1]) in (0, -signal.SIGSEGV)


@pytest.mark.parametrize("lacks", ["memory", "processes"])
def test_where_no_process_is_to_be_had_the_judges_stay_here(lacks, anything_pays, monkeypatch):
    def refused(*_, **__):
        raise OSError("none left")

    before = os.listdir("/proc/self/fd")
    monkeypatch.setattr(*((os, "memfd_create") if lacks == "memory" else (subprocess, "Popen")), refused)
    assert isinstance(judging.judging(problems.make(cell(steps=30)), beside=True), judging.Judges)
    assert len(os.listdir("/proc/self/fd")) == len(before)


@pytest.mark.parametrize("subject", [optimizer("right"), optimizer("misbehaving", "Raises")])
def test_no_process_is_left(subject, started):
    run_pair(cell(steps=30), subject, beside=True)
    assert not started[0]._child.alive
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(started[0]._memory)


def test_the_process_ends_with_the_one_that_started_it():
    program = (
        "import os, sys, time; sys.path[:0] = sys.argv[1:]\n"
        "from driving import cell\nfrom parity.problem import problems\nfrom parity.judge.beside.beside import Beside\n"
        "print(Beside(problems.make(cell()))._child.pid, flush=True)\nos.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", program, os.path.dirname(__file__), launch.ROOT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    status = Path(f"/proc/{int(done.stdout)}/status")
    deadline = time.monotonic() + 30
    # A zombie has ended; whoever adopted it has not asked how.
    while status.exists() and "(zombie)" not in status.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_data_that_are_gone_by_then_are_the_callers_mistake(tmp_path, anything_pays):
    np.savez(tmp_path / "g.npz", kernel=np.ones((30, 4), dtype=np.float32))
    spec = Replayed(generator="recorded", tensors={"kernel": [4]}, file="g.npz")
    given = msgspec.structs.replace(cell(steps=30), problem=spec, folder=str(tmp_path))
    made = problems.make(given)
    (tmp_path / "g.npz").unlink()
    adapter = load_class(optimizer("right"))
    adapter.open(made)
    judges = Beside(made)
    with pytest.raises(ParityError, match=r"g\.npz"):
        judges.finish("mine")
    judges.close()


@pytest.mark.parametrize(("cores", "jobs", "tasks", "beside"), [(2, 1, 3, True), (2, 4, 1, True), (2, 2, 3, False)])
def test_a_core_to_spare_is_one_that_no_job_has(monkeypatch, cores, jobs, tasks, beside):
    seen = []

    class Idle:
        home, alive = "", True

        def __init__(self, home):
            pass

        def run(self, task, time_limit, course=None):
            seen.append(task.message()["beside"])
            return Pair(task.cell.id, "", task.subject, task.subject, [])

        def stop(self):
            pass

    monkeypatch.setattr(pool, "_Worker", Idle)
    monkeypatch.setattr(launch, "cores", lambda: cores)
    pool.run_tasks(
        [pool.Task(i, cell(), "reference") for i in range(tasks)], jobs, 1.0, lambda *_: None, lambda _: None
    )
    assert seen == [beside] * tasks
