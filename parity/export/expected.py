"""A cell's expected values after each step, with two bounds on each: for one step alone, and for the run so far."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.bounds.numerics import Array
from parity.bounds.rule import OnBounds, bound_around, bounded_rule, bounded_step, reference_rule, spread
from parity.problem.problems import Problem
from parity.reference.optimizer import Optimizer

Errors = dict[str, dict[str, Array]]
Rows = dict[str, list[Array]]


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
    rule, bounded = reference_rule(problem.cell), bounded_rule(problem.cell)
    params: dict[str, Array] = dict(problem.params)
    state: dict[str, Any] = rule.init(params)
    rows, step_rows, run_rows, gradients = _row({}, _named(rule, params, state)), Rows(), Rows(), Rows()
    errors: Errors | None = None
    rates = []
    with np.errstate(all="ignore"):
        for number in range(steps):
            grads = problem.gradients(number)
            rates.append(float(rule._learning_rate_at(number)))
            after, next_state = rule.step(params, grads, state)
            made = _named(rule, after, next_state)
            _row(step_rows, _reach(bounded, params, grads, state, None, made))
            errors = _reach(bounded, params, grads, state, errors, made)
            _row(run_rows, errors)
            _row(gradients, {"gradient": grads})
            params, state = after, next_state
            _row(rows, made)
    return Expected(
        _columns(rows),
        {name: _upward(column) for name, column in _columns(step_rows).items()},
        {name: _upward(column) for name, column in _columns(run_rows).items()},
        {name.removeprefix("gradient/"): column for name, column in _columns(gradients).items()},
        rates,
    )


def _named(rule: Optimizer, params: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
    return {"parameter": params, **rule.slots(state)}


def _reach(
    bounded: OnBounds,
    params: Mapping[str, Array],
    grads: Mapping[str, Array],
    state: Mapping[str, Any],
    errors: Errors | None,
    made: Mapping[str, Mapping[str, Array]],
) -> Errors:
    """Return how far another evaluation may be from what the reference made, if it starts within ``errors``."""

    start = {"parameter": params, "gradient": grads, **bounded.slots(state)}
    stepped = bounded_step(bounded, start, state["iterations"], errors)
    reached: Errors = {}
    for slot, tensors in made.items():
        for name, own in tensors.items():
            bound = bound_around(own, *spread(stepped[slot][name]))
            reached.setdefault(slot, {})[name] = bound.reshape(own.shape)
    return reached


def _row(rows: Rows, made: Mapping[str, Mapping[str, Array]]) -> Rows:
    for slot, tensors in made.items():
        for name, array in tensors.items():
            rows.setdefault(f"{slot}/{name}", []).append(np.asarray(array))
    return rows


def _columns(rows: Rows) -> dict[str, Array]:
    return {name: np.stack(arrays) for name, arrays in rows.items()}


def _upward(bound: Array) -> Array:
    """Return a bound in float64, never smaller, with room for rounding the difference held against it."""
    narrow = bound.astype(np.float64)
    with np.errstate(over="ignore"):
        return np.where(bound > 0, np.nextafter(narrow * (1 + 2.0**-52), np.inf), narrow)
