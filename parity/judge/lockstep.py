"""Lockstep: before each step the reference takes the subject's recorded state, so each shows its own local error."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from parity.bounds.network import GradientBounds
from parity.bounds.numerics import Array, unequal
from parity.bounds.rule import Enclosures, SlotRows, bound_around
from parity.case.rule import scaled
from parity.judge import stage
from parity.judge.bounding import Backlog, Batch, Steps
from parity.judge.catch import NOWHERE, catch, draw, sample, total
from parity.judge.evidence import Account, Evidence
from parity.judge.fingerprints import Fingerprints, contracted
from parity.judge.flips import undecided_branches
from parity.judge.gaps import Gaps
from parity.judge.page import Reference, Start, reference
from parity.judge.pieces import Pieces, Seen, Stretch, pieces
from parity.problem.problems import Problem
from parity.trajectory.blocks import Block
from parity.verdicts.results import Catch

STRIDE_BYTES = 262_144
"""Steps that the reference makes at once: as many as fit a core's cache, since each starts from a recorded state."""

PENDING = 1_000_000
"""Differing elements that may wait for their bounds; they are bounded together, which costs one pass."""


class Lockstep:
    """Predicts each state from the one before; slots that a subject hides are the reference's, with their bounds."""

    mode: Final = "lockstep"

    def __init__(self, problem: Problem, against: Reference | None = None) -> None:
        """Take up a problem; ``against`` is what it is held against, unless given the page of its rule."""
        self._problem, self._computes = problem, problem.cell.gradients == "computed"
        self._reference = against or reference(problem)
        layout = self._reference.layout
        self._alike = self._reference.page.rule.steps_alike
        self._account, self._backlog = Account(self._reference), Backlog(self._reference, self._alike)
        self._sample = sample(layout, len(problem.numbers), whole=layout.by_name).of(problem.numbers)
        self._fingerprints = Fingerprints()
        self.pieces = pieces(self._reference, problem)
        """What judges large steps, if they are."""
        self._lock = threading.Lock()
        self._finite = True
        self._catch: dict[str, Catch] = {}
        self._hidden: dict[str, Array] = {}
        self._hidden_errors: dict[str, Array] = {}

    def feed(self, block: Block) -> None:
        """Compare one block."""
        if block.start == 0:
            self._begin({slot: rows[0] for slot, rows in block.rows.items()})
        slots = [slot for slot in ("parameter", *self._reference.page.slots) if slot in block.rows]
        if self._computes and block.gradient_rows is not None:
            slots = ["gradient", *slots]
        self._account.open(block.start, block.count, slots)
        if self.pieces is not None and not self._hidden:
            for row in range(block.count):
                self._in_pieces(self.pieces, block, slots, row)
            self._end(block, slots)
            return
        stride, self._finite = 1, True
        if self._batches and not self._computes:
            layout, itemsize = self._reference.layout, self._reference.format.dtype.itemsize
            stride = max(1, STRIDE_BYTES // max(layout.size * itemsize, 1))
        for first in range(0, block.count, stride):
            self._compare(block, slots, first, min(first + stride, block.count))
        _, outside = self._settle()
        if outside:
            self._locate(block, outside)
        self._end(block, slots, self._finite)

    def _end(self, block: Block, slots: Sequence[str], finite: bool = False) -> None:
        """Judge what both sides agree on in a block, unless all of it is seen to be ``finite``, and keep its losses."""
        if not finite:
            states = {slot: block.after(slot, 0, block.count) for slot in slots}
            self._account.agree(states, block.start, lambda *place: self._stage_of(block, *place))
        if block.losses is not None:
            self._account.add_losses("obtained", [float(value) for value in block.losses])

    def pass_by(self, block: Block) -> None:
        """Take note of a block that is not judged: slots that the subject hides go on in it, and so do their bounds."""
        for row in range(block.count if self._hidden else 0):
            start, _ = self._start(block, row, row + 1)
            expected = self._reference.page.step(start)
            gradients = self._gradient_bounds(start, None) if self._computes else None
            self._backlog.add(Steps(row, start, {}, expected), {}, {"parameter": NOWHERE}, True, gradients)
            batch = self._backlog.take(self._hidden_errors)
            assert batch is not None
            self._carry(expected, batch.enclosures)

    def result(self) -> Evidence:
        """Return what was seen."""
        causes = tuple(self._fingerprints.notes(self._reference.mixes))
        explained = tuple(self._fingerprints.explained())
        return replace(self._account.evidence(), causes=causes, explained=explained, catch=self._catch)

    @property
    def _batches(self) -> bool:
        """Whether many steps can be made and bounded at once: nothing depends on their number or passes on."""
        return self._alike and not self._reference.layout.by_name and not self._hidden

    def _begin(self, first: SlotRows) -> None:
        """Judge the state before the first step, and take up the slots that the subject hides."""
        start = self._reference.page.start(self._problem.params)
        self._account.begin(start, first, self._reference.forms.difference)
        self._hidden = {slot: row for slot, row in start.items() if slot not in first}
        wide = self._reference.format.wide
        self._hidden_errors = {slot: np.zeros(row.size, dtype=wide) for slot, row in self._hidden.items()}
        if self._hidden:
            slots = ", ".join(self._hidden)
            self._account.note(f"the subject does not show {slots}; judged by the reference's own")

    def _compare(self, block: Block, slots: list[str], first: int, last: int) -> None:
        """Make some steps of a block; what differs waits for its bounds, with what is in the sample."""
        start, loss = self._start(block, first, last)
        obtained = {slot: block.after(slot, first, last) for slot in slots}
        expected = {"gradient": start.rows["gradient"], **self._reference.page.step(start)}
        if self._problem.cell.gradients == "shared":
            params = self._reference.layout.split(start.rows["parameter"][0])
            loss = self._problem.loss(params, start.iterations)
        if loss is not None:
            self._account.add_losses("expected", [loss])
        apart = {slot: self._reference.forms.difference(rows, expected[slot]) for slot, rows in obtained.items()}
        unequal = {slot: each.at for slot, each in apart.items() if each.at is not None}
        self._finite = self._finite and all(each.finite for each in apart.values())
        compared = (slot for slot in obtained if slot != "gradient")
        places = self._sample.places(compared, block.start + first, last - first)
        if unequal or self._hidden or any(map(len, places.values())):
            gradients = self._gradient_bounds(start, obtained.get("gradient")) if self._computes else None
            steps = Steps(first, start, obtained, expected)
            self._backlog.add(steps, unequal, places, bool(self._hidden), gradients)
        if self._batches and self._backlog.size <= PENDING:
            return
        enclosures, outside = self._settle()
        if outside:
            self._locate(block, outside)
        if self._hidden:
            self._carry(expected, enclosures)

    def _carry(self, expected: SlotRows, enclosures: Enclosures) -> None:
        """Keep what the slots that the subject hides are after a step, and how far they may be off."""
        for slot in self._hidden:
            own = expected[slot][0]
            self._hidden[slot], self._hidden_errors[slot] = own, bound_around(own, *enclosures[slot])

    def _in_pieces(self, pieces: Pieces, block: Block, slots: Sequence[str], row: int) -> None:
        """Judge one large step, in pieces."""
        start, _ = self._start(block, row, row + 1)
        flat = {slot: rows[0] for slot, rows in start.rows.items()}
        pieces.prepare(flat, start.iterations)
        seen: list[Seen] = []
        for each in pieces.each(lambda piece: self._piece(pieces, block, slots, row, flat, piece)):
            seen += each
        self._account.see(row, seen)
        self._fingerprints.count(sum(each.differing for each in seen), sum(each.flushes for each in seen))
        outside = self._account.first_of(row, seen)
        if outside:
            self._locate(block, outside)
        sampled = self._sample.within(start.iterations, 1)
        if len(sampled):
            rows = {slot: values[sampled] for slot, values in flat.items()}
            before, place = {slot: rows[slot] for slot in slots}, np.arange(len(sampled))
            at = dict.fromkeys(slots, place)
            after = self._reference.page.step(Start(rows, start.iterations))
            drawn = draw(at, at, before, {slot: after[slot] for slot in slots})
            self._catch = total(self._catch, catch(drawn, pieces.enclose(rows, {}, start.iterations), 0))

    def _piece(
        self, pieces: Pieces, block: Block, slots: Sequence[str], row: int, start: SlotRows, piece: slice
    ) -> list[Seen]:
        """Make one piece of a step; bound and measure what differs in it."""
        step = block.start + row
        rows = {slot: values[piece] for slot, values in start.items()}
        expected = self._reference.page.step(Start(rows, step))
        obtained = {slot: block.rows[slot][row + 1][piece] for slot in slots}
        stretch = Stretch(piece.start, step, rows, {}, obtained, expected)
        counts = {slot: pieces.apart(obtained[slot], expected[slot]) for slot in slots}
        if not any(counts.values()):
            return []
        if sum(counts.values()) * pieces.dense >= stretch.size:
            seen = pieces.gauge(stretch)
        else:
            at = np.flatnonzero(pieces.marks(obtained, expected))
            stretch, seen = stretch.among(at), []
            enclosures = pieces.enclose(stretch.rows, {}, step)
            for slot, own in stretch.expected.items():
                seen += pieces.see(slot, piece.start, at, stretch.obtained[slot], own, enclosures[slot], True)
        for slot, own in stretch.expected.items():
            if counts[slot]:
                self._contraction(slot, stretch.rows, stretch.obtained[slot], own, step)
        return seen

    def _contraction(self, slot: str, rows: SlotRows, obtained: Array, expected: Array, step: int) -> None:
        """Test what differs in a mean of squares for a contraction, as long as that explains everything."""
        rule, kept = self._reference.page.rule, self._fingerprints
        keep, power = rule.means.get(slot, ("", 0))
        with self._lock:
            if power != 2 or not kept.contracts:
                return
        where = unequal(obtained, expected)
        gradient = None if where is None else self._reference.page.gradient(Start(rows, step))
        if where is not None and gradient is not None:
            share, format = float(getattr(rule, keep)), self._reference.format
            explained = contracted(obtained[where], rows[slot][where], gradient[where], share, format)
            with self._lock:
                kept.moments += len(where)
                kept.contractions += explained

    def _start(self, block: Block, first: int, last: int) -> tuple[Start, float | None]:
        """Return what some steps start from; where gradients are computed, those of the reference, with its loss."""
        shown = ("parameter", *(slot for slot in self._reference.page.slots if slot in block.rows))
        rows = {slot: block.rows[slot][first:last] for slot in shown}
        rows |= {slot: row[None] for slot, row in self._hidden.items()}
        step, layout = block.start + first, self._reference.layout
        if self._computes:
            evaluation = self._problem.evaluate(layout.split(rows["parameter"][0]), step)
            return Start({**rows, "gradient": layout.join(evaluation.gradients)[None]}, step), evaluation.loss
        assert block.gradient_rows is not None
        return Start({**rows, "gradient": block.gradient_rows[first:last]}, step), None

    def _gradient_bounds(self, start: Start, gradient: Array | None) -> GradientBounds:
        """Return bounds on the reference's own gradients of one step; keep the branches that they leave open.

        ``gradient`` is the subject's, where it shows it.
        """
        split = self._reference.layout.split
        bounds = self._problem.bounds(split(start.rows["parameter"][0]), start.iterations)
        if gradient is not None and self._account.flips_left:
            obtained, expected = split(gradient[0]), split(start.rows["gradient"][0])
            for flip in undecided_branches(bounds, obtained, expected, start.iterations):
                self._account.flip(flip)
        return bounds

    def _settle(self) -> tuple[Enclosures, list[Gaps]]:
        """Bound all that waits and enter it into the account; return the bounds, and what is outside them first."""
        batch = self._backlog.take(self._hidden_errors)
        if batch is None:
            return {}, []
        gaps = [self._gaps(batch, slot) for slot in self._account.slots if slot in batch.slots]
        for each in gaps:
            self._account.write(each)
        self._catch = total(self._catch, batch.catch())
        return batch.enclosures, self._account.first_outside(gaps)

    def _gaps(self, batch: Batch, slot: str) -> Gaps:
        """Return what differs in one slot, once it was looked at for causes."""
        gaps = batch.gaps(slot, self._reference.layout.of(slot).size)
        if not self._computes:
            rule = self._reference.page.rule
            keep, power = rule.means.get(slot, ("", 0))
            means = batch.means(slot, self._reference.page) if power == 2 else None
            old, gradient = (None, None) if means is None else (part[batch.places(slot)] for part in means)
            kept = float(getattr(rule, keep)) if keep else 0.0
            self._fingerprints.take(gaps, old, gradient, kept, self._reference.format)
        return gaps

    def _locate(self, block: Block, outside: Sequence[Gaps]) -> None:
        """Name the stage of the first divergence: of the slot that the formula computes first."""
        slot = stage.earliest([each.slot for each in outside], self._problem.cell)
        gaps = next(each for each in outside if each.slot == slot)
        row, layout = int(gaps.row[0]), self._reference.layout
        name, _ = layout.of(gaps.slot).index(int(gaps.position[0]))
        before, updates = self._stages(block, row)
        after = {slot: layout.of(slot).split(rows[row + 1]) for slot, rows in block.rows.items()}
        if slot in scaled() or (updates is not None and name not in updates):
            self._account.diverge(gaps, slot, "" if slot in scaled() else self._why_not(block.start + row, name))
            return
        if slot == "parameter" and name in self._problem.cell.constraints:
            self._account.diverge(gaps, slot, "it is constrained after the step")
            return
        update = updates[name] if updates else None
        arguments = self._problem.cell.hyperparameters
        where, note = stage.locate(slot, name, before, after, update, arguments)
        self._account.diverge(gaps, where, note)

    def _why_not(self, step: int, name: str) -> str:
        """Say why nothing of a tensor is to change at a step."""
        if name in self._problem.absent(step):
            return "it has no gradient at this step, so that nothing of it is to change"
        if name in self._problem.frozen(step):
            return "it is not trained at this step, so that nothing of it is to change"
        return "a gradient is not finite at this step, which is skipped, so that nothing is to change"

    def _stages(self, block: Block, row: int) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Return the state before a step, by slot and tensor, and the stages that the page makes of it, by tensor."""
        start, _ = self._start(block, row, row + 1)
        before = {slot: self._reference.layout.of(slot).split(rows[0]) for slot, rows in start.rows.items()}
        grads = before.pop("gradient")
        slots = {slot: tensors for slot, tensors in before.items() if slot != "parameter"}
        state = {"iterations": start.iterations, **slots}
        return before, self._reference.page.rule.stages(before["parameter"], grads, state)

    def _stage_of(self, block: Block, row: int, slot: str, tensor: str, index: list[int]) -> str:
        """Return the stage that a value enters at which both sides have and which is not finite."""
        _, updates = self._stages(block, row)
        if not updates or tensor not in updates:
            return slot
        return stage.first_not_finite(updates[tensor], slot, tuple(index)) or slot
