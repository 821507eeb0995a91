"""Where recordings stand: the folder that ``golden:NAME`` means, and file names that any file system takes."""

import hashlib
import re
from pathlib import Path
from typing import Final

from parity.case.places import CASES
from parity.errors import UsageError, did_you_mean

PREFIX: Final = "golden:"
SHIPPED = CASES / "golden"
SHEET: Final = ".json"
VALUES: Final = ".safetensors"

_UNSAFE = re.compile(r"[^A-Za-z0-9_=-]+")
_LONGEST = 80


def is_golden(name: str) -> bool:
    """Return whether a subject's name asks for recordings; a class in a module ``golden`` is ``golden.py:Class``."""
    return name.startswith(PREFIX)


def shipped() -> dict[str, int]:
    """Return the subjects whose recordings come with the package, and how many cells each holds."""
    folders = sorted(path for path in SHIPPED.glob("*") if path.is_dir())
    return {folder.name: len(list(folder.glob(f"*{SHEET}"))) for folder in folders}


def folder_of(name: str) -> Path:
    """Return the folder of ``golden:NAME``: the recordings that are shipped under that name, else a path.

    Raises:
        UsageError: there is no such folder.
    """
    rest = name.removeprefix(PREFIX)
    known = list(shipped())
    if rest in known:
        return SHIPPED / rest
    try:
        if rest and any(Path(rest).glob(f"*{SHEET}")):
            return Path(rest)
    except (OSError, ValueError):  # too long for a path, or NUL in it
        pass
    raise UsageError(
        f"no subject {name!r}: {rest!r} is neither shipped nor a folder with recordings.{did_you_mean(rest, known)} "
        f"Allowed: {', '.join(f'{PREFIX}{each}' for each in known) or 'none is shipped'}, or {PREFIX}path/to/folder, "
        f"as `parity record` writes it."
    )


def stem(text: str) -> str:
    """Return a file name for a cell's id or a subject's name: readable, and another one for every other text."""
    readable = _UNSAFE.sub(".", text).strip(".")[:_LONGEST]
    return f"{readable}.{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def folder_name(subject: str) -> str:
    """Return the folder that a subject's recordings go to: its own name where that is a safe one."""
    return subject if re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", subject) else stem(subject)
