"""What a pass did not see: pairs come in, and for each person's subject that parts nowhere, what no case has shown."""

from collections.abc import Iterable, Mapping

from parity.case.spec import Cell
from parity.subjects import is_users
from parity.subjects.numpy_class import NUMBER_ONLY
from parity.verdicts.results import Pair

_RATE = "not seen: a changing rate, which alone shows whether the rate multiplies the momentum buffer or what enters it"
_KEPT = (
    "the class takes a number and keeps it where it cannot be set anew. Keep it in an attribute that each step reads, "
    "such as self.learning_rate, or take a callable of the step: the cases that change it are then compared"
)
_OTHERS = "no case that was compared changes it; those of schedule/* do"


def unseen(pairs: Iterable[Pair], cells: Mapping[str, Cell]) -> dict[str, list[str]]:
    """Return by subject what its agreement says nothing about, and what would show it; nothing of who parts somewhere.

    Args:
        pairs: everything that was run.
        cells: the cells of those cases, by id.
    """
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(pair.subject, []).append(pair)
    found = {subject: _rate(group, cells) for subject, group in groups.items() if is_users(subject)}
    return {subject: lines for subject, lines in found.items() if lines}


def _rate(pairs: list[Pair], cells: Mapping[str, Cell]) -> list[str]:
    compared = [cells[pair.case].hyperparameters for pair in pairs if any(i.outcome.compared for i in pair.comparisons)]
    fails = any(item.outcome.fails for pair in pairs for item in pair.comparisons)
    if fails or any(not isinstance(given.learning_rate, float | int) for given in compared):
        return []
    kept = any(item.reason.startswith(NUMBER_ONLY) for pair in pairs for item in pair.comparisons)
    with_momentum = any(getattr(given, "momentum", 0) for given in compared)
    return [f"{_RATE}: {_KEPT if kept else _OTHERS}."] if compared and (kept or with_momentum) else []
