"""A large step in pieces, several at a time: pieces fit a core's cache, and elements that do not mix need no other.

What each piece yields is small, and is put together in the order of the pieces: the results do not depend on how many
cores there are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from parity.bounds.compiled.forms import LARGE, WORTH_BOUNDING, worth
from parity.bounds.numerics import Array, Indices, unequal
from parity.bounds.rule import ByTensor, Enclosure, Enclosures, SlotRows, bound_around
from parity.circumstances import launch
from parity.judge.catch import NOWHERE
from parity.judge.gaps import Gaps, gaps_of
from parity.judge.page import Reference, Start
from parity.problem.problems import Problem

if TYPE_CHECKING:
    from parity.bounds.compiled.kinds import BoundedLoop
    from parity.bounds.compiled.measuring import Measured

PIECE, PIECE_BY_NUMPY = 262_144, 65_536
"""Elements of a piece: each costs some tenths of a millisecond of its own, and by NumPy memory for what is between."""

MEAN = 4_096
"""Elements that the tensors of a case must have on average: a piece costs something for each tensor in it."""

DENSE, DENSE_BY_NUMPY = 8, 2
"""Where more than one in so many elements of a piece is to be bounded, the compiled form, or NumPy, bounds all."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Seen:
    """What differs in a piece of one slot, within one tensor: counts, statistics, and the elements that matter.

    ``worst`` has the largest ratio; ``outside`` is what is farthest outside its bound, if anything is. Each is one
    element, with its position in the whole row. ``total`` is the sum of the signed differences.
    """

    slot: str
    tensor: int
    differing: int
    undecided: int
    flushes: int
    largest: float
    relative: float
    ulp: float
    total: float
    worst: Gaps
    outside: Gaps | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of a row in one step, or some elements of it: rows ``[n]`` by slot, and where the stretch begins.

    ``rows`` are what the step starts from and ``errors`` how far they may be off by now; none are of exact values.
    """

    start: int
    iterations: int
    rows: SlotRows
    errors: dict[str, Array]
    obtained: SlotRows
    expected: SlotRows

    @property
    def size(self) -> int:
        """How many elements it has."""
        return self.expected["parameter"].size

    def among(self, chosen: slice | Indices) -> "Stretch":
        """Return a part of it, or some of its elements."""
        start = self.start + (chosen.start if isinstance(chosen, slice) else 0)
        parts = (self.rows, self.errors, self.obtained, self.expected)
        some = ({slot: values[chosen] for slot, values in each.items()} for each in parts)
        return Stretch(start, self.iterations, *some)


class Pieces:
    """Cuts the rows of a reference whose elements do not mix, and bounds and measures what differs in each piece."""

    def __init__(self, reference: Reference, compiles: bool) -> None:
        self._reference, self.size = reference, reference.layout.size
        self._alike = reference.page.rule.steps_alike
        self._compiles = compiles and reference.format.wide == np.float64
        self.dense = DENSE if self._compiles else DENSE_BY_NUMPY
        """One in how many elements of a piece must be bounded so that all of them are: gathering them costs, too."""
        self._loops: dict[int, BoundedLoop | None] = {}
        self._bounded_so_far = 0
        length = PIECE if self._compiles else PIECE_BY_NUMPY
        self._cuts = [slice(start, min(start + length, self.size)) for start in range(0, self.size, length)]
        self._zeros = np.zeros(length if self._compiles else 0, dtype=np.float64)
        self._flushed = reference.format.underflow if reference.format.name == "float32" else 0.0

    def each(self, work: Callable[[slice], Result]) -> Iterator[Result]:
        """Yield what ``work`` makes of every piece, in their order."""

        def quietly(piece: slice) -> Result:
            with np.errstate(all="ignore"):
                return work(piece)

        return _pool().map(quietly, self._cuts)

    def compile(self) -> None:
        """Compile what a step takes in which much differs, before there is one: so long it would wait."""
        if not self._compiles:
            return
        slots = "parameter", *self._reference.page.slots
        rows = {slot: np.ones(2, dtype=self._reference.format.dtype) for slot in (*slots, "gradient")}
        self.prepare(rows, 0)
        loop, same = self._loops[0], {slot: rows[slot] for slot in slots}
        if loop is not None:
            loop.gauge(rows, self._none(rows), same, same, False, self._flushed)

    def prepare(self, rows: SlotRows, iterations: int) -> None:
        """Write down what the pieces of a step need, before several of them ask for it at a time; some compiles then.

        One loop serves steps from exact values too: what compiling another costs, zeros do not.
        """
        key = 0 if self._alike else iterations
        if not self._compiles or key in self._loops:
            return
        bounded, slots = self._reference.bounded, [slot for slot in rows if slot != "gradient"]
        few = {slot: row[:2] for slot, row in rows.items()}
        if not self._alike:
            self._loops = {}

        def step(rows: SlotRows, errors: SlotRows) -> dict[str, ByTensor]:
            after = bounded.step(rows, errors, iterations)
            return {slot: after[slot] for slot in slots}

        off = {slot: np.zeros(2, dtype=np.float64) for slot in slots}
        self._loops[key] = self._reference.forms.bounds(step, few, off)
        self._reference.page.step(Start(few, iterations))

    def enclose(self, rows: SlotRows, errors: SlotRows, iterations: int) -> Enclosures:
        """Return enclosures of what one step makes of some elements, ``[n]`` by slot; see ``BoundedPage.enclose``.

        In most runs these are few, of which compiling another loop would cost more than it saves.
        """
        loop, bounded = self._loops.get(0 if self._alike else iterations), self._reference.bounded
        self._bounded_so_far += rows["parameter"].size
        if loop is not None and self._bounded_so_far > WORTH_BOUNDING:
            return bounded.settled(loop(rows, errors or self._none(rows)), rows, errors, iterations)

        def some(piece: slice) -> Enclosures:
            few, off = ({slot: values[piece] for slot, values in each.items()} for each in (rows, errors))
            return bounded.enclose(few, off, iterations)

        count = rows["parameter"].size
        return bounded.in_pieces(some, count) if self._compiles else some(slice(None))

    def _none(self, rows: SlotRows) -> dict[str, Array]:
        """Return errors of rows that are exact."""
        size = rows["parameter"].size
        if self._zeros.size < size:
            self._zeros = np.zeros(size, dtype=np.float64)
        return {slot: self._zeros[:size] for slot in rows if slot != "gradient"}

    def apart(self, obtained: Array, expected: Array) -> int:
        """Return about how many elements differ: two NaNs may count."""
        if self._compiles:
            from parity.bounds.compiled.kernels import compiled_apart

            return compiled_apart(obtained, expected)
        found = unequal(obtained, expected)
        return 0 if found is None else len(found)

    def gauge(self, stretch: Stretch) -> list[Seen]:
        """Bound what one step makes of a stretch, and measure what differs in it, slot by slot and tensor by tensor.

        Errors are carried on: how far a right subject may be after the step is written into them. An element that
        differs in no slot starts again at zero.
        """
        seen: dict[str, list[Seen]] = {slot: [] for slot in stretch.expected}
        for tensor, part in self._tensors(stretch.start, stretch.size):
            for each in self._gauged(tensor, stretch.among(part)):
                seen[each.slot].append(each)
        return [each for found in seen.values() for each in found]

    def reach(self, stretch: Stretch) -> list[Seen]:
        """Return what ``gauge`` does of a stretch with errors, of which it bounds as few elements as there may be."""
        apart = max(self.apart(stretch.obtained[slot], own) for slot, own in stretch.expected.items())
        if not apart and not any(values.any() for values in stretch.errors.values()):
            return []
        if apart * self.dense >= stretch.size:
            return self.gauge(stretch)
        marks = self.marks(stretch.obtained, stretch.expected)
        active = self._reached(marks, stretch.errors)
        if int(np.count_nonzero(active)) * self.dense >= stretch.size:
            return self.gauge(stretch)
        at = np.flatnonzero(active)
        some, seen = stretch.among(at), list[Seen]()
        enclosures = self.enclose(some.rows, some.errors, some.iterations)
        for slot, own in some.expected.items():
            bound = np.where(marks[at], bound_around(own, *enclosures[slot]), 0.0)
            stretch.errors[slot][at] = bound
            seen += self.see(slot, stretch.start, at, some.obtained[slot], own, (own, bound), False)
        return seen

    def _tensors(self, start: int, count: int) -> Iterator[tuple[int, slice]]:
        """Yield the tensors that so many elements of a row are of, with the part of these elements that is theirs."""
        first, last = self._reference.layout.tensor_of(np.array([start, start + count - 1], dtype=np.int64)).tolist()
        begin = 0
        for tensor, end in enumerate(self._reference.layout.ends[first : last + 1].tolist(), first):
            end = min(end - start, count)
            if begin < end:
                yield tensor, slice(begin, end)
            begin = end

    def _gauged(self, tensor: int, stretch: Stretch) -> list[Seen]:
        """Return what ``gauge`` does of a stretch of one tensor: in one pass, if all that is in it is finite."""
        rows, errors, expected = stretch.rows, stretch.errors, stretch.expected
        loop = self._loops.get(0 if self._alike else stretch.iterations)
        if loop is not None:
            off = errors or self._none(rows)
            found, bounds = loop.gauge(rows, off, stretch.obtained, expected, bool(errors), self._flushed)
            kept = {
                slot: each for slot, each in found.items() if each is not None and (each.ratio or not each.differing)
            }
            if len(kept) == len(found):
                for slot, values in bounds.items():
                    errors[slot][:] = values
                differ = ((slot, each) for slot, each in kept.items() if each.differing)
                return [_of_measured(s, tensor, each, self._worst(s, stretch, each)) for s, each in differ]
        enclosures = self.enclose(rows, errors, stretch.iterations)
        if errors:
            marks = self.marks(stretch.obtained, expected)
            for slot, values in errors.items():
                self._keep(marks, expected[slot], enclosures[slot], values)
            enclosures = {slot: (expected[slot], values) for slot, values in errors.items()}
        every = (
            self._seen(slot, tensor, stretch.start, stretch.obtained[slot], own, enclosures[slot], not errors)
            for slot, own in expected.items()
        )
        return [each for each in every if each is not None]

    def _worst(self, slot: str, stretch: Stretch, found: "Measured") -> Gaps:
        """Return the element of the largest ratio; where that is outside its bound, with its exact value, if known."""
        one = stretch.among(slice(found.at, found.at + 1))
        exact = None
        if found.ratio > 1 and not stretch.errors:
            exact = self.enclose(one.rows, {}, one.iterations)[slot][0]
        row, position = np.zeros(1, dtype=np.int64), np.array([one.start], dtype=np.int64)
        bound = np.array([found.bound], dtype=np.float64)
        return gaps_of(slot, row, position, one.obtained[slot], one.expected[slot], bound, exact)

    def marks(self, obtained: SlotRows, expected: SlotRows) -> NDArray[np.bool_]:
        """Return which elements differ in any slot, ``[n]``."""
        size = expected["parameter"].size
        if self._compiles and not any(np.isnan(values.sum()) for values in expected.values()):
            from parity.bounds.compiled.kernels import compiled_marks

            return compiled_marks([(obtained[slot], own) for slot, own in expected.items()], size)
        marks = np.zeros(size, dtype=np.bool_)
        for slot, own in expected.items():
            where = unequal(obtained[slot], own)
            marks[NOWHERE if where is None else where] = True
        return marks

    def _reached(self, marks: NDArray[np.bool_], errors: SlotRows) -> NDArray[np.bool_]:
        if self._compiles:
            from parity.bounds.compiled.kernels import compiled_reached

            return compiled_reached(marks, errors.values())
        return np.asarray(np.any([marks, *(values != 0 for values in errors.values())], axis=0))

    def _keep(self, marks: NDArray[np.bool_], expected: Array, enclosure: Enclosure, errors: Array) -> None:
        if self._compiles:
            from parity.bounds.compiled.kernels import compiled_keep

            compiled_keep(marks, expected, *enclosure, errors)
        else:
            errors[:] = np.where(marks, bound_around(expected, *enclosure), 0.0)

    def see(
        self,
        slot: str,
        start: int,
        at: Indices,
        obtained: Array,
        expected: Array,
        enclosure: Enclosure,
        known: bool,
    ) -> list[Seen]:
        """Return what differs among some elements of a piece in a slot, tensor by tensor.

        Args:
            slot: which.
            start: where in the row the piece begins.
            at: which elements of the piece these are, in order.
            obtained: the subject's values.
            expected: the reference's.
            enclosure: values, and how far any right one may be from them: exact values, or the expected ones.
            known: whether they are exact.
        """
        if not len(at):
            return []
        value, error = enclosure
        seen = []
        for tensor, whole in self._tensors(start + int(at[0]), int(at[-1] - at[0]) + 1):
            part = slice(*np.searchsorted(at, [whole.start + at[0], whole.stop + at[0]]).tolist())
            if part.start < part.stop:
                around = value[part], error[part]
                found = self._seen(slot, tensor, start + at[part], obtained[part], expected[part], around, known)
                seen += [] if found is None else [found]
        return seen

    def _seen(
        self,
        slot: str,
        tensor: int,
        place: Any,
        obtained: Array,
        expected: Array,
        enclosure: Enclosure,
        known: bool,
    ) -> Seen | None:
        """``place`` are the positions, or that of the first; ``known`` is whether the enclosure's values are exact."""
        exact, off = enclosure

        def gaps(at: Indices) -> Gaps:
            # To gather what is all there costs as much as all that follows.
            chosen: Any = slice(None) if len(at) == obtained.size else at
            own, value, error = expected[chosen], exact[chosen], off[chosen]
            positions = at + place if isinstance(place, int) else place[chosen]
            columns = slot, np.zeros(len(at), dtype=np.int64), positions, obtained[chosen], own
            return gaps_of(*columns, bound_around(own, value, error), value if known else None)

        if self._compiles:
            from parity.bounds.compiled.measuring import compiled_measure

            measured = compiled_measure(obtained, expected, exact, off, self._flushed)
            if measured is not None:
                worst = np.array([measured.at], dtype=np.int64)
                return _of_measured(slot, tensor, measured, gaps(worst)) if measured.differing else None
        where = unequal(obtained, expected)
        return None if where is None else _of_gaps(slot, tensor, gaps(where), self._flushed, self._reference.declared)


