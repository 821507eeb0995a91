import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from parity.circumstances.files import repair, write_file, write_set
from parity.errors import ParityError

NAMES = ("a.txt", "b.txt", "c.txt")
WRITER = """
import sys, itertools
from pathlib import Path
from parity.circumstances.files import write_set
folder, name, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
for number in itertools.islice(itertools.count(), rounds):
    write_set({file: f"{name} {number}".encode() * 2000 for file in ("a.txt", "b.txt", "c.txt")}, folder)
"""
DYING = """
import os, sys
from pathlib import Path
from parity.circumstances import files as store
left, rename = int(sys.argv[2]), Path.rename
def dying(self, target):
    global left
    left -= 1
    if left < 0:
        os._exit(9)
    return rename(self, target)
Path.rename = dying
store.write_set({file: b"new" for file in ("a.txt", "b.txt", "c.txt")}, Path(sys.argv[1]))
"""


def content(folder: Path) -> bytes:
    """Return what all files of a complete set hold; a mixture or a missing file fails."""
    found = {(folder / name).read_bytes() for name in NAMES}
    assert len(found) == 1
    return found.pop()


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.parent.iterdir() if path.name != folder.name]


def files(text: str) -> dict[str, bytes]:
    return dict.fromkeys(NAMES, text.encode())


def start(folder: Path, name: str, rounds: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", WRITER, str(folder), name, str(rounds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert process.stdout
    process.stdout.readline()
    return process


def test_a_set_is_written_and_replaced_without_leftovers(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "latest"
    write_set(files("one"), folder)
    write_set(files("two"), folder)
    assert content(folder) == b"two"
    assert leftovers(folder) == []


@pytest.mark.parametrize("seed", range(8))
def test_a_writer_killed_at_any_moment_leaves_a_complete_report(tmp_path: Path, seed: int) -> None:
    folder = tmp_path / "latest"
    write_set(files("first"), folder)
    process = start(folder, "killed", 1_000_000)
    time.sleep(random.Random(seed).uniform(0.0, 0.15))
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    repair(folder)
    content(folder)
    assert leftovers(folder) == []
    write_set(files("after"), folder)
    assert content(folder) == b"after"


@pytest.mark.parametrize(("renames", "kept"), [(0, b"old"), (1, b"old"), (2, b"new"), (3, b"new")])
def test_a_writer_killed_before_each_rename_is_repaired(tmp_path: Path, renames: int, kept: bytes) -> None:
    folder = tmp_path / "latest"
    write_set(files("old"), folder)
    (folder / "mine.txt").write_text("kept")
    command = [sys.executable, "-c", DYING, str(folder), str(renames)]
    subprocess.run(command, check=False, cwd=Path(__file__).parents[2])
    repair(folder)
    assert content(folder) == kept
    assert (folder / "mine.txt").read_text() == "kept"
    assert leftovers(folder) == []


def test_two_writers_at_once_leave_one_complete_report(tmp_path: Path) -> None:
    folder = tmp_path / "latest"
    writers = [start(folder, name, 40) for name in ("left", "right")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    for writer in writers:
        writer.communicate()
    assert content(folder)[-2:] == b"39"
    assert leftovers(folder) == []


def test_files_of_others_in_the_folder_survive(tmp_path: Path) -> None:
    folder = tmp_path / "latest"
    (folder / "notes").mkdir(parents=True)
    (folder / "notes" / "mine.txt").write_text("mine")
    write_set(files("one"), folder)
    write_set(files("two"), folder)
    assert (folder / "notes" / "mine.txt").read_text() == "mine"
    assert content(folder) == b"two"


def test_a_full_disk_is_one_error_and_keeps_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "latest"
    write_set(files("one"), folder)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ParityError, match="No space left"):
        write_set(files("two"), folder)
    assert content(folder) == b"one"
    assert leftovers(folder) == []


def test_a_read_only_folder_is_one_error_and_keeps_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "latest"
    write_set(files("one"), folder)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ParityError, match="Permission denied"):
        write_set(files("two"), folder)
    assert content(folder) == b"one"


def test_a_rename_that_fails_puts_the_report_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "latest"
    write_set(files("one"), folder)
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name == ".latest.new":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(ParityError):
        write_set(files("two"), folder)
    assert content(folder) == b"one"


def test_a_file_in_the_place_of_the_folder_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "latest").write_text("a file")
    with pytest.raises(ParityError, match="Not a directory"):
        write_set(files("one"), tmp_path / "latest")
    with pytest.raises(ParityError, match=r"Not a directory|File exists"):
        write_set(files("one"), tmp_path / "latest" / "inside")


def test_the_current_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParityError, match="current folder"):
        write_set(files("one"), Path())


def test_a_file_is_replaced_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_file(tmp_path / "new" / "a.txt", b"one")
    write_file(tmp_path / "new" / "a.txt", b"two")
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "new").iterdir()] == [("a.txt", b"two")]


def test_a_file_that_cannot_be_written_keeps_what_stood_there(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(ParityError, match="cannot be written"):
        write_file(tmp_path / "a.txt", b"two")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
