"""A drawn sample of a problem's elements: what is recorded and judged where not all of them are."""

from collections.abc import Mapping

import numpy as np

from parity.bounds.numerics import Array, Indices
from parity.bounds.rule import reference_rule
from parity.errors import UnsupportedError
from parity.problem import data
from parity.problem.problems import Problem
from parity.trajectory.layout import layout_of_problem


class Drawn(Problem):
    """A problem whose parameters are the ``chosen`` elements of another one, each tensor a vector of them.

    ``shapes`` are those of the whole tensors.
    """

    def __init__(self, base: Problem) -> None:
        self.cell, self.dtype, self.scale, self.shapes = base.cell, base.dtype, base.scale, base.shapes
        self.chosen = _draw(base)
        self.params = {name: data.frozen(self.take(name, array)) for name, array in base.params.items()}

    def take(self, name: str, array: Array) -> Array:
        """Return the chosen elements of a tensor ``[*shape]``, ``[n]``."""
        return np.asarray(array).reshape(-1)[self.chosen[name]]

    def flat(self, name: str, number: int) -> int:
        """Return where in its flat tensor an element of the sample is."""
        return int(self.chosen[name][number])

    def index(self, name: str, number: int) -> list[int]:
        """Return the index into its tensor of an element of the sample."""
        shape = self.shapes[name]
        return [int(i) for i in np.unravel_index(self.flat(name, number), shape)] if shape else []


def drawn(problem: Problem) -> Problem:
    """Return what of a problem is judged: a sample of its elements where its cell asks for one, else all of it.

    Raises:
        UnsupportedError: its rule, or its gradients, do not treat each element by itself.
    """
    count = problem.cell.drawn
    if not count or count >= problem.whole:
        return problem
    way = "leave out --elements, or judge fewer steps by --every K"
    if problem.cell.gradients != "replayed":
        said = f"its gradients are {problem.cell.gradients}, of all elements together"
        raise UnsupportedError(f"--elements judges each element by itself, and {said}; {way}")
    if reference_rule(problem.cell).mixes_elements or layout_of_problem(problem).own:
        rule = problem.cell.rule
        raise UnsupportedError(f"--elements judges each element by itself, and {rule} as set here mixes them; {way}")
    return Drawn(problem)


def _draw(problem: Problem) -> Mapping[str, Indices]:
    """Draw one element of each of a tensor's equal stretches, as many as its share of all, and at least one."""
    rng, share = data.generator(problem.cell.seed, data.ELEMENTS), problem.cell.drawn / problem.whole
    chosen: dict[str, Indices] = {}
    for name, array in problem.params.items():
        quota = min(array.size, max(1, int(array.size * share)))
        ends = np.arange(quota + 1, dtype=np.int64) * array.size // max(quota, 1)
        chosen[name] = rng.integers(ends[:-1], ends[1:])
    return chosen
