"""Relations asked again of one case file: how a finding that needs no reference is repeated."""

from typing import Any

import msgspec
from msgspec import Struct

from parity.case.cells import select
from parity.errors import UsageError
from parity.fuzz.child import Child
from parity.fuzz.words import Outcome

CASE_SECONDS = 120.0


class Repeated(Struct, frozen=True):
    """What one relation came to on one cell and subject."""

    case: str
    subject: str
    relation: str
    outcome: Outcome

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        record: dict[str, Any] = msgspec.to_builtins(self)
        return record


def repeat(pattern: str, subjects: list[str], relations: list[str]) -> list[Repeated]:
    """Return the outcome of each relation on each cell that the pattern selects, and each subject.

    Raises:
        ParityError: the pattern selects nothing, a cell's gradients are not replayed, or a subject cannot be loaded.
    """
    cells = select([pattern])
    for cell in cells:
        if cell.gradients != "replayed":
            raise UsageError(f"{cell.id}: its gradients are {cell.gradients}; relations need a case that replays them.")
    child = Child(CASE_SECONDS)
    try:
        return [
            Repeated(cell.id, subject, relation, child.judge_cell(cell, relation, subject))
            for cell in cells
            for subject in subjects
            for relation in relations
        ]
    finally:
        child.close()
