"""An outcome against the accepted one: equal, changed, better, or different only in what a processor decides."""

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from parity.baseline.elsewhere import Decides, Judged, judged
from parity.baseline.record import Circumstances, Entry
from parity.baseline.words import differing, sentence
from parity.report.numbers import real
from parity.verdicts.results import Comparison
from parity.verdicts.verdict import Verdict


class Kind(Enum):
    """What a comparison is to the baseline; the value is the sentence that explains it."""

    SAME = "as accepted"
    BITS = (
        "verdict, bound and first divergence are as accepted on another machine; bits that its processor decides differ"
    )
    ELSEWHERE = "agrees, as it did on the machine of the baseline; more of it is the processor's, and not judged here"
    BETTER = "agrees more closely than what was accepted"
    CHANGED = "is not what was accepted"
    MISSING = "is not in the baseline"
    FIXED = "is listed among the known divergences and no longer diverges: remove the entry there"
    ABSENT = "is in the baseline, and its library is not installed here"
    SKIPPED = "its library is not installed, and the baseline does not hold it"

    @property
    def fails(self) -> bool:
        """Whether it makes a check end with status 1."""
        return self in (Kind.BETTER, Kind.CHANGED, Kind.MISSING, Kind.FIXED, Kind.ABSENT)

    @property
    def acceptable(self) -> bool:
        """Whether ``parity accept`` may make it the baseline."""
        return self in (Kind.BETTER, Kind.CHANGED, Kind.MISSING)


class Finding(NamedTuple):
    """One comparison beside its accepted outcome, what that means in words, why, and what decides about its bits."""

    kind: Kind
    item: Comparison
    before: Entry | None
    now: Entry
    says: str
    reasons: tuple[str, ...]
    by: tuple[Decides, ...] = ()

    @property
    def urgency(self) -> tuple[bool, int]:
        """A key that sorts what a reader must not miss to the front."""
        return not self.now.outcome.fails, -self.now.outcome.severity


def judge(
    item: Comparison,
    before: Entry | None,
    now: Entry,
    then: Circumstances | None,
    here: Circumstances,
    by: tuple[Decides, ...] = (),
    strict: bool = False,
) -> Finding:
    """Return what a comparison is to the baseline.

    Args:
        item: the comparison, with its table of steps.
        before: the accepted outcome, None where there is none.
        now: what the baseline would keep of ``item``.
        then: the circumstances of ``before``.
        here: the circumstances of ``now``.
        by: by what a processor decides about the bits of this comparison.
        strict: judge bits also where the baseline was made on another processor.
    """
    elsewhere = not strict and then is not None and then.machine != here.machine
    kind = _kind(before, now, by if elsewhere else None)
    says = "" if kind is Kind.SAME else sentence(before, now, item)
    explained = kind in (Kind.BETTER, Kind.CHANGED) and before is not None and then is not None
    reasons = tuple(_reasons(before, now, then, here)) if explained and before and then else ()
    return Finding(kind, item, before, now, says, reasons, by)


def _kind(before: Entry | None, now: Entry, by: tuple[Decides, ...] | None) -> Kind:
    """Return what an outcome is to the accepted one; ``by`` is None where that was obtained on this machine."""
    if now.outcome is Verdict.FIXED:
        return Kind.FIXED
    if now.outcome is Verdict.NOT_INSTALLED:
        return Kind.ABSENT if before else Kind.SKIPPED
    if before is None:
        return Kind.MISSING
    if before.result == now.result:
        return Kind.SAME
    if by is not None:
        far = judged(before, now, by)
        if far is not Judged.CHANGED:
            return Kind.BITS if far is Judged.BITS else Kind.ELSEWHERE
    return Kind.BETTER if _closeness(now) < _closeness(before) and now.compared >= before.compared else Kind.CHANGED


def _closeness(entry: Entry) -> tuple[int, float]:
    """Rank an outcome; smaller is better, and what was not compared is never better."""
    outcome = entry.outcome
    rank = outcome.severity if outcome.compared or outcome is Verdict.UNDECIDED else len(Verdict)
    return rank, real(entry.required.ratio) if entry.required else 0.0


def _reasons(before: Entry, now: Entry, then: Circumstances, here: Circumstances) -> Iterator[str]:
    if before.definition != now.definition:
        yield "the case itself is another than when this was accepted"
    yield from differing(then, here)
    if before.digest == now.digest != "":
        yield "the subject's bits are as accepted, so it is the reference, its bound, or the list of known divergences"
    elif before.verdict == now.verdict == Verdict.IDENTICAL.name:
        yield "every bit is still equal, so what both sides share changed: gradients, data, or the arithmetic of NumPy"
