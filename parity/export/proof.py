"""Which mistakes a vector catches: every mutant of what its case probes is judged by the vector's own bounds."""

from collections.abc import Callable, Mapping
from typing import Any

from parity.bounds.numerics import Array
from parity.bounds.rule import reference_rule
from parity.case.spec import Cell
from parity.diagnosis.mutants import Mutant, mutants
from parity.export.consume import first_miss
from parity.export.vector import Vector
from parity.subjects.binding.arguments import bind


def catches(cell: Cell, vector: Vector, values: Mapping[str, Array]) -> list[str]:
    """Return every mistake that leaves the bounds of a cell's vector, as ``mistake/variant``.

    Mistakes that stay inside every bound, such as another order of the same operations, are none to a vector.
    """
    found = []
    for mutant in mutants():
        make = factory(cell, mutant)
        if make is not None and first_miss(vector, values, make) is not None:
            found.append(title(mutant))
    return found


def title(mutant: Mutant) -> str:
    """Return the name of a mistake's variant in a vector: ``epsilon_place/outside``."""
    return f"{mutant.mistake}/{mutant.variant}"


def flags(cell: Cell, caught: list[str]) -> list[str]:
    """Return what a cell says that it probes, as far as its vector was shown to catch it."""
    mistakes = {name.partition("/")[0] for name in caught}
    return [mistake for mistake in cell.probes if mistake in mistakes]


def agrees(cell: Cell, vector: Vector, values: Mapping[str, Array]) -> bool:
    """Return whether the reference page passes the vector, as it must."""
    return first_miss(vector, values, lambda: reference_rule(cell)) is None


def factory(cell: Cell, mutant: Mutant) -> Callable[[], Any] | None:
    """Return what makes a mutant of a cell's optimizer, None where the mistake cannot be made there.

    A vector names its tensors, in no order and as no arrays: it shows no mistake in how they are handed over.
    """
    subject = None if mutant.handed or mutant.wraps or mutant.trains else mutant.make(cell)
    if subject is None:
        return None
    kind, arguments = subject.kind, bind(subject.kind, cell.hyperparameters).values
    return lambda: kind(**arguments)
