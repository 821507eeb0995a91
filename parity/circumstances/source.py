"""Which code this is: a digest of the package's Python files, which tells two states of one checkout apart."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parents[1]


@cache
def digest(*places: str) -> str:
    """Return the SHA-256 of all Python files of the package, or of those at ``places``: files or folders in it."""
    return hashlib.sha256("".join(f"{_name(path)} {_of(path)}\n" for path in files(*places)).encode()).hexdigest()


def files(*places: str) -> list[Path]:
    """Return the Python files that a digest is of."""
    # In a checkout ``reference`` is a link, which no search follows.
    found = [_at(PACKAGE / place) for place in places or ("", "reference")]
    return sorted({path for paths in found for path in paths})


def _at(place: Path) -> list[Path]:
    return [place] if place.suffix == ".py" else list(place.rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _of(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
