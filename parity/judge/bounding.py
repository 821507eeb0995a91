"""Elements that wait for their bounds: what differs and what is in the sample, bounded together, in one pass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.bounds.compiled.forms import WORTH_BOUNDING
from parity.bounds.compiled.kinds import BoundedLoop
from parity.bounds.network import GradientBounds
from parity.bounds.numerics import Array, Indices
from parity.bounds.rule import Enclosure, Enclosures, SlotRows, bound_around
from parity.judge.catch import Draw, catch, draw, total
from parity.judge.gaps import Gaps, gaps_of
from parity.judge.page import Page, Reference, Start
from parity.trajectory.layout import Layout
from parity.verdicts.results import Catch


@dataclass(frozen=True, slots=True)
class Steps:
    """Some steps from ``row`` of a block on: what they start from, and what was obtained and expected, rows by slot."""

    row: int
    start: Start
    obtained: SlotRows
    expected: SlotRows


@dataclass(frozen=True, slots=True)
class Pairs:
    """Elements of one slot that differ: where they are in its rows taken as one, and among those that are bounded.

    Both values are narrow.
    """

    at: Indices
    place: Indices
    obtained: Array
    expected: Array


@dataclass(frozen=True, slots=True)
class Selection:
    """The elements of some steps that are to be bounded.

    ``count`` says how many, where a slot has no shapes of its own; ``row`` is the block's row of the first step.
    ``start`` holds what these elements start from, ``pairs`` the differing ones by slot, ``draw`` those that are in the
    sample. ``gradient`` encloses the gradients, where the reference computes its own.
    """

    row: int
    count: int
    start: Start
    pairs: Mapping[str, Pairs]
    draw: Draw
    gradient: Enclosure | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Selections with the enclosures of all their elements, one after the other."""

    selections: Sequence[Selection]
    enclosures: Enclosures

    def _offsets(self) -> list[tuple[Selection, int]]:
        ends = np.cumsum([each.count for each in self.selections])
        return [(each, int(end) - each.count) for each, end in zip(self.selections, ends, strict=True)]

    @property
    def slots(self) -> set[str]:
        """The slots in which something differs."""
        return {slot for each in self.selections for slot in each.pairs}

    def places(self, slot: str) -> Indices:
        """Return where the differing elements of a slot stand in the enclosures."""
        parts = [each.pairs[slot].place + offset for each, offset in self._offsets() if slot in each.pairs]
        return np.concatenate(parts)

    def gaps(self, slot: str, size: int) -> Gaps:
        """Return what differs in one slot, by rows of ``size`` elements, with the bounds around the expected values."""
        rows, columns = [], []
        for each in (each for each in self.selections if slot in each.pairs):
            pairs = each.pairs[slot]
            row, position = np.divmod(pairs.at, max(size, 1))
            rows.append(row + each.row)
            columns.append((position, pairs.obtained, pairs.expected))
        position, obtained, expected = (np.concatenate(parts) for parts in zip(*columns, strict=True))
        value, error = (part[self.places(slot)] for part in self.enclosures[slot])
        bound = bound_around(expected, value, error)
        return gaps_of(slot, np.concatenate(rows), position, obtained, expected, bound, value)

    def means(self, slot: str, page: Page) -> tuple[Array, Array] | None:
        """Return the old means of all elements in a slot and the gradients that enter them.

        None where a step only adds gradients up.
        """
        gradients = [page.gradient(each.start) for each in self.selections]
        if any(each is None for each in gradients):
            return None
        old = [each.start.rows[slot] for each in self.selections]
        return np.concatenate(old), np.concatenate([each for each in gradients if each is not None])

    def catch(self) -> dict[str, Catch]:
        """Count, for each slot, what the bounds on sampled elements would catch."""
        counts: dict[str, Catch] = {}
        for each, offset in self._offsets():
            if any(map(len, each.draw.place.values())):
                counts = total(counts, catch(each.draw, self.enclosures, offset))
        return counts


