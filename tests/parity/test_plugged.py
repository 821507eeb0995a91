"""Subjects of other packages are found wherever packages lie, and nothing is imported to learn that there are none."""

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

TEXT = "[console_scripts]\nx = y:z\n[parity.subjects]\ntheirs = package.module:Class\n"
METADATA = "Metadata-Version: 2.1\nName: theirs\nVersion: 1\n"
PROGRAM = (
    "import sys; sys.path[:0] = sys.argv[1:]; from parity.subjects import registered; found = registered()\n"
    "print(found['theirs'].home if 'theirs' in found else '', 'importlib.metadata' in sys.modules)"
)


def folder(place: Path) -> Path:
    for name, text in (("entry_points.txt", TEXT), ("METADATA", METADATA)):
        (place / "Theirs-1.dist-info" / name).parent.mkdir(exist_ok=True)
        (place / "Theirs-1.dist-info" / name).write_text(text, encoding="utf-8")
    return place


def egg(place: Path) -> Path:
    home = place / "theirs.egg"
    (home / "EGG-INFO").mkdir(parents=True)
    (home / "EGG-INFO" / "entry_points.txt").write_text(TEXT, encoding="utf-8")
    (home / "EGG-INFO" / "PKG-INFO").write_text(METADATA, encoding="utf-8")
    return home


def archive(place: Path) -> Path:
    with zipfile.ZipFile(place / "theirs.zip", "w") as packed:
        packed.writestr("theirs-1.dist-info/entry_points.txt", TEXT)
        packed.writestr("theirs-1.dist-info/METADATA", METADATA)
    return place / "theirs.zip"


def told(*places: Path) -> list[str]:
    command = [sys.executable, "-c", PROGRAM, *map(str, places)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.rstrip("\n").split(" ")


@pytest.mark.parametrize("make", [folder, egg, archive])
def test_a_package_s_subject_is_found(make: Callable[[Path], Path], tmp_path: Path) -> None:
    assert told(make(tmp_path)) == ["package.module:Class", "True"]


def test_what_states_no_subject_is_not_asked(tmp_path: Path) -> None:
    (tmp_path / "other-1.dist-info").mkdir()
    (tmp_path / "other-1.dist-info" / "entry_points.txt").write_text("[console_scripts]\nx = y:z\n", encoding="utf-8")
    assert told(tmp_path, tmp_path / "nowhere") == ["", "False"]
