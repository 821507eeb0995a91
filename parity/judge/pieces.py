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

from parity.bounds.compiled.forms import LARGE, worth
from parity.bounds.numerics import Array, Indices, unequal
from parity.bounds.rule import ByTensor, Enclosure, Enclosures, SlotRows, bound_around
from parity.circumstances import launch
from parity.judge.catch import NOWHERE
from parity.judge.gaps import Gaps, gaps_of
from parity.judge.page import Reference, Start
from parity.problem.problems import Problem

if TYPE_CHECKING:
    from parity.bounds.compiled.kernels import Measured
    from parity.bounds.compiled.kinds import BoundedLoop

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


class Pieces:
    """Cuts the rows of a reference whose elements do not mix, and bounds and measures what differs in each piece."""

    def __init__(self, reference: Reference, compiles: bool) -> None:
        self._reference, self.size = reference, reference.layout.size
        self._alike = reference.page.rule.steps_alike
        self._compiles = compiles and reference.format.wide == np.float64
        self.dense = DENSE if self._compiles else DENSE_BY_NUMPY
        """One in how many elements of a piece must be bounded so that all of them are: gathering them costs, too."""
        self._loops: dict[int, BoundedLoop | None] = {}
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

    def prepare(self, rows: SlotRows, iterations: int) -> None:
        """Compile what the pieces of a step need, before several of them ask for it at a time.

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
        loop = self._reference.forms.bounds(step, few, off)
        self._loops[key] = loop
        if loop is not None:
            loop(few, off)
        self._reference.page.step(Start(few, iterations))

    def enclose(self, rows: SlotRows, errors: SlotRows, iterations: int) -> Enclosures:
        """Return enclosures of what one step makes of some elements, ``[n]`` by slot; see ``BoundedPage.enclose``."""
        loop = self._loops.get(0 if self._alike else iterations)
        if loop is not None:
            found = loop(rows, errors or self._none(rows))
            return self._reference.bounded.settled(found, rows, errors, iterations)
        return self._reference.bounded.enclose(rows, errors, iterations)

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

    def reach(
        self, rows: SlotRows, errors: SlotRows, obtained: SlotRows, expected: SlotRows, iterations: int
    ) -> tuple[dict[str, Array], Indices | None]:
        """Carry a bound through one step of a piece: write into ``errors`` how far a right subject may be after it.

        An element that differs in no slot starts again at zero.

        Returns:
            The bounds by slot, and which elements they are of; None says all.
        """
        size = rows["parameter"].size
        marks = self.marks(obtained, expected)
        active = self._reached(marks, errors)
        if int(np.count_nonzero(active)) * self.dense >= size:
            enclosures = self.enclose(rows, errors, iterations)
            for slot, values in errors.items():
                self._keep(marks, expected[slot], enclosures[slot], values)
            return dict(errors), None
        at = np.flatnonzero(active)
        some, off, own = ({slot: values[at] for slot, values in each.items()} for each in (rows, errors, expected))
        enclosures = self.enclose(some, off, iterations)
        for slot, values in errors.items():
            values[at] = np.where(marks[at], bound_around(own[slot], *enclosures[slot]), 0.0)
        return {slot: values[at] for slot, values in errors.items()}, at

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
        at: Indices | None,
        obtained: Array,
        expected: Array,
        enclosure: Enclosure,
        known: bool,
    ) -> list[Seen]:
        """Return what differs in a slot, tensor by tensor.

        Args:
            slot: which.
            start: where in the row the piece begins.
            at: which elements of the piece these are, in order; all of them where it is None.
            obtained: the subject's values.
            expected: the reference's.
            enclosure: values, and how far any right one may be from them: exact values, or the expected ones.
            known: whether they are exact.
        """
        layout, (value, error) = self._reference.layout, enclosure
        count = obtained.size
        if not count:
            return []
        first = start + (int(at[0]) if at is not None else 0)
        last = start + (int(at[-1]) if at is not None else count - 1)
        one, other = (int(number) for number in layout.tensor_of(np.array([first, last], dtype=np.int64)))
        ends = layout.ends[one : other + 1] - start
        cuts = np.minimum(ends, count) if at is None else np.searchsorted(at, ends)
        seen, begin = [], 0
        for tensor, end in zip(range(one, other + 1), cuts.tolist(), strict=True):
            part = slice(begin, end)
            begin = end
            if part.start < part.stop:
                around = value[part], error[part]
                place = start + part.start if at is None else start + at[part]
                found = self._seen(slot, tensor, place, obtained[part], expected[part], around, known)
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
            from parity.bounds.compiled.kernels import compiled_measure

            measured = compiled_measure(obtained, expected, exact, off, self._flushed)
            if measured is not None:
                return _of_measured(slot, tensor, measured, gaps) if measured.differing else None
        where = unequal(obtained, expected)
        return None if where is None else _of_gaps(slot, tensor, gaps(where), self._flushed, self._reference.declared)


def pieces(reference: Reference, problem: Problem) -> Pieces | None:
    """Return how the steps of a problem are judged in pieces, None where they are small, or their elements mix."""
    layout = reference.layout
    large = layout.size >= LARGE and layout.size >= MEAN * len(layout.names)
    if not large or layout.by_name or problem.cell.gradients != "replayed":
        return None
    return Pieces(reference, worth(problem))


def _of_measured(slot: str, tensor: int, found: "Measured", gaps: Callable[[Indices], Gaps]) -> Seen:
    worst = gaps(np.array([found.at], dtype=np.int64))
    outside = worst if found.ratio > 1 else None
    numbers = found.largest, found.relative, found.ulp, found.total
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
