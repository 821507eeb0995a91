"""The kinds of errors that a person can cause; each is worded where it is found: what, where, allowed, how to go on.

ParityError                exit status 2
├── UsageError             the call names something that does not exist or cannot be done
├── SpecError              a case or experiment file is wrong
├── DataError              a data file is missing, damaged or does not fit
├── ClusterError           a Dask cluster cannot be reached, is not like this installation, or was lost
└── SubjectError           a subject cannot be found or loaded
    ├── UnsupportedError   the subject lacks what the case needs: verdict UNSUPPORTED
    │   └── AbsentArgumentError   what it lacks is an argument
    ├── NotInstalledError  its library is not installed: verdict NOT_INSTALLED
    └── MisbehavedError    it raised, or returned what cannot be compared: verdict FAILED
"""

import os
import sys
import traceback
from difflib import get_close_matches
from pathlib import Path


class ParityError(Exception):
    """A mistake in the call or in a file; its text is the whole message and the exit status is 2."""


class UsageError(ParityError):
    """The call names something that does not exist or cannot be done."""


class SpecError(ParityError):
    """A case or experiment file is wrong."""


class DataError(ParityError):
    """A data file is missing, damaged, or does not fit the case."""


class ClusterError(ParityError):
    """A Dask cluster cannot be reached, its workers are not like this installation, or it was lost."""


class SubjectError(ParityError):
    """A subject cannot be found or loaded."""


class UnsupportedError(SubjectError):
    """The subject lacks something that the case sets."""


class AbsentArgumentError(UnsupportedError):
    """The subject has no argument of that name, which the case sets."""

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(message)
        self.argument = argument


class NotInstalledError(SubjectError):
    """The library behind a subject is not installed."""


class MisbehavedError(SubjectError):
    """The subject raised, or returned something that cannot be compared."""


def printable(text: str) -> str:
    """Return the text with every character that a terminal would not show (or would obey) written as an escape."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def shown(value: object) -> str:
    """Return a value as an error message shows it: its ``repr`` in one line of at most 80 characters."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write integers of more than 4,300 digits.
        text = "a number of thousands of digits"
    return text if len(text) <= 80 else f"{text[:76]} …"


_ENDS = 200
"""Characters that are shown of each end of a message of many lines."""


def one_line(error: BaseException) -> str:
    """Return an error's kind and message in one line, without a line break: ``ValueError: what was wrong``.

    Of many lines the first is shown, which says what was wrong, and the last: AutoGraph and Keras put a traceback into
    a message, whose last line is the error that began it. Dots stand for lines between.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if len(lines) < 2:
        said = lines[0][: 2 * _ENDS] if lines else ""
    else:
        said = f"{lines[0][:_ENDS]} {'…' if len(lines) > 2 else '/'} {lines[-1][:_ENDS]}"
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


_OURS = f"{Path(__file__).parent}{os.sep}"
_ELSEWHERE = ("<", _OURS, *(f"{place}{os.sep}" for place in (sys.prefix, sys.base_prefix)))
"""Where the files of ours, of Python and of its libraries lie."""


def raised(error: BaseException) -> str:
    """Return what was raised and where, in one line: the last frame of a person's own file, else of a library.

    What we raise ourselves says what is wrong; where that stands in our files helps nobody.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(_ELSEWHERE)]
    told = own or [frame for frame in frames[-1:] if not frame.filename.startswith(_OURS)]
    last = told[-1] if told else None
    where = f" in {last.filename.rpartition('/')[2]}, line {last.lineno}: {last.line}" if last else ""
    return f"raised {one_line(error)}{where}"


def did_you_mean(received: str, allowed: list[str]) -> str:
    """Return ``" Did you mean 'x'?"`` when one allowed word is close to what was received, else an empty string."""
    close = get_close_matches(received, allowed, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
