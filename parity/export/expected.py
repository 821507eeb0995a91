"""A cell's expected values after each step, with two bounds on each: for one step alone, and for the run so far."""

from dataclasses import dataclass

import numpy as np

from parity.bounds.numerics import Array
from parity.bounds.rule import SlotRows, bound_around
from parity.judge.page import BoundedPage, Start, reference
from parity.problem.problems import Problem
from parity.trajectory.layout import Layout


@dataclass(frozen=True, slots=True)
class Expected:
    """Columns by ``slot/tensor``.

    ``values`` have ``steps + 1`` rows in the cell's dtype, row 0 before the first step. ``step`` and ``run`` have a
    float64 row for each step: how far a step from the recorded state may end from the next row, and how far a run from
    row 0 may. ``gradients`` have a row for each step.
    """

    values: dict[str, Array]
    step: dict[str, Array]
    run: dict[str, Array]
    gradients: dict[str, Array]
    learning_rates: list[float]


def expected(problem: Problem, steps: int) -> Expected:
    """Run the reference page for ``steps`` steps of replayed gradients, each beside its bounded self."""
    held = reference(problem)
    page, layout = held.page, held.layout
    state = page.start(problem.params)
    values: list[SlotRows] = [state]
    step: list[SlotRows] = []
    run: list[SlotRows] = []
    gradients: list[SlotRows] = []
    errors: SlotRows = {}
    with np.errstate(all="ignore"):
        for number in range(steps):
            gradients.append({"gradient": layout.join(problem.gradients(number))})
            start = Start({**state, **gradients[-1]}, number)
            state = page.step(start)
            step.append(_reach(held.bounded, start, {}, state))
            errors = _reach(held.bounded, start, errors, state)
            run.append(errors)
            values.append(state)
        rates = [float(page.rule._learning_rate_at(number)) for number in range(steps)]
    return Expected(
        _columns(values, layout),
        {name: _upward(column) for name, column in _columns(step, layout).items()},
        {name: _upward(column) for name, column in _columns(run, layout).items()},
        {name.removeprefix("gradient/"): column for name, column in _columns(gradients, layout).items()},
        rates,
    )


def _reach(bounded: BoundedPage, start: Start, errors: SlotRows, after: SlotRows) -> SlotRows:
    """Return how far another evaluation may be from what the reference made, if it starts within ``errors``."""
    enclosures = bounded.enclose(start.rows, errors, start.iterations)
    return {slot: bound_around(own, *enclosures[slot]) for slot, own in after.items()}


def _columns(rows: list[SlotRows], layout: Layout) -> dict[str, Array]:
    """Return flat rows, one mapping a step, as columns ``[steps, *shape]`` by ``slot/tensor``."""
    return {
        f"{slot}/{name}": np.ascontiguousarray(column)
        for slot in (rows[0] if rows else ())
        for name, column in layout.of(slot).split(np.stack([row[slot] for row in rows])).items()
    }


def _upward(bound: Array) -> Array:
    """Return a bound in float64, never smaller, with room for rounding the difference held against it."""
    narrow = bound.astype(np.float64)
    with np.errstate(over="ignore"):
        return np.where(bound > 0, np.nextafter(narrow * (1 + 2.0**-52), np.inf), narrow)
