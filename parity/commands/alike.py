"""What comparisons that end alike have in common: how far they go, why nothing was compared, what all of them set."""

import math
import re
from collections.abc import Iterable, Mapping
from functools import reduce

from parity.case.spec import Cell
from parity.report.facts import name
from parity.report.numbers import clean, many, real, times
from parity.verdicts.results import Comparison

MOST = 6
"""Reasons that are listed; the others are counted."""
# What a reason says of one case alone; what stands before it is the reason.
_OF_ONE_CASE = re.compile(r"(, which the case sets to .*|: the case sets \w+\.?)$", re.DOTALL)
_NAMES_ONE = re.compile(r"^(?P<head>[^']*)'(?P<word>[^']+)'$")


def reach(items: Iterable[Comparison]) -> str:
    """Return how far the steps of comparisons go at most, beside the bound; empty where none was judged by itself."""
    ratios = [real(item.worst.ratio) for item in items if item.worst and item.comparison == "lockstep"]
    known = [ratio for ratio in ratios if 0 < ratio < math.inf]
    most = max(known, default=0.0)
    return f", at most {times(most)} {'times' if most > 1 else 'of'} the bound" if known else ""


def reasons(items: Iterable[Comparison]) -> list[str]:
    """Return the reasons of some comparisons, one a line with how many cases have it.

    Reasons that name one thing each, such as an argument that is absent, and are else the same, share a line.
    """
    cases: dict[str, set[str]] = {}
    for item in items:
        cases.setdefault(_OF_ONE_CASE.sub("", clean(item.reason)).rstrip("."), set()).add(item.case)
    lines: dict[str, list[str]] = {}
    for reason, having in sorted(cases.items(), key=lambda entry: (-len(entry[1]), entry[0])):
        one = _NAMES_ONE.match(reason)
        head = one["head"].rstrip() if one else f"{reason}:"
        count = many(len(having), "case") if head not in lines else f"{len(having)}"
        lines.setdefault(head, []).append(f"{one['word']} ({count})" if one else count)
    shown = [f"{head} {', '.join(parts)}" for head, parts in lines.items()]
    more = len(shown) - MOST
    return shown[:MOST] + ([f"and {many(more, 'more reason')}"] if more > 0 else [])


def common(items: list[Comparison], cells: Mapping[str, Cell], ran: Iterable[Cell]) -> list[str]:
    """Return what all of some failures have in common: where they part first, and what no case without it sets.

    Args:
        items: failures of one verdict.
        cells: the cells by id.
        ran: the cells in which the subject was compared; what all of them set tells nothing.
    """
    places = [item.first_divergence for item in items if item.first_divergence]
    found = []
    if len(places) == len(items):
        stages, steps = {place.stage for place in places}, {place.step for place in places}
        found += [f"all first at the stage {name(stage)}" for stage in stages if len(stages) == 1]
        found += [f"all first at step {step}" for step in steps if len(steps) == 1]
    own = [_settings(cells[item.case]) for item in items if item.case in cells]
    if own and len(own) == len(items):
        everywhere = _shared(_settings(cell) for cell in ran)
        found += [f"all with {setting}" for setting in sorted(_shared(own) - everywhere)]
    return found


def _settings(cell: Cell) -> frozenset[str]:
    """Return what a cell sets, as words: the arguments that are not Keras' defaults, its dtype and its gradients."""
    return frozenset([*cell.hyperparameters.departures(), f"{cell.dtype} weights", f"{cell.gradients} gradients"])


def _shared(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    known = list(sets)
    return reduce(frozenset.intersection, known) if known else frozenset()
