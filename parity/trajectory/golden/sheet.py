"""The sheet of a recording: which case, which library, under which circumstances, and which file holds the values."""

import os
import stat
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from parity.case.tomlfile import show_path
from parity.errors import DataError, printable

FORMAT: Final = 1
MAX_SHEET_BYTES = 1_000_000

_End = r"(?![\s\S])"
FileName = Annotated[str, Meta(pattern=rf"^[A-Za-z0-9_=-][A-Za-z0-9_.=-]*\.safetensors{_End}", max_length=200)]
Sha256 = Annotated[str, Meta(pattern=rf"^[0-9a-f]{{64}}{_End}")]


class Sheet(Struct, frozen=True, forbid_unknown_fields=True):
    """One recording. ``tie`` is the digest of what it depends on, ``cell`` the readable part of that.

    ``values`` names the safetensors file beside this one, ``sha256`` is the digest of its bytes. ``finite`` says that
    no value in it is infinite or NaN. ``recorded`` is the only date; the values hold none.
    """

    golden: int
    case: str
    subject: str
    resolved: str
    steps: Annotated[int, Meta(ge=1)]
    dtype: str
    slots: list[str]
    loss: bool
    finite: bool
    tie: Sha256
    values: FileName
    sha256: Sha256
    cell: dict[str, Any]
    circumstances: dict[str, Any]
    recorded: str

    def same_recording(self, other: "Sheet") -> bool:
        """Return whether another sheet differs in nothing but the day and the commit it was made at."""
        return self._timeless() == other._timeless()

    def _timeless(self) -> "Sheet":
        lasting = {name: value for name, value in self.circumstances.items() if name != "commit"}
        return msgspec.structs.replace(self, recorded="", circumstances=lasting)


def encode(sheet: Sheet) -> bytes:
    """Return the bytes of a sheet's file: the same for the same sheet."""
    return msgspec.json.format(msgspec.json.encode(sheet, order="sorted"), indent=2) + b"\n"


def read(path: Path) -> Sheet:
    """Return the sheet in a file.

    Raises:
        FileNotFoundError: there is none.
        DataError: the file is not a sheet, or is not in the folder it seems to be in.
    """
    content = contents(path, MAX_SHEET_BYTES)
    try:
        sheet = msgspec.json.decode(content, type=Sheet)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise damage(path, printable(str(error))) from error
    if sheet.golden != FORMAT:
        raise damage(path, f"golden: received format {sheet.golden}; allowed: {FORMAT}")
    return sheet


def contents(path: Path, most: int) -> bytes:
    """Return the bytes of a file of at most ``most`` bytes; raises what ``require_file`` raises."""
    require_file(path)
    try:
        with open(path, "rb") as stream:
            content = stream.read(most + 1)
    except OSError as error:
        raise damage(path, f"cannot be read: {error.strerror}") from error
    if len(content) > most:
        raise damage(path, f"larger than {most} bytes")
    return content


def require_file(path: Path) -> None:
    """Refuse what is no regular file that really stands in its folder.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: it is a link that leads out of its folder, a folder, a pipe, or it cannot be looked at.
    """
    try:
        status = path.lstat()
        leads = path.is_symlink() and os.path.dirname(os.path.realpath(path)) != os.path.realpath(path.parent)
        if leads:
            raise damage(path, "a link that leads out of its folder")
        if not stat.S_ISREG((path.stat() if path.is_symlink() else status).st_mode):
            raise damage(path, "not a regular file")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise damage(path, f"cannot be read: {error.strerror}") from error


def damage(path: Path, what: str) -> DataError:
    """Return the error for a recording that cannot be used."""
    return DataError(
        f"{show_path(path)}: damaged recording: {what}. Restore the file, or record again with `parity record`."
    )
