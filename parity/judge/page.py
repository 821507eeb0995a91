"""The reference on flat rows: what its page makes of a state, and what its bounded page encloses, by one layout."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.bounds.bounded import Bounded, in_certain
from parity.bounds.compiled.forms import Forms, forms
from parity.bounds.compiled.kinds import Step
from parity.bounds.numerics import Array, Format, format_of
from parity.bounds.rule import (
    ByTensor,
    Enclosures,
    OnBounds,
    SlotRows,
    bounded_rule,
    bounded_step,
    enclosure,
    in_pieces,
    reference_rule,
)
from parity.case.rule import Rule, find, stages
from parity.problem.problems import Problem
from parity.reference.loss_scale import LossScale
from parity.reference.optimizer import Optimizer
from parity.trajectory.layout import Layout, layout_of_problem


@dataclass(frozen=True, slots=True)
class Start:
    """What one or more steps start from: narrow rows by slot, the gradients that go in among them, and a step count.

    Rows are ``[steps, size]``, or ``[size]`` for one step, of one size but for slots with shapes of their own.
    """

    rows: SlotRows
    iterations: int


@dataclass(frozen=True, slots=True)
class Page:
    """A rule that takes flat rows.

    ``known`` is what its page says of itself, ``make`` its step, in whichever form, and ``slots`` those that it keeps.
    """

    rule: Optimizer
    known: Rule
    layout: Layout
    make: Step
    slots: tuple[str, ...]

    def start(self, params: ByTensor) -> dict[str, Array]:
        """Return the state before the first step, flat rows ``[size]`` of the parameters and of every slot."""
        state = self.rule.slots(self.rule.init(params))
        return {slot: self.layout.of(slot).join(tensors) for slot, tensors in {"parameter": params, **state}.items()}

    @property
    def stages(self) -> tuple[str, ...]:
        """Everything that may part in a step, in the order of computation."""
        return stages(self.known, isinstance(self.rule, LossScale))

    def step(self, start: Start) -> dict[str, Array]:
        """Return what the page makes of a start: the new parameters and slots, rows of the shapes of the old ones."""
        named: dict[str, Any] = {slot: self.layout.of(slot).unravel(row) for slot, row in start.rows.items()}
        params, grads = named.pop("parameter"), named.pop("gradient")
        params, state = self.make(params, grads, {"iterations": start.iterations, **named})
        after = {"parameter": params, **self.rule.slots(state)}
        return {
            slot: self.layout.of(slot).ravel(tensors).reshape(start.rows[slot].shape) for slot, tensors in after.items()
        }

    def gradient(self, start: Start) -> Array | None:
        """Return the gradients that enter the moments, after clipping and the like; None if a step only adds them up.

        Rows are flat and of the shape of the gradients that come in.
        """
        named: dict[str, Any] = {slot: self.layout.of(slot).unravel(row) for slot, row in start.rows.items()}
        params, grads = named.pop("parameter"), named.pop("gradient")
        updates = self.rule.stages(params, grads, {"iterations": start.iterations, **named})
        if updates is None:
            return None
        return self.layout.ravel({**grads, **{name: each.gradient for name, each in updates.items()}})

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a zero-based step."""
        rate = self.rule.learning_rate
        return float(rate(step) if callable(rate) else rate)


@dataclass(frozen=True, slots=True)
class BoundedPage:
    """A rule on bounded arrays that takes flat rows: what it makes exactly, and how far rounding may lead from it."""

    rule: OnBounds
    layout: Layout
    format: Format

    def enclose(self, rows: SlotRows, errors: SlotRows, iterations: int) -> Enclosures:
        """Return enclosures of what one step makes of flat rows, of the parameters, slots and gradients.

        ``errors`` says how far a value in ``rows`` may be off, wide and of the shape of its row; a slot that is absent
        is exact. Gradients that have an error are wide.
        """
        return self.settled(self._read(self.step(rows, errors, iterations)), rows, errors, iterations)

    def settled(self, enclosures: Enclosures, rows: SlotRows, errors: SlotRows, iterations: int) -> Enclosures:
        """Return enclosures, in whichever form they were made, without an error where every right evaluation is NaN.

        That is looked into where an exact value is NaN, which is rare: the step is made again for these elements.
        """
        nan = [np.isnan(value) for value, _ in enclosures.values()]
        if not any(each.any() for each in nan):
            return enclosures
        at: Any = slice(None) if self.layout.by_name else np.flatnonzero(np.logical_or.reduce(nan))
        some, off = ({slot: row[at] for slot, row in each.items()} for each in (rows, errors))
        sure = self._read(self.step(some, off, iterations, in_certain))
        for slot, (value, error) in enclosures.items():
            error = np.array(error)
            error[at] = np.where(np.isnan(value[at]) & (sure[slot][1] == 0), 0.0, error[at])
            enclosures = {**enclosures, slot: (value, error)}
        return enclosures

    def _read(self, bounded: Mapping[str, ByTensor]) -> Enclosures:
        pairs = {slot: {name: enclosure(b) for name, b in tensors.items()} for slot, tensors in bounded.items()}
        return {slot: (self._part(slot, tensors, 0), self._part(slot, tensors, 1)) for slot, tensors in pairs.items()}

    def step(
        self, rows: SlotRows, errors: SlotRows, iterations: int = 0, become: Callable[[Bounded], Bounded] | None = None
    ) -> dict[str, ByTensor]:
        """Return what ``enclose`` is read from: bounded tensors by slot, as the layout has them.

        ``become`` is done to what the step starts from.
        """
        start: dict[str, Any] = {slot: self.layout.of(slot).unravel(row) for slot, row in rows.items()}
        off = {slot: self.layout.of(slot).unravel(row) for slot, row in errors.items()}
        if "gradient" in off:
            own = off.pop("gradient")
            start["gradient"] = {n: Bounded(value, own[n], self.format) for n, value in start["gradient"].items()}
        return dict(bounded_step(self.rule, start, iterations, off, become))

    def in_pieces(self, enclose: Callable[[Any], Enclosures], count: int) -> Enclosures:
        """Return what ``enclose`` makes of ``count`` elements, some at a time where the layout allows it."""
        return enclose(slice(None)) if self.layout.by_name else in_pieces(enclose, count)

    def _part(self, slot: str, pairs: ByTensor, number: int) -> Array:
        return self.layout.of(slot).ravel({name: pair[number] for name, pair in pairs.items()})


@dataclass(frozen=True, slots=True)
class Reference:
    """What a subject is held against: the page, the bounded page, the layout that both take, and forms of comparing."""

    page: Page
    bounded: BoundedPage
    layout: Layout
    format: Format
    forms: Forms
    mixes: bool
    """Whether the rule mixes the elements of a tensor."""
    declared: bool
    """Whether the case means values that are not finite."""


def reference(problem: Problem) -> Reference:
    """Return the reference of a case, with its hyperparameters, in the layout that its rule takes."""
    rule = reference_rule(problem.cell)
    mixes, format = rule.mixes_elements, format_of(problem.dtype)
    around = bool(problem.cell.surroundings)
    named = mixes or around or bool(rule.exclude_from_weight_decay)
    layout = layout_of_problem(problem, by_name=named)
    form = forms(rule, problem, by_elements=not (layout.own or around))
    slots = tuple(rule.slots(rule.init(problem.params)))
    page = Page(rule, find(problem.cell.rule, problem.cell.folder), layout, form.step, slots)
    return Reference(
        page,
        BoundedPage(bounded_rule(problem.cell), layout, format),
        layout,
        format,
        form,
        mixes,
        problem.cell.declares_non_finite,
    )
