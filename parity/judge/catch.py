"""What bounds would catch: of a drawn, evenly spread sample of compared values, how many show a factor in the step.

At a value of a parameter or slot the step is ``after - before``: the exact prediction minus what the step started from.
A factor f in it moves the value by ``(f - 1) * |after - before|``, and the bound catches that where it is less. A
step of zero shows no factor, and an infinite bound catches none; both are counted apart. A free comparison has nothing
of the kind: what its bound allows has grown over all the steps before, so that no single step stands against it.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from parity.bounds.numerics import Array, Indices
from parity.bounds.rule import Enclosures, SlotRows, bound_around
from parity.trajectory.layout import Layout
from parity.verdicts.results import Catch

STEPS = 32
"""Steps that a sample is drawn from at most: a bound that is derived for one of them alone costs a millisecond."""

PLACES = 2_048
"""Places, each a step and an element, that a sample has at most, beside one for every tensor in every step of it."""

WHOLE = 100_000
"""Elements that are bounded for a sample at most where a bound needs all of its step; two steps are in any case."""

PER_WHOLE = 2_000
"""Steps of a long run that allow one more: to bound a step costs some forty times what the step does."""

NOWHERE = np.zeros(0, dtype=np.int64)

_GOLDEN = (sqrt(5) - 1) / 2
"""Multiples of it, without their integers, spread evenly however many there are (Weyl): where a step's draw starts."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The places of a sample: zero-based ``steps`` in order, and in each of them a ``share`` of every tensor."""

    layout: Layout
    steps: tuple[int, ...]
    share: float

    def places(self, slots: Iterable[str], start: int, count: int) -> dict[str, Indices]:
        """Return the places in some steps by slot, as ``within`` does; slots that lie alike have the same ones."""
        alike, own = self.within(start, count), self.layout.own
        return {s: replace(self, layout=own[s]).within(start, count) if s in own else alike for s in slots}

    def of(self, numbers: Sequence[int]) -> "Sample":
        """Return the sample where the steps, counted from zero until now, have these numbers."""
        return replace(self, steps=tuple(numbers[step] for step in self.steps))

    def within(self, start: int, count: int) -> Indices:
        """Return the places in ``count`` steps from ``start`` on, in order, in rows ``[count, size]`` taken as one."""
        first, last = bisect_left(self.steps, start), bisect_left(self.steps, start + count)
        parts = [(self.steps[i] - start) * self.layout.size + self._elements(i) for i in range(first, last)]
        return np.concatenate(parts) if parts else NOWHERE

    def _elements(self, number: int) -> Indices:
        """Return positions in a flat row: one of each of a tensor's equal stretches, each step elsewhere in them."""
        phase, quotas = number * _GOLDEN % 1, np.ceil(self.layout.sizes * self.share).astype(np.int64)
        within = np.arange(quotas.sum(), dtype=np.int64) - np.repeat(np.cumsum(quotas) - quotas, quotas)
        stretch, start = self.layout.sizes / np.maximum(quotas, 1), self.layout.starts
        inside: Indices = ((within + phase) * np.repeat(stretch, quotas)).astype(np.int64)
        return inside + np.repeat(start, quotas)


def sample(layout: Layout, steps: int, whole: bool) -> Sample:
    """Return the sample of a run: its first and last step and every tensor are in it, and all values of a small one.

    It depends on nothing but these; ``whole`` says that a bound on one element needs all of its step.
    """
    size = max(layout.size, 1)
    most = max(2, WHOLE // size, steps // PER_WHOLE) if whole else STEPS
    # np.unique would import numpy.ma, which nothing else here needs.
    at = sorted(set(np.linspace(0, steps - 1, min(STEPS, steps, most)).round().astype(np.int64).tolist()))
    share = min(1.0, PLACES / max(len(at), 1) / size)
    return Sample(layout, tuple(at), share)


@dataclass(frozen=True, slots=True)
class Draw:
    """Sampled values of one or more steps, three columns a slot.

    ``place`` is where each value stands among the elements that are bounded, ``before`` what it was when its step
    started, ``expected`` what the reference made of it, both narrow.
    """

    place: dict[str, Indices]
    before: dict[str, Array]
    expected: dict[str, Array]


def draw(positions: Mapping[str, Indices], place: Mapping[str, Indices], before: SlotRows, after: SlotRows) -> Draw:
    """Return the sampled values of the slots in ``before``: ``positions`` are in rows, ``place`` in bounds, by slot."""
    columns = ({slot: rows[slot].reshape(-1)[positions[slot]] for slot in before} for rows in (before, after))
    return Draw(dict(place), *columns)


def catch(draw: Draw, enclosures: Enclosures, offset: int) -> dict[str, Catch]:
    """Count, for each slot, what the bounds would catch; the enclosures of ``draw`` begin at ``offset``."""
    counts = {}
    for slot, before in draw.before.items():
        value, error = (part[offset + draw.place[slot]] for part in enclosures[slot])
        with np.errstate(invalid="ignore", over="ignore"):
            step = value - before.astype(value.dtype)
            counts[slot] = count(step, bound_around(draw.expected[slot], value, error))
    return counts


def count(step: Array, bound: Array) -> Catch:
    """Count which of some values would show a factor: their exact steps and their bounds, both ``[n]`` and wide."""
    reach, bounded = np.abs(step), np.isfinite(bound)
    moved = bounded & np.isfinite(reach) & (reach > 0)
    return Catch(
        sampled=len(step),
        moved=int(moved.sum()),
        unbounded=int((~bounded).sum()),
        twofold=int((moved & (reach > bound)).sum()),
        thousandth=int((moved & (reach * 0.001 > bound)).sum()),
    )


def total(one: Mapping[str, Catch], other: Mapping[str, Catch]) -> dict[str, Catch]:
    """Return two counts by slot as one."""
    return {slot: sum((part[slot] for part in (one, other) if slot in part), Catch()) for slot in {**one, **other}}
