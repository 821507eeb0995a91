import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from driving import cell, optimizer

from parity.api import run_all
from parity.circumstances import child
from parity.runner import pool

# class and a part of its one message; the verdict is FAILED
FAILED = {
    "Raises": "raised RuntimeError: the learning rate went missing in misbehaving.py, line",
    "RaisesInConstructor": "raised ValueError: no optimizer today",
    "RaisesManyLines": "raised ValueError: first line … last line",
    "RaisesNothingSayable": "no words",
    "RaisesInterrupt": "raised KeyboardInterrupt",
    "Recurses": "raised RecursionError",
    "NeedsArgument": "missing 1 required positional argument: 'weights'",
    "ReturnsNone": "step must return (params, state); received NoneType",
    "ReturnsList": "step must return a mapping from names to arrays; received list",
    "ReturnsLists": "params['kernel'] must be a NumPy array; received list",
    "ChangesInputs": "step changed its inputs in place",
    "IndexesScalars": "The case has a tensor without dimensions, such as a scale: x[...] takes any shape",
    "ChangesGradients": "step changed its inputs in place",
    "Exits": "the subject called sys.exit(0)",
    "ExitsAtOnce": "ended with exit status 3",
    "KillsItself": "ended with signal SIGKILL",
    "LeavesChild": "ended with exit status 4",
    "ClosesEverything": "ended with exit status",
    "SlotsReturnArray": "slots()['second_moment'] must return a mapping",
}
NOT_COMPARABLE = {
    "ReturnsWrongShape": "parameter of kernel has shape (128,); the parameter has (8, 16)",
    "ReturnsWrongDtype": "parameter of kernel has dtype float64; the parameter has float32",
    "DropsTensor": "parameter has no tensor 'bias'",
    "AddsTensor": "parameter has a tensor 'extra'",
    "NamesUnknownSlot": "Did you mean 'second_moment'?",
    "HidesSlotLater": "no longer does",
    "SlotsOfAnotherShape": "second_moment of kernel has shape ()",
}
COMPARED = ("PrintsMegabyte", "PrintsOnly", "Forks", "ClosesOutput", "AddsSlotLater")
# One worker runs these, since each starts processes of its own.
pytestmark = pytest.mark.xdist_group("processes")
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
FAST = [*FAILED, *NOT_COMPARABLE, *COMPARED]


def _stat(pid):
    """The state letter and the parent of a process, or None once it is gone; see proc(5)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], int(fields[1])


def _children(pid):
    """The ids of a process's children, zombies included, but for the clusters of other tests in this process."""
    found = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [child for child in found if (stat := _stat(child)) is not None and stat[1] == pid and not _of_dask(child)]


def _of_dask(pid):
    try:
        return b"distributed" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _lives(pid):
    stat = _stat(pid)
    return stat is not None and stat[0] not in "ZX"


@pytest.fixture(scope="module")
def pairs(request):
    """The pairs of the classes that are asked for: each has a process of its own."""
    here = [item for item in request.session.items if item.module is request.module and "pairs" in item.fixturenames]
    asked = {item.callspec.params["name"] for item in here if hasattr(item, "callspec")}
    names = [optimizer("misbehaving", name) for name in FAST if name in {"PrintsMegabyte", *asked}]
    run = run_all([cell(steps=4)], names, jobs=2, time_limit=20)
    return {pair.subject.rpartition(":")[2]: pair for pair in run.pairs}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", FAILED)
def test_what_misbehaves_is_failed_with_one_clear_message(pairs, name):
    for comparison in pairs[name].comparisons:
        assert comparison.verdict == "FAILED"
        assert FAILED[name] in comparison.reason
        assert "\n" not in comparison.reason
        assert "Traceback" not in comparison.reason
        assert len(comparison.reason) < 1000


@pytest.mark.parametrize("name", NOT_COMPARABLE)
def test_what_cannot_be_compared_says_what_and_where(pairs, name):
    for comparison in pairs[name].comparisons:
        assert comparison.verdict == "NOT_COMPARABLE"
        assert comparison.reason.startswith("at step ")
        assert NOT_COMPARABLE[name] in comparison.reason


@pytest.mark.parametrize("name", COMPARED)
def test_what_is_only_noisy_is_compared(pairs, name):
    assert [c.verdict for c in pairs[name].comparisons] == ["ROUNDING", "ROUNDING"]


def test_the_end_of_a_megabyte_of_output_is_kept(pairs):
    output = pairs["PrintsMegabyte"].output
    assert len(output) < 5000
    assert "bytes in all" in output
    assert output.endswith("x\n") or "noise" in output


def test_what_a_subject_prints_goes_to_no_terminal(capfd):
    run_all([cell(steps=2)], [optimizer("misbehaving", "PrintsMegabyte")], jobs=1)
    assert capfd.readouterr() == ("", "")


@needs_proc
def test_no_process_is_left_after_a_run(pairs):
    assert _children(os.getpid()) == []


@pytest.mark.sampled(2)
@needs_proc
@pytest.mark.parametrize("name", ["NeverReturns", "SleepsForever"])
def test_a_subject_without_end_is_stopped_and_the_other_cases_complete(name, monkeypatch):
    monkeypatch.setattr(pool, "REPEAT_SECONDS", 0.3)
    monkeypatch.setattr(child, "HEED_SECONDS", 0.5)
    names = [optimizer("misbehaving", name), optimizer("misbehaving", "Right")]
    run = run_all([cell(steps=2)], names, jobs=1, time_limit=2)
    assert [pair.verdict.name for pair in run.pairs] == ["FAILED", "ROUNDING"]
    assert "did not finish within 2 s" in run.pairs[0].comparisons[0].reason
    assert _children(os.getpid()) == []


def test_a_fork_does_not_answer_the_next_case():
    cells = [cell(steps=2), cell(steps=3), cell(steps=4)]
    run = run_all(cells, [optimizer("misbehaving", "Forks")], jobs=1)
    elements = [pair.comparisons[0].compared for pair in run.pairs]
    assert elements == [3 * 290, 4 * 290, 5 * 290]  # the state before the first step counts too


INTERRUPTED = """
import signal, sys
# A shell lets what it starts in the background ignore this signal, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
from driving import cell, optimizer
from parity.api import run_all
from parity.runner import pool
pool.REPEAT_SECONDS = 0.2
try:
    run_all([cell(steps=2)], [optimizer("misbehaving", "NeverReturns")], jobs=1, time_limit=300,
            progress=lambda news: print("started", flush=True))
except KeyboardInterrupt:
    sys.exit(130)
"""


@needs_proc
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_run_leaves_no_process_behind(sent):
    process = subprocess.Popen([sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, cwd=Path(__file__).parent)
    assert process.stdout is not None
    assert process.stdout.readline() == b"started\n"
    child = _await(lambda: _children(process.pid), lambda found: bool(found))[0]
    process.send_signal(sent)
    process.wait(timeout=10)
    process.stdout.close()
    _await(lambda: _lives(child), lambda lives: not lives)


def _await(look, wanted, seconds=10):
    deadline = time.monotonic() + seconds
    while not wanted(found := look()):
        assert time.monotonic() < deadline, "nothing changed in time"
        time.sleep(0.1)
    return found
