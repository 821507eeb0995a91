"""One process of ours and the one that asks it: an answer, or in words why there is none, and nothing left behind."""

import contextlib
import os
import sys
import time

import psutil
import pytest

from parity.circumstances import launch
from parity.circumstances.child import Child, NoAnswerError

PROGRAM = """
import os, subprocess, sys, time
from parity.circumstances import wire
from parity.circumstances.child import private_pipes, tell
requests, answers = private_pipes()
print("said aloud")
while (task := wire.read(requests)) is not None:
    if task == "tell":
        tell("this takes long")
        tell("")
        tell("this takes long")
    if task in ("sleep", "tell and sleep"):
        if task != "sleep":
            tell("this takes long")
        time.sleep(60)
    if task == "leave a child and die":
        print(subprocess.Popen(["sleep", "60"]).pid)
        os._exit(3)
    if task == "crash":
        os.abort()
    wire.write(answers, {"heard": task, "read": sys.stdin.read()})
"""


@pytest.fixture
def asked(monkeypatch):
    monkeypatch.setattr(launch, "module", lambda name, *words: [sys.executable, "-c", PROGRAM])
    process = Child("ours")
    yield process
    process.end()


def test_an_answer_comes_back_and_what_is_printed_does_not(asked):
    assert asked.ask("a", 20) == {"heard": "a", "read": ""}
    assert asked.ask("b") == {"heard": "b", "read": ""}


def test_who_is_silent_beyond_the_deadline_is_ended(asked):
    assert asked.ask("a", 20)
    with pytest.raises(NoAnswerError) as ended:
        asked.ask("sleep", 0.3)
    assert not ended.value.how
    assert not asked.alive


def test_what_takes_long_is_said_once_before_the_answer(asked, capsys):
    for _ in range(2):
        assert asked.ask("tell", 20)["heard"] == "tell"
    assert capsys.readouterr().err == "parity: this takes long\n"
    assert asked.news == "this takes long"


def test_who_tells_what_takes_long_has_no_more_time(asked):
    assert asked.ask("a", 20)
    with pytest.raises(NoAnswerError):
        asked.ask("tell and sleep", 0.5)
    assert asked.news == "this takes long"


def test_how_a_process_ended_is_said(asked):
    with pytest.raises(NoAnswerError, match="ended with signal SIGABRT"):
        asked.ask("crash", 20)
    with pytest.raises(NoAnswerError, match="ended with signal SIGABRT"):
        asked.ask("and now?", 20)


def test_a_grandchild_that_holds_the_pipe_neither_delays_the_news_nor_survives(asked):
    start = time.monotonic()
    with pytest.raises(NoAnswerError, match="ended with exit status 3"):
        asked.ask("leave a child and die", 30)
    assert time.monotonic() - start < 20
    asked.end()
    deadline = time.monotonic() + 20  # a signal is delivered when the kernel gets to it
    while living_of(asked.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert living_of(asked.pid) == []


def living_of(group):
    """Return the processes of a group that still run; one that ended may wait to be reaped."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def test_ending_twice_is_once(asked):
    asked.end()
    asked.end()
    assert not asked.alive
