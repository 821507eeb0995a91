"""From blocks to a verdict: the reference makes the same steps, every bit is compared, every difference is bounded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.bounds.bounded import Bounded
from parity.bounds.compiled.forms import forms
from parity.bounds.numerics import Array, format_of, ratios, shown
from parity.bounds.rule import BoundedRMSprop, reduces, spread
from parity.judge import stage
from parity.judge.diff import Filled, Gaps, TableBuilder, fill, gaps
from parity.judge.finite import first_not_finite
from parity.problem.problems import Problem
from parity.reference.rmsprop import RMSprop
from parity.subjects.numpy_class import accepted_arguments
from parity.trajectory.blocks import Block, layout_of
from parity.verdicts.results import BranchFlip, Comparison, Divergence, Worst
from parity.verdicts.verdict import Verdict

_AT_START = "before the first step"

Rows = dict[str, Array]
"""Slot to flat rows."""


def reference_rule(problem: Problem) -> RMSprop:
    """Return the reference page with a case's hyperparameters."""
    return RMSprop(**accepted_arguments(RMSprop, problem.cell.hyperparameters))


@dataclass(frozen=True, slots=True)
class Found:
    """What differs in one slot over some steps, with the bound of each element and, where known, the exact value."""

    slot: str
    gaps: Gaps
    bound: Array
    exact: Array | None = None

    def outside(self, declared: bool) -> Array:
        """Return where a difference exceeds its bound, or a side is not finite: see ``Gaps.broken``."""
        return np.asarray((ratios(np.abs(self.gaps.signed), self.bound) > 1) | self.gaps.broken(self.bound, declared))

    def among(self, chosen: Any) -> "Found":
        """Return some of the elements."""
        exact = None if self.exact is None else self.exact[chosen]
        return Found(self.slot, self.gaps.among(chosen), self.bound[chosen], exact)


