"""What a large run will take: time and memory, estimated from its size before anything of it is made."""

import time
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from msgspec.structs import replace

from parity.bounds.compiled.forms import LARGE, WORTH, has_numba
from parity.bounds.numerics import format_of
from parity.bounds.rule import reference_rule
from parity.case.spec import Cell, Mlp, Replayed
from parity.circumstances import launch
from parity.errors import ParityError
from parity.judge import beside
from parity.trajectory.blocks import BLOCK_BYTES

_DRAW, _STEP, _JUDGE = {True: 16.0, False: 50.0}, 6.0, {True: 35.0, False: 100.0}
"""Nanoseconds an element and step, with Numba and without: to draw a gradient, to make a step, to judge one that
differs by one comparison; where ``_unit`` takes ``_UNIT``. `make bench` holds the sums against what runs take."""
_MAKE: Final = 150.0
"""Nanoseconds an element to draw the weights, and what the gradients are drawn from."""
_UNIT: Final = 1.5
_BASE = 250_000_000
"""Bytes of a process with the libraries in it."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds that a pair takes at most beside the subject's own, bytes of memory, and whether Numba makes it short."""

    seconds: float
    nbytes: int
    compiled: bool


def estimate(cell: Cell) -> Estimate | None:
    """Return what a pair of a cell will take, None where that is little, or where it is not the elements that cost."""
    elements, steps = cell.elements, cell.steps
    if isinstance(cell.problem, Mlp) or (elements * steps < WORTH and elements < LARGE):
        return None
    compiled = has_numba() and cell.dtype in ("float32", "float64")
    judged = _judged(cell)
    share = judged / elements * (1 / cell.every if cell.comparisons == ["lockstep"] else 1)
    draws = _DRAW[compiled] if isinstance(cell.problem, Replayed) else 0.0
    each = draws + _STEP + share * _JUDGE[compiled] * len(cell.comparisons)
    cores = min(2, launch.cores())
    nanoseconds = elements * (_MAKE + steps * each / cores)
    return Estimate(nanoseconds * _unit() / _UNIT / 1e9, _memory(cell, judged), compiled)


def _judged(cell: Cell) -> int:
    return min(cell.drawn or cell.elements, cell.elements)


def _memory(cell: Cell, judged: int) -> int:
    """Add up rows of all elements: of the problem, of a NumPy subject, of a block, and of the judges."""
    rule, form = reference_rule(cell), format_of(cell.dtype)
    slots, item = 1 + len(rule.slots(rule.init({}))), form.dtype.itemsize
    places, processes = (2, 2) if judged * cell.steps >= beside.WORTH and launch.cores() > 1 else (1, 1)
    given = (3 + processes) * item
    subject = (3 * slots + 2) * item
    row = (2 * slots + 1) * item
    judges = slots * (item + form.wide.itemsize) if "free" in cell.comparisons else 0
    block = places * max(row * judged, min(BLOCK_BYTES, row * judged * cell.steps))
    return processes * _BASE + cell.elements * (given + subject) + block + judged * judges


@cache
def _unit() -> float:
    """Return nanoseconds of a root and a quotient on this machine, as it is now: the best of a few."""
    values, best = np.linspace(1, 2, 65_536, dtype=np.float64), float("inf")
    for _ in range(8):
        began = time.perf_counter()
        _ = np.sqrt(values) / values
        best = min(best, time.perf_counter() - began)
    return best / values.size * 1e9


def require(cell: Cell, needed: int, free: int, said: str) -> None:
    """Refuse a cell that needs more bytes than are free; ``said`` has both in words.

    Raises:
        ParityError: with what would need less, and fit.
    """
    if needed <= free:
        return
    less = {
        "--elements 1000000, which judges a drawn sample": replace(cell, drawn=1_000_000),
        "comparisons = ['lockstep'] in the case": replace(cell, comparisons=["lockstep"]),
    }
    ways = [way for way, other in less.items() if _memory(other, _judged(other)) <= free]
    raise ParityError(f"{cell.id}: {said}. Give {', or '.join([*ways, 'fewer or smaller tensors'])}.")
