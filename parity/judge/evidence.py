"""What a run showed: an account that is kept while its blocks pass by, and the evidence that it ends in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from parity.bounds.drift import Drift
from parity.bounds.numerics import Array, Difference, shown
from parity.bounds.rule import SlotRows
from parity.case.spec import Cell
from parity.judge.finite import first_not_finite
from parity.judge.gaps import Gaps, gaps_of
from parity.judge.page import Reference
from parity.judge.pieces import Seen, farthest
from parity.judge.table import Part, Table
from parity.verdicts.results import BranchFlip, Catch, Comparison, Divergence, Explained, StepTable, Worst
from parity.verdicts.verdict import Verdict

_AT_START = "before the first step"

MAX_FLIPS = 20


@dataclass(frozen=True, slots=True)
class Evidence:
    """What folding over the blocks of a run yields.

    ``divergence`` is the first difference outside its bound, or the first value that is finite on one side alone.
    ``causes`` are sentences on what the differences inside the bound betray, ``explained`` of how many values each was
    shown; ``envelope`` is the drift beside that of
    references started one ULP away, where no bound exists. ``flips`` are branches that rounding decided.
    """

    verdict: Verdict
    reason: str
    divergence: Divergence | None
    worst: Worst | None
    compared: int
    differing: int
    table: StepTable
    notes: tuple[str, ...]
    flips: tuple[BranchFlip, ...]
    losses: Mapping[str, list[float]] | None
    causes: tuple[str, ...] = ()
    explained: tuple[Explained, ...] = ()
    catch: Mapping[str, Catch] = field(default_factory=dict)
    envelope: Mapping[str, list[float]] | None = None

    def comparison(self, cell: Cell, subject: str, mode: str) -> Comparison:
        """Return the record that reports read; what is only rounding is followed by its causes."""
        rounding = self.verdict is Verdict.ROUNDING
        return Comparison(
            case=cell.id,
            subject=subject,
            gradients=cell.gradients,
            comparison=mode,
            verdict=self.verdict.name,
            reason=self.reason,
            first_divergence=self.divergence,
            worst=self.worst,
            compared=self.compared,
            differing=self.differing,
            notes=[*self.notes, *(self.causes if rounding else ())],
            flips=list(self.flips),
            table=self.table,
            losses=None if self.losses is None else dict(self.losses),
            envelope=None if self.envelope is None else dict(self.envelope),
            catch=dict(self.catch),
            explained=list(self.explained) if rounding else [],
        )


class Account:
    """Adds up what differs, block by block: counts, the table, the worst, the first that is outside its bound."""

    def __init__(self, reference: Reference) -> None:
        self._layout, self._dtype = reference.layout, reference.format.dtype
        self._wide, self._rate = reference.format.wide, reference.page.learning_rate
        self._declared, self._order = reference.declared, reference.page.stages
        self._table, self._parts = Table(reference.layout), dict[str, Part]()
        self._first: Divergence | None = None
        self._non_finite: Divergence | None = None
        self._worst: Worst | None = None
        self._start = self._compared = self._differing = self._undecided = 0
        self._notes: list[str] = []
        self._flips: list[BranchFlip] = []
        self._losses: dict[str, list[float]] = {"obtained": [], "expected": []}

    @property
    def flips_left(self) -> int:
        """How many more branch flips will be kept."""
        return MAX_FLIPS - len(self._flips)

    @property
    def slots(self) -> list[str]:
        """The slots of the steps that were taken up last, in their order."""
        return list(self._parts)

    def open(self, start: int, count: int, slots: Sequence[str]) -> None:
        """Take up some steps: those of a block, whose differences are written next."""
        self._table.thin()
        self._start = start
        self._parts = {slot: self._table.open(start, count, slot) for slot in slots}
        self._compared += count * sum(self._layout.of(slot).size for slot in slots if slot != "gradient")

    def begin(self, expected: SlotRows, obtained: SlotRows, difference: Callable[[Array, Array], Difference]) -> None:
        """Judge the state before the first step, rows ``[size]``: who starts elsewhere diverges at step 0."""
        for slot in (slot for slot in expected if slot in obtained):
            self._parts = {slot: self._table.open(-1, 1, slot)}
            self._compared += self._layout.of(slot).size
            at = difference(obtained[slot], expected[slot]).at
            if at is not None:
                none = np.zeros(len(at), dtype=self._wide)
                gaps = gaps_of(slot, np.zeros_like(at), at, obtained[slot][at], expected[slot][at], none)
                self.write(gaps)
                if (outside := gaps.outside(self._declared)).any():
                    self.diverge(self._first_tensor(gaps, outside), slot, _AT_START)
            self.agree({slot: obtained[slot][None]}, 0, note=f"{_AT_START}, ")

    def write(self, gaps: Gaps) -> None:
        """Write what differs in a slot over the steps that were taken up, and keep the worst."""
        peak = self._parts[gaps.slot].write(gaps, lambda row: self._rate(self._start + row))
        self._differing += len(gaps.row) if gaps.slot != "gradient" else 0
        self._undecided += int(np.sum(~np.isfinite(gaps.bound)))
        if self._worst is not None and _rank(peak.ratio) <= _rank(self._worst.ratio):
            return
        in_steps = shown(peak.in_steps) if gaps.slot == "parameter" else None
        self._worst = self._place(gaps, peak.at, shown(peak.ratio), in_steps)

    def see(self, row: int, seen: Sequence[Seen]) -> None:
        """Write what differs in the pieces of one step, in their order, and keep the worst."""
        rate = self._rate(self._start + row) if seen else 0.0
        for each in seen:
            self._parts[each.slot].add(row, each, rate)
            self._differing += each.differing
            self._undecided += each.undecided
        for each in seen:
            ratio = float(each.worst.ratio[0])
            if self._worst is None or _rank(ratio) > _rank(self._worst.ratio):
                worst = replace(each.worst, row=np.array([row], dtype=np.int64))
                largest = self._parts[each.slot].in_steps(row, each.tensor)
                self._worst = self._place(worst, 0, shown(ratio), None if largest is None else shown(largest))

    def first_of(self, row: int, seen: Sequence[Seen]) -> list[Gaps]:
        """Return for each slot what is farthest outside its bound in one step, as ``first_outside`` does."""
        if self._first is not None or self._non_finite is not None:
            return []
        here = farthest(seen, self._declared).values()
        return [replace(each, row=np.array([row], dtype=np.int64)) for each in here]

    def write_drift(
        self, row: int, obtained: SlotRows, expected: SlotRows, measure: Callable[[Array, Array], Drift]
    ) -> None:
        """Write what differs after one step where no bound exists; the worst is the largest of a parameter."""
        rate = self._rate(self._start + row)
        differing = {
            slot: part.write_drift(row, obtained[slot], expected[slot], rate, measure)
            for slot, part in self._parts.items()
        }
        self._differing += sum(differing.values())
        if not differing["parameter"]:
            return
        position, largest, in_steps = self._parts["parameter"].largest(row)
        if self._worst is not None and not largest > abs(float(self._worst.difference)):
            return
        at, rows = np.array([position], dtype=np.int64), np.array([row], dtype=np.int64)
        unknown = np.full(1, np.inf, dtype=self._wide)
        gaps = gaps_of("parameter", rows, at, obtained["parameter"][at], expected["parameter"][at], unknown)
        self._worst = self._place(gaps, 0, "NaN", shown(in_steps))

    def _place(self, gaps: Gaps, at: int, ratio: float | str, in_steps: float | str | None) -> Worst:
        name, index = self._layout.of(gaps.slot).index(int(gaps.position[at]))
        obtained, expected = (self._narrow(values[at]) for values in (gaps.obtained, gaps.expected))
        distances = shown(gaps.bound[at]), shown(gaps.signed[at]), ratio, shown(gaps.ulp[at]), in_steps
        return Worst(self._start + int(gaps.row[at]), gaps.slot, name, index, obtained, expected, *distances)

    def first_outside(self, gaps: Sequence[Gaps]) -> list[Gaps]:
        """Return, for each slot, the first tensor that is outside its bound, all at the first such step.

        Nothing is returned where none is, or where the first divergence is known.
        """
        if self._first is not None or self._non_finite is not None:
            return []
        outside = [(each, where) for each in gaps if (where := each.outside(self._declared)).any()]
        if not outside:
            return []
        row = min(int(each.row[np.argmax(where)]) for each, where in outside)
        here = [(each.among(each.row == row), where[each.row == row]) for each, where in outside]
        return [self._first_tensor(each, where) for each, where in here if where.any()]

    def _first_tensor(self, gaps: Gaps, outside: Array) -> Gaps:
        """Return the elements of the first tensor that has one outside its bound."""
        tensor = self._layout.of(gaps.slot).tensor_of(gaps.position)
        return gaps.among(tensor == tensor[np.argmax(outside)])

    def diverge(self, gaps: Gaps, stage: str, note: str) -> None:
        """Keep the element farthest outside its bound as the first divergence, unless one is kept already.

        ``gaps`` are elements of one tensor after one step.
        """
        ratio, broken = gaps.ratio, gaps.broken(self._declared)
        at = int(np.argmax(np.where(broken, np.inf, np.where(np.isnan(ratio), -1.0, ratio))))
        name, index = self._layout.of(gaps.slot).index(int(gaps.position[at]))
        obtained, expected = (self._narrow(values[at]) for values in (gaps.obtained, gaps.expected))
        exact = None if gaps.exact is None else shown(gaps.exact[at])
        bound = shown(gaps.bound[at])
        step = self._start + int(gaps.row[at])
        record = Divergence(step, gaps.slot, name, index, obtained, expected, bound, stage, exact, note)
        if broken[at] and self._first is None:
            self._non_finite = self._non_finite or record
        elif self._non_finite is None:
            self._first = self._first or record

    def agree(
        self,
        states: SlotRows,
        step: int,
        stage_of: Callable[[int, str, str, list[int]], str] = lambda row, slot, tensor, index: slot,
        note: str = "",
    ) -> None:
        """Keep the first value that both sides agree is not finite, where that is not declared: no difference shows it.

        Args:
            states: rows from ``step`` on, judged already: a failure kept from the same step or before it stays.
            step: the step of their first row.
            stage_of: says at which stage a value entered, by row, slot, tensor and index.
            note: what stands before the note.
        """
        kept = self._first or self._non_finite
        if self._declared or (kept is not None and kept.step <= step):
            return
        places = {slot: place for slot, rows in states.items() if (place := first_not_finite(rows)) is not None}
        if not places:
            return
        row = min(row for row, _ in places.values())
        if kept is not None and kept.step <= step + row:
            return
        slot = min((slot for slot, place in places.items() if place[0] == row), key=self._order.index)
        position = places[slot][1]
        name, index = self._layout.of(slot).index(position)
        value = shown(states[slot][row, position])
        said = f"{note}both sides are {value}; a case that means it says non_finite = true"
        stage = stage_of(row, slot, name, index)
        self._first = None
        self._non_finite = Divergence(step + row, slot, name, index, value, value, "Infinity", stage, None, said)

    def one_side(self, row: int, obtained: SlotRows, expected: SlotRows) -> None:
        """Keep the first value after a step that is not finite on one side alone, where no bound exists."""
        if self._declared or self._non_finite is not None:
            return
        for slot in self._parts:
            for side in (obtained, expected):
                place = first_not_finite(side[slot][None])
                if place is None:
                    continue
                values = obtained[slot][place[1]], expected[slot][place[1]]
                if np.isfinite(values[0]) != np.isfinite(values[1]):
                    name, index = self._layout.of(slot).index(place[1])
                    one, two = (shown(value) for value in values)
                    self._non_finite = Divergence(self._start + row, slot, name, index, one, two, "Infinity", slot)
                    return

    def _narrow(self, value: Any) -> float | str:
        return shown(self._dtype.type(value))

    def note(self, sentence: str) -> None:
        """Keep a sentence for the reader."""
        self._notes.append(sentence)

    def add_losses(self, side: str, losses: Sequence[float]) -> None:
        """Keep the losses of some steps, ``obtained`` or ``expected``."""
        self._losses[side] += losses

    def flip(self, flip: BranchFlip) -> None:
        """Keep a branch flip, if it is among the first."""
        if self.flips_left:
            self._flips.append(flip)

    def evidence(self) -> Evidence:
        """Return what was seen so far, with the verdict on it."""
        verdict, reason = self._verdict()
        return Evidence(
            verdict=verdict,
            reason=reason,
            divergence=self._first or self._non_finite,
            worst=self._worst,
            compared=self._compared,
            differing=self._differing,
            table=self._table.rows(),
            notes=tuple(self._notes),
            flips=tuple(self._flips),
            losses={side: list(values) for side, values in self._losses.items()}
            if any(self._losses.values())
            else None,
        )

    def _verdict(self) -> tuple[Verdict, str]:
        if self._first is not None:
            return Verdict.DIVERGED, Verdict.DIVERGED.value
        if self._non_finite is not None:
            return Verdict.NON_FINITE, Verdict.NON_FINITE.value
        if not self._compared:
            return Verdict.UNDECIDED, "nothing was compared: no tensor of the case has an element"
        if self._undecided:
            reason = f"{Verdict.UNDECIDED.value} ({self._undecided} of {self._compared} element-steps)"
            return Verdict.UNDECIDED, reason
        verdict = Verdict.ROUNDING if self._differing else Verdict.IDENTICAL
        return verdict, verdict.value


def _rank(ratio: float | str) -> float:
    value = float(ratio)
    return -1.0 if np.isnan(value) else value
