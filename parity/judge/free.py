"""Free: the reference runs alone from the same start, so drift accumulates, and so does the bound on it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from parity.bounds.numerics import Array, Indices
from parity.bounds.rule import Enclosures, SlotRows, bound_around
from parity.judge import stage
from parity.judge.envelope import Envelope
from parity.judge.evidence import Account, Evidence
from parity.judge.flips import opposite_branches
from parity.judge.gaps import Gaps, gaps_of
from parity.judge.page import Reference, Start, reference
from parity.judge.pieces import Pieces, Seen, Stretch, pieces
from parity.problem.problems import Problem
from parity.trajectory.blocks import Block
from parity.verdicts.results import Divergence
from parity.verdicts.verdict import Verdict

_NOWHERE = np.zeros(0, dtype=np.int64)


class Free:
    """Runs the reference on its own.

    With replayed or shared gradients the update does not feed back into its input, so the running error bound is
    carried from step to step: it starts again at zero wherever every visible bit agrees. With computed gradients a
    trajectory is chaotic: no useful bound exists, so drift is drawn beside an envelope (copies of the reference that
    start one ULP away) and the verdict is that of the local steps: when each of them is inside its bound, the drift is
    accumulated rounding.
    """

    mode: Final = "free"

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._reference = reference(problem)
        self._account = Account(self._reference)
        self._state = self._reference.page.start(problem.params)
        self._reach = Reach(self._reference)
        self.pieces = pieces(self._reference, problem)
        """What judges large steps, if they are."""
        computes = problem.cell.gradients == "computed"
        self._envelope = Envelope(problem, self._reference.page) if computes else None

    def feed(self, block: Block) -> None:
        """Compare one block."""
        if block.start == 0:
            first = {slot: rows[0] for slot, rows in block.rows.items()}
            self._account.begin(self._state, first, self._reference.forms.difference)
        slots = [slot for slot in self._state if slot in block.rows]
        self._account.open(block.start, block.count, slots)
        if self._envelope is not None:
            for row in range(block.count):
                self._drift(self._envelope, block, row)
        else:
            self._judge(block, slots)
            # Where the trajectory is chaotic, what both sides agree on is left to the local steps, which saw it too.
            self._account.agree({slot: block.after(slot, 0, block.count) for slot in slots}, block.start)
        if block.losses is not None:
            self._account.add_losses("obtained", [float(value) for value in block.losses])

    def pass_by(self, block: Block) -> None:
        """Make the steps of a block that is not judged: the reference and the bound on it go on."""
        if self._envelope is None:
            slots = [slot for slot in self._state if slot in block.rows]
            if not self._goes_in_pieces(slots):
                self._advance(block, slots)
                return
            for row in range(block.count):
                self._in_pieces(block, row)
            return
        for row in range(block.count):
            self._own_step(self._envelope, block, row)

    def result(self, local: Evidence | None) -> Evidence:
        """Return what was seen, in the light of the local steps, where those were judged.

        They say at which stage a divergence entered, and what differences inside the bound betray; where gradients are
        computed, they decide.
        """
        evidence = self._account.evidence()
        if self._envelope is not None:
            return _by_local_steps(evidence, local, self._envelope)
        if local is None:
            return evidence
        divergence = _with_stage(evidence.divergence, local)
        return replace(evidence, divergence=divergence, causes=local.causes)

    def _judge(self, block: Block, slots: Sequence[str]) -> None:
        """Make the steps of a block, each from where the reference is; bound what differs, and enter it."""
        if self._goes_in_pieces(slots):
            for row in range(block.count):
                seen = self._in_pieces(block, row)
                self._account.see(row, seen)
                self._diverge(self._account.first_of(row, seen))
            return
        gaps = self._advance(block, slots)
        for each in gaps:
            self._account.write(each)
        self._diverge(self._account.first_outside(gaps))

    def _diverge(self, outside: Sequence[Gaps]) -> None:
        """Keep the first divergence: of the slot that the formula computes first."""
        if outside:
            slot = stage.earliest([each.slot for each in outside], self._problem.cell)
            first = next(each for each in outside if each.slot == slot)
            self._account.diverge(first, slot, "")

    def _goes_in_pieces(self, slots: Sequence[str]) -> bool:
        return self.pieces is not None and len(slots) == len(self._state)

    def _in_pieces(self, block: Block, row: int) -> list[Seen]:
        """Make one large step in pieces, where the reference is; return what differs, with the bound it has reached."""
        pieces, step = self.pieces, block.start + row
        assert pieces is not None
        assert block.gradient_rows is not None
        gradient = block.gradient_rows[row]
        errors = self._reach.begun(self._state)
        pieces.prepare({**self._state, "gradient": gradient}, step)
        seen: list[Seen] = []
        for each in pieces.each(lambda piece: self._piece(pieces, block, row, gradient, errors, piece)):
            seen += each
        return seen

    def _piece(
        self, pieces: Pieces, block: Block, row: int, gradient: Array, errors: SlotRows, piece: slice
    ) -> list[Seen]:
        """Make one piece of a step in place; carry its bound, and measure what differs."""
        step, slots = block.start + row, list(self._state)
        rows = {**{slot: values[piece] for slot, values in self._state.items()}, "gradient": gradient[piece]}
        reached = {slot: values[piece] for slot, values in errors.items()}
        expected = self._reference.page.step(Start(rows, step))
        obtained = {slot: block.rows[slot][row + 1][piece] for slot in slots}
        seen = pieces.reach(Stretch(piece.start, step, rows, reached, obtained, expected))
        for slot in slots:
            self._state[slot][piece] = expected[slot]
        return seen

    def _advance(self, block: Block, slots: Sequence[str]) -> list[Gaps]:
        """Make the steps of a block, and return what differs in each slot, with the bound that it has reached."""
        assert block.gradient_rows is not None
        columns: dict[str, list[tuple[Array, ...]]] = {slot: [] for slot in slots}
        for row in range(block.count):
            start = Start({**self._state, "gradient": block.gradient_rows[row]}, block.start + row)
            self._state = self._reference.page.step(start)
            obtained = {slot: block.rows[slot][row + 1] for slot in slots}
            apart = {slot: self._reference.forms.difference(obtained[slot], self._state[slot]) for slot in slots}
            unequal = {slot: each.at for slot, each in apart.items() if each.at is not None}
            self._reach.advance(start, self._state, unequal, hides=len(slots) < len(self._state))
            for slot, at in unequal.items():
                values = (rows[slot][at] for rows in (obtained, self._state, self._reach.errors))
                columns[slot].append((np.full(len(at), row, dtype=np.int64), at, *values))
        return [
            gaps_of(slot, *(np.concatenate(each) for each in zip(*parts, strict=True)))
            for slot, parts in columns.items()
            if parts
        ]

    def _drift(self, envelope: Envelope, block: Block, row: int) -> None:
        """Make a step with the reference's own gradients, and measure how far the subject is from it."""
        loss = self._own_step(envelope, block, row)
        self._account.add_losses("expected", [loss])
        obtained = {slot: rows[row + 1] for slot, rows in block.rows.items()}
        self._account.write_drift(row, obtained, self._state, self._reference.forms.drift)
        self._account.one_side(row, obtained, self._state)

    def _own_step(self, envelope: Envelope, block: Block, row: int) -> float:
        """Make a step with the reference's own gradients, and return the loss before it."""
        step, layout = block.start + row, self._reference.layout
        evaluation = self._problem.evaluate(layout.split(self._state["parameter"]), step)
        if self._account.flips_left:
            params = layout.split(block.rows["parameter"][row])
            for flip in opposite_branches(self._problem, params, evaluation, step):
                self._account.flip(flip)
        gradient = layout.join(evaluation.gradients)
        self._state = self._reference.page.step(Start({**self._state, "gradient": gradient}, step))
        envelope.step(step, block.rows["parameter"][row + 1], self._state["parameter"])
        return evaluation.loss


