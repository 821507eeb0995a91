"""Where cases and pages lie, and which patterns name a case: what needs neither read."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

CASES: Final = Path(__file__).parent.parent / "cases"
PAGES: Final = Path(__file__).parent.parent / "reference"
_FILE = re.compile(r"(.*\.toml)(\[.*\])?", re.DOTALL)


def case_paths(root: Path | None = None) -> list[Path]:
    """Return every TOML file below a folder, sorted; some may hold an experiment or a list instead of a case."""
    return sorted(Path(folder, name) for folder, _, names in os.walk(root or CASES) for name in _tomls(names))


def _tomls(names: Iterable[str]) -> list[str]:
    return [name for name in names if name.endswith(".toml")]


def file_of(pattern: str) -> tuple[Path, str] | None:
    """Return the case file that a pattern is the path of, and the label of a cell behind it; None if it is an id."""
    path = _FILE.fullmatch(pattern)
    return (Path(path[1]), path[2] or "") if path else None


def matches(case: str, cell: str, pattern: str) -> bool:
    """Whether a pattern names a cell, by its own id or that of its case."""
    return fits(cell, pattern) or fits(case, pattern)


def fits(name: str, pattern: str) -> bool:
    """Whether a glob matches; only ``*`` is special, since ids hold brackets."""
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    if not name.startswith(first):
        return False
    *middle, last = rest
    position = len(first)
    for part in middle:
        found = name.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return name.endswith(last) and len(name) - len(last) >= position
