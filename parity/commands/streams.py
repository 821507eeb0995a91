"""Standard output and error as they may be: full, closed, without a reader, unable to write a character."""

import codecs
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TextIO

_MEANINGS: Final = {
    0: "as expected",
    1: "a divergence, or an outcome that was not accepted",
    2: "a mistake in the call or in a file",
    3: "nothing was compared",
}
_NAMES: Final = ("input", "output", "error")
BROKEN_PIPE: Final = 128 + 13


class Stream:
    """A stream that goes on where writing fails: it remembers why, and the last words that it was to write.

    Args:
        under: what is written to; None where it was closed before the process began.
    """

    def __init__(self, under: TextIO | None) -> None:
        self._closed_before = under is None
        self._under: Any = under if under is not None else open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        self.failure: OSError | None = None
        self.last = ""

    def write(self, text: str) -> int:
        """Write a text, or remember why not."""
        for line in text.splitlines():
            self.last = line if any(map(str.isalpha, line)) else self.last
        if self._closed_before and text:
            self.failure = OSError(errno.EBADF, os.strerror(errno.EBADF))
        self._attempt(self._under.write, text)
        return len(text)

    def flush(self) -> None:
        """Write what waits, or remember why not."""
        self._attempt(self._under.flush)

    def _attempt(self, function: Any, *arguments: str) -> None:
        if self.failure is not None:
            return
        try:
            function(*arguments)
        except OSError as error:
            self.failure = error
        except ValueError as error:  # it was closed meanwhile
            self.failure = OSError(errno.EBADF, str(error))

    def settle(self) -> None:
        """Flush; what could not be written is given up, so that the end of the process does not try it again."""
        self.flush()
        if self._closed_before:
            self._under.close()
        elif self.failure is not None:
            with suppress(OSError, ValueError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self._under.fileno())
                os.close(null)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._under, name)


@contextmanager
def guarded() -> Iterator[tuple[Stream, Stream]]:
    """Let standard output and error be ``Stream``s for a while, whatever state they are in."""
    _fill_descriptors()
    codecs.register_error(_escaped.__name__, _escaped)
    before = sys.stdout, sys.stderr
    streams = Stream(sys.stdout), Stream(sys.stderr)
    for stream in before:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_escaped.__name__)
    sys.stdout, sys.stderr = streams
    try:
        yield streams
    finally:
        for stream in streams:
            stream.settle()
        sys.stdout, sys.stderr = before


def ending(out: Stream, status: int) -> tuple[int, str]:
    """Return the status of a command that would have ended with ``status``, and what is to be said of its output."""
    out.flush()
    if out.failure is None:
        return status, ""
    if isinstance(out.failure, BrokenPipeError):
        return BROKEN_PIPE, ""  # whoever read the output has enough
    said = f"standard output cannot be written: {out.failure.strerror}. The command came to status {status}"
    meaning = f" ({_MEANINGS[status]})" if status in _MEANINGS else ""
    return 2, f"{said}{meaning}, and its last words are: {out.last.strip()}"


def _fill_descriptors() -> None:
    """Open what was closed, so that no file or pipe of ours becomes standard input, output or error."""
    for descriptor, _ in enumerate(_NAMES):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it takes the lowest number that is free, which is this one


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """Write a character that the encoding lacks as JSON does, so that a document stays one."""
    assert isinstance(error, UnicodeEncodeError)
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)), error.end
