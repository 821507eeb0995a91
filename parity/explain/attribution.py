"""Losses of every combination of factors in, shares of the gap out: each factor's, each pair's, with uncertainty.

Single changes mislead where factors work together, so a factor's share is its Shapley value: its effect averaged over
all orders in which the factors can be switched (L. Shapley, A value for n-person games, 1953). Shares sum to the gap.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Final, TypeAlias

import numpy as np
from msgspec import Struct

Coalition: TypeAlias = frozenset[str]
Worth: TypeAlias = Mapping[Coalition, float]
Losses: TypeAlias = Mapping[Coalition, Sequence[float]]

FULL_UP_TO: Final = 6
ORDERS: Final = 8
SCALES: Final[dict[str, str]] = {
    "to_target": "decades of loss still above the target, log10(max(loss, target)) - log10(target)",
    "log_loss": "decades of loss, log10(loss)",
    "loss": "the loss itself",
}
# Student's t for 95 %, two-sided, by degrees of freedom.
_T: Final = (math.nan, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


class Share(Struct, frozen=True):
    """A part of the gap in percent; ``uncertainty`` is the half-width of its 95 % interval over the seeds."""

    factors: list[str]
    percent: float
    uncertainty: float


class Attribution(Struct, frozen=True):
    """The gap on one scale and its parts, the largest first.

    ``factors`` are Shapley values. ``interactions`` are what a pair brings beyond the sum of both alone (Shapley
    interaction index, Grabisch and Roubens 1999), and ``pairs``, in the same order, what the two hold in all.
    ``terms`` are the steps from A to B: what each set adds beyond its subsets (Harsanyi dividends); they sum to 100.
    """

    scale: str
    gap: float
    factors: list[Share]
    pairs: list[Share]
    interactions: list[Share]
    terms: list[Share]
    complete: bool


def plan(active: Sequence[str]) -> list[Coalition]:
    """Return the combinations to run: all of them for up to six factors, else those along sampled orders."""
    if len(active) <= FULL_UP_TO:
        return [frozenset(chosen) for size in range(len(active) + 1) for chosen in itertools.combinations(active, size)]
    prefixes = [frozenset(order[:size]) for order in sampled(active) for size in range(len(order) + 1)]
    return list(dict.fromkeys([*prefixes, *(frozenset(pair) for pair in itertools.combinations(active, 2))]))


def sampled(active: Sequence[str]) -> list[tuple[str, ...]]:
    """Return a fixed sample of orders, each with its reverse, which halves the variance of the mean."""
    generator = np.random.default_rng(0)
    drawn = [tuple(str(name) for name in generator.permutation(list(active))) for _ in range(ORDERS)]
    return [order for forth in drawn for order in (forth, forth[::-1])]


def attribute(active: Sequence[str], losses: Losses, target: float, scale: str) -> Attribution:
    """Share the gap between the empty and the full combination among the factors.

    ``losses`` has one loss a seed for every combination of ``plan``, the factors in it switched from A to B.
    """
    rows = _on_scale(losses, target, scale)
    complete = len(active) <= FULL_UP_TO
    pairs = [frozenset(pair) for pair in itertools.combinations(active, 2)]
    singles = [frozenset([name]) for name in active]

    def value(name: str) -> Callable[[Worth], float]:
        return lambda worth: shapley(active, worth)[name]

    def both(pair: Coalition) -> Callable[[Worth], float]:
        return lambda worth: sum(shapley(active, worth)[name] for name in pair)

    def beyond(pair: Coalition) -> Callable[[Worth], float]:
        return lambda worth: interaction(active, worth, pair)

    def adds(chosen: Coalition) -> Callable[[Worth], float]:
        return lambda worth: dividend(worth, chosen)

    sets = plan(active)[1:] if complete else [*singles, *pairs]
    share = _Shares(rows, frozenset(), frozenset(active))
    pairs = sorted(pairs, key=lambda pair: -abs(share.of([], beyond(pair)).percent))
    return Attribution(
        scale=scale,
        gap=share.gap,
        factors=_ranked([share.of([name], value(name)) for name in active]),
        pairs=[share.of(sorted(pair, key=active.index), both(pair)) for pair in pairs],
        interactions=[share.of(sorted(pair, key=active.index), beyond(pair)) for pair in pairs],
        terms=_ranked([share.of(sorted(chosen, key=active.index), adds(chosen)) for chosen in sets]),
        complete=complete,
    )


def shapley(active: Sequence[str], worth: Worth) -> dict[str, float]:
    """Return each factor's Shapley value: exact where every combination is known, else over the sampled orders."""
    if len(active) > FULL_UP_TO:
        orders = sampled(active)
        places = {name: [frozenset(order[: order.index(name)]) for order in orders] for name in active}
        return {name: fmean(worth[s | {name}] - worth[s] for s in before) for name, before in places.items()}
    return {
        name: sum(
            _weight(len(chosen), len(active), 1) * (worth[chosen | {name}] - worth[chosen])
            for chosen in _subsets([other for other in active if other != name])
        )
        for name in active
    }


