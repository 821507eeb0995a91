"""What of an accepted outcome no processor may change, and what a processor decides, each kind with its reason.

Additions, products, quotients and roots are rounded alike on every processor (IEEE 754). A processor decides about the
order of sums, through the width of its vectors and the kernels of its BLAS; about powers and logarithms, through the
kernels of its C library; and about what a compiler contracts, estimates and rewrites. Where a case and a subject use
none of these, every bit is judged on every machine.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from parity import subjects
from parity.baseline.record import Entry
from parity.case.schedule import schedules
from parity.report.numbers import real
from parity.trajectory.golden.place import is_golden
from parity.verdicts.verdict import Verdict

AGREES = (Verdict.IDENTICAL, Verdict.ROUNDING, Verdict.UNDECIDED)

_OF_THE_C_LIBRARY = frozenset(name for name, schedule in schedules().items() if schedule.functions)
"""Schedules that raise to a power or take a cosine; the others add, multiply and divide."""


class Decides(Enum):
    """By what a processor decides about the bits of a comparison; the value is said to people."""

    SUMS = "sums, whose order is that of its vectors and its BLAS"
    FUNCTIONS = "powers and cosines of its C library"
    COMPILER = "a compiler that contracts, estimates reciprocal roots and rewrites by what it offers"
    OWN = "code that is not ours, which may use any of these"


class Judged(Enum):
    """How far an outcome was judged on another machine than the accepted one's."""

    CHANGED = "something that no processor may change is another"
    BITS = "verdict, bound and place are as accepted; only bits that its processor decides are others"
    UNJUDGED = "only that it agrees was judged"


def decided(cell: Mapping[str, Any], subject: str) -> tuple[Decides, ...]:
    """Return by what a processor decides about the bits of a described cell and a subject; empty if by nothing."""
    return (*_by_the_case(cell), *_by_the_subject(subject))


def judged(before: Entry, now: Entry, by: tuple[Decides, ...]) -> Judged:
    """Return how far ``now`` can be judged by ``before``, which another machine obtained, and whether it holds.

    Args:
        before: the accepted outcome.
        now: an outcome that differs from it.
        by: what decides about the bits; see ``decided``.
    """
    if before.compared != now.compared or _loses_bits(before, now, by):
        return Judged.CHANGED
    if before.verdict != now.verdict:
        return Judged.UNJUDGED if _agree(before, now) else Judged.CHANGED
    if _place(before) != _place(now):
        return Judged.CHANGED
    return Judged.BITS if _bounded(before) and _bounded(now) else Judged.UNJUDGED


def why_unjudged(before: Entry, now: Entry) -> str:
    """Return in words why only the agreement of an outcome could be judged."""
    if before.outcome is now.outcome is Verdict.UNDECIDED:
        return "its bound is infinite somewhere"
    if before.verdict == now.verdict:
        return "it drifts freely on gradients of its own, for which there is no bound"
    if before.outcome is Verdict.KNOWN_DIVERGENCE:
        return "a listed divergence that not every processor shows"
    return f"accepted as {before.verdict}, here {now.verdict}"


def _by_the_case(cell: Mapping[str, Any]) -> tuple[Decides, ...]:
    given = cell.get("hyperparameters", {})
    rate = given.get("learning_rate")
    sums = cell.get("problem", {}).get("kind") == "mlp" or given.get("clipnorm") or given.get("global_clipnorm")
    functions = isinstance(rate, Mapping) and rate.get("schedule") in _OF_THE_C_LIBRARY
    return (*([Decides.SUMS] if sums else ()), *([Decides.FUNCTIONS] if functions else ()))


def _by_the_subject(subject: str) -> tuple[Decides, ...]:
    if is_golden(subject):
        return ()
    entry = subjects.REGISTRY.get(subject)
    if entry is None:
        return (Decides.OWN,)
    return () if entry.rounds_each_operation else (Decides.COMPILER,)


def _loses_bits(before: Entry, now: Entry, by: tuple[Decides, ...]) -> bool:
    """Whether bits changed that no processor decides: all of them, or those that a subject shares with the page."""
    shared = before.outcome is now.outcome is Verdict.IDENTICAL and not {Decides.SUMS, Decides.FUNCTIONS} & {*by}
    return (not by or shared) and (before.verdict, before.digest) != (now.verdict, now.digest)


def _agree(before: Entry, now: Entry) -> bool:
    """Whether rounding explains both, or a listed divergence is not shown here (FIXED, if its entry claims all)."""
    return now.outcome in AGREES and before.outcome in (*AGREES, Verdict.KNOWN_DIVERGENCE)


def _place(entry: Entry) -> tuple[int, str, str, str] | None:
    first = entry.first_divergence
    return None if first is None else (first.step, first.slot, first.tensor, first.stage)


def _bounded(entry: Entry) -> bool:
    """Whether the worst difference has a bound, and where the verdict says that all is inside it, is inside."""
    if entry.required is None:
        return True
    ratio = real(entry.required.ratio)
    return ratio == ratio and (ratio <= 1 or entry.outcome not in AGREES)
