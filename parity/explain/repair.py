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
    """A set of factors to switch: what it reaches on the seeds of the search and on fresh ones."""

    kind: Literal["repair", "spoil"]
    factors: list[str]
    losses: list[float]
    confirmed_by: list[float]
    confirmed: bool
    smaller_tried: int


class Alone(Struct, frozen=True):
    """One factor switched alone at either end: the typical loss, and in how many seeds it repairs or spoils."""

    factor: str
    repaired_to: float
    repaired_seeds: int
    spoiled_to: float
    spoiled_seeds: int


def repairs(runs: Runs, ranked: Sequence[str]) -> Change | None:
    """Return the smallest set that brings side A to the target in every seed, or None if not even all of them do."""
    return _search("repair", runs, ranked, runs.toward_b, lambda loss: loss <= runs.experiment.target)


def spoils(runs: Runs, ranked: Sequence[str]) -> Change | None:
    """Return the smallest set that keeps side B from the target in every seed."""
    return _search("spoil", runs, ranked, runs.toward_a, lambda loss: loss > runs.experiment.target)


def alone(runs: Runs, ranked: Sequence[str]) -> list[Alone]:
    """Return what each factor does when only it is switched."""
    repaired = runs.records([runs.toward_b([name]) for name in ranked], "each factor alone")
    spoiled = runs.records([runs.toward_a([name]) for name in ranked], "each factor alone")
    return [_alone(runs, *row) for row in zip(ranked, repaired, spoiled, strict=True)]


def _alone(runs: Runs, name: str, repaired: Sequence[Record], spoiled: Sequence[Record]) -> Alone:
    target = runs.experiment.target
    up, down = reached(repaired), reached(spoiled)
    return Alone(name, typical(up), sum(x <= target for x in up), typical(down), sum(x > target for x in down))


def _search(
    kind: Literal["repair", "spoil"],
    runs: Runs,
    ranked: Sequence[str],
    switch: Callable[[Coalition], Program],
    good: Callable[[float], bool],
) -> Change | None:
    tried, size = 0, 0
    for chosen in _candidates(ranked):
        if len(chosen) > size:
            size, smaller = len(chosen), tried
        tried += 1
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
    for size in range(1, len(ranked) + 1):
        names = ranked if len(ranked) <= FULL_UP_TO else ranked[: max(size, 4)]
        yield from (frozenset(chosen) for chosen in itertools.combinations(names, size))
