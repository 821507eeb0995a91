"""One digest says which code this is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from parity.circumstances import source


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("a.py", "below/b.py", "reference/c.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x = 1\n")
    monkeypatch.setattr(source, "PACKAGE", tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    source.digest.cache_clear()


def _anew(*places: str) -> str:
    source.digest.cache_clear()
    return source.digest(*places)


@pytest.mark.parametrize("name", ["a.py", "below/b.py", "reference/c.py"])
def test_a_change_in_any_file_is_another_digest(package: Path, name: str) -> None:
    before = _anew()
    (package / name).write_text("x = 2\n")
    assert _anew() != before


def test_places_are_looked_at_alone(package: Path) -> None:
    before = _anew("a.py", "below")
    (package / "reference/c.py").write_text("x = 2\n")
    assert _anew("a.py", "below") == before
    (package / "below/d.py").write_text("")
    assert _anew("a.py", "below") != before


def test_the_package_has_its_pages_and_its_cluster_in_it() -> None:
    names = {path.relative_to(source.PACKAGE).as_posix() for path in source.files()}
    assert {"reference/rmsprop.py", "runner/cluster/remote.py", "api.py"} <= names
