"""Whatever becomes of what a command says: 1 is a divergence and nothing else, 0 hides none, no verdict is lost."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ends import ENDS, accept, calls, ended

from parity.commands import cli

DIVERGED = "Here they part: an answer of 42 – ≠ é."


def full() -> Any:
    return open("/dev/full", "w", encoding="utf-8")


def only_read() -> Any:
    return open(os.devnull, encoding="utf-8")


def without_reader() -> Any:
    read, write = os.pipe()
    os.close(read)
    return os.fdopen(write, "w", encoding="utf-8")


def closed_since() -> Any:
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS: dict[str, Callable[[], Any]] = {
    "full": full,
    "closed before": lambda: None,
    "closed since": closed_since,
    "for reading": only_read,
    "without a reader": without_reader,
}


@pytest.fixture
def saying(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    """Run a command that says something and comes to a status, on these streams."""
    opened: list[Any] = []

    def run(status: int, out: Any, err: Any) -> int:
        opened.extend(stream for stream in (out, err) if stream is not None)
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)

        def dispatch(words: Any) -> int:
            print(DIVERGED)
            print("beside it", file=sys.stderr)
            return status

        monkeypatch.setattr(cli, "_dispatch", dispatch)
        return cli.main([])

    yield run
    monkeypatch.undo()
    for stream in opened:
        with suppress(OSError, ValueError):
            stream.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("status", range(4))
@pytest.mark.parametrize("how", STREAMS)
def test_output_that_cannot_be_written_is_no_verdict_and_loses_none(
    saying: Callable[..., int], how: str, status: int
) -> None:
    errors = io.StringIO()
    found = saying(status, STREAMS[how](), errors)
    told = errors.getvalue().splitlines()
    assert told[0] == "beside it"
    if how == "without a reader":
        assert (found, told[1:]) == (141, [])
        return
    assert found == 2
    (line,) = told[1:]
    assert line.startswith("parity: error: standard output cannot be written: ")
    assert f"came to status {status} (" in line
    assert line.endswith(DIVERGED)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("status", range(4))
@pytest.mark.parametrize("how", STREAMS)
def test_errors_that_cannot_be_written_take_nothing_from_the_output(
    saying: Callable[..., int], how: str, status: int
) -> None:
    out = io.StringIO()
    assert saying(status, out, STREAMS[how]()) == status
    assert out.getvalue() == f"{DIVERGED}\n"


@pytest.mark.parametrize("how", STREAMS)
def test_where_nothing_can_be_said_the_status_is_no_verdict(saying: Callable[..., int], how: str) -> None:
    assert saying(1, STREAMS[how](), STREAMS[how]()) in (2, 141)


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", r"\u2013 \u2260 \u00e9."), ("latin-1", r"\u2013 \u2260 é.")])
def test_what_an_encoding_lacks_is_written_as_json_writes_it(
    saying: Callable[..., int], encoding: str, shown: str
) -> None:
    buffer = io.BytesIO()
    assert saying(1, io.TextIOWrapper(buffer, encoding=encoding), io.StringIO()) == 1
    sys.stdout.flush()
    assert buffer.getvalue().decode(encoding).rstrip("\n").endswith(shown)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
        (MemoryError(), "MemoryErr"),
    ],
)
def test_what_the_system_refuses_is_a_line_and_no_divergence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, says: str
) -> None:
    def dispatch(words: Any) -> int:
        raise error

    monkeypatch.setattr(cli, "_dispatch", dispatch)
    assert cli.main([]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


def test_a_fault_of_ours_is_shown_with_its_place_and_is_no_divergence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_dispatch", lambda words: words.nowhere)
    assert cli.main([]) == 2
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.splitlines()[-1].startswith("parity: error: this is a fault of parity itself")


def allowed(found: int, status: int) -> bool:
    """Whether a status may stand where another one would without the end: 1 and 0 for what they are alone."""
    return found == status or found not in (0, 1)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("end", ["all closed", "full output", "closed error"])
def test_a_process_keeps_its_verdict_at_some_ends(tmp_path: Path, end: str) -> None:
    words, status = calls(tmp_path)["judge what diverges"]
    found, _, error = ended(ENDS[end].shell, words, tmp_path)
    assert found == (1 if end == "closed error" else 2)
    assert allowed(found, status)
    assert error.count("\n") == (end == "full output")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("ends")
    known = calls(folder)
    accept(folder)
    return folder, known


@pytest.mark.exhaustive
@pytest.mark.parametrize("end", ENDS)
def test_every_command_keeps_its_verdict_at_every_end(end: str, prepared: tuple[Path, dict[str, Any]]) -> None:
    folder, known = prepared
    faults = []
    for name, (words, status) in known.items():
        where = Path(ENDS[end].folder or folder)
        found, _, error = ended(ENDS[end].shell, words, where, **ENDS[end].variables)
        if not allowed(found, status) or "Traceback" in error:
            faults.append(f"{name}: status {found}, not {status}: {error[-300:]}")
    assert not faults, "\n".join(faults)


@pytest.mark.exhaustive
def test_every_command_has_its_status_where_nothing_is_in_its_way(prepared: tuple[Path, dict[str, Any]]) -> None:
    folder, known = prepared
    found = {name: ended("{}", words, folder)[0] for name, (words, _) in known.items()}
    assert found == {name: status for name, (_, status) in known.items()}
