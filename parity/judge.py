"""From blocks to a verdict: the reference makes the same steps, every bit is compared, every difference is bounded."""

from typing import Any

import numpy as np

from parity.bounds import BoundedRMSprop, reduces
from parity.diff import Difference, TableBuilder, difference, fill, ratios
from parity.numerics import Array, differs, format_of, shown
from parity.problem import Evaluation, Problem
from parity.reference.rmsprop import RMSprop
from parity.results import BranchFlip, Comparison, Divergence, Worst
from parity.subjects.numpy_class import accepted_arguments
from parity.trajectory import Block
from parity.verdict import Verdict

Named = dict[str, dict[str, Array]]
Touched = dict[tuple[str, str], Array]
"""Slot and tensor of what differs at a step, with the mask of its differing elements."""


def reference_rule(problem: Problem) -> RMSprop:
    """Return the reference page with a case's hyperparameters."""
    return RMSprop(**accepted_arguments(RMSprop, problem.cell.hyperparameters))


def learning_rate_at(rule: RMSprop, step: int) -> float:
    """Return the learning rate of a zero-based step."""
    return float(rule.learning_rate(step) if callable(rule.learning_rate) else rule.learning_rate)


class Judge:
    """Folds over blocks and ends in one comparison; the two ways of comparing differ in where a step starts from."""

    mode = ""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.rule = reference_rule(problem)
        self.bounded_rule = BoundedRMSprop(**accepted_arguments(RMSprop, problem.cell.hyperparameters))
        self.given = problem.cell.hyperparameters
        self.source = problem.cell.gradients
        self.format = format_of(problem.dtype)
        self.whole = reduces(self.given)
        self.table = TableBuilder()
        self.first: Divergence | None = None
        self.non_finite: Divergence | None = None
        self.worst: Worst | None = None
        self.compared = self.differing = self.undecided = 0
        self.notes: list[str] = []
        self.flips: list[BranchFlip] = []
        self.losses: dict[str, list[float]] = {"obtained": [], "expected": []}

    def feed(self, block: Block) -> None:
        """Compare one block."""
        if block.start == 0:
            self._compare_start(block)
        expected, evaluations = self._expect(block)
        parts = {}
        touched: dict[int, Touched] = {}
        for slot, tensors in expected.items():
            for name, column in tensors.items():
                obtained = block.gradients[name] if slot == "gradient" else block.columns[slot][name][1:]  # type: ignore[index]
                size = column[0].size
                parts[slot, name] = self.table.identical(block.start, block.count, slot, name, size)
                self.compared += column.size if slot != "gradient" else 0
                where = differs(obtained, column).reshape(block.count, -1)
                for row in np.flatnonzero(where.any(axis=1)):
                    touched.setdefault(int(row), {})[slot, name] = where[row]
        for index in range(block.count):
            self._settle(block, index, expected, touched.get(index, {}), parts)
        self._collect_losses(block, evaluations)

    def _compare_start(self, block: Block) -> None:
        """Judge the state before the first step: a subject that starts elsewhere diverges at step 0."""
        state = self.rule.slots(self.rule.init(self.problem.params))
        start = {"parameter": self.problem.params, **state}
        for slot, tensors in start.items():
            if slot not in block.columns:
                continue
            for name, wanted in tensors.items():
                found = difference(block.columns[slot][name][0], np.asarray(wanted))
                part = self.table.identical(-1, 1, slot, name, np.asarray(wanted).size)
                self.compared += np.asarray(wanted).size
                nothing = np.zeros(len(found.index), dtype=self.format.wide)
                if len(found.index) and self._row(part, 0, 0, slot, name, found, nothing):
                    self._note_first(0, slot, name, found, nothing, slot, "before the first step")

    def _expect(self, block: Block) -> tuple[Named, list[Evaluation | None]]:
        raise NotImplementedError

    def _settle(self, block: Block, row: int, expected: Named, touched: Touched, parts: Any) -> None:
        raise NotImplementedError

    def _collect_losses(self, block: Block, evaluations: list[Evaluation | None]) -> None:
        if block.losses is not None:
            self.losses["obtained"] += [float(value) for value in block.losses]
        self.losses["expected"] += [float(e.loss) for e in evaluations if e is not None]

    def _row(
        self, part: dict[str, Any], row: int, step: int, slot: str, name: str, found: Difference, bound: Array
    ) -> bool:
        """Write one row of the table, keep the worst difference, and return whether it is outside its bound."""
        position = fill(part, row, found, bound, learning_rate_at(self.rule, step))
        self.differing += len(found.index) if slot != "gradient" else 0
        self.undecided += int(np.sum(~np.isfinite(bound)))
        ratio = float(part["ratio"][row])
        if self.worst is None or _rank(ratio) > _rank(self.worst.ratio):
            self.worst = Worst(
                step,
                slot,
                name,
                self._where(name, found, position),
                shown(self.format.dtype.type(found.obtained[position])),
                shown(self.format.dtype.type(found.expected[position])),
                shown(bound[position]),
                shown(found.signed[position]),
                shown(ratio),
                shown(found.ulp[position]),
                shown(part["in_steps"][row]) if slot == "parameter" else None,
            )
        return ratio > 1

    def _note_first(
        self,
        step: int,
        slot: str,
        name: str,
        found: Difference,
        bound: Array,
        where: str,
        note: str,
        exact: Array | None = None,
    ) -> None:
        magnitude = np.abs(found.signed)
        ratio = ratios(magnitude, bound)
        broken = np.isfinite(bound) & (np.isfinite(found.obtained) != np.isfinite(found.expected))
        outside = np.where(broken, np.inf, np.where(np.isnan(ratio), -1.0, ratio))
        position = int(np.argmax(outside))
        record = Divergence(
            step,
            slot,
            name,
            self._where(name, found, position),
            shown(self.format.dtype.type(found.obtained[position])),
            shown(self.format.dtype.type(found.expected[position])),
            shown(bound[position]),
            where,
            None if exact is None else shown(exact[position]),
            note,
        )
        if broken[position] and self.first is None:
            self.non_finite = self.non_finite or record
        elif self.non_finite is None:
            self.first = self.first or record

    def _where(self, name: str, found: Difference, position: int) -> list[int]:
        shape = self.problem.params[name].shape
        return [int(i) for i in np.unravel_index(int(found.index[position]), shape)] if shape else []

    def finish(self, subject: str) -> Comparison:
        """Return the verdict and its evidence."""
        verdict, reason = self._verdict()
        first = self.first or self.non_finite
        return Comparison(
            case=self.problem.cell.id,
            subject=subject,
            gradients=self.source,
            comparison=self.mode,
            verdict=verdict.name,
            reason=reason,
            first_divergence=first,
            worst=self.worst,
            compared=self.compared,
            differing=self.differing,
            notes=self.notes,
            flips=self.flips,
            table=self.table.table(),
            losses=self.losses if any(self.losses.values()) else None,
        )

    def _verdict(self) -> tuple[Verdict, str]:
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


def _rank(ratio: float | str) -> float:
    value = float(ratio)
    return -1.0 if np.isnan(value) else value
