"""The second form of what long runs repeat: the page and the measure of drift, compiled by Numba, with the same bits.

The page stays the only definition of the rule: it is run once on symbols, and what it did becomes a loop. Numba is an
extra (``fast``); without it, and in runs that are too short to pay for a compiler, NumPy does the same.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from parity.drift import Drift, drift
from parity.numerics import Array, Indices, unequal
from parity.rulebounds import Predicted

if TYPE_CHECKING:
    from parity.bounds import Bounded
    from parity.problem import Problem
    from parity.reference.rmsprop import RMSprop

WORTH = 300_000_000
"""Values that a run makes before it pays to compile: steps times elements. A kernel costs a second, once a process."""

WORTH_BOUNDING = 10_000_000
"""Elements that a run has bounded before it pays to compile that too: most runs differ in few."""

Named = Mapping[str, Any]
Step = Callable[[Named, Named, Named], tuple[dict[str, Any], dict[str, Any]]]
"""``RMSprop.step``: parameters, gradients and state in, parameters and state out."""
Rows = Mapping[str, Array]
BoundedStep = Callable[[Any], Mapping[str, Mapping[str, "Bounded"]]]
"""Flat rows by name in, bounded tensors by slot and name out."""
Predict = Callable[[Rows], Predicted]


def worth(problem: "Problem") -> bool:
    """Return whether compiled code pays in a case: a long one of large tensors, in a dtype that processors compute."""
    return problem.values >= WORTH and problem.dtype.itemsize >= 4 and _has_numba()


@cache
def _has_numba() -> bool:
    try:
        import numba  # noqa: F401  # whether it can be imported is the question
    except Exception:  # it may be installed and refuse the NumPy beside it, in words of its own
        return False
    return True


class Forms(NamedTuple):
    """The page's step, where two arrays differ, and how far they are apart: by NumPy or compiled, the same results.

    Two of them differ in one number: the sum of differences, which ``drift`` adds in the dtype of the values.
    ``bounds`` compiles a bounded step for rows such as the ones given, or returns None: then it is left as it is.
    """

    step: Step
    unequal: Callable[[Array, Array], Indices | None]
    drift: Callable[[Array, Array], Drift]
    bounds: Callable[[BoundedStep, Rows], Predict | None]


def forms(rule: "RMSprop", problem: "Problem") -> Forms:
    """Return the forms that are fastest for a case; a rule that mixes elements keeps the step of the page."""
    if not worth(problem):
        return Forms(rule.step, unequal, drift, lambda step, rows: None)
    from parity.compiled.bounds import compiled_bounds
    from parity.compiled.kernels import compiled_drift, compiled_unequal
    from parity.compiled.rule import compiled_step

    return Forms(compiled_step(rule) or rule.step, compiled_unequal, compiled_drift, compiled_bounds)
