"""What is special about a case: the arguments it sets and the awkward numbers it holds, as words."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from parity.bounds.numerics import Array, format_of
from parity.case.rule import DEFAULT
from parity.case.spec import Hyperparameters, Replayed
from parity.problem.problems import Problem


def features(problem: Problem) -> frozenset[str]:
    """Return the features of a replayed case; a fault needs those that are left when its case is shrunk."""
    cell = problem.cell
    found = {f"{cell.dtype}"} if cell.dtype != "float32" else set()
    found |= {cell.rule} if cell.rule != DEFAULT else set()
    found |= set(_arguments(cell.hyperparameters, problem.dtype))
    for array in problem.params.values():
        found |= {f"{word} weight" for word in _numbers(array)} | _shape(array.shape)
    if isinstance(cell.problem, Replayed) and cell.gradients == "replayed":
        for step in range(min(cell.steps, 32)):
            for array in problem.gradients(step).values():
                found |= {f"{word} gradient" for word in _numbers(array)}
        for name, part in problem.slices(0).items():
            found |= {"table of one row"} if problem.shapes[name][0] == 1 else set()
            rows = part.rows.tolist()
            found |= {"sparse gradient"} | ({"repeated rows"} if len(set(rows)) < len(rows) else set())
            # Where nothing is zero they are divided as they come; rows that repeat are numbered otherwise anyway.
            unsorted = rows != sorted(rows) and len(set(rows)) == len(rows)
            found |= {"rows out of order"} if unsorted and "epsilon 0" in found else set()
        if _square_leaves_range(problem):
            found.add("one element, square out of range")
    if len(problem.params) > 1:
        found.add("several tensors")
    return frozenset(found)


_TO_ONE: Final = ("learning_rate", "rho", "beta_1", "beta_2", "epsilon", "momentum")
"""Arguments of which 0 and 1 are special."""


def _arguments(given: Hyperparameters, dtype: Any) -> Iterator[str]:
    """Yield what is set; a number that is 0 or 1 in the dtype of the weights is no other one."""
    for name, value in given.departures().items():
        if name == "learning_rate" and not isinstance(value, float | int):
            yield type(value).__name__
        elif name in _TO_ONE and (held := float(np.dtype(dtype).type(value))) in (0, 1):
            yield f"{name} {held:g}"
        else:
            yield name
        if isinstance(value, float) and float(np.finfo(np.float32).max) < abs(value) < np.inf:
            yield f"{name} beyond float32"


def _numbers(array: Array) -> Iterator[str]:
    fmt = format_of(array.dtype)
    tiny = float(np.finfo(np.float32).tiny) if fmt.name != "float64" else float(np.finfo(np.float64).tiny)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        wide = np.abs(array.astype(fmt.wide))
        square = np.square(wide)
    words = {
        "NaN": np.isnan(wide),
        "infinite": np.isinf(wide),
        "huge": np.isfinite(wide) & (square > fmt.largest),
        "subnormal": (wide > 0) & (wide < tiny),
        "tiny": (wide > 0) & (wide >= tiny) & (square < tiny),
    }
    yield from (word for word, where in words.items() if where.any())


def _square_leaves_range(problem: Problem) -> bool:
    """Return whether a tensor of one element shows that XLA squares what the formula divides first.

    There alone ``(1 - rho) * (g / scale)**2`` becomes ``g**2 * ((1 - rho) / scale**2)``, where ``scale`` is the loss
    scale, or the number of gradients that add up to ``g`` (algebraic_simplifier.cc, HandleMultiply: constants that are
    not broadcast); either factor may be no normal number.
    """
    given, fmt = problem.cell.hyperparameters, format_of(problem.dtype)
    loss_scale, every = given.loss_scale_factor or 1.0, given.gradient_accumulation_steps or 1
    lone = [name for name, array in problem.params.items() if array.size == 1]
    if not lone or loss_scale == every == 1:
        return False
    with np.errstate(all="ignore"):
        reciprocal = 1 / fmt.wide.type(every if every > 1 else loss_scale)
        rows = [
            problem.gradients(step)[name].reshape(-1) for step in range(min(problem.cell.steps, 32)) for name in lone
        ]
        gradients = np.concatenate(rows).astype(fmt.wide)
        sums = gradients / fmt.wide.type(loss_scale) * every if every > 1 else gradients
        shares = [1 - getattr(given, name) for name in ("rho", "beta_2") if hasattr(given, name)]
        numbers = np.append(np.square(sums), [share * np.square(reciprocal) for share in (1, *shares)])
    numbers = numbers[np.isfinite(numbers) & (numbers != 0)]
    return bool(((numbers < fmt.normal) | (numbers > fmt.largest)).any())


def _shape(shape: tuple[int, ...]) -> set[str]:
    return {"empty tensor"} if 0 in shape else set()
