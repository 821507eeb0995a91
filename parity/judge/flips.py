"""Branches that rounding may decide: a ReLU that is on at one side and off at the other."""

from collections.abc import Iterator, Mapping

import numpy as np

from parity.bounds.network import GradientBounds, undecided_units
from parity.bounds.numerics import Array
from parity.problem.problems import Evaluation, MlpProblem, Problem
from parity.reference import network
from parity.verdicts.results import BranchFlip


def undecided_branches(
    bounds: GradientBounds, obtained: Mapping[str, Array], expected: Mapping[str, Array], step: int
) -> Iterator[BranchFlip]:
    """Yield units within rounding of zero that pass a gradient at one side and none at the other (batches of one)."""
    for layer, example, unit in undecided_units(bounds):
        name = f"dense_{layer}/bias"
        if (obtained[name][unit] == 0) != (expected[name][unit] == 0):
            pre = bounds.hidden[layer - 1]
            z, e = float(pre.value[example, unit]), float(pre.error[example, unit])
            yield BranchFlip(step, layer, unit, example, z, z, e)


def opposite_branches(
    problem: Problem, params: Mapping[str, Array], evaluation: Evaluation, step: int
) -> Iterator[BranchFlip]:
    """Yield units whose ReLU is on at a subject's ``params`` and off in the reference's evaluation, or the reverse."""
    if not isinstance(problem, MlpProblem):
        return
    theirs = network.forward(params, problem.batch(step).x).pre_activations[:-1]
    for layer, (obtained, expected) in enumerate(zip(theirs, evaluation.hidden, strict=True), start=1):
        for example, unit in np.argwhere((obtained > 0) != (expected > 0)):
            a, b = float(obtained[example, unit]), float(expected[example, unit])
            yield BranchFlip(step, layer, int(unit), int(example), a, b, abs(a - b))
