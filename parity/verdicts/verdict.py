"""What a comparison can end in: a closed enum whose values are sentences, ordered from harmless to severe."""

from enum import Enum
from typing import Final


class Verdict(Enum):
    """The outcome of one comparison; ``name`` is the word that files carry, ``value`` the sentence for people."""

    IDENTICAL = "every bit of every compared value is equal"
    ROUNDING = "every difference is inside the derived bound: rounding can explain it"
    UNDECIDED = "the bound is infinite somewhere, so rounding alone could explain any difference there"
    KNOWN_DIVERGENCE = "diverges as listed among the known divergences, with a reason and a link"
    UNSUPPORTED = "the subject lacks something that the case sets, so nothing was compared"
    NOT_INSTALLED = "the subject's library is not installed, so nothing was compared"
    FIXED = "listed among the known divergences, but it no longer diverges: remove the entry"
    NOT_COMPARABLE = "names, shapes or dtypes differ, so the numbers cannot be compared"
    NON_FINITE = "infinite or not a number on one side alone, or where the case does not declare it (non_finite = true)"
    DIVERGED = "a difference exceeds what rounding can explain: some arithmetic must differ"
    FAILED = "the subject raised, hung, died, does not repeat itself, or returned something unusable"

    @property
    def fails(self) -> bool:
        """Whether this verdict makes a run end with status 1."""
        return self in _FAILING

    @property
    def compared(self) -> bool:
        """Whether values were compared and judged."""
        return self not in _NOT_COMPARED

    @property
    def severity(self) -> int:
        """Rank in the order of declaration; the worst of several verdicts has the largest."""
        return list(Verdict).index(self)


_FAILING: Final = frozenset(
    {Verdict.FIXED, Verdict.NOT_COMPARABLE, Verdict.NON_FINITE, Verdict.DIVERGED, Verdict.FAILED}
)
_NOT_COMPARED: Final = frozenset({Verdict.UNDECIDED, Verdict.UNSUPPORTED, Verdict.NOT_INSTALLED})
