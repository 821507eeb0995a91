"""Processes that stay between pairs: kept, replaced when they die, and never answering for another task."""

import io
import os
import signal
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from parity.api import Session
from parity.case.cells import select
from parity.circumstances import wire
from parity.errors import SubjectError, UsageError

(CELL,) = select(["rmsprop/defaults"])


@pytest.fixture
def session() -> Iterator[Session]:
    opened = Session()
    yield opened
    opened.close()


def process_ids(session: Session) -> dict[bool, int]:
    assert session._standing is not None
    return {kept: worker._child.pid for kept, worker in session._standing._workers.items()}


def test_a_process_serves_one_pair_after_the_other(session: Session) -> None:
    first = session.run(CELL, "reference")
    before = process_ids(session)
    second = session.run(CELL, "reference")
    assert process_ids(session) == before
    assert [item.verdict for item in (*first.comparisons, *second.comparisons)] == ["IDENTICAL"] * 4


def test_a_process_that_died_between_pairs_is_replaced(session: Session) -> None:
    session.run(CELL, "reference")
    (old,) = process_ids(session).values()
    os.kill(old, signal.SIGKILL)
    os.waitid(os.P_PID, old, os.WEXITED | os.WNOWAIT)
    assert session.run(CELL, "reference").verdict.name == "IDENTICAL"
    assert old not in process_ids(session).values()


def test_a_class_that_hangs_is_stopped_and_the_next_one_answers_for_itself(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "hangs.py"
    source = """
        import time

        class Hangs:
            def __init__(self, learning_rate=0.001): ...
            def update(self, params, grads): time.sleep(600)
    """
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    with pytest.raises(SubjectError, match="it took more than 1 s"):
        session.run(CELL, f"{path}:Hangs", time_limit=1.0)
    assert session.run(CELL, "reference").verdict.name == "IDENTICAL"


def test_closing_stops_every_process(session: Session) -> None:
    session.run(CELL, "reference")
    (pid,) = process_ids(session).values()
    session.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_name_that_is_no_subject_starts_no_process(session: Session) -> None:
    with pytest.raises(UsageError, match="Did you mean 'reference'"):
        session.run(CELL, "refrence")
    assert session._standing is None


def test_a_string_of_its_own_kind_travels_as_a_string() -> None:
    class Version(str):  # as torch's is
        __slots__ = ()

    stream = io.BytesIO()
    wire.write(stream, {"torch": Version("2.5")})
    stream.seek(0)
    assert wire.read(stream) == {"torch": "2.5"}