class Judge:
    """Folds over blocks and ends in one comparison; the two ways of comparing differ in where a step starts from.

    A rule that treats every element alone takes all tensors as one flat row; one that sums over a tensor, or treats
    tensors differently by name, takes them one by one.
    """

    mode = ""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.given, self.source = problem, problem.cell.hyperparameters, problem.cell.gradients
        self.declared = problem.cell.declares_non_finite
        self.rule = reference_rule(problem)
        self.forms = forms(self.rule, problem)
        self.bounded_rule = BoundedRMSprop(**accepted_arguments(RMSprop, self.given))
        self.format = format_of(problem.dtype)
        self.layout = layout_of(problem.params)
        self.whole = reduces(self.given)
        self.merged = not self.whole and not self.given.exclude_from_weight_decay
        self.table = TableBuilder()
        self.first: Divergence | None = None
        self.non_finite: Divergence | None = None
        self.worst: Worst | None = None
        self.compared = self.differing = self.undecided = 0
        self.notes: list[str] = []
        self.flips: list[BranchFlip] = []
        self.losses: dict[str, list[float]] = {"obtained": [], "expected": []}
        self._parts: dict[str, dict[str, Any]] = {}

    def feed(self, block: Block) -> None:
        """Compare one block."""
        if block.start == 0:
            self._compare_start(block)
        self.table.thin()
        compared = self._compared_slots(block)
        self._parts = {slot: self.table.open(block.start, block.count, slot, self.layout) for slot in compared}
        self.compared += block.count * self.layout.size * sum(slot != "gradient" for slot in compared)
        self._judge(block)
        self._note_agreed(block, {slot: _after(block, slot) for slot in compared}, block.start)
        if block.losses is not None:
            self.losses["obtained"] += [float(value) for value in block.losses]

    def _compare_start(self, block: Block) -> None:
        """Judge the state before the first step: a subject that starts elsewhere diverges at step 0."""
        state = self.rule.slots(self.rule.init(self.problem.params))
        for slot, tensors in {"parameter": self.problem.params, **state}.items():
            if slot not in block.rows:
                continue
            self._parts = {slot: self.table.open(-1, 1, slot, self.layout)}
            self.compared += self.layout.size
            obtained, wanted = block.rows[slot][:1], self.layout.join(tensors)[None]
            at = self.forms.unequal(obtained, wanted)
            if at is not None:
                differing = gaps(np.zeros_like(at), at, obtained[0][at], wanted[0][at])
                self._settle_start(Found(slot, differing, np.zeros(len(at), dtype=self.format.wide)))
            self._note_agreed(None, {slot: obtained}, 0)

    def _settle_start(self, found: Found) -> None:
        self._write(found, 0)
        if (outside := found.outside(self.declared)).any():
            self._note_first(0, self._first_tensor(found, np.ones_like(outside), outside), found.slot, _AT_START)

    def _note_agreed(self, block: Block | None, states: Rows, step: int) -> None:
        """Keep the first value that both sides agree is not finite, where that is not declared: no difference shows it.

        ``states`` are rows from ``step`` on, judged already: a failure kept from the same step or before it stays.
        """
        kept = self.first or self.non_finite
        if self.declared or (kept is not None and kept.step <= step):
            return
        places = {slot: place for slot, rows in states.items() if (place := first_not_finite(rows)) is not None}
        if not places:
            return
        row = min(row for row, _ in places.values())
        if kept is not None and kept.step <= step + row:
            return
        slot = stage.earliest([slot for slot, place in places.items() if place[0] == row])
        position = places[slot][1]
        name, index = self.layout.index(position)
        value = shown(states[slot][row, position])
        where = slot if block is None else self._stage_of(block, row, slot, position)
        note = f"both sides are {value}; a case that means it says non_finite = true"
        note = f"{_AT_START}, {note}" if block is None else note
        record = Divergence(step + row, slot, name, index, value, value, "Infinity", where, None, note)
        self.first, self.non_finite = None, record

    def _stage_of(self, block: Block, row: int, slot: str, position: int) -> str:
        """Return the stage that a value enters at which both sides have, in a slot after a step of the block."""
        return slot

    def _compared_slots(self, block: Block) -> list[str]:
        slots = self.rule.slots(self.rule.init({}))
        return ["parameter", *(slot for slot in slots if slot in block.rows)]

    def _judge(self, block: Block) -> None:
        raise NotImplementedError

    def _locate(self, block: Block, row: int, found: Sequence[Found]) -> None:
        raise NotImplementedError

    def named(self, rows: Array) -> dict[str, Array]:
        """Return flat rows as the tensors that the page takes: one of all elements, or each by its name."""
        return {"": rows} if self.merged else self.layout.split(rows)

    def flat(self, tensors: Any) -> Array:
        """Return what the page made of ``named`` rows as flat rows again."""
        return np.asarray(tensors[""]) if self.merged else self.layout.join(tensors)

    def spread(self, tensors: Mapping[str, Bounded]) -> tuple[Array, Array]:
        """Return exact values and bounds of what the page made of bounded tensors, both as flat rows."""
        pairs = {name: spread(bounded) for name, bounded in tensors.items()}
        value, error = ({name: pair[i] for name, pair in pairs.items()} for i in (0, 1))
        return self.flat(value), self.flat(error)

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of a zero-based step."""
        rate = self.rule.learning_rate
        return float(rate(step) if callable(rate) else rate)

    def _settle(self, block: Block, found: Sequence[Found]) -> None:
        """Write what differs into the table, keep the worst, and locate the first that is outside its bound."""
        for each in found:
            self._write(each, block.start)
        if self.first is not None or self.non_finite is not None:
            return
        outside = [(each, where) for each in found if (where := each.outside(self.declared)).any()]
        if outside:
            row = min(int(each.gaps.row[np.argmax(where)]) for each, where in outside)
            chosen = [(each, (each.gaps.row == row), where) for each, where in outside]
            self._locate(block, row, [self._first_tensor(e, r, w) for e, r, w in chosen if (r & w).any()])

    def _first_tensor(self, found: Found, in_row: Array, outside: Array) -> Found:
        """Return the elements of the first tensor, at one step, that has one outside its bound."""
        tensor = self.layout.tensor_of(found.gaps.position)
        return found.among(in_row & (tensor == tensor[np.argmax(in_row & outside)]))

    def _write(self, found: Found, start: int) -> None:
        filled = fill(
            self._parts[found.slot],
            found.gaps,
            found.bound,
            self.layout,
            lambda row: self.learning_rate_at(max(start + row, 0)),
        )
        self.differing += len(found.gaps.row) if found.slot != "gradient" else 0
        self.undecided += int(np.sum(~np.isfinite(found.bound)))
        self._keep_worst(found, filled, start)

    def _keep_worst(self, found: Found, filled: Filled, start: int) -> None:
        rank = np.where(np.isnan(filled.ratio), -1.0, filled.ratio)
        best = int(np.argmax(rank))
        if self.worst is not None and rank[best] <= _rank(self.worst.ratio):
            return
        at = int(filled.worst[best])
        step = start + int(found.gaps.row[at])
        name, index = self.layout.index(int(found.gaps.position[at]))
        signed = found.gaps.signed[at]
        in_steps = self._parts[found.slot]["in_steps"][filled.rows[best]]
        self.worst = Worst(
            step,
            found.slot,
            name,
            index,
            shown(self.format.dtype.type(found.gaps.obtained[at])),
            shown(self.format.dtype.type(found.gaps.expected[at])),
            shown(found.bound[at]),
            shown(signed),
            shown(filled.ratio[best]),
            shown(found.gaps.ulp[at]),
            shown(in_steps) if found.slot == "parameter" else None,
        )

    def _note_first(self, step: int, found: Found, where: str, note: str) -> None:
        """Keep the element farthest outside its bound as the first divergence, unless one is kept already."""
        ratio = ratios(np.abs(found.gaps.signed), found.bound)
        broken = found.gaps.broken(found.bound, self.declared)
        at = int(np.argmax(np.where(broken, np.inf, np.where(np.isnan(ratio), -1.0, ratio))))
        name, index = self.layout.index(int(found.gaps.position[at]))
        record = Divergence(
            step,
            found.slot,
            name,
            index,
            shown(self.format.dtype.type(found.gaps.obtained[at])),
            shown(self.format.dtype.type(found.gaps.expected[at])),
            shown(found.bound[at]),
            where,
            None if found.exact is None else shown(found.exact[at]),
            note,
        )
        if broken[at] and self.first is None:
            self.non_finite = self.non_finite or record
        elif self.non_finite is None:
            self.first = self.first or record

    def finish(self, subject: str) -> Comparison:
        """Return the verdict and its evidence."""
        verdict, reason = self.verdict()
        return Comparison(
            case=self.problem.cell.id,
            subject=subject,
            gradients=self.source,
            comparison=self.mode,
            verdict=verdict.name,
            reason=reason,
            first_divergence=self.first or self.non_finite,
            worst=self.worst,
            compared=self.compared,
            differing=self.differing,
            notes=self.notes,
            flips=self.flips,
            table=self.table.table(),
            losses=self.losses if any(self.losses.values()) else None,
        )

    def verdict(self) -> tuple[Verdict, str]:
        """Return the verdict on what was fed so far, and its reason in a sentence."""
        if self.first is not None:
            return Verdict.DIVERGED, Verdict.DIVERGED.value
        if self.non_finite is not None:
            return Verdict.NON_FINITE, Verdict.NON_FINITE.value
        if not self.compared:
            return Verdict.UNDECIDED, "nothing was compared: no tensor of the case has an element"
        if self.undecided:
            return Verdict.UNDECIDED, f"{Verdict.UNDECIDED.value} ({self.undecided} of {self.compared} element-steps)"
        verdict = Verdict.ROUNDING if self.differing else Verdict.IDENTICAL
        return verdict, verdict.value


def _after(block: Block, slot: str) -> Array:
    """Return a slot after each step of a block, or the gradients that led there."""
    if slot == "gradient":
        assert block.gradient_rows is not None
        return block.gradient_rows
    return block.rows[slot][1:]


def _rank(ratio: float | str) -> float:
    value = float(ratio)
    return -1.0 if np.isnan(value) else value
