"""Baseline files: one JSON document a subject, one line a comparison, so that a diff reads as a list of changes.

``SUBJECT.json`` is what was accepted; ``SUBJECT.json.obtained`` beside it is what the last check obtained instead.
Both are written beside their place and renamed, by whoever holds the lock on the folder.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from parity.baseline.record import Circumstances, Entry, Key
from parity.case.tomlfile import show_path
from parity.case.words import MODES
from parity.circumstances.files import alone, ignore, write_file
from parity.errors import DataError, UsageError, printable
from parity.report.numbers import plain
from parity.verdicts.verdict import Verdict

FOLDER: Final = Path("reports/baseline")
SUFFIX: Final = ".obtained"
SCHEMA: Final = 1
MAX_BYTES: Final = 32_000_000
NEVER_KEPT: Final = (Verdict.FIXED, Verdict.NOT_INSTALLED)
"""Outcomes that nobody can accept: a list that went stale, and a library that is not there."""

_AGAIN = (
    "`parity accept` alone writes it: restore it from version control, or delete it, `parity check` and `parity accept`"
)


class _Head(Struct):
    schema: int


class Record(Struct, frozen=True, forbid_unknown_fields=True):
    """All accepted outcomes of one subject."""

    schema: int
    subject: str
    circumstances: dict[str, Circumstances]
    entries: list[Entry]

    @property
    def by_key(self) -> dict[Key, Entry]:
        """The entries by case and comparison."""
        return {entry.key: entry for entry in self.entries}


class Change(Struct, frozen=True, forbid_unknown_fields=True):
    """One outcome that waits to be accepted: what it is, in words, and the mark of the entry that it would replace."""

    kind: str
    says: str
    was: str
    commit: str
    entry: Entry


class Pending(Struct, frozen=True, forbid_unknown_fields=True):
    """What a check obtained that the baseline does not hold."""

    schema: int
    subject: str
    circumstances: dict[str, Circumstances]
    entries: list[Change]


Document = TypeVar("Document", Record, Pending)


def place(folder: Path, subject: str) -> Path:
    """Return where a subject's record stands; a name that is no plain file name is shortened and made unique."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", subject)[-80:].lstrip("._-")
    if name != subject:
        name = f"{name or 'subject'}-{hashlib.sha256(str(plain(subject)).encode()).hexdigest()[:8]}"
    return folder / f"{name}.json"


def beside(path: Path) -> Path:
    """Return where the outcomes that wait for a record stand."""
    return path.with_name(path.name + SUFFIX)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder if need be, hold the lock on it, and sweep away what a killed writer left half-written.

    Raises:
        UsageError: the folder cannot be made or opened.
    """
    with ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(alone(folder))
        except OSError as error:
            raise UsageError(
                f"the baseline cannot be kept in {str(folder)!r}: {error.strerror}. Name a folder with --baseline."
            ) from error
        for part in folder.glob(".*.part"):
            with suppress(OSError):
                part.unlink()
        yield


def read(path: Path) -> Record | None:
    """Return the record in a file, None where there is no file.

    Raises:
        DataError: the file cannot be read or is damaged.
    """
    found = _decoded(path, Record)
    if found is not None:
        _refuse_unusable(path, found.subject, found.circumstances, found.entries)
    return found


def read_pending(path: Path) -> Pending | None:
    """Return what waits beside the record at ``path``, None where nothing waits.

    Raises:
        DataError: the file cannot be read or is damaged.
    """
    where = beside(path)
    found = _decoded(where, Pending)
    if found is not None:
        _refuse_unusable(where, found.subject, found.circumstances, [change.entry for change in found.entries])
    return found


def records(folder: Path) -> list[Record]:
    """Return every record of a folder, by the names of the files; an absent folder has none."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".json" and not path.name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"{show_path(folder)}: cannot be read: {error.strerror}; the baseline is a folder.") from error
    return [record for path in paths if (record := read(path)) is not None]


def waiting(folder: Path) -> list[Pending]:
    """Return everything that waits in a folder to be accepted, by the names of the files."""
    paths = sorted(path for path in folder.glob(f"*.json{SUFFIX}") if not path.name.startswith("."))
    return [found for path in paths if (found := read_pending(path.with_name(path.name.removesuffix(SUFFIX))))]


