"""Lockstep: before each step the reference takes the subject's recorded state, so each shows its own local error."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from parity.bounds.bounded import Bounded
from parity.bounds.compiled.forms import WORTH_BOUNDING
from parity.bounds.network import GradientBounds, undecided_units
from parity.bounds.numerics import Array, Indices
from parity.bounds.rule import Predicted, bound_around, bounded_step, in_pieces
from parity.judge import stage
from parity.judge.catch import Asked, added, asked, caught, sample
from parity.judge.diff import gaps
from parity.judge.fingerprints import Fingerprints
from parity.judge.fold import Found, Judge, Rows
from parity.problem.problems import Problem
from parity.reference.rmsprop import Update
from parity.trajectory.blocks import Block
from parity.verdicts.results import BranchFlip, Catch, Comparison
from parity.verdicts.verdict import Verdict

MAX_FLIPS = 20

STRIDE_BYTES = 262_144
"""Steps that the reference makes at once: as many as fit a core's cache, since each starts from a recorded state."""

PENDING = 1_000_000
"""Differing elements that may wait for their bounds; they are bounded together, which costs one pass."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where the reference starts some consecutive steps from: flat rows ``[steps, size]`` of everything that goes in.

    ``loss`` is that of the reference, where it computes its own gradients; then there is one step.
    """

    row: int
    params: Array
    grads: Array
    slots: Rows
    iterations: int
    loss: float | None = None


@dataclass(frozen=True, slots=True)
class Picked:
    """The elements of some steps whose bounds are wanted, as positions in the rows ``[steps, size]`` taken as one.

    ``touched`` maps a slot to its differing elements: places in ``at``, obtained and expected values. ``asked`` are
    those that are in the sample. ``bounds`` are those of the gradients, where the reference computes its own.
    """

    start: Start
    at: Indices
    touched: dict[str, tuple[Indices, Array, Array]]
    asked: Asked
    bounds: GradientBounds | None


