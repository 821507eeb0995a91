"""Free: the reference runs alone from the same start, so drift accumulates, and so does the bound on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from parity.bounds.compiled.kinds import Step
from parity.bounds.numerics import Array, Indices, shown
from parity.bounds.rule import Predicted, bound_around, bounded_step, in_pieces
from parity.judge import stage
from parity.judge.diff import fill_drift, gaps
from parity.judge.fold import Found, Judge, Rows
from parity.judge.lockstep import MAX_FLIPS, Lockstep
from parity.problem.problems import Evaluation, MlpProblem, Problem
from parity.reference import network
from parity.reference.rmsprop import RMSprop
from parity.trajectory.blocks import Block
from parity.verdicts.results import BranchFlip, Comparison, Divergence, Worst
from parity.verdicts.verdict import Verdict

COPIES = 2
DRIFT_POINTS = 200

_ENVELOPES: dict[bytes, list[float]] = {}
"""Case cell to its envelope, which no subject changes: a process that runs several of them makes it once."""


@dataclass(frozen=True, slots=True)
class _Start:
    """Where the reference starts a step from: flat rows of everything that goes in."""

    params: Array
    grads: Array
    slots: Rows
    iterations: int


class Free(Judge):
    """Runs the reference on its own.

    With replayed or shared gradients the update does not feed back into its input, so the running error bound is
    carried from step to step: it starts again at zero wherever every visible bit agrees. With computed gradients a
    trajectory is chaotic: no useful bound exists, so drift is drawn beside an envelope (copies of the reference that
    start one ULP away) and the verdict is that of the local steps: when each of them is inside its bound, the drift is
    accumulated rounding.
    """

    mode = "free"

    def __init__(self, problem: Problem, local: Lockstep | None) -> None:
        super().__init__(problem)
        self._local = local
        self._params = self.layout.join(problem.params)
        state = self.rule.slots(self.rule.init(problem.params))
        self._slots: Rows = {slot: self.layout.join(tensors) for slot, tensors in state.items()}
        self._errors: Rows | None = None
        self._key = msgspec.json.encode(problem.cell)
        self._known = _ENVELOPES.get(self._key)
        wanted = self.source == "computed" and self._known is None
        self._copies = _perturbed(problem, self.rule, self.forms.step) if wanted else []
        self._every = max(1, problem.cell.steps // DRIFT_POINTS)
        self._drift: list[float] = []
        self._envelope: list[float] = []

    def _judge(self, block: Block) -> None:
        found: dict[str, list[tuple[int, Indices, Array, Array, Array]]] = {slot: [] for slot in self._parts}
        for row in range(block.count):
            start, made = self._step(block, row)
            if self.source == "computed":
                self._record_drift(block, row, made)
                continue
            where = {slot: self.forms.unequal(block.rows[slot][row + 1], made[slot]) for slot in self._parts}
            touched = {slot: at for slot, at in where.items() if at is not None}
            if touched or self._errors is not None:
                self._advance_errors(start, made, touched)
            for slot, at in touched.items():
                assert self._errors is not None
                found[slot].append((row, at, block.rows[slot][row + 1][at], made[slot][at], self._errors[slot][at]))
        self._settle(block, [_joined(slot, parts) for slot, parts in found.items() if parts])

    def _step(self, block: Block, row: int) -> tuple["_Start", Rows]:
        """Make one step of the reference; return where it started, and what it made."""
        step = block.start + row
        if self.source == "computed":
            evaluation = self.problem.evaluate(self.layout.split(self._params), step)
            self._watch_branches(block, row, evaluation)
            self.losses["expected"].append(evaluation.loss)
            grads = self.layout.join(evaluation.gradients)
        else:
            assert block.gradient_rows is not None
            grads = block.gradient_rows[row]
        start = _Start(self._params, grads, self._slots, step)
        state = {"iterations": step, **{slot: self.named(flat) for slot, flat in self._slots.items()}}
        after, next_state = self.forms.step(self.named(self._params), self.named(grads), state)
        self._params = self.flat(after)
        self._slots = {slot: self.flat(tensors) for slot, tensors in self.rule.slots(next_state).items()}
        if self.source == "computed":
            self._measure_drift(block, row, step)
        return start, {"parameter": self._params, **self._slots}

    def _record_drift(self, block: Block, row: int, made: Rows) -> None:
        """Write what differs where no bound exists, and keep the largest difference of a parameter as the worst."""
        rate = self.learning_rate_at(block.start + row)
        differing = {
            slot: fill_drift(part, row, block.rows[slot][row + 1], made[slot], self.layout, rate, self.forms.drift)
            for slot, part in self._parts.items()
        }
        self.differing += sum(differing.values())
        if differing["parameter"]:
            self._keep_largest(block, row, made["parameter"])
        if not self.declared and self.non_finite is None:
            self._note_differing(block.start + row, row)

    def _keep_largest(self, block: Block, row: int, made: Array) -> None:
        part, tensors = self._parts["parameter"], len(self.layout.names)
        here = slice(row * tensors, (row + 1) * tensors)
        number = int(np.argmax(part["max_abs"][here]))
        at = row * tensors + number
        if self.worst is not None and not part["max_abs"][at] > abs(float(self.worst.difference)):
            return
        position = int(part["index"][at] + self.layout.starts[number])
        theirs, ours = block.rows["parameter"][row + 1][[position]], made[[position]]
        found = gaps(np.zeros(1, dtype=np.int64), np.array([position], dtype=np.int64), theirs, ours)
        name, index = self.layout.index(position)
        values = (shown(theirs[0]), shown(ours[0]), "Infinity", shown(found.signed[0]), "NaN", shown(found.ulp[0]))
        self.worst = Worst(block.start + row, "parameter", name, index, *values, shown(part["in_steps"][at]))

    def _note_differing(self, step: int, row: int) -> None:
        """Keep the first value that is not finite on one side alone, among those that differ most in their tensors."""
        tensors = len(self.layout.names)
        for slot, part in self._parts.items():
            for number, name in enumerate(self.layout.names):
                at = row * tensors + number
                obtained, expected = part["obtained"][at], part["expected"][at]
                if part["differing"][at] and not (np.isfinite(obtained) and np.isfinite(expected)):
                    _, index = self.layout.index(int(part["index"][at] + self.layout.starts[number]))
                    values = shown(obtained), shown(expected), "Infinity"
                    self.non_finite = Divergence(step, slot, name, index, *values, slot)
                    return

    def _note_agreed(self, block: Block | None, states: Rows, step: int) -> None:
        """Leave to the local steps what both sides agree on in a chaotic trajectory: they saw the same states."""
        if self.source != "computed":
            super()._note_agreed(block, states, step)

    def _stage_of(self, block: Block, row: int, slot: str, position: int) -> str:
        known = self._local.non_finite if self._local else None
        return known.stage if known and known.step == block.start + row else slot

    def _locate(self, block: Block, row: int, found: Sequence[Found]) -> None:
        slot = stage.earliest([each.slot for each in found])
        chosen = next(each for each in found if each.slot == slot)
        step = block.start + row
        known = self._local.first if self._local else None
        where, note = (known.stage, known.note) if known and known.step <= step else (slot, "")
        self._note_first(step, chosen, where, note)

    def _advance_errors(self, start: "_Start", made: Rows, touched: dict[str, Indices]) -> None:
        """Carry the bound on |obtained - expected| through one step of the page, for elements where it is not zero."""
        if self._errors is None:
            self._errors = {slot: np.zeros(self.layout.size, dtype=self.format.wide) for slot in made}
        hides = len(self._parts) < len(made)
        moving = [errors != 0 for errors in self._errors.values()]
        differing = np.zeros(self.layout.size, dtype=bool)
        for at in touched.values():
            differing[at] = True
        everything = self.whole or hides or not self.merged
        active = np.arange(self.layout.size) if everything else np.flatnonzero(np.any([differing, *moving], axis=0))
        if not len(active):
            return
        if self.merged:
            predicted = in_pieces(lambda piece: self._carried(start, active[piece]), len(active))
        else:
            predicted = self._carried(start, active)
        for slot, own in made.items():
            self._errors[slot][active] = bound_around(own[active], *predicted[slot])
        if not hides:
            equal = active[~differing[active]]
            for errors in self._errors.values():
                errors[equal] = 0

    def _carried(self, start: "_Start", at: Indices) -> Predicted:
        """Make the step on the chosen elements, each with the bound it has reached."""
        assert self._errors is not None
        errors = self._errors

        rows = {"parameter": start.params, "gradient": start.grads, **start.slots}
        before = {slot: self.named(flat[at]) for slot, flat in rows.items()}
        reached = {slot: self.named(error[at]) for slot, error in errors.items()}
        made = bounded_step(self.bounded_rule, before, start.iterations, reached)
        made.pop("gradient")
        return {slot: self.spread(tensors) for slot, tensors in made.items()}

    def _watch_branches(self, block: Block, row: int, evaluation: Evaluation) -> None:
        """Record the first units whose ReLU is on at one side and off at the other."""
        if not isinstance(self.problem, MlpProblem) or len(self.flips) >= MAX_FLIPS:
            return
        params, step = self.layout.split(block.rows["parameter"][row]), block.start + row
        theirs = network.forward(params, self.problem.batch(step).x).pre_activations[:-1]
        for layer, (obtained, expected) in enumerate(zip(theirs, evaluation.hidden, strict=True), start=1):
            for example, unit in np.argwhere((obtained > 0) != (expected > 0)):
                a, b = float(obtained[example, unit]), float(expected[example, unit])
                self.flips.append(BranchFlip(step, layer, int(unit), int(example), a, b, abs(a - b)))
        self.flips = self.flips[:MAX_FLIPS]

    def _measure_drift(self, block: Block, row: int, step: int) -> None:
        for copy in self._copies:
            copy.step(self.problem, step)
        if step % self._every and step != self.problem.cell.steps - 1:
            return
        self._drift.append(_distance(block.rows["parameter"][row + 1], self._params))
        if self._known is not None:
            self._envelope.append(self._known[len(self._envelope)])
        else:
            self._envelope.append(max(_distance(self.layout.join(copy.params), self._params) for copy in self._copies))

    def verdict(self) -> tuple[Verdict, str]:
        """Return the verdict; where gradients are computed, that of the local steps unless every bit agrees."""
        if self.source != "computed":
            return super().verdict()
        assert self._local is not None
        verdict, reason = self._local.verdict()
        if self.non_finite is not None and not verdict.fails:
            return Verdict.NON_FINITE, Verdict.NON_FINITE.value
        self.first, self.non_finite = self._local.first, self._local.non_finite
        if not self.differing and not verdict.fails:
            return Verdict.IDENTICAL, Verdict.IDENTICAL.value
        if verdict in (Verdict.IDENTICAL, Verdict.ROUNDING):
            times = self._drift[-1] / self._envelope[-1] if self._envelope and self._envelope[-1] else float("inf")
            reason = (
                f"every step is inside its local bound, so the drift is accumulated rounding; at the end it is "
                f"{times:.2g} times that of a reference started one ULP away"
            )
            return Verdict.ROUNDING, reason
        return verdict, reason

    def finish(self, subject: str) -> Comparison:
        """Return the verdict and its evidence, with the drift beside its envelope where gradients are computed."""
        comparison = super().finish(subject)
        if self._local is not None and comparison.outcome is Verdict.ROUNDING and self.source != "computed":
            comparison = msgspec.structs.replace(comparison, notes=[*comparison.notes, *self._local.causes()])
        if not self._drift:
            return comparison
        _ENVELOPES[self._key] = self._envelope
        return msgspec.structs.replace(comparison, envelope={"drift": self._drift, "envelope": self._envelope})


class _Copy:
    """A reference that starts one ULP away in every parameter."""

    def __init__(self, params: dict[str, Array], state: dict[str, Any], step: Step) -> None:
        self.params, self._state, self._step = params, state, step

    def step(self, problem: Problem, number: int) -> None:
        grads = problem.evaluate(self.params, number).gradients
        self.params, self._state = self._step(self.params, grads, self._state)


def _perturbed(problem: Problem, rule: RMSprop, step: Step) -> list[_Copy]:
    copies = []
    for seed in range(COPIES):
        rng = np.random.default_rng([problem.cell.seed, seed])
        moved = {}
        for name, w in problem.params.items():
            toward = np.where(rng.random(w.shape) < 0.5, -np.inf, np.inf).astype(w.dtype)
            moved[name] = np.asarray(np.nextafter(w, toward))
        copies.append(_Copy(moved, rule.init(moved), step))
    return copies


def _distance(a: Array, b: Array) -> float:
    """Root of the mean squared difference over all parameters."""
    return float(np.sqrt(np.sum(np.square(a.astype(np.float64) - b.astype(np.float64))) / b.size))


def _joined(slot: str, parts: Sequence[tuple[int, Indices, Array, Array, Array]]) -> Found:
    """Return what differs in one slot, step by step, as one set of columns."""
    rows = np.concatenate([np.full(len(at), row, dtype=np.int64) for row, at, *_ in parts])
    at, obtained, expected, bound = (np.concatenate([part[i] for part in parts]) for i in (1, 2, 3, 4))
    return Found(slot, gaps(rows, at, obtained, expected), bound)
