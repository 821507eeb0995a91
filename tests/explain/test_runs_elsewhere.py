"""What goes wrong in a process that makes runs is one message here."""

import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from parity.errors import MisbehavedError, NotInstalledError, UsageError
from parity.explain import worker
from parity.explain.factors import Program
from parity.explain.pool import Pool
from parity.explain.store import Store, Task

TASK = Task(Program(layers=[784, 10], examples=10), 0, 1)


def test_processes_live_on_from_one_call_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(Store(tmp_path), 1)
    pool.run([TASK], "first")
    monkeypatch.setattr(sys, "executable", "/bin/false")  # none can be started from now on
    pool.run([msgspec.structs.replace(TASK, seed=1)], "second")
    assert pool.made == 2


def test_a_process_that_died_is_one_message_that_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(MisbehavedError, match=r"a process that made a run ended with exit status 1; run again"):
        Pool(Store(tmp_path), 1).run([TASK], "test")


def test_a_record_that_cannot_be_kept_is_a_mistake_in_the_call(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    shutil.rmtree(store.folder)
    store.folder.write_text("")
    with pytest.raises(UsageError, match="Name another one with --cache"):
        Pool(store, 1).run([TASK], "test")


def _answered(error: Exception, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    def fail(*given: Any) -> None:
        raise error

    monkeypatch.setattr(worker, "compute", fail)
    return worker._answer({"task": msgspec.to_builtins(TASK), "folder": "", "runs": 1})


def test_the_cause_of_an_error_of_many_lines_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = _answered(ValueError("shapes differ\n  here and\n  there"), monkeypatch)
    assert answer["error"] == "a run raised ValueError: shapes differ … there"


def test_an_error_that_has_its_words_keeps_them_and_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = _answered(NotInstalledError("tf.keras cannot be run: its process ended"), monkeypatch)
    assert answer == {"kind": "NotInstalledError", "error": "tf.keras cannot be run: its process ended"}