class Lockstep(Judge):
    """Predicts each state from the one before; slots that a subject hides are the reference's, with their bounds."""

    mode = "lockstep"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        given = problem.cell.hyperparameters
        every_step_alike = not callable(self.rule.learning_rate) and not given.use_ema
        self._steady = every_step_alike and not given.gradient_accumulation_steps
        self._hidden: Rows = {}
        self._hidden_errors: Rows = {}
        self._prints = Fingerprints()
        self._pending: list[Picked] = []
        self._bounded_so_far = 0
        self._loop: Callable[[Rows], Predicted] | None = None
        self._sample = sample(self.layout, problem.cell.steps, whole=not self.merged)
        self._catch: dict[str, Catch] = {}

    def _compare_start(self, block: Block) -> None:
        super()._compare_start(block)
        slots = self.rule.slots(self.rule.init(self.problem.params))
        self._hidden = {slot: self.layout.join(slots[slot]) for slot in slots if slot not in block.rows}
        self._hidden_errors = {slot: np.zeros(self.layout.size, dtype=self.format.wide) for slot in self._hidden}
        if self._hidden:
            self.notes.append(f"the subject does not show {', '.join(self._hidden)}; judged by the reference's own")

    def _compared_slots(self, block: Block) -> list[str]:
        own = self.source == "computed" and block.gradient_rows is not None
        return (["gradient"] if own else []) + super()._compared_slots(block)

    @property
    def _together(self) -> bool:
        """Whether many steps can be made and bounded at once: nothing depends on their number or passes on."""
        return self.merged and self._steady and not self._hidden

    def _judge(self, block: Block) -> None:
        stride = 1
        if self._together and self.source != "computed":
            stride = max(1, STRIDE_BYTES // max(self.layout.size * self.format.dtype.itemsize, 1))
        for first in range(0, block.count, stride):
            self._judge_steps(block, first, min(first + stride, block.count))
        self._flush(block)

    def _judge_steps(self, block: Block, first: int, last: int) -> None:
        start = self._start(block, first, last)
        made = self._made(start)
        self._take_loss(block, start)
        touched: dict[str, Indices] = {}
        for slot in self._parts:
            expected = start.grads if slot == "gradient" else made[slot]
            at = self.forms.unequal(_obtained(block, slot, first, last), expected)
            if at is not None:
                touched[slot] = at
        drawn = self._sample.within(block.start + first, last - first)
        if touched or self._hidden or len(drawn):
            self._pending.append(self._picked(block, start, made, touched, drawn))
        if self._hidden:
            self._carry(self._flush(block), made)
        elif not self._together or sum(len(picked.at) for picked in self._pending) > PENDING:
            self._flush(block)

    def _take_loss(self, block: Block, start: Start) -> None:
        if start.loss is not None:
            self.losses["expected"].append(start.loss)
        elif self.source == "shared":
            params = self.layout.split(start.params[0])
            self.losses["expected"].append(self.problem.loss(params, block.start + start.row))

    def _start(self, block: Block, first: int, last: int) -> Start:
        """Return what some steps start from; where gradients are computed, the reference's own, of one step."""
        params = block.rows["parameter"][first:last]
        slots = {slot: block.rows[slot][first:last] for slot in self._parts if slot not in ("parameter", "gradient")}
        slots |= {slot: rows[None] for slot, rows in self._hidden.items()}
        step = block.start + first
        if self.source != "computed":
            assert block.gradient_rows is not None
            return Start(first, params, block.gradient_rows[first:last], slots, step)
        evaluation = self.problem.evaluate(self.layout.split(params[0]), step)
        return Start(first, params, self.layout.join(evaluation.gradients)[None], slots, step, evaluation.loss)

    def _made(self, start: Start) -> Rows:
        """Return what the page makes of a start: rows of every slot."""
        rows = {"parameter": start.params, "gradient": start.grads, **start.slots}
        named = {slot: self.named(flat if self.merged else flat[0]) for slot, flat in rows.items()}
        params, grads = named.pop("parameter"), named.pop("gradient")
        after, next_state = self.forms.step(params, grads, {"iterations": start.iterations, **named})
        made = {"parameter": after, **self.rule.slots(next_state)}
        return {slot: np.atleast_2d(self.flat(tensors)) for slot, tensors in made.items()}

    def _picked(self, block: Block, start: Start, made: Rows, touched: dict[str, Indices], drawn: Indices) -> Picked:
        """Return what differs and what is in the sample, and which elements need a bound for it."""
        everything = self._hidden or not self.merged
        wanted = [*touched.values(), *([drawn] if len(drawn) else [])]
        at = np.arange(start.params.size) if everything else _union(wanted, start.params.size)
        place = np.empty(start.params.size, dtype=np.int64)
        place[at] = np.arange(len(at))
        differing = {}
        for slot, where in touched.items():
            obtained = _obtained(block, slot, start.row, start.row + len(start.params)).reshape(-1)[where]
            expected = (start.grads if slot == "gradient" else made[slot]).reshape(-1)[where]
            differing[slot] = (place[where], obtained, expected)
        compared = [slot for slot in self._parts if slot != "gradient"]
        values = asked(compared, drawn, place[drawn], {"parameter": start.params, **start.slots}, made)
        computed = self.source == "computed"
        bounds = self.problem.bounds(self.layout.split(start.params[0]), start.iterations) if computed else None
        return Picked(start, at, differing, values, bounds)

    def _flush(self, block: Block) -> Predicted:
        """Bound all that waits, settle it, and return the bounds."""
        waiting, self._pending = self._pending, []
        if not waiting:
            return {}
        predicted = self._predict(waiting)
        offsets = np.cumsum([0, *(len(picked.at) for picked in waiting)])
        found = [
            self._found(slot, waiting, offsets, predicted[slot])
            for slot in self._parts
            if any(slot in picked.touched for picked in waiting)
        ]
        self._settle(block, found)
        for picked, offset in zip(waiting, offsets, strict=False):
            self._record_flips(block, picked)
            if len(picked.asked.place):
                self._catch = added(self._catch, caught(picked.asked, predicted, int(offset)))
        return predicted

    def _found(self, slot: str, waiting: list[Picked], offsets: Array, predicted: tuple[Array, Array]) -> Found:
        """Return what differs in one slot, with the bounds that were predicted for it."""
        rows, positions, places = [], [], []
        obtained, expected = [], []
        for picked, offset in zip(waiting, offsets, strict=False):
            if slot not in picked.touched:
                continue
            place, theirs, ours = picked.touched[slot]
            row, position = np.divmod(picked.at[place], max(self.layout.size, 1))
            rows.append(row + picked.start.row)
            positions.append(position)
            places.append(place + offset)
            obtained.append(theirs)
            expected.append(ours)
        found = gaps(*(np.concatenate(parts) for parts in (rows, positions, obtained, expected)))
        at = np.concatenate(places)
        value, error = predicted[0][at], predicted[1][at]
        bound = bound_around(found.expected, value, error)
        if self.source != "computed":
            self._prints.take(slot, found, *self._moment_inputs(slot, waiting, at), self.given, self.format)
        return Found(slot, found, bound, value)

    def _moment_inputs(self, slot: str, waiting: list[Picked], at: Indices) -> tuple[Array | None, Array | None]:
        """Return the old second moments and the effective gradients of differing elements; None for other slots."""
        if slot != "second_moment":
            return None, None
        old, effective = [], []
        for picked in waiting:
            start = picked.start
            chosen = (rows.reshape(-1)[picked.at] for rows in (start.params, start.grads))
            slots = {name: rows.reshape(-1)[picked.at] for name, rows in start.slots.items()}
            params, grads = chosen
            state = {"iterations": start.iterations, **{name: self.named(rows) for name, rows in slots.items()}}
            updates = self.rule.stages(self.named(params), self.named(grads), state)
            if updates is None:
                return None, None
            effective.append(self.flat({name: update.gradient for name, update in updates.items()}))
            old.append(slots["second_moment"])
        return np.concatenate(old)[at], np.concatenate(effective)[at]

    def causes(self) -> list[str]:
        """Return what the differences inside the bound betray about the subject's arithmetic."""
        return self._prints.notes(self.whole)

    def finish(self, subject: str) -> Comparison:
        """Return the verdict and its evidence; rounding is followed by its causes, where they can be told."""
        comparison = msgspec.structs.replace(super().finish(subject), catch=self._catch)
        if comparison.outcome is not Verdict.ROUNDING:
            return comparison
        return msgspec.structs.replace(comparison, notes=[*comparison.notes, *self.causes()])

    def _predict(self, waiting: list[Picked]) -> Predicted:
        """Make the steps on bounded arrays and return exact values with bounds, for the picked elements in a row."""
        first = waiting[0].start
        rows = {
            "parameter": _gathered([picked.start.params for picked in waiting], waiting),
            "gradient": _gathered([picked.start.grads for picked in waiting], waiting),
            **{slot: _gathered([picked.start.slots[slot] for picked in waiting], waiting) for slot in first.slots},
            **{f"{slot} error": error for slot, error in self._hidden_errors.items()},
        }
        own = [self._gradient_bounds(picked.bounds, picked.at) for picked in waiting if picked.bounds is not None]
        if own:
            rows["gradient"], rows["gradient error"] = (np.concatenate(parts) for parts in zip(*own, strict=True))
        self._bounded_so_far += rows["parameter"].size
        if self.merged and self._steady and self._loop is None and self._bounded_so_far > WORTH_BOUNDING:
            self._loop = self.forms.bounds(self._bounded_step, rows)
        if self._loop is not None:
            return self._loop(rows)

        def make(piece: slice) -> Predicted:
            made = self._bounded_step({name: row[piece] for name, row in rows.items()}, first.iterations)
            return {slot: self.spread(tensors) for slot, tensors in made.items()}

        return in_pieces(make, rows["parameter"].size) if self.merged else make(slice(None))

    def _bounded_step(self, rows: Rows, iterations: int = 0) -> dict[str, Mapping[str, Bounded]]:
        """Return what a step makes of flat rows, by slot and tensor; a gradient with an error is wide and exact."""
        given: dict[str, Any] = {name: self.named(row) for name, row in rows.items()}
        errors = {name.removesuffix(" error"): given.pop(name) for name in rows if name.endswith(" error")}
        if "gradient" in errors:
            off = errors.pop("gradient")
            given["gradient"] = {n: Bounded(value, off[n], self.format) for n, value in given["gradient"].items()}
        return bounded_step(self.bounded_rule, given, iterations, errors)

    def _gradient_bounds(self, bounds: GradientBounds, at: Indices) -> tuple[Array, Array]:
        """Return exact gradients and their bounds at the picked elements of one step."""
        cuts = np.searchsorted(at, self.layout.starts), np.searchsorted(at, self.layout.ends)
        pairs = [
            bounds.at(name, at[low:high] - start)
            for name, low, high, start in zip(self.layout.names, *cuts, self.layout.starts, strict=True)
        ]
        return np.concatenate([pair[0] for pair in pairs]), np.concatenate([pair[1] for pair in pairs])

    def _carry(self, predicted: Predicted, made: Rows) -> None:
        """Take the reference's own step for the slots that the subject hides, with the bound that it has reached."""
        for slot in self._hidden:
            value, error = predicted[slot]
            self._hidden[slot] = made[slot][0]
            self._hidden_errors[slot] = bound_around(made[slot][0], value, error)

    def _locate(self, block: Block, row: int, found: Sequence[Found]) -> None:
        slot = stage.earliest([each.slot for each in found])
        chosen = next(each for each in found if each.slot == slot)
        name, _ = self.layout.index(int(chosen.gaps.position[0]))
        before, updates = self._stages(block, row)
        after = {s: self.layout.split(rows[row + 1]) for s, rows in block.rows.items()}
        update = updates[name] if updates else None
        where, note = stage.locate(slot, name, before, after, update, self.given)
        self._note_first(block.start + row, chosen, where, note)

    def _stages(self, block: Block, row: int) -> tuple[dict[str, Any], dict[str, Update] | None]:
        """Return the state before a step, by slot and tensor, and the stages that the page makes of it, by tensor."""
        start = self._start(block, row, row + 1)
        params, grads = self.layout.split(start.params[0]), self.layout.split(start.grads[0])
        slots = {s: self.layout.split(rows[0]) for s, rows in start.slots.items()}
        updates = self.rule.stages(params, grads, {"iterations": start.iterations, **slots})
        return {"parameter": params, **slots}, updates

    def _stage_of(self, block: Block, row: int, slot: str, position: int) -> str:
        name, index = self.layout.index(position)
        _, updates = self._stages(block, row)
        return stage.first_not_finite(updates[name], tuple(index)) or slot if updates else slot

    def _record_flips(self, block: Block, picked: Picked) -> None:
        """A unit within rounding of zero that passes a gradient at one side and none at the other (batches of one)."""
        if picked.bounds is None or block.gradient_rows is None:
            return
        start = picked.start
        obtained, expected = (self.layout.split(r) for r in (block.gradient_rows[start.row], start.grads[0]))
        for layer, example, unit in undecided_units(picked.bounds):
            name = f"dense_{layer}/bias"
            if (obtained[name][unit] == 0) != (expected[name][unit] == 0) and len(self.flips) < MAX_FLIPS:
                pre = picked.bounds.hidden[layer - 1]
                z, e = float(pre.v[example, unit]), float(pre.e[example, unit])
                self.flips.append(BranchFlip(start.iterations, layer, unit, example, z, z, e))


def _obtained(block: Block, slot: str, first: int, last: int) -> Array:
    if slot == "gradient":
        assert block.gradient_rows is not None
        return block.gradient_rows[first:last]
    return block.rows[slot][first + 1 : last + 1]


def _union(positions: list[Indices], size: int) -> Indices:
    """Return every position that occurs, in order; none exceeds ``size``."""
    if len(positions) == 1:
        return positions[0]
    found = np.zeros(size, dtype=bool)
    for each in positions:
        found[each] = True
    return np.flatnonzero(found)


def _gathered(rows: list[Array], waiting: list[Picked]) -> Array:
    parts = [each.reshape(-1)[picked.at] for each, picked in zip(rows, waiting, strict=True)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