def interaction(active: Sequence[str], worth: Worth, pair: Coalition) -> float:
    """Return what a pair brings beyond the sum of both alone, averaged as Shapley does; at A's end where sampled."""
    # Not in the order of the set, which changes with Python's hashes from run to run, and with it the last bits.
    one, two = (frozenset([name]) for name in active if name in pair)
    others = [name for name in active if name not in pair] if len(active) <= FULL_UP_TO else []
    weights = {s: _weight(len(s), len(others) + 2, 2) for s in _subsets(others)}
    return sum(w * (worth[s | pair] - worth[s | one] - worth[s | two] + worth[s]) for s, w in weights.items())


def dividend(worth: Worth, chosen: Coalition) -> float:
    """Return what a set adds beyond all its subsets (J. Harsanyi, 1963)."""
    return sum((-1.0 if (len(chosen) - len(part)) % 2 else 1.0) * worth[part] for part in _subsets(sorted(chosen)))


def half_width(values: Sequence[float]) -> float:
    """Return the half-width of the 95 % interval around the mean of independent values; infinite of a single one."""
    if len(values) < 2:
        return math.inf
    return stdev(values) / math.sqrt(len(values)) * _student(len(values))


def _student(count: int) -> float:
    return _T[count - 1] if count - 1 < len(_T) else 1.96


class _Shares:
    """Turns a linear function of the losses into a share of the gap, with a jackknife over the seeds."""

    def __init__(self, rows: Sequence[Worth], start: Coalition, end: Coalition) -> None:
        self.rows, self.start, self.end = rows, start, end
        self.gaps = [row[end] - row[start] for row in rows]
        self.gap = fmean(self.gaps)

    def of(self, factors: list[str], function: Callable[[Worth], float]) -> Share:
        parts, count = [function(row) for row in self.rows], len(self.rows)
        percent = 100 * sum(parts) / sum(self.gaps)
        left_out = [
            100 * (sum(parts) - part) / rest if (rest := sum(self.gaps) - gap) else percent
            for part, gap in zip(parts, self.gaps, strict=True)
        ]
        spread = math.sqrt((count - 1) / count * sum((value - fmean(left_out)) ** 2 for value in left_out))
        return Share(factors, percent, spread * _student(count))


def _on_scale(losses: Losses, target: float, scale: str) -> list[Worth]:
    """Return, for each seed, how far down each combination gets: larger is better."""
    seeds = range(len(next(iter(losses.values()))))
    convert: dict[str, Callable[[float], float]] = {
        "to_target": lambda loss: -math.log10(max(loss, target)),
        "log_loss": lambda loss: -math.log10(loss),
        "loss": lambda loss: -loss,
    }
    return [{chosen: convert[scale](values[seed]) for chosen, values in losses.items()} for seed in seeds]


def _subsets(names: Sequence[str]) -> list[Coalition]:
    return [frozenset(chosen) for size in range(len(names) + 1) for chosen in itertools.combinations(names, size)]


def _weight(size: int, count: int, group: int) -> float:
    return math.factorial(size) * math.factorial(count - size - group) / math.factorial(count - group + 1)


def _ranked(shares: list[Share]) -> list[Share]:
    return sorted(shares, key=lambda share: -abs(share.percent))
