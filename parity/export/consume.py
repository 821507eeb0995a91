"""A consumer of the conformance set in Python: judges an optimizer by a vector's two files and nothing else."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from safetensors import safe_open

from parity.bounds.numerics import Array
from parity.export.vector import Vector


class Miss(NamedTuple):
    """A value outside its bound: way (``step`` or ``run``), zero-based step, slot/tensor, obtained, expected, bound."""

    way: str
    step: int
    name: str
    obtained: float
    expected: float
    bound: float


def read_vector(path: Path) -> tuple[Vector, dict[str, Array]]:
    """Return a vector and its values by name."""
    vector = msgspec.json.decode(path.read_bytes(), type=Vector)
    # safetensors.numpy.load does not know bfloat16, the file handle does.
    file: Any
    with safe_open(path.with_name(vector.values), framework="numpy") as file:
        return vector, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping


def first_miss(vector: Vector, values: Mapping[str, Array], make: Callable[[], Any]) -> Miss | None:
    """Return the first value outside its bound, None where there is none.

    Args:
        vector: what to judge by.
        values: its tensors.
        make: returns an optimizer with ``init``, ``step`` and ``slots``, whose state is the slots and ``iterations``.
    """
    with np.errstate(all="ignore"):
        return _by_steps(vector, values, make()) or _by_run(vector, values, make())


def _by_steps(vector: Vector, values: Mapping[str, Array], optimizer: Any) -> Miss | None:
    """Start each step from the recorded state."""
    for step in range(vector.steps):
        params = _at(vector, values, "expected/parameter", step)
        state: dict[str, Any] = {"iterations": step}
        for slot in vector.slots[1:]:
            state[slot] = _at(vector, values, f"expected/{slot}", step)
        params, state = optimizer.step(params, _at(vector, values, "gradient", step), state)
        miss = _judged(vector, values, "step", step, {"parameter": params, **optimizer.slots(state)})
        if miss:
            return miss
    return None


def _by_run(vector: Vector, values: Mapping[str, Array], optimizer: Any) -> Miss | None:
    """Start once from the initial parameters and go on alone."""
    params = _at(vector, values, "expected/parameter", 0)
    state = optimizer.init(params)
    for slot, tensors in optimizer.slots(state).items():
        for name, array in tensors.items():
            start = values.get(f"expected/{slot}/{name}")
            if start is not None and not np.array_equal(array, start[0]):
                at = int(np.flatnonzero(np.asarray(array) != start[0])[0])
                return Miss("run", -1, f"{slot}/{name}", float(array.flat[at]), float(start[0].flat[at]), 0.0)
    for step in range(vector.steps):
        params, state = optimizer.step(params, _at(vector, values, "gradient", step), state)
        miss = _judged(vector, values, "run", step, {"parameter": params, **optimizer.slots(state)})
        if miss:
            return miss
    return None


def _judged(
    vector: Vector, values: Mapping[str, Array], way: str, step: int, made: Mapping[str, Mapping[str, Array]]
) -> Miss | None:
    for slot in vector.slots:
        for name in made.get(slot, ()):
            obtained = np.asarray(made[slot][name]).reshape(-1)
            wanted = values[f"expected/{slot}/{name}"][step + 1].reshape(-1)
            if (obtained == wanted).all():  # as most are
                continue
            obtained, wanted = obtained.astype(np.float64), wanted.astype(np.float64)
            bound = values[f"bound_{way}/{slot}/{name}"][step].reshape(-1)
            inside = within(obtained, wanted, bound)
            if not inside.all():
                at = int(np.argmin(inside))
                return Miss(way, step, f"{slot}/{name}", float(obtained[at]), float(wanted[at]), float(bound[at]))
    return None


def within(obtained: Array, wanted: Array, bound: Array) -> Any:
    """Return where a value is inside: the same number, or no farther than its bound, or nothing is promised there."""
    same = (obtained == wanted) | (np.isnan(obtained) & np.isnan(wanted))
    with np.errstate(invalid="ignore", over="ignore"):
        return same | (np.abs(obtained - wanted) <= bound) | (bound == np.inf)


def _at(vector: Vector, values: Mapping[str, Array], title: str, row: int) -> dict[str, Any]:
    found = {name: values.get(f"{title}/{name}") for name in vector.tensors}
    return {name: np.asarray(rows[row]) for name, rows in found.items() if rows is not None}
