"""Baseline files: what a damaged one says, what names they have, and that their bytes depend on nothing else."""

import errno
import os
from pathlib import Path

import pytest
from gating import Line, made

from parity.baseline import store
from parity.baseline.record import Circumstances, Entry
from parity.baseline.store import Record

A, B = "rmsprop/defaults", "rmsprop/plain[float32]"
UNDER = Circumstances("a", 1, "b", "c", "d", {}, {})


def damage(path: Path, how: str) -> None:
    text = path.read_text(encoding="utf-8")
    replacements = {
        "no JSON": "{",
        "empty": "",
        "another schema": text.replace('"schema": 1', '"schema": 2'),
        "a list": "[]",
        "an unknown key": text.replace('"verdict"', '"verdikt"'),
        "an unknown verdict": text.replace("IDENTICAL", "FINE"),
        "a verdict nobody accepts": text.replace("IDENTICAL", "FIXED"),
        "an unknown comparison": text.replace("lockstep", "sideways"),
        "an entry twice": text.replace(B, A),
        "another subject": text.replace('"reference"', '"posted"'),
        "circumstances that are not there": text.replace('"under": "', '"under": "x'),
        "a number too large": text.replace('"compared": 100', '"compared": 1e999'),
        "a merge conflict": f"<<<<<<< HEAD\n{text}",
        "deep nesting": "[" * 100_000,
    }
    path.unlink()
    if how in replacements:
        path.write_text(replacements[how], encoding="utf-8")
        assert replacements[how] != text
    elif how == "no UTF-8":
        path.write_bytes(text.encode().replace(b"IDENTICAL", b"\xff\xfe"))
    elif how == "a folder":
        path.mkdir()
    elif how == "a loop of links":
        path.symlink_to(path)
    elif how == "a pipe":
        os.mkfifo(path)
    elif how == "too large":
        with path.open("wb") as stream:
            stream.truncate(store.MAX_BYTES + 1)


DAMAGES = {
    "no JSON": "damaged: Input data was truncated",
    "empty": "damaged: Input data was truncated",
    "another schema": "schema: received 2; this version of parity reads 1",
    "a list": "damaged: Expected `object`, got `array`",
    "an unknown key": "damaged: Object contains unknown field `verdikt`",
    "an unknown verdict": "verdict: received 'FINE'",
    "a verdict nobody accepts": "verdict: received 'FIXED'; allowed: one that can be accepted",
    "an unknown comparison": "comparison: received 'sideways'; allowed: lockstep, free",
    "an entry twice": f"entry '{A}' lockstep: stands there twice",
    "another subject": "subject: received 'posted', whose file is posted.json",
    "circumstances that are not there": "which is not among the circumstances",
    "a number too large": "damaged: ",
    "a merge conflict": "It holds the marks of a merge conflict.",
    "deep nesting": "damaged: ",
    "no UTF-8": "damaged: ",
    "a folder": "not a file",
    "a loop of links": "cannot be read: Too many levels of symbolic links",
    "a pipe": "not a file",
    "too large": f"allowed: at most {store.MAX_BYTES}",
}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_baseline_is_one_message_before_anything_runs(line: Line, how: str) -> None:
    line.accepted(made(A), made(B))
    damage(line.record(), how)
    for words in (("check", A, "--subject", "keras-eager"), ("accept",)):
        assert line(*words) == 2
        assert line.out == ""
        assert line.err.startswith("parity: error: reports/baseline/reference.json: ")
        assert line.err.count("\n") == 1
        assert DAMAGES[how] in line.err
        assert "restore it from version control" in line.err


