"""Hostile files through the whole command line: status 2, one message that names the file, nothing lost or run."""

import io
import os
import pickle
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from parity.commands.cli import main

GOOD = """
id = "a"
summary = "s"
probes = ["rho"]
steps = 2
[problem]
kind = "replayed"
generator = "zeros"
tensors = { kernel = [2, 3] }
[hyperparameters]
rho = 0.5
"""
FROM_FILE = GOOD + '[weights]\nkind = "file"\nfile = "data.npz"\n'
NAME = "<script>alert(1)</script>\n\x1b[31m\u202e"
Make = Callable[[Path], object]


class Bomb:
    """Writes a file when it is unpickled, which must never happen."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, ("unpickled", "w")


def archive(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return stream.getvalue()


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def saved(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def unpacking_to(size: int) -> bytes:
    """Return an archive whose table of contents says that its one member unpacks to so many bytes."""
    content = archive(kernel=saved(np.zeros((2, 3), np.float32)))
    at = content.index(b"PK\x01\x02") + 24
    return content[:at] + struct.pack("<I", size) + content[at + 4 :]


def content(data: bytes) -> Make:
    return lambda path: path.write_bytes(data)


def link(target: str) -> Make:
    return lambda path: path.symlink_to(target)


def sparse(size: int) -> Make:
    def make(path: Path) -> None:
        with path.open("wb") as stream:
            stream.truncate(size)

    return make


SPECIAL: dict[str, tuple[Make, str]] = {
    "folder": (Path.mkdir, "not a file"),
    "pipe": (os.mkfifo, "not a file"),
    "endless": (link("/dev/zero"), "not a file"),
    "loop": (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
}
"""What may stand where a file is expected."""

CASES: dict[str, tuple[Make, str]] = {
    **SPECIAL,
    "50 MB": (sparse(50_000_000), "received 50000000 bytes; allowed: at most 16000000"),
    "nested deeply": (content(GOOD.encode() + b"x = " + b"[" * 30_000), "nested too deeply"),
    "no UTF-8": (content(GOOD.encode() + b"# \xff\xfe"), "is not UTF-8"),
    "UTF-16": (content(GOOD.encode("utf-16")), "byte 0 is not UTF-8"),
    "NUL": (content(GOOD.encode() + b"\0"), "not valid TOML"),
    "two byte order marks": (content(b"\xef\xbb\xbf" * 2 + GOOD.encode()), "not valid TOML"),
    "a pickle": (content(pickle.dumps(Bomb())), "is not UTF-8"),
    "escapes in a key": (content(GOOD.encode() + b'"\\u001b[31m\\u202e<script>" = 1'), r"\x1b[31m\u202e<script>"),
    "escapes in an id": (content(GOOD.replace('"a"', r'"a\u0000\u001b[2J"').encode()), r"a\x00\x1b[2J"),
    "absent": (lambda path: None, "No such file or directory"),
    "a link to nothing": (link("nothing"), "No such file or directory"),
}
DATA: dict[str, tuple[Make, str]] = {
    **SPECIAL,
    "a pickled object": (content(archive(kernel=saved(np.array([Bomb()], object)))), "not a readable NPZ archive"),
    "a pickle": (content(pickle.dumps(Bomb())), "not a readable NPZ archive"),
    "a pickle as a member": (content(archive(kernel=pickle.dumps(Bomb()))), "has dtype"),
    "one array": (content(saved(np.zeros((2, 3), np.float32))), "not a readable NPZ archive"),
    "empty": (content(b""), "not a readable NPZ archive"),
    "cut short": (content(archive(kernel=saved(np.zeros((2, 3), np.float32)))[:-30]), "not a readable NPZ archive"),
    "4 GB unpacked": (content(unpacking_to(4_000_000_000)), "4000000000 bytes once it is unpacked"),
    "a shape of 2**60": (
        content(archive(kernel=npy(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({2**60},)}}"))),
        "not a readable NPZ archive",
    ),
    "a header that is code": (
        content(archive(kernel=npy("{'descr': open('unpickled', 'w'), 'fortran_order': False, 'shape': ()}"))),
        "not a readable NPZ archive",
    ),
    "NaN": (content(archive(kernel=saved(np.full((2, 3), np.nan)))), "is nan at [0, 0]; allowed: finite"),
    "text": (content(archive(kernel=saved(np.array(["x\x1b[31m"])))), "allowed: real numbers"),
    "absent": (lambda path: None, "no file 'data.npz'"),
}


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a call that must end with one message and leave every file as it was; it returns the message."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str, out: str | None = "") -> str:
        before = snapshot(tmp_path)
        assert main(list(words)) == 2
        shown = capsys.readouterr()
        assert snapshot(tmp_path) == before
        assert shown.err.startswith("parity: error: ")
        assert shown.err.count("parity: error:") == 1
        assert "Traceback" not in shown.err
        assert shown.err.replace("\n", "").isprintable()
        assert shown.out.replace("\n", "").isprintable()
        assert out is None or shown.out == out
        return shown.err

    return call


def snapshot(folder: Path) -> dict[str, object]:
    """Return what stands in a folder: the bytes of files, where links lead, and the kind of everything else."""
    return {
        str(path): os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else path.is_dir()
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("command", [("run", "--subject", "reference"), ("list",)], ids=["run", "list"])
def test_a_hostile_case_file(name: str, command: tuple[str, ...], tmp_path: Path, refused: Callable[..., str]) -> None:
    make, said = CASES[name]
    make(tmp_path / "hostile.toml")
    message = refused(command[0], "hostile.toml", *command[1:])
    assert re.search(r"hostile\.toml(:\d+)?: ", message)
    assert said in message


@pytest.mark.parametrize("name", DATA)
def test_a_hostile_data_file(name: str, tmp_path: Path, refused: Callable[..., str]) -> None:
    make, said = DATA[name]
    (tmp_path / "a.toml").write_text(FROM_FILE, encoding="utf-8")
    make(tmp_path / "data.npz")
    message = refused("run", "a.toml", "--subject", "reference")
    assert "'data.npz'" in message
    assert said in message


@pytest.mark.parametrize("name", [n for n in CASES if n not in ("escapes in a key", "escapes in an id", "absent")])
def test_a_hostile_experiment(name: str, tmp_path: Path, refused: Callable[..., str]) -> None:
    make, said = CASES[name]
    make(tmp_path / "hostile.toml")
    message = refused("explain", "hostile.toml", "--config")
    assert re.search(r"hostile\.toml(:\d+)?: ", message)
    assert said in message


@pytest.mark.parametrize(
    "name", ["\0.toml", "x" * 5000 + ".toml", f"{NAME}.toml", f"{NAME}/../../a.toml", "\udcff.toml"]
)
def test_a_hostile_name_of_a_case_file(name: str, refused: Callable[..., str]) -> None:
    refused("run", name, "--subject", "reference")


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", ["x" * 5000, "file", "file/below", "loop", "pipe", "/dev/null", "/proc/parity"])
@pytest.mark.parametrize(
    "command",
    [
        ("report", "a.toml", "--subject", "reference", "--output"),
        ("record", "a.toml", "--subject", "reference", "--output"),
        ("check", "a.toml", "--subject", "reference", "--baseline"),
        ("accept", "--baseline"),
        ("export", "a.toml", "--output"),
    ],
    ids=lambda words: words[0],
)
def test_a_place_that_cannot_be_written(
    command: tuple[str, ...], name: str, tmp_path: Path, refused: Callable[..., str]
) -> None:
    (tmp_path / "a.toml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "file").write_text("kept", encoding="utf-8")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    message = refused(*command, name, out=None)
    assert name in message
