"""Relations that need no reference: two runs of one subject that must end alike, each a function of case and seed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from parity.bounds.numerics import Array
from parity.errors import UnsupportedError
from parity.fuzz.variant import advance, mapped, shown, states
from parity.problem.data import Tensors
from parity.problem.problems import Problem
from parity.problem.variant import Variant
from parity.subjects.adapter import Adapter
from parity.trajectory.blocks import Columns

Make = Callable[[], Adapter]


@dataclass(frozen=True, slots=True)
class Twin:
    """Two runs that must agree: what was obtained and expected after each step, in the tensors of ``problem``.

    ``starts`` are the states before each step of ``problem``, from which the bound of that step is derived.
    """

    problem: Problem
    obtained: list[Columns]
    expected: list[Columns]
    starts: list[Columns]


def resume(problem: Problem, make: Make) -> Twin:
    """Interrupt a run, restore what was saved into a new optimizer, and go on."""
    cut = problem.cell.steps // 2
    whole = states(problem, make())
    first, second = make(), make()
    try:
        first.open(problem)
        advance(problem, first, 0, cut)
        saved = _saving(first).save()  # type: ignore[attr-defined]  # checked by _saving
    finally:
        first.close()
    try:
        second.open(problem)
        _saving(second).restore(saved)  # type: ignore[attr-defined]  # checked by _saving
        resumed = [shown(second), *advance(problem, second, cut, problem.cell.steps)]
    finally:
        second.close()
    return Twin(problem, [*whole[1:cut], *resumed] if cut else resumed[1:], whole[1:], whole[:-1])


def permute(problem: Problem, make: Make) -> Twin:
    """Put the elements of each tensor in another order, and the results back into theirs."""
    rng = np.random.default_rng(problem.cell.seed)
    order = {name: rng.permutation(array.size) for name, array in problem.params.items()}
    back = {name: np.argsort(where) for name, where in order.items()}
    rows = [_moved(problem.gradients(step), order) for step in range(problem.cell.steps)]
    moved = states(Variant(problem, _moved(problem.params, order), rows), make())
    whole = states(problem, make())
    return Twin(problem, [mapped(state, back) for state in moved[1:]], whole[1:], whole[:-1])


def split(problem: Problem, make: Make) -> Twin:
    """Cut each tensor into two vectors, and join the results."""
    cuts = {name: _cut(array.size, problem.cell.seed) for name, array in problem.params.items()}
    rows = [_halves(problem.gradients(step), cuts) for step in range(problem.cell.steps)]
    halves = states(Variant(problem, _halves(problem.params, cuts), rows), make())
    whole = states(problem, make())
    return Twin(problem, [_joined(state, problem) for state in halves[1:]], whole[1:], whole[:-1])


def accumulate(problem: Problem, make: Make) -> Twin:
    """Give k micro-batches one by one, and their mean as one batch; the case's gradients add up without rounding.

    It does not hold where a schedule or an average counts every call, as in Keras: see the known divergences.
    """
    given = problem.cell.hyperparameters
    every = given.gradient_accumulation_steps or (2 if problem.cell.seed % 2 else 4)
    if problem.cell.steps < every:
        raise UnsupportedError(f"{every} micro-batches need as many steps; the case has {problem.cell.steps}.")
    steps = range(0, problem.cell.steps - problem.cell.steps % every, every)
    micro = [problem.gradients(step) for step in range(problem.cell.steps)]
    means = [_mean(micro[start : start + every]) for start in steps]
    accumulating = msgspec.structs.replace(given, gradient_accumulation_steps=every)
    at_once = msgspec.structs.replace(given, gradient_accumulation_steps=None)
    single = Variant(problem, problem.params, means, at_once)
    whole = states(single, make())
    parts = states(Variant(problem, problem.params, micro, accumulating), make())
    obtained = [_without(parts[start + every], "accumulated_gradient") for start in steps]
    return Twin(single, obtained, whole[1:], whole[:-1])


def sparse(problem: Problem, make: Make) -> Twin:
    """Give the gradients as rows, and as the dense arrays that they add up to."""
    if not problem.slices(0):
        raise UnsupportedError("the case has no sparse gradient.")
    rows = [problem.gradients(step) for step in range(problem.cell.steps)]
    dense = Variant(problem, problem.params, rows)
    whole = states(dense, make())
    return Twin(dense, states(problem, make())[1:], whole[1:], whole[:-1])


TWINS: Final[dict[str, Callable[[Problem, Make], Twin]]] = {
    "resume": resume,
    "permute": permute,
    "split": split,
    "accumulate": accumulate,
    "sparse": sparse,
}


def _saving(adapter: Adapter) -> Adapter:
    if not (hasattr(adapter, "save") and hasattr(adapter, "restore")):
        raise UnsupportedError("its adapter has no save and restore.")
    return adapter


def _moved(tensors: Tensors, order: dict[str, Array]) -> Tensors:
    return {name: array.reshape(-1)[order[name]].reshape(array.shape) for name, array in tensors.items()}


def _cut(size: int, seed: int) -> int:
    return int(np.random.default_rng(seed).integers(1, size)) if size > 1 else size


def _halves(tensors: Tensors, cuts: dict[str, int]) -> Tensors:
    # The name stays at the front: patterns that exclude it from weight decay must match both pieces or none.
    pieces: Tensors = {}
    for name, array in tensors.items():
        flat, cut = array.reshape(-1), cuts[name]
        pieces[f"{name}.front"] = flat[:cut]
        if cut < flat.size:
            pieces[f"{name}.back"] = flat[cut:]
    return pieces


def _joined(columns: Columns, problem: Problem) -> Columns:
    found: Columns = {}
    for slot, tensors in columns.items():
        found[slot] = {}
        for name, array in problem.params.items():
            pieces = [tensors[f"{name}.{end}"] for end in ("front", "back") if f"{name}.{end}" in tensors]
            found[slot][name] = np.concatenate(pieces).reshape(array.shape)
    return found


def _mean(micro: list[Tensors]) -> Tensors:
    total = dict(micro[0])
    for gradients in micro[1:]:
        total = {name: total[name] + array for name, array in gradients.items()}
    return {name: np.asarray(array / array.dtype.type(len(micro))) for name, array in total.items()}


def _without(columns: Columns, slot: str) -> Columns:
    return {name: tensors for name, tensors in columns.items() if name != slot}
