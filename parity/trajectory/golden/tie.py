"""What ties a recording to its case: a digest over everything that the recorded numbers depend on."""

import hashlib
from typing import Any

import msgspec
import numpy as np

from parity.bounds.numerics import Array
from parity.case.rule import DEFAULT
from parity.case.spec import Cell
from parity.problem.problems import MlpProblem, Problem, QuadraticProblem

_TIED = ("dtype", "gradients", "hyperparameters", "problem", "seed", "weights")


def description(cell: Cell) -> dict[str, Any]:
    """Return the readable part of a tie: what a cell's numbers depend on, with every hyperparameter spelled out.

    Other keys that have their default are left out, so that a new one does not untie what was recorded before it.
    """
    parts: dict[str, Any] = {name: msgspec.to_builtins(getattr(cell, name)) for name in _TIED}
    arguments = cell.hyperparameters
    full = {name: msgspec.to_builtins(getattr(arguments, name)) for name in arguments.__struct_fields__}
    rule = {} if cell.rule == DEFAULT else {"rule": cell.rule}
    return {**parts, **rule, "hyperparameters": full}


def tie(problem: Problem, steps: int) -> str:
    """Return the SHA-256 over a cell's values, its initial parameters, and its data or replayed gradients.

    A recording of more steps than are asked for now is tied by all of them, so ``steps`` are those of the recording.
    """
    digest = hashlib.sha256(msgspec.json.encode(description(problem.cell), order="deterministic"))
    digest.update(str(steps).encode())
    _add(digest, "parameter", problem.params)
    if isinstance(problem, MlpProblem):
        _add(digest, "data", {"x": problem.x, "y": problem.y})
    elif isinstance(problem, QuadraticProblem):
        _add(digest, "curvature", problem.curvature)
        _add(digest, "target", problem.target)
    else:
        for step in range(steps):
            _add(digest, f"gradient {step}", problem.gradients(step))
    return digest.hexdigest()


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return which values of a cell are others now: ``hyperparameters.rho: 0.9 then, 0.99 now``."""
    lines = []
    for name in sorted({*before, *now}):
        then, today = before.get(name), now.get(name)
        if isinstance(then, dict) and isinstance(today, dict):
            lines += [f"{name}.{line}" for line in changes(then, today)]
        elif then != today:
            lines.append(f"{name}: {then!r} then, {today!r} now")
    return lines


def _add(digest: Any, title: str, tensors: dict[str, Array]) -> None:
    for name, array in tensors.items():
        digest.update(f"{title} {name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).data if array.size else b"")