def write(folder: Path, record: Record) -> Path:
    """Put a record in its place; one without an entry is removed."""
    path = place(folder, record.subject)
    if record.entries:
        write_file(path, render(record))
    else:
        _remove(path)
    return path


def write_pending(folder: Path, pending: Pending) -> Path | None:
    """Put what waits beside its record and return where; with nothing waiting, remove what an earlier check left."""
    path = beside(place(folder, pending.subject))
    if pending.entries:
        ignore(folder, f"*{SUFFIX}", ".*.part")
        write_file(path, render(pending))
        return path
    _remove(path)
    return None


def render(document: Record | Pending) -> bytes:
    """Return a file's content: it depends on the content of the record alone, not on the order it was made in."""
    used = {entry.under for entry in _entries_of(document)}
    circumstances = {name: plain(document.circumstances[name]) for name in sorted(used)}
    head = {"schema": SCHEMA, "subject": plain(document.subject), "circumstances": circumstances}
    lines = sorted(zip((entry.key for entry in _entries_of(document)), map(_line, document.entries), strict=True))
    opening = json.dumps(head, indent=1, ensure_ascii=False, allow_nan=False).removesuffix("\n}")
    body = ",\n".join(f"  {line}" for _, line in lines)
    return f'{opening},\n "entries": [\n{body}\n ]\n}}\n'.encode()


def _remove(path: Path) -> None:
    if not os.path.lexists(path):
        return  # a read-only disk would complain also about a file that is not there
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{show_path(path)} is out of date and cannot be removed: {error.strerror}.") from error


def _line(entry: Entry | Change) -> str:
    return json.dumps(plain(msgspec.to_builtins(entry)), ensure_ascii=False, allow_nan=False)


def _entries_of(document: Record | Pending) -> Sequence[Entry]:
    return [item.entry if isinstance(item, Change) else item for item in document.entries]


def _decoded(path: Path, kind: type[Document]) -> Document | None:
    where = show_path(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{where}: not a file. {_AGAIN}.")
        if status.st_size > MAX_BYTES:
            raise DataError(f"{where}: received {status.st_size} bytes; allowed: at most {MAX_BYTES}. {_AGAIN}.")
        content = path.read_bytes()
        schema = msgspec.json.decode(content, type=_Head).schema
        if schema != SCHEMA:
            raise DataError(f"{where}: schema: received {schema}; this version of parity reads {SCHEMA}. {_AGAIN}.")
        return msgspec.json.decode(content, type=kind)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{where}: cannot be read: {error.strerror}. {_AGAIN}.") from error
    except RecursionError as error:
        raise DataError(f"{where}: damaged: nested too deeply. {_AGAIN}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        conflict = " It holds the marks of a merge conflict." if b"\n<<<<<<< " in b"\n" + content else ""
        raise DataError(f"{where}: damaged: {printable(str(error))}.{conflict} {_AGAIN}.") from error


def _refuse_unusable(path: Path, subject: str, known: dict[str, Any], entries: Iterable[Entry]) -> None:
    """Refuse what decodes and yet means nothing: the first such thing is named."""
    keys: set[Key] = set()
    wrong = ""
    if place(path.parent, subject).name != path.name.removesuffix(SUFFIX):
        wrong = f"subject: received {subject!r}, whose file is {place(path.parent, subject).name}"
    for entry in entries:
        at = f"entry {entry.case!r} {entry.comparison}"
        if entry.verdict not in Verdict.__members__ or entry.outcome in NEVER_KEPT:
            wrong = wrong or f"{at}: verdict: received {entry.verdict!r}; allowed: one that can be accepted"
        if entry.comparison not in MODES:
            wrong = wrong or f"{at}: comparison: received {entry.comparison!r}; allowed: {', '.join(MODES)}"
        if entry.under not in known:
            wrong = wrong or f"{at}: under: received {entry.under!r}, which is not among the circumstances"
        if entry.key in keys:
            wrong = wrong or f"{at}: stands there twice"
        keys.add(entry.key)
    if wrong:
        raise DataError(f"{show_path(path)}: damaged: {printable(wrong)}. {_AGAIN}.")