class Backlog:
    """Collects selections until they are taken as a batch; in a long run that bounds much, by a compiled loop.

    Args:
        reference: what bounds them.
        alike: whether a step does not depend on its number, so that one loop serves all of them.
    """

    def __init__(self, reference: Reference, alike: bool) -> None:
        self._reference, self._compiles = reference, alike and not reference.layout.by_name
        self._selections: list[Selection] = []
        self._bounded_so_far = 0
        self._loop: BoundedLoop | None = None

    @property
    def size(self) -> int:
        """How many elements wait."""
        return sum(each.count for each in self._selections)

    def add(
        self,
        steps: Steps,
        unequal: Mapping[str, Indices],
        places: Mapping[str, Indices],
        whole: bool,
        gradients: GradientBounds | None,
    ) -> None:
        """Let what differs in some steps, and what is in the sample, wait for its bounds.

        Args:
            steps: what was obtained and expected.
            unequal: positions of differing elements in the rows taken as one, by slot; only slots that differ.
            places: positions of the sample in them, by slot, of all slots that are compared.
            whole: whether everything is to be bounded, whatever differs.
            gradients: bounds on those of the one step, where the reference computes its own.
        """
        layout, start = self._reference.layout, steps.start
        size, everything = start.rows["parameter"].size, whole or layout.by_name
        sampled = places["parameter"]
        positions = [*unequal.values(), *([sampled] if len(sampled) else [])]
        at = np.arange(size) if everything else _union(positions, size)
        place = np.empty(size, dtype=np.int64)
        place[at] = np.arange(len(at))

        def among(positions: Indices) -> Indices:
            return positions if everything else place[positions]

        pairs = {
            slot: Pairs(
                where, among(where), *(rows[slot].reshape(-1)[where] for rows in (steps.obtained, steps.expected))
            )
            for slot, where in unequal.items()
        }
        before = {slot: start.rows[slot] for slot in steps.obtained if slot != "gradient"}
        after = {slot: steps.expected[slot] for slot in before}
        sample = draw(places, {slot: among(places[slot]) for slot in before}, before, after)
        own = None if gradients is None else gradient_enclosure(gradients, layout, at)
        flat = {slot: rows.reshape(-1) for slot, rows in start.rows.items()}
        elements = Start(flat if everything else {slot: row[at] for slot, row in flat.items()}, start.iterations)
        self._selections.append(Selection(steps.row, len(at), elements, pairs, sample, own))

    def take(self, errors: SlotRows) -> Batch | None:
        """Bound all that waits and return it, None if nothing does.

        ``errors`` says how far slots that the subject hides may be off, each as one row of all elements that wait.
        """
        selections, self._selections = self._selections, []
        if not selections:
            return None
        rows = {slot: _concatenate([each.start.rows[slot] for each in selections]) for slot in selections[0].start.rows}
        own = [each.gradient for each in selections if each.gradient is not None]
        if own:
            rows["gradient"], error = (_concatenate(parts) for parts in zip(*own, strict=True))
            errors = {**errors, "gradient": error}
        return Batch(selections, self._enclose(rows, errors, selections[0].start.iterations))

    def _enclose(self, rows: SlotRows, errors: SlotRows, iterations: int) -> Enclosures:
        bounded, count = self._reference.bounded, rows["parameter"].size
        self._bounded_so_far += count
        if self._compiles and self._loop is None and self._bounded_so_far > WORTH_BOUNDING:
            self._loop = self._reference.forms.bounds(bounded.step, rows, errors)
        if self._loop is not None:
            return bounded.settled(self._loop(rows, errors), rows, errors, iterations)

        def enclose(piece: slice) -> Enclosures:
            some, off = ({slot: row[piece] for slot, row in each.items()} for each in (rows, errors))
            return bounded.enclose(some, off, iterations)

        return bounded.in_pieces(enclose, count)


def gradient_enclosure(bounds: GradientBounds, layout: Layout, at: Indices) -> Enclosure:
    """Return exact gradients and their bounds at some elements of one step, in order."""
    cuts = np.searchsorted(at, layout.starts), np.searchsorted(at, layout.ends)
    pairs = [
        bounds.at(name, at[low:high] - start)
        for name, low, high, start in zip(layout.names, *cuts, layout.starts, strict=True)
    ]
    return np.concatenate([pair[0] for pair in pairs]), np.concatenate([pair[1] for pair in pairs])


def _concatenate(parts: Sequence[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _union(positions: Sequence[Indices], size: int) -> Indices:
    """Return every position that occurs, in order; none exceeds ``size``."""
    if len(positions) == 1:
        return positions[0]
    occurs = np.zeros(size, dtype=bool)
    for each in positions:
        occurs[each] = True
    return np.flatnonzero(occurs)
