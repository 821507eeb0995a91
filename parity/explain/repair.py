"""Combinations in, the smallest sets out: what repairs side A and what spoils side B, each proved on fresh seeds."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from msgspec import Struct

from parity.explain.attribution import FULL_UP_TO, Coalition
from parity.explain.factors import Program
from parity.explain.measured import FRESH, Record, Runs, reached, typical

CONFIRMATIONS = 3


class Change(Struct, frozen=True):
    """A set of factors to switch: what it reaches on the seeds of the search and on fresh ones.

    A repair without factors says that side A is at the target as it is; ``smaller_tried`` counts sets with factors.
    """

    kind: Literal["repair", "spoil"]
    factors: list[str]
    losses: list[float]
    confirmed_by: list[float]
    confirmed: bool
    smaller_tried: int


class Alone(Struct, frozen=True):
    """One factor switched alone at either end: the typical loss, and in how many seeds it repairs or spoils.

    What is at the target without the factor is not repaired by it.
    """

    factor: str
    repaired_to: float
    repaired_seeds: int
    spoiled_to: float
    spoiled_seeds: int


def repairs(runs: Runs, ranked: Sequence[str]) -> Change | None:
    """Return the smallest set with which side A is at the target in every seed, or None if not even all suffice.

    It is empty where side A needs none.
    """
    return _search("repair", runs, ranked, runs.toward_b, lambda loss: loss <= runs.experiment.target)


def spoils(runs: Runs, ranked: Sequence[str]) -> Change | None:
    """Return the smallest set that keeps side B from the target in every seed."""
    return _search("spoil", runs, ranked, runs.toward_a, lambda loss: loss > runs.experiment.target)


def alone(runs: Runs, ranked: Sequence[str]) -> list[Alone]:
    """Return what each factor does when only it is switched."""
    repaired = runs.records([runs.toward_b([name]) for name in ranked], "each factor alone")
    spoiled = runs.records([runs.toward_a([name]) for name in ranked], "each factor alone")
    as_is = reached(runs.records([runs.a], "each factor alone")[0])
    return [_alone(runs, as_is, *row) for row in zip(ranked, repaired, spoiled, strict=True)]


def _alone(
    runs: Runs, as_is: Sequence[float], name: str, repaired: Sequence[Record], spoiled: Sequence[Record]
) -> Alone:
    target = runs.experiment.target
    up, down = reached(repaired), reached(spoiled)
    mended = sum(x <= target < before for x, before in zip(up, as_is, strict=True))
    return Alone(name, typical(up), mended, typical(down), sum(x > target for x in down))


def _search(
    kind: Literal["repair", "spoil"],
    runs: Runs,
    ranked: Sequence[str],
    switch: Callable[[Coalition], Program],
    good: Callable[[float], bool],
) -> Change | None:
    tried, size, smaller = 0, 0, 0
    for chosen in _candidates(ranked):
        if len(chosen) > size:
            size, smaller = len(chosen), tried
        tried += bool(chosen)
        losses = reached(runs.records([switch(chosen)], f"smallest {kind}")[0])
        if not all(good(loss) for loss in losses):
            continue
        fresh = range(FRESH, FRESH + CONFIRMATIONS)
        confirmed_by = reached(runs.records([switch(chosen)], f"{kind} confirmed", fresh)[0])
        if all(good(loss) for loss in confirmed_by):
            return Change(kind, [name for name in ranked if name in chosen], losses, confirmed_by, True, smaller)
    return None


def _candidates(ranked: Sequence[str]) -> Iterator[Coalition]:
    """Yield sets by size, the factors with the largest shares first; with many factors only those of the largest."""
    yield frozenset()
    for size in range(1, len(ranked) + 1):
        names = ranked if len(ranked) <= FULL_UP_TO else ranked[: max(size, 4)]
        yield from (frozenset(chosen) for chosen in itertools.combinations(names, size))