@pytest.mark.sampled(5)
@pytest.mark.parametrize("how", DAMAGES)
def test_damage_to_what_waits_stops_an_accept_and_the_next_check_replaces_it(line: Line, how: str) -> None:
    line.accepted(made(B))
    line.check(made(A), made(B, "ROUNDING", ratio=0.4))
    waiting = line.baseline / "reference.json.obtained"
    if how in ("an unknown verdict", "a verdict nobody accepts"):
        waiting.write_text(waiting.read_text().replace('"IDENTICAL"', '"ROUNDING"').replace("ROUNDING", "IDENTICAL"))
    damage(waiting, how)
    assert line("accept") == 2
    assert line.err.startswith("parity: error: reports/baseline/reference.json.obtained: ")
    assert line.err.count("\n") == 1
    if how != "a folder":
        assert line.check(made(A), made(B)) == 1
        assert line("accept") == 0
        assert line.left() == ["reference.json"]


@pytest.mark.parametrize("what", ["a file", "below a file", "a loop"])
def test_a_place_that_is_no_folder_is_one_message(line: Line, what: str) -> None:
    (line.folder / "file").write_text("kept", encoding="utf-8")
    (line.folder / "loop").symlink_to(line.folder / "loop")
    place = {"a file": "file", "below a file": "file/below", "a loop": "loop"}[what]
    assert line.check(made(A), words=("--baseline", place)) == 2
    assert line.err.count("\n") == 1
    assert (line.folder / "file").read_text(encoding="utf-8") == "kept"


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_folder_that_cannot_be_written_is_one_message_and_keeps_what_stood_there(
    line: Line, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    line.accepted(made(A))
    line.check(made(A, "ROUNDING", ratio=0.4))
    kept = {name: (line.baseline / name).read_bytes() for name in line.left()}

    def refusing(path: Path, content: bytes) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("parity.circumstances.files._write", refusing)
    assert line("accept") == 2
    assert os.strerror(code) in line.err
    assert line.check(made(A, "DIVERGED", parts=0)) == 2
    assert line.err.count("\n") == 1
    assert "was IDENTICAL, now DIVERGED from step 0" in line.out, "what was found is not lost with it"
    assert {name: (line.baseline / name).read_bytes() for name in line.left()} == kept


def test_a_baseline_on_a_read_only_disk_can_be_checked(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.accepted(made(A))

    def refusing(self: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "unlink", refusing)
    assert line.check(made(A)) == 0
    assert line.err == ""
    (line.baseline / "reference.json.obtained").write_bytes(b"old")
    assert line.check(made(A)) == 2
    assert "is out of date and cannot be removed: Read-only file system" in line.err


def test_a_record_has_the_same_bytes_whatever_order_it_was_made_in() -> None:
    entries = [Entry(case, mode, "IDENTICAL", 1, UNDER.name) for case in (A, B) for mode in ("free", "lockstep")]
    table = {UNDER.name: UNDER, "unused": UNDER}
    one = store.render(Record(1, "reference", table, entries))
    assert one == store.render(Record(1, "reference", dict(reversed(table.items())), entries[::-1]))
    assert b"unused" not in one
    assert len([text for text in one.decode().split("\n") if '"verdict"' in text]) == len(entries)


@pytest.mark.parametrize(
    "subject",
    ["../../etc/x:C", "a/b.py:C", "a_b.py:C", ".hidden:C", "x" * 5000 + ":C", "\n\0<script>:C", "\udcff:C", "CON", ":"],
)
def test_a_name_makes_one_plain_file_in_the_folder(subject: str, tmp_path: Path) -> None:
    path = store.place(tmp_path, subject)
    assert path.parent == tmp_path
    assert len(path.name) < 120
    assert path.name.isprintable()
    assert not path.name.startswith(".")
    record = Record(1, subject, {UNDER.name: UNDER}, [Entry(A, "free", "IDENTICAL", 1, UNDER.name)])
    assert store.write(tmp_path, record) == path
    assert [found.entries for found in store.records(tmp_path)] == [record.entries]


def test_two_subjects_never_share_a_file(tmp_path: Path) -> None:
    names = ["a/b.py:C", "a_b.py:C", "a_b.py_C", "a b.py:C", "reference", "reference:"]
    assert len({store.place(tmp_path, name) for name in names}) == len(names)
