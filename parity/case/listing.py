"""What a list says of cases and rules: read anew, or as it was kept for exactly these files, code and versions.

It is kept where Python keeps what it compiles, in ``__pycache__``, unless that cannot be written.
"""

import hashlib
import marshal
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.util import cache_from_source, find_spec
from pathlib import Path
from typing import NamedTuple

from parity.case.places import CASES, case_paths, file_of, matches
from parity.circumstances import source
from parity.circumstances.files import write_file
from parity.errors import ParityError


class ListedCell(NamedTuple):
    """What a list says of a cell, as its ``Cell`` has it."""

    id: str
    case: str
    rule: str
    summary: str
    probes: list[str]


class ListedRule(NamedTuple):
    """What a list says of a rule; ``arguments`` are the names of all that it takes, in Keras' order."""

    name: str
    kind: str
    arguments: list[str]
    slots: dict[str, str]


class Listing(NamedTuple):
    """Cells in the order of ``collect``, and every rule that is shipped."""

    cells: list[ListedCell]
    rules: list[ListedRule]


def listing(patterns: Iterable[str], root: Path = CASES) -> tuple[Listing, list[ParityError]]:
    """Return the cells below a folder that match any of the patterns, and the errors that kept out others.

    Both are as ``collect`` has them.
    """
    patterns = list(patterns)
    key = _key(root)
    kept = None if key is None or any(file_of(pattern) for pattern in patterns) else _kept(key)
    if kept is not None:
        rows = [[cell for cell in kept.cells if matches(cell.case, cell.id, each)] for each in patterns or ["*"]]
        if all(rows):
            return kept._replace(cells=list({cell.id: cell for row in rows for cell in row}.values())), []
    read, problems = _read(patterns, root)
    # What changed while it was read is not kept.
    if key is not None and not patterns and not problems and key == _key(root):
        _keep(key, read)
    return read, problems


def _read(patterns: list[str], root: Path) -> tuple[Listing, list[ParityError]]:
    from parity.case.cells import collect
    from parity.case.rule import find, names

    found, problems = collect(patterns, root)
    cells = [ListedCell(cell.id, cell.case, cell.rule, cell.summary, cell.probes) for cell in found]
    rules = [
        ListedRule(rule.name, rule.kind, [each.name for each in rule.parameters], rule.slots)
        for rule in map(find, names())
    ]
    return Listing(cells, rules), problems


def _kept(key: bytes) -> Listing | None:
    """Return what was kept, None if nothing was, or if it came from other files, code or versions."""
    try:
        of, cells, rules = marshal.loads(_place().read_bytes())
    except (OSError, EOFError, ValueError, TypeError):
        return None
    return Listing([ListedCell(*cell) for cell in cells], [ListedRule(*rule) for rule in rules]) if of == key else None


def _keep(key: bytes, read: Listing) -> None:
    with suppress(ParityError):  # a place that cannot be written costs time and nothing else
        write_file(_place(), marshal.dumps((key, *([tuple(each) for each in rows] for rows in read))))


def _place() -> Path:
    return Path(cache_from_source(__file__)).with_suffix(".kept")


def _key(root: Path) -> bytes | None:
    """Return a digest of all that a listing depends on: the cases, the code and pages that read them, and versions.

    None if a file cannot be read.
    """
    digest = hashlib.sha256(source.digest("errors.py", "case", "reference").encode())
    try:
        for part in (*_versions(), *_files(root)):
            digest.update(b"%d " % len(part))
            digest.update(part)
    except OSError:
        return None
    return digest.digest()


def _versions() -> Iterator[bytes]:
    """Yield Python's version, and that of what decodes the cases, as the folders beside it tell."""
    yield sys.version.encode()
    msgspec = find_spec("msgspec")
    if msgspec is not None and msgspec.origin is not None:
        around = os.path.dirname(os.path.dirname(msgspec.origin))
        yield from sorted(os.fsencode(name) for name in os.listdir(around) if name.startswith("msgspec-"))


def _files(root: Path) -> Iterator[bytes]:
    """Yield the name and the bytes of each file that may hold cases, and where it leads, if it is a link."""
    for path in case_paths(root):
        yield os.fsencode(path.relative_to(root))
        yield os.fsencode(os.path.realpath(path)) if path.is_symlink() else b""
        yield path.read_bytes()
