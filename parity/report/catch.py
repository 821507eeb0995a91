"""What bounds would catch, in words: shares of the sampled values, and the few that make a comparison weak."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from parity.report.facts import name
from parity.report.numbers import many
from parity.verdicts.results import Catch, Comparison, Pair

MEANING = (
    "A bound that is too wide lets mistakes pass. So each lockstep comparison says, of a drawn, evenly spread sample "
    "of its values, how many had a bound that would have caught a factor in the step. A step here is what one update "
    "adds to a value: after minus before, in exact arithmetic. Doubled, it moves the value by once its size; made "
    "1.001 times as large, by a thousandth of it. The bound catches that where it is smaller"
)
UNSEEN = (
    "Where a square overflows, the bound is infinite: such values have no bound, and nothing is caught there. A step "
    "smaller than the last digit of its value can double unseen in any arithmetic of that precision. Values that did "
    "not move show no factor, and are counted apart. A comparison is weak where most steps of some slot could "
    "double unseen: its agreement says little about that slot"
)


def share(part: int, whole: int) -> str:
    """Return a share in per cent, three digits at most; ``0 %`` is none and ``100 %`` all, never nearly so."""
    if part in (0, whole):
        return "100 %" if part else "0 %"
    percent = 100 * part / whole
    if percent < 0.1:
        return "< 0.1 %"
    return f"{min(percent, 99.9):.1f} %" if percent < 10 or percent > 90 else f"{percent:.0f} %"


def weakest(catch: Mapping[str, Catch]) -> tuple[str, Catch] | None:
    """Return the slot whose bounds catch the least, if a doubled step would pass in most of its values."""
    weak = {slot: part for slot, part in catch.items() if 2 * part.twofold < part.telling}
    return min(weak.items(), key=lambda item: item[1].twofold / item[1].telling, default=None)


def blind(items: Iterable[Comparison]) -> list[Comparison]:
    """Return the comparisons that agree, and would agree with most steps of one of the slots doubled."""
    return [item for item in items if not item.outcome.fails and weakest(item.catch)]


def total(items: Iterable[Comparison]) -> Catch:
    """Return what the bounds of some comparisons would catch in all."""
    return sum((item.caught for item in items), Catch())


def sentence(catch: Catch) -> str:
    """Return what bounds would catch as a sentence without its stop; empty where nothing was sampled."""
    if not catch.sampled:
        return ""
    if not catch.telling:
        return f"none of {many(catch.sampled, 'sampled value')} moved, so that no factor in the step would show"
    if catch.unbounded == catch.telling:
        return f"none of {many(catch.telling, 'sampled value')} had a bound, so that no factor would be caught"
    parts = [
        f"a doubled step in {share(catch.twofold, catch.telling)} of {many(catch.telling, 'sampled value')}, "
        f"1.001 times the step in {share(catch.thousandth, catch.telling)}"
    ]
    parts += [f"{share(catch.unbounded, catch.telling)} had no bound"] * bool(catch.unbounded)
    still = catch.sampled - catch.telling
    parts += [f"{still:,} more did not move"] * bool(still)
    return f"a bound would catch {'; '.join(parts)}"


class Mark(NamedTuple):
    """What stands in a cell of the table about its bounds; the badge of a slot that catches little is ``weak``."""

    words: str
    weak: bool = False


def marks(pair: Pair) -> list[Mark]:
    """Return what a pair's bounds would catch, and its weakest slot if it has a weak one; nothing without a sample."""
    sampled = next((item for item in pair.comparisons if item.caught.sampled), None)
    if sampled is None:
        return []
    if not sampled.caught.telling:
        return [Mark("nothing moved")]
    whole = Mark(f"2× caught in {share(sampled.caught.twofold, sampled.caught.telling)}")
    if (least := weakest(sampled.catch)) is None:
        return [whole]
    slot, catch = least
    words = share(catch.twofold, catch.telling) if catch.unbounded < catch.telling else "no bound"
    return [whole, Mark(f"{name(slot)}: {words}", weak=True)]