class Reach:
    """How far a right subject may be from the reference by now: the bound that is carried from step to step."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self.errors: dict[str, Array] = {}
        """By slot a wide row ``[size]`` of its own; empty as long as every bit agrees."""

    def begun(self, state: SlotRows) -> dict[str, Array]:
        """Return the bounds by slot, all zero where none was reached yet."""
        if not self.errors:
            self.errors = {slot: np.zeros(own.size, dtype=self._reference.format.wide) for slot, own in state.items()}
        return self.errors

    def advance(self, start: Start, after: SlotRows, unequal: Mapping[str, Indices], hides: bool) -> None:
        """Carry the bound on |obtained - expected| through one step of the page, for elements where it is not zero.

        ``unequal`` are the elements that differ after it, by slot; ``hides`` is whether the subject hides a slot.
        """
        if not unequal and not self.errors:
            return
        layout = self._reference.layout
        self.begun(after)
        alike = [[slot for slot in after if slot not in layout.own], *([slot] for slot in layout.own)]
        apart = [self._apart(slots, unequal) for slots in alike]
        active: Any = slice(None)
        if not hides and not layout.by_name:
            active = np.flatnonzero(np.any([*apart, *(errors != 0 for errors in self.errors.values())], axis=0))
        if not any(own[active].size for own in after.values()):
            return
        enclosures = self._enclosures(start, active)
        for slot, own in after.items():
            self.errors[slot][active] = bound_around(own[active], *enclosures[slot])
        for slots, differing in zip(alike, apart, strict=True) if not hides else ():
            equal = np.flatnonzero(~differing) if isinstance(active, slice) else active[~differing[active]]
            for slot in slots:
                self.errors[slot][equal] = 0

    def _apart(self, slots: Sequence[str], unequal: Mapping[str, Indices]) -> NDArray[np.bool_]:
        """Return where any of some slots that lie alike differs."""
        differing = np.zeros(self.errors[slots[0]].size, dtype=np.bool_)
        for slot in slots:
            differing[unequal.get(slot, _NOWHERE)] = True
        return differing

    def _enclosures(self, start: Start, active: Any) -> Enclosures:
        """Make the step on the chosen elements, each with the bound it has reached; a slice is of any slot."""
        everything = isinstance(active, slice)

        def enclose(piece: slice) -> Enclosures:
            at = piece if everything else active[piece]
            rows = {slot: row[at] for slot, row in start.rows.items()}
            reached = {slot: errors[at] for slot, errors in self.errors.items()}
            enclosures = self._reference.bounded.enclose(rows, reached, start.iterations)
            return {slot: enclosures[slot] for slot in reached}

        count = self._reference.layout.size if everything else len(active)
        return self._reference.bounded.in_pieces(enclose, count)


def _with_stage(divergence: Divergence | None, local: Evidence) -> Divergence | None:
    """Return a divergence with the stage of the local one, if that is no later."""
    known = local.divergence
    if divergence is None or known is None or known.step > divergence.step:
        return divergence
    if local.verdict is Verdict.NON_FINITE and known.step == divergence.step:
        return msgspec.structs.replace(divergence, stage=known.stage)
    if local.verdict is not Verdict.DIVERGED:
        return divergence
    return msgspec.structs.replace(divergence, stage=known.stage, note=known.note)


def _by_local_steps(evidence: Evidence, local: Evidence | None, envelope: Envelope) -> Evidence:
    """Return the evidence on a chaotic run: the verdict of the local steps, unless every bit agrees."""
    evidence = replace(evidence, envelope=envelope.curves())
    assert local is not None
    verdict, reason = local.verdict, local.reason
    if evidence.verdict is Verdict.NON_FINITE and not verdict.fails:
        return evidence
    if not evidence.differing and not verdict.fails:
        return replace(evidence, verdict=Verdict.IDENTICAL, reason=Verdict.IDENTICAL.value)
    if verdict in (Verdict.IDENTICAL, Verdict.ROUNDING):
        verdict, reason = (
            Verdict.ROUNDING,
            (
                f"every step is inside its local bound, so the drift is accumulated rounding; at the end it is "
                f"{envelope.times:.2g} times that of a reference started one ULP away"
            ),
        )
    return replace(evidence, verdict=verdict, reason=reason, divergence=local.divergence)
