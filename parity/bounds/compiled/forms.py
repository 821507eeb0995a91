"""Which form of the page, of its bounds and of the comparison a case is given: NumPy's, or the compiled one."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from parity.bounds.compiled.kinds import BoundedLoop, BoundedStep, Step
from parity.bounds.drift import Drift, drift
from parity.bounds.numerics import Array, Difference, difference
from parity.bounds.rule import SlotRows

if TYPE_CHECKING:
    from parity.reference.optimizer import Optimizer


class Sized(Protocol):
    """A problem, as far as compiling it matters: how many values a run of it makes, and their dtype."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """What they are computed in."""

    @property
    def values(self) -> int:
        """Steps times elements."""

    @property
    def elements(self) -> int:
        """How many elements a step has."""


WORTH = 300_000_000
"""Values that a run makes before it pays to compile: steps times elements. A kernel costs a second, once a process."""

LARGE = 1_000_000
"""Elements of a step that is judged in pieces, several at a time; a run of a few of them pays to compile, too."""

WORTH_LARGE = 40_000_000
"""Values that a run of large steps makes before it pays to compile."""

WORTH_BOUNDING = 10_000_000
"""Elements that a run has bounded before it pays to compile that too: most runs differ in few."""


def worth(problem: Sized) -> bool:
    """Return whether compiled code pays in a case: a long one of large tensors, in a dtype that processors compute."""
    long = problem.values >= (WORTH_LARGE if problem.elements >= LARGE else WORTH)
    return long and problem.dtype.itemsize >= 4 and has_numba()


@cache
def has_numba() -> bool:
    """Whether loops can be compiled."""
    try:
        import numba  # noqa: F401  # whether it can be imported is the question
    except Exception:  # it may be installed and refuse the NumPy beside it, in words of its own
        return False
    return True


def permuted(problem: Sized) -> Callable[[np.random.Generator, Array], Array]:
    """Return ``Generator.permuted`` in the form that is fastest for a case: the same arrays, the same state after."""
    if not worth(problem):
        return np.random.Generator.permuted
    from parity.bounds.compiled.permuting import compiled_permuted

    return compiled_permuted


class Forms(NamedTuple):
    """The page's step, where two arrays differ, and how far they are apart: by NumPy or compiled, the same results.

    Two of them differ in one number: the sum of differences, which ``drift`` adds in the dtype of the values.
    ``bounds`` compiles a bounded step for rows and errors such as its arguments, or returns None: then it is left as it
    is.
    """

    step: Step
    difference: Callable[[Array, Array], Difference]
    drift: Callable[[Array, Array], Drift]
    bounds: Callable[[BoundedStep, SlotRows, SlotRows], BoundedLoop | None]


def forms(rule: "Optimizer", problem: Sized, by_elements: bool = True) -> Forms:
    """Return the forms that are fastest for a case; a rule that mixes elements keeps the step of the page.

    So does one whose slots have shapes of their own: it is not ``by_elements``.
    """
    if not worth(problem):
        return Forms(rule.step, difference, drift, lambda step, rows, errors: None)
    from parity.bounds.compiled.bounds import compiled_bounds
    from parity.bounds.compiled.kernels import compiled_difference, compiled_drift
    from parity.bounds.compiled.rule import compiled_step

    step = compiled_step(rule) if by_elements else None
    return Forms(step or rule.step, compiled_difference, compiled_drift, compiled_bounds)
