"""Relations asked again of one case file: how a finding that needs no reference is repeated."""

from itertools import product
from typing import Any

import msgspec
from msgspec import Struct

from parity.case.cells import select
from parity.errors import UsageError
from parity.fuzz.child import Child
from parity.fuzz.findings import Signature, signatures
from parity.fuzz.words import Outcome

CASE_SECONDS = 120.0


class Repeated(Struct, frozen=True):
    """What one relation came to on one cell and subject; ``known`` is the reason where it fails as it is listed."""

    case: str
    subject: str
    relation: str
    outcome: Outcome
    known: str = ""

    @property
    def fails(self) -> bool:
        """Whether it fails, and not as it is listed."""
        return self.outcome.fails and not self.known

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        record: dict[str, Any] = msgspec.to_builtins(self)
        return record


def repeat(pattern: str, subjects: list[str], relations: list[str]) -> list[Repeated]:
    """Return the outcome of each relation on each cell that the pattern selects, and each subject.

    Raises:
        ParityError: the pattern selects nothing, a cell's gradients are not replayed, or a subject cannot be loaded.
    """
    cells, entries = select([pattern]), signatures()
    for cell in cells:
        if cell.gradients != "replayed":
            raise UsageError(f"{cell.id}: its gradients are {cell.gradients}; relations need a case that replays them.")
    child = Child(CASE_SECONDS)
    try:
        asked = product(cells, subjects, relations)
        return [_listed(Repeated(c.id, s, r, child.judge_cell(c, r, s)), entries) for c, s, r in asked]
    finally:
        child.close()


def _listed(found: Repeated, entries: list[Signature]) -> Repeated:
    """Return an outcome with the reason of the known divergence that explains it, if one does."""
    asked = found.subject, found.relation, found.outcome
    entry = next((each for each in entries if found.outcome.fails and each.explains(*asked)), None)
    return found if entry is None else msgspec.structs.replace(found, known=f"{entry.reason} ({entry.link})")