def pieces(reference: Reference, problem: Problem) -> Pieces | None:
    """Return how the steps of a problem are judged in pieces, None where they are small, or their elements mix."""
    layout = reference.layout
    large = layout.size >= LARGE and layout.size >= MEAN * len(layout.names)
    if not large or layout.by_name or problem.cell.gradients != "replayed":
        return None
    return Pieces(reference, worth(problem))


def _of_measured(slot: str, tensor: int, found: "Measured", worst: Gaps) -> Seen:
    numbers = found.largest, found.relative, found.ulp, found.total
    outside = worst if found.ratio > 1 else None
    return Seen(slot, tensor, found.differing, 0, found.flushes, *numbers, worst, outside)


def _of_gaps(slot: str, tensor: int, gaps: Gaps, normal: float, declared: bool) -> Seen:
    signed, ratio = gaps.signed, gaps.ratio
    magnitude, rank = np.abs(signed), np.where(np.isnan(ratio), -1.0, ratio)
    relative = np.where(gaps.expected == 0, np.inf, magnitude / np.abs(gaps.expected))
    small = (gaps.expected != 0) & (np.abs(gaps.expected) < normal) & (gaps.obtained == 0)
    broken, outside = gaps.broken(declared), gaps.outside(declared)
    farthest = np.where(outside, np.where(broken, np.inf, rank), -2.0)
    return Seen(
        slot,
        tensor,
        len(gaps.row),
        int(np.sum(~np.isfinite(gaps.bound))),
        int(np.sum(small)),
        float(np.max(magnitude)),
        float(np.max(relative)),
        float(np.max(gaps.ulp)),
        float(np.sum(signed)),
        gaps.among(np.array([np.argmax(rank)])),
        gaps.among(np.array([np.argmax(farthest)])) if outside.any() else None,
    )


def farthest(seen: Sequence[Seen], declared: bool) -> Mapping[str, Gaps]:
    """Return by slot what is farthest outside its bound in the first tensor that has something outside it."""
    found: dict[str, Seen] = {}
    for each in seen:
        if each.outside is None:
            continue
        known = found.get(each.slot)
        if known is None or (known.tensor == each.tensor and _rank(each, declared) > _rank(known, declared)):
            found[each.slot] = each
    return {slot: each.outside for slot, each in found.items() if each.outside is not None}


def _rank(seen: Seen, declared: bool) -> float:
    assert seen.outside is not None
    ratio = float(seen.outside.ratio[0])
    return float("inf") if seen.outside.broken(declared)[0] else ratio


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(launch.cores())
