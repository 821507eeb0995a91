"""What is kept of a list: never another answer than reading anew, and no mistake where nothing can be kept."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from parity.case import listing as module
from parity.case.cells import collect
from parity.case.listing import Listing, listing
from parity.case.places import CASES


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "compiled"))
    return module._place()


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    for name in ("rmsprop/plain.toml", "each/plain.toml"):
        (tmp_path / "cases" / name).parent.mkdir(parents=True)
        shutil.copy(CASES / name, tmp_path / "cases" / name)
    return tmp_path / "cases"


@pytest.fixture
def read_anew(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Note the patterns of each time that cases are read."""
    read, times = module._read, list[list[str]]()

    def noted(patterns: list[str], root: Path) -> tuple[Listing, list[module.ParityError]]:
        times.append(patterns)
        return read(patterns, root)

    monkeypatch.setattr(module, "_read", noted)
    return times


def test_what_is_kept_answers_as_reading_anew_does(place: Path, read_anew: list[list[str]]) -> None:
    first = listing([])
    assert listing([]) == first
    for patterns in (
        ["adam/*"],
        ["rmsprop/plain", "*[float16]"],
        ["rmsprop/plain[float32]"],
        ["*/plain", "adam/plain"],
    ):
        found, problems = listing(patterns)
        assert [cell.id for cell in found.cells] == [cell.id for cell in collect(patterns)[0]]
        assert not problems
    assert read_anew == [[]]
    assert place.is_file()


@pytest.mark.parametrize(
    "pattern", ["nothing", "cases/rmsprop/plain.toml", str(CASES / "rmsprop/plain.toml[float32]")], ids=[0, 1, 2]
)
def test_what_is_not_kept_is_asked_of_the_files(place: Path, read_anew: list[list[str]], pattern: str) -> None:
    listing([])
    found, problems = listing([pattern])
    cells, expected = collect([pattern])
    assert [cell.id for cell in found.cells] == [cell.id for cell in cells]
    assert [str(each) for each in problems] == [str(each) for each in expected]
    assert read_anew == [[], [pattern]]


def test_no_change_of_a_file_is_missed(place: Path, cases: Path, read_anew: list[list[str]]) -> None:
    def ids() -> set[str]:
        before = len(read_anew)
        found, problems = listing([], cases)
        assert not problems
        assert len(read_anew) == before + 1
        assert listing([], cases) == (found, [])
        assert len(read_anew) == before + 1
        return {cell.id for cell in found.cells}

    first = ids()
    plain = cases / "rmsprop/plain.toml"
    text = plain.read_text(encoding="utf-8")
    plain.write_text(text.replace('"float16", ', ""), encoding="utf-8")
    assert first - ids() == {"rmsprop/plain[float16]"}
    # Of one length, and as old as the one before.
    age = plain.stat().st_mtime_ns
    plain.write_text(text.replace('"float32", ', ""), encoding="utf-8")
    os.utime(plain, ns=(age, age))
    assert first - ids() == {"rmsprop/plain[float32]"}
    shutil.copy(CASES / "each/odd_shapes.toml", cases / "each")
    assert {"adam/odd_shapes", "lion/odd_shapes"} <= ids()
    (cases / "each/odd_shapes.toml").unlink()
    assert "lion/odd_shapes" not in ids()


def test_what_reads_the_cases_is_part_of_the_key(place: Path, cases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = module._key(cases)
    monkeypatch.setattr(module.source, "digest", lambda *places: "another")
    assert module._key(cases) != before
    monkeypatch.undo()
    monkeypatch.setattr(module, "_versions", lambda: iter([b"another"]))
    assert module._key(cases) != before


def test_a_link_that_leads_elsewhere_is_another_case(place: Path, cases: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shutil.copy(cases / "rmsprop/plain.toml", tmp_path / name)
    link = cases / "rmsprop/other.toml"
    link.symlink_to(tmp_path / "one/plain.toml")
    before = module._key(cases)
    link.unlink()
    link.symlink_to(tmp_path / "two/plain.toml")
    assert module._key(cases) != before


def test_a_broken_file_is_told_every_time(place: Path, cases: Path) -> None:
    (cases / "rmsprop/broken.toml").write_text("steps = ", encoding="utf-8")
    for _ in range(2):
        found, problems = listing([], cases)
        assert found.cells
        assert "broken.toml:1: not valid TOML" in str(problems[0])
    assert not place.exists()


def test_a_file_that_changes_meanwhile_is_not_kept(
    place: Path, cases: Path, read_anew: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = module._read

    def late(patterns: list[str], root: Path) -> tuple[Listing, list[module.ParityError]]:
        found = read(patterns, root)
        (cases / "rmsprop/plain.toml").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(module, "_read", late)
    assert any(cell.case == "rmsprop/plain" for cell in listing([], cases)[0].cells)
    assert not place.exists()


@pytest.mark.parametrize("content", [b"", b"?", b"N", b"i\x00\x00\x00\x00"], ids=["empty", "none", "other", "number"])
def test_a_damaged_file_is_made_anew(place: Path, read_anew: list[list[str]], content: bytes, cases: Path) -> None:
    expected = listing([], cases)
    whole = place.read_bytes()
    for damaged in (content, whole[:-7]):
        place.write_bytes(damaged)
        assert listing([], cases) == expected
        assert place.read_bytes() == whole
    assert len(read_anew) == 3


def test_where_nothing_can_be_written_cases_are_read(
    tmp_path: Path, cases: Path, monkeypatch: pytest.MonkeyPatch, read_anew: list[list[str]]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "file"))
    assert listing([], cases) == listing([], cases)
    assert len(read_anew) == 2
