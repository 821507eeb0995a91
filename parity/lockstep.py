"""Lockstep: before each step the reference takes the subject's recorded state, so each shows its own local error."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parity import stage
from parity.bounds import Bounded, in_pieces, lifted, spread
from parity.diff import Difference, difference
from parity.fingerprints import Fingerprints
from parity.forward_bounds import GradientBounds, gradient_bounds, undecided_units
from parity.judge import Judge, Named, Touched
from parity.numerics import Array, differs
from parity.problem import Evaluation, MlpProblem, Problem, QuadraticProblem
from parity.reference.rmsprop import Update
from parity.results import BranchFlip
from parity.trajectory import Block
from parity.verdict import Verdict

MAX_FLIPS = 20
Found = tuple[str, str, Difference, Array, Array]


class Lockstep(Judge):
    """Predicts each state from the one before; slots that a subject hides are the reference's, with their bounds."""

    mode = "lockstep"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._hidden: dict[str, Any] = {}
        self._hidden_errors: dict[str, dict[str, Array]] = {}
        self._prints = Fingerprints()
        self._starts: list[tuple[Mapping[str, Array], dict[str, Any], Mapping[str, Array]]] = []

    def _compare_start(self, block: Block) -> None:
        super()._compare_start(block)
        slots = self.rule.slots(self.rule.init(self.problem.params))
        self._hidden = {slot: dict(tensors) for slot, tensors in slots.items() if slot not in block.columns}
        zeros = {n: np.zeros(w.shape, dtype=self.format.wide) for n, w in self.problem.params.items()}
        self._hidden_errors = {slot: dict(zeros) for slot in self._hidden}
        if self._hidden:
            self.notes.append(f"the subject does not show {', '.join(self._hidden)}; judged by the reference's own")

    def _expect(self, block: Block) -> tuple[Named, list[Evaluation | None]]:
        shown = ["parameter", *(s for s in self.rule.slots(self.rule.init(self.problem.params)) if s in block.columns)]
        if self.source == "computed" and block.gradients is not None:
            shown.insert(0, "gradient")
        expected: Named = {
            slot: {n: np.empty((block.count, *w.shape), dtype=w.dtype) for n, w in self.problem.params.items()}
            for slot in shown
        }
        evaluations: list[Evaluation | None] = []
        self._starts = []
        for row in range(block.count):
            before = {slot: tensors for slot, tensors in block.before(row).items() if slot in shown}
            params, step = before.pop("parameter"), block.start + row
            evaluation = self.problem.evaluate(params, step) if self.source != "replayed" else None
            grads = evaluation.gradients if evaluation and self.source == "computed" else block.gradient(row)
            state: dict[str, Any] = {**self._hidden, **before, "iterations": step}
            after, next_state = self.rule.step(params, grads, state)
            self._hidden = {slot: next_state[slot] for slot in self._hidden}
            made = {"parameter": after, "gradient": grads, **self.rule.slots(next_state)}
            for slot in shown:
                for name, column in expected[slot].items():
                    column[row] = made[slot][name]
            self._starts.append((params, state, grads))
            evaluations.append(evaluation)
        return expected, evaluations

    def _settle(self, block: Block, row: int, expected: Named, touched: Touched, parts: Any) -> None:
        if not touched and not self._hidden:
            return
        step = block.start + row
        found = {
            (slot, name): difference(_obtained(block, row, slot, name), expected[slot][name][row], where)
            for (slot, name), where in touched.items()
        }
        chosen = None if self.whole or self._hidden else _union(touched)
        gradients = self._gradient_bounds(row, step)
        if chosen is None:
            predicted = self._predict(row, None, gradients)
        else:
            predicted = in_pieces(lambda pick: self._predict(row, pick, gradients), chosen)
        if self._hidden:
            self._carry(predicted)
        outside: list[Found] = []
        updates = self._stages(row, chosen) if self.source != "computed" else None
        for (slot, name), gap in found.items():
            value, error = predicted[slot][name]
            at = gap.index if chosen is None else np.searchsorted(chosen[name], gap.index)
            exact = value.reshape(-1)[at]
            bound = error.reshape(-1)[at] + np.abs(gap.expected - exact)
            bound = np.where(np.isnan(bound), np.inf, bound)
            if updates is not None:
                self._prints.take(
                    slot, gap, self._old(row, slot, name, gap), updates[name], at, self.given, self.format
                )
            broken = np.isfinite(bound) & (np.isfinite(gap.obtained) != np.isfinite(gap.expected))
            if self._row(parts[slot, name], row, step, slot, name, gap, bound) or broken.any():
                outside.append((slot, name, gap, bound, exact))
        if outside and self.first is None and self.non_finite is None:
            self._locate(block, row, outside)
        if gradients is not None and block.gradients is not None:
            self._record_flips(block, row, step, gradients)

    def _stages(self, row: int, chosen: Mapping[str, NDArray[np.int64]] | None) -> dict[str, Update] | None:
        """Return the inside of the reference's step, at the chosen elements; None where a step only accumulates."""
        params, state, grads = self._starts[row]
        if chosen is None:
            return self.rule.stages(params, grads, state)

        def pick(tensors: Mapping[str, Array]) -> dict[str, Array]:
            return {name: np.asarray(tensors[name]).reshape(-1)[at] for name, at in chosen.items()}

        slots = {slot: pick(tensors) for slot, tensors in self.rule.slots(state).items()}
        return self.rule.stages(pick(params), pick(grads), {**slots, "iterations": state["iterations"]})

    def _old(self, row: int, slot: str, name: str, gap: Difference) -> Array:
        params, state, _ = self._starts[row]
        array: Array = np.asarray(state.get(slot, params)[name]).reshape(-1)
        return array[gap.index]

    def causes(self) -> list[str]:
        """Return what the differences inside the bound betray about the subject's arithmetic."""
        return self._prints.notes(self.whole)

    def _verdict(self) -> tuple[Verdict, str]:
        verdict, reason = super()._verdict()
        if verdict is Verdict.ROUNDING:
            self.notes += self.causes()
        return verdict, reason

    def _gradient_bounds(self, row: int, step: int) -> GradientBounds | None:
        if self.source != "computed":
            return None
        params, _, _ = self._starts[row]
        if isinstance(self.problem, MlpProblem):
            batch = self.problem.batch(step)
            return gradient_bounds(params, batch.x, self.problem.one_hot(batch.y), self.problem.scale)
        assert isinstance(self.problem, QuadraticProblem)
        return self.problem.bounds(params)

    def _predict(
        self, row: int, chosen: Mapping[str, NDArray[np.int64]] | None, gradients: GradientBounds | None
    ) -> dict[str, dict[str, tuple[Array, Array]]]:
        """Make the step on bounded arrays, flattened to the chosen elements, and return exact values with bounds."""
        params, state, grads = self._starts[row]
        names = [name for name in params if chosen is None or name in chosen]
        pick = None if chosen is None else {name: chosen[name] for name in names}
        bounded_state: dict[str, Any] = {"iterations": state["iterations"]}
        for slot, tensors in self.rule.slots(state).items():
            errors = self._hidden_errors.get(slot)
            least = 0.0 if slot == "second_moment" else None
            bounded_state[slot] = lifted({n: tensors[n] for n in names}, errors, pick, least)
        if gradients is None:
            bounded_grads: dict[str, Any] = lifted({n: grads[n] for n in names}, None, pick)
        else:
            bounded_grads = {n: self._bounded_gradient(gradients, n, pick) for n in names}
        after, next_state = self.bounded_rule.step(
            lifted({n: params[n] for n in names}, None, pick), bounded_grads, bounded_state
        )
        made = {"parameter": after, "gradient": bounded_grads, **self.rule.slots(next_state)}
        return {slot: {name: spread(b) for name, b in tensors.items()} for slot, tensors in made.items()}

    def _bounded_gradient(self, gradients: GradientBounds, name: str, pick: Mapping[str, Array] | None) -> Bounded:
        value, error = gradients.values[name], gradients.errors[name]
        if pick is not None:
            value, error = value.reshape(-1)[pick[name]], error.reshape(-1)[pick[name]]
        return Bounded(value, error, self.format)

    def _carry(self, predicted: Mapping[str, Mapping[str, tuple[Array, Array]]]) -> None:
        for slot, errors in self._hidden_errors.items():
            for name in errors:
                value, error = predicted[slot][name]
                errors[name] = np.asarray(
                    error + np.abs(np.asarray(self._hidden[slot][name]).astype(value.dtype) - value)
                )

    def _locate(self, block: Block, row: int, outside: list[Found]) -> None:
        slot = stage.earliest([found[0] for found in outside])
        _, name, gap, bound, exact = next(found for found in outside if found[0] == slot)
        params, state, grads = self._starts[row]
        updates = self.rule.stages(params, grads, state)
        after = {s: {n: c[row + 1] for n, c in tensors.items()} for s, tensors in block.columns.items()}
        before = {"parameter": params, **self.rule.slots(state)}
        update = updates[name] if updates else None
        where, note = stage.locate(slot, name, before, after, update, self.given)
        self._note_first(block.start + row, slot, name, gap, bound, where, note, exact)

    def _record_flips(self, block: Block, row: int, step: int, gradients: GradientBounds) -> None:
        """A unit within rounding of zero that passes a gradient at one side and none at the other (batches of one)."""
        assert block.gradients is not None
        for layer, example, unit in undecided_units(gradients):
            name = f"dense_{layer}/bias"
            obtained = block.gradients[name][row][unit]
            expected = self._starts[row][2][name][unit]
            if (obtained == 0) != (expected == 0) and len(self.flips) < MAX_FLIPS:
                pre = gradients.hidden[layer - 1]
                z, e = float(pre.v[example, unit]), float(pre.e[example, unit])
                self.flips.append(BranchFlip(step, layer, unit, example, z, z, e))


def _obtained(block: Block, row: int, slot: str, name: str) -> Array:
    if slot == "gradient":
        assert block.gradients is not None
        return np.asarray(block.gradients[name][row])
    return np.asarray(block.columns[slot][name][row + 1])


def _union(touched: Touched) -> dict[str, NDArray[np.int64]]:
    """Return, for each tensor, the flat indices that differ in any slot, sorted."""
    joined: dict[str, Array] = {}
    for (_, name), where in touched.items():
        joined[name] = where if name not in joined else joined[name] | where
    return {name: np.flatnonzero(where) for name, where in joined.items()}


__all__ = ["Lockstep", "differs"]
