"""What keeps a subject from being compared, or recorded: an error comes in, the verdict on it and its reason go out."""

from typing import Final

from parity.errors import MisbehavedError, NotInstalledError, UnsupportedError
from parity.trajectory.blocks import NotComparable
from parity.verdicts.verdict import Verdict

_VERDICTS: Final[dict[type[Exception], Verdict]] = {
    NotInstalledError: Verdict.NOT_INSTALLED,
    UnsupportedError: Verdict.UNSUPPORTED,
    NotComparable: Verdict.NOT_COMPARABLE,
    MisbehavedError: Verdict.FAILED,
}
REFUSALS: Final[tuple[type[Exception], ...]] = tuple(_VERDICTS)
"""Errors that are a verdict on a subject; any other one is a mistake in the call, or in a file."""


def refusal(error: Exception) -> tuple[Verdict, str]:
    """Return the verdict that one of ``REFUSALS`` is, and why, in words."""
    verdict = next(verdict for kind, verdict in _VERDICTS.items() if isinstance(error, kind))
    return verdict, f"at step {error.step}: {error}" if isinstance(error, NotComparable) else str(error)
