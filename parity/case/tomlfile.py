"""A TOML file in, a plain table out: whatever is wrong with the file itself is refused here, in one message."""

import math
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from parity.case.error import printable
from parity.errors import SpecError

# tomllib needs time quadratic in the parts of a dotted key, so that a megabyte of them takes an hour.
MAX_FILE_BYTES = 64_000
MAX_KEY_PARTS = 32
MAX_DEPTH = 16

_LONG_KEY = re.compile(rf"""(?<![\w"'-])(?:[\w"'-]+[ \t]*\.[ \t]*){{{MAX_KEY_PARTS}}}""")


def read_toml(path: Path) -> dict[str, Any]:
    """Return the table that a TOML file holds: finite numbers only, and nothing that takes forever to read.

    Raises:
        SpecError: the file is missing, too large, not UTF-8, not TOML, nested too deeply, or holds NaN or infinity.
    """
    where = show_path(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise SpecError(f"{where}: not a file; a case is a TOML file, see `parity list`.")
        if status.st_size > MAX_FILE_BYTES:
            raise SpecError(f"{where}: received {status.st_size} bytes; allowed: at most {MAX_FILE_BYTES} for a case.")
        text = path.read_text(encoding="utf-8-sig")  # Windows editors write a byte order mark
        if _LONG_KEY.search(text):
            raise SpecError(f"{where}: a key of {MAX_KEY_PARTS} or more parts; no case has keys that deep.")
        document = tomllib.loads(text)
    except OSError as error:
        raise SpecError(f"{where}: cannot be read: {error.strerror}. `parity list` shows the cases.") from error
    except UnicodeDecodeError as error:
        raise SpecError(f"{where}: byte {error.start} is not UTF-8; a case is a TOML file in UTF-8.") from error
    except RecursionError as error:
        raise SpecError(f"{where}: nested too deeply; no case needs more than {MAX_DEPTH} levels.") from error
    except ValueError as error:
        raise SpecError(f"{where}: not valid TOML: {printable(str(error))}. See https://toml.io/en/v1.0.0.") from error
    _refuse_unusable(document, where)
    return document


def _refuse_unusable(document: dict[str, Any], where: str) -> None:
    """Refuse NaN, infinity and bottomless nesting, before anything walks through the document by recursion."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), document)]
    while waiting:
        keys, value = waiting.pop()
        key = printable(".".join(keys))
        if len(keys) > MAX_DEPTH:
            raise SpecError(f"{where}: {key[:40]}…: nested too deeply; allowed: {MAX_DEPTH} levels.")
        if isinstance(value, float) and not math.isfinite(value):
            raise SpecError(f"{where}: {key}: received {value}; allowed: a finite number.")
        if isinstance(value, dict):
            waiting += [((*keys, name), child) for name, child in value.items()]
        elif isinstance(value, list):
            waiting += [((*keys, str(index)), child) for index, child in enumerate(value)]


def show_path(path: Path) -> str:
    """Return the path as short as a person would write it, in one line."""
    try:
        # The folder is resolved and the name is not: a link that leads nowhere is told by its own name.
        real = os.path.join(os.path.realpath(path.parent), path.name)
        here = os.getcwd() + os.sep
    except (ValueError, OSError):
        return printable(str(path))
    return printable(real.removeprefix(here) if real.startswith(here) else str(path))
