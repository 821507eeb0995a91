"""A TOML file in, its table and text out: whatever is wrong with the file itself is refused here, in one message."""

import math
import os
import re
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.case.error import Keys, dotted
from parity.errors import SpecError, printable

# tomllib needs time quadratic in the parts of a dotted key, so that a megabyte of them takes an hour. A key stands in
# one line: where lines are short, a long file takes no longer than its length says.
MAX_FILE_BYTES = 16_000_000
FREE_BYTES = 64_000
MAX_LINE = 1_000
MAX_KEY_PARTS = 32
MAX_DEPTH = 16

_LONG_KEY = re.compile(rf"""(?<![\w"'-])(?:[\w"'-]+[ \t]*\.[ \t]*){{{MAX_KEY_PARTS}}}""")
_LONG_LINE = re.compile(rf"[^\n]{{{MAX_LINE + 1}}}")


@dataclass(frozen=True, slots=True)
class TomlFile:
    """A TOML file that was read: its ``table``, and the ``text`` that says on which line each key of it stands."""

    where: str
    text: str
    table: dict[str, Any]

    def mistake(self, message: str, *ways: Keys, cell: str = "") -> SpecError:
        """Return the error of a mistake at the first of some keys, with its line, and with the cell that it concerns.

        A key that is absent has the line of the table around it; what is absent at the top level has none.
        """
        from parity.case.lines import line_of

        line = line_of(self.text, *ways)
        return SpecError(f"{self.where}{f':{line}' if line else ''}{f' [{cell}]' if cell else ''}: {message}")


def read_toml(path: Path) -> TomlFile:
    """Read a TOML file: finite numbers only, and nothing that takes forever to read.

    Raises:
        SpecError: the file is missing, too large, not UTF-8, not TOML, nested too deeply, or holds NaN or infinity.
    """
    where, text = show_path(path), ""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise SpecError(f"{where}: not a file; a case is a TOML file, see `parity list`.")
        if status.st_size > MAX_FILE_BYTES:
            raise SpecError(f"{where}: received {status.st_size} bytes; allowed: at most {MAX_FILE_BYTES} for a case.")
        text = path.read_text(encoding="utf-8-sig")  # Windows editors write a byte order mark
        if status.st_size > FREE_BYTES and (long := _LONG_LINE.search(text)):
            line = text.count("\n", 0, long.start()) + 1
            raise SpecError(
                f"{where}:{line}: a line of more than {MAX_LINE} characters; allowed: none in a file of more than "
                f"{FREE_BYTES} bytes (this one has {status.st_size}). Give each tensor a line of [problem.tensors]."
            )
        if long := _LONG_KEY.search(text):
            line = text.count("\n", 0, long.start()) + 1
            raise SpecError(f"{where}:{line}: a key of {MAX_KEY_PARTS} or more parts; no case has keys that deep.")
        file = TomlFile(where, text, tomllib.loads(text))
    except OSError as error:
        raise SpecError(f"{where}: cannot be read: {error.strerror}. `parity list` shows the cases.") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SpecError(f"{where}:{line}: byte {error.start} is not UTF-8; a case is a TOML file in UTF-8.") from error
    except RecursionError as error:
        raise SpecError(f"{where}: nested too deeply; no case needs more than {MAX_DEPTH} levels.") from error
    except ValueError as error:
        place = f"{where}{_line(str(error), text)}"
        raise SpecError(f"{place}: not valid TOML: {printable(str(error))}. See https://toml.io/en/v1.0.0.") from error
    _refuse_unusable(file)
    return file


def _line(message: str, text: str) -> str:
    """Return the line that tomllib names, as ``:12``; nothing where it names none."""
    named = re.search(r"\(at line (\d+), column \d+\)$", message)
    if message.endswith("(at end of document)"):
        return f":{max(len(text.splitlines()), 1)}"
    return f":{named[1]}" if named else ""


def _refuse_unusable(file: TomlFile) -> None:
    """Refuse NaN, infinity and bottomless nesting, before anything walks through the document by recursion."""
    waiting: list[tuple[Keys, Any]] = [((), file.table)]
    while waiting:
        keys, value = waiting.pop()
        if len(keys) > MAX_DEPTH:
            message = f"{dotted(keys)[:40]}…: nested too deeply; allowed: {MAX_DEPTH} levels."
            raise file.mistake(message, keys)
        if isinstance(value, float) and not math.isfinite(value):
            raise file.mistake(f"{dotted(keys)}: received {value}; allowed: a finite number.", keys)
        if isinstance(value, dict):
            waiting += [((*keys, name), child) for name, child in value.items()]
        elif isinstance(value, list):
            waiting += [((*keys, index), child) for index, child in enumerate(value)]


def show_path(path: Path) -> str:
    """Return the path as short as a person would write it, in one line."""
    try:
        # The folder is resolved and the name is not: a link that leads nowhere is told by its own name.
        real = os.path.join(os.path.realpath(path.parent), path.name)
        here = os.getcwd() + os.sep
    except (ValueError, OSError):
        return printable(str(path))
    return printable(real.removeprefix(here) if real.startswith(here) else str(path))
