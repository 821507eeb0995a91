"""Free: the reference runs alone from the same start, so drift accumulates, and so does the bound on it."""

from typing import Any

import msgspec
import numpy as np

from parity import stage
from parity.bounds import Pick, Predicted, in_pieces, lifted, spread
from parity.diff import difference
from parity.judge import Judge, Named, Touched
from parity.lockstep import MAX_FLIPS, Lockstep
from parity.numerics import Array, differs
from parity.problem import Evaluation, MlpProblem, Problem
from parity.reference import network
from parity.results import BranchFlip, Comparison
from parity.trajectory import Block
from parity.verdict import Verdict

COPIES = 2
DRIFT_POINTS = 200


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
        self._params: dict[str, Array] = dict(problem.params)
        self._state: dict[str, Any] = self.rule.init(self._params)
        self._errors: dict[str, dict[str, Array]] | None = None
        self._starts: list[tuple[dict[str, Array], dict[str, Any], Any]] = []
        self._copies = _perturbed(problem, self.rule) if self.source == "computed" else []
        self._every = max(1, problem.cell.steps // DRIFT_POINTS)
        self._drift: list[float] = []
        self._envelope: list[float] = []
        self._hides = False

    def _expect(self, block: Block) -> tuple[Named, list[Evaluation | None]]:
        shown = ["parameter", *(slot for slot in self.rule.slots(self._state) if slot in block.columns)]
        self._hides = len(shown) <= len(self.rule.slots(self._state))
        expected: Named = {
            slot: {n: np.empty((block.count, *w.shape), dtype=w.dtype) for n, w in self._params.items()}
            for slot in shown
        }
        evaluations: list[Evaluation | None] = []
        self._starts = []
        for row in range(block.count):
            step = block.start + row
            evaluation = self.problem.evaluate(self._params, step) if self.source == "computed" else None
            grads = evaluation.gradients if evaluation else block.gradient(row)
            if evaluation:
                self._watch_branches(block, row, evaluation)
            self._starts.append((self._params, self._state, grads))
            self._params, self._state = self.rule.step(self._params, grads, self._state)
            made = {"parameter": self._params, **self.rule.slots(self._state)}
            for slot in shown:
                for name, column in expected[slot].items():
                    column[row] = made[slot][name]
            evaluations.append(evaluation)
            if self._copies:
                self._measure_drift(block, row, step)
        return expected, evaluations

    def _settle(self, block: Block, row: int, expected: Named, touched: Touched, parts: Any) -> None:
        if not touched and self._errors is None:
            return
        step = block.start + row
        found = {
            (s, n): difference(block.columns[s][n][row + 1], expected[s][n][row], where)
            for (s, n), where in touched.items()
        }
        if self.source != "computed":
            self._advance_errors(block, row, expected)
        outside = []
        for (slot, name), gap in found.items():
            if self._errors is None:
                bound = np.full(len(gap.index), np.inf, dtype=self.format.wide)
            else:
                bound = self._errors[slot][name].reshape(-1)[gap.index]
            broken = np.isfinite(bound) & (np.isfinite(gap.obtained) != np.isfinite(gap.expected))
            if self._row(parts[slot, name], row, step, slot, name, gap, bound) or broken.any():
                outside.append((slot, name, gap, bound))
        if outside and self.first is None and self.non_finite is None:
            slot = stage.earliest([entry[0] for entry in outside])
            _, name, gap, bound = next(entry for entry in outside if entry[0] == slot)
            known = self._local.first if self._local else None
            where, note = (known.stage, known.note) if known and known.step <= step else (slot, "")
            self._note_first(step, slot, name, gap, bound, where, note)

    def _advance_errors(self, block: Block, row: int, expected: Named) -> None:
        """Carry the bound on |obtained - expected| through one step of the page, for elements where it is not zero."""
        params, state, _ = self._starts[row]
        if self._errors is None:
            zeros = {n: np.zeros(w.shape, dtype=self.format.wide) for n, w in params.items()}
            self._errors = {
                slot: {n: z.copy() for n, z in zeros.items()} for slot in ("parameter", *self.rule.slots(state))
            }
        after = {
            "parameter": expected["parameter"],
            **{s: expected[s] for s in self.rule.slots(state) if s in expected},
        }
        active = {}
        for name in params:
            now = [differs(block.columns[s][name][row + 1], after[s][name][row]) for s in after]
            moving = [errors[name] != 0 for errors in self._errors.values()]
            everything = self.whole or self._hides
            active[name] = (
                np.arange(params[name].size) if everything else np.flatnonzero(np.any([*now, *moving], axis=0))
            )
        names = [name for name in params if len(active[name])]
        if not names:
            return
        chosen = {name: active[name] for name in names}
        if self.whole:
            predicted = self._carried(row, chosen)
        else:
            predicted = in_pieces(lambda pick: self._carried(row, pick), chosen)
        reached = self._starts[row + 1][:2] if row + 1 < len(self._starts) else (self._params, self._state)
        made = {"parameter": reached[0], **self.rule.slots(reached[1])}
        for slot, tensors in predicted.items():
            for name, (value, error) in tensors.items():
                own = np.asarray(made[slot][name]).reshape(-1)[chosen[name]].astype(self.format.wide)
                reach = error.reshape(-1) + np.abs(own - value.reshape(-1))
                self._errors[slot][name].reshape(-1)[chosen[name]] = np.where(np.isnan(reach), np.inf, reach)
        if not self._hides:
            self._forget_where_equal(block, row, after, chosen)

    def _carried(self, row: int, pick: Pick) -> Predicted:
        """Make the step on the chosen elements, each with the bound it has reached."""
        assert self._errors is not None
        params, state, grads = self._starts[row]
        bounded_state: dict[str, Any] = {"iterations": state["iterations"]}
        for slot, tensors in self.rule.slots(state).items():
            least = 0.0 if slot == "second_moment" else None
            bounded_state[slot] = lifted({n: tensors[n] for n in pick}, self._errors[slot], pick, least)
        new_params, new_state = self.bounded_rule.step(
            lifted({n: params[n] for n in pick}, self._errors["parameter"], pick),
            lifted({n: grads[n] for n in pick}, None, pick),
            bounded_state,
        )
        made = {"parameter": new_params, **self.rule.slots(new_state)}
        return {slot: {name: spread(b) for name, b in tensors.items()} for slot, tensors in made.items()}

    def _forget_where_equal(self, block: Block, row: int, after: Named, chosen: Pick) -> None:
        assert self._errors is not None
        for name, at in chosen.items():
            pairs = (
                (block.columns[s][name][row + 1].reshape(-1)[at], after[s][name][row].reshape(-1)[at]) for s in after
            )
            equal = at[~np.any([differs(obtained, expected) for obtained, expected in pairs], axis=0)]
            for errors in self._errors.values():
                errors[name].reshape(-1)[equal] = 0

    def _watch_branches(self, block: Block, row: int, evaluation: Evaluation) -> None:
        """Record the first units whose ReLU is on at one side and off at the other."""
        if not isinstance(self.problem, MlpProblem) or len(self.flips) >= MAX_FLIPS:
            return
        params = {name: column[row] for name, column in block.columns["parameter"].items()}
        step = block.start + row
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
        theirs = {name: column[row + 1] for name, column in block.columns["parameter"].items()}
        self._drift.append(_distance(theirs, self._params))
        self._envelope.append(max(_distance(copy.params, self._params) for copy in self._copies))

    def _verdict(self) -> tuple[Verdict, str]:
        if self.source != "computed":
            return super()._verdict()
        if not self.differing:
            return Verdict.IDENTICAL, Verdict.IDENTICAL.value
        assert self._local is not None
        verdict, reason = self._local._verdict()
        self.first, self.non_finite = self._local.first, self._local.non_finite
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
        return msgspec.structs.replace(comparison, envelope={"drift": self._drift, "envelope": self._envelope})


class _Copy:
    """A reference that starts one ULP away in every parameter."""

    def __init__(self, params: dict[str, Array], rule: Any) -> None:
        self.params, self._rule = params, rule
        self._state = rule.init(params)

    def step(self, problem: Problem, number: int) -> None:
        grads = problem.evaluate(self.params, number).gradients
        self.params, self._state = self._rule.step(self.params, grads, self._state)


def _perturbed(problem: Problem, rule: Any) -> list[_Copy]:
    copies = []
    for seed in range(COPIES):
        rng = np.random.default_rng([problem.cell.seed, seed])
        moved = {}
        for name, w in problem.params.items():
            toward = np.where(rng.random(w.shape) < 0.5, -np.inf, np.inf).astype(w.dtype)
            moved[name] = np.asarray(np.nextafter(w, toward))
        copies.append(_Copy(moved, rule))
    return copies


def _distance(a: Any, b: Any) -> float:
    """Root of the mean squared difference over all parameters."""
    squares = sum(float(np.sum(np.square(np.asarray(a[n], np.float64) - np.asarray(b[n], np.float64)))) for n in b)
    return float(np.sqrt(squares / sum(np.asarray(b[n]).size for n in b)))
