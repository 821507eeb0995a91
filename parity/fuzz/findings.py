"""What a search found: failures by cause, and which of them one shrunk case, or a listed divergence, explains."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import msgspec
from msgspec import Struct

from parity.case import known
from parity.case.cells import collect
from parity.fuzz.features import features
from parity.fuzz.plan import Round
from parity.fuzz.words import Outcome
from parity.problem.problems import make

Cause = tuple[str, ...]


class Finding(Struct, frozen=True):
    """One distinct fault: where it shows, what it needs, the case that reproduces it, and the command that does."""

    relation: str
    subject: str
    verdict: str
    reason: str
    features: list[str]
    runs: int
    place: dict[str, object]
    case: str = ""
    command: str = ""
    repeatable: bool = True


class Listed(Struct, frozen=True):
    """A known divergence that the search met again."""

    case: str
    reason: str
    link: str
    runs: int


def merged(findings: list[Finding]) -> list[Finding]:
    """Return one finding for those that show in one place, where what one needs is part of what the others need."""
    kept: list[Finding] = []
    for finding in sorted(findings, key=lambda finding: (len(finding.features), finding.case)):
        number = next((i for i, smaller in enumerate(kept) if _within(finding, smaller)), None)
        if number is None:
            kept.append(finding)
        else:
            kept[number] = msgspec.structs.replace(kept[number], runs=kept[number].runs + finding.runs)
    return kept


def _within(finding: Finding, smaller: Finding) -> bool:
    names = ("relation", "subject", "verdict", "repeatable")
    same = all(getattr(finding, name) == getattr(smaller, name) for name in names)
    places = [item.place.get("slot") or item.reason for item in (finding, smaller)]
    return same and places[0] == places[1] and set(smaller.features) <= set(finding.features)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a run must show to be the known divergence of a case: its verdict and all that is special about the case."""

    case: str
    subject: str
    verdict: str
    features: frozenset[str]
    reason: str
    link: str
    relation: str = ""

    def explains(self, subject: str, relation: str, outcome: Outcome) -> bool:
        """Return whether a failing run holds everything that the known case holds, and fails as it does.

        What is no relation's own shows in any of them. Where a relation does not hold, the two runs make other steps,
        and those of one may leave the numbers that there are.
        """
        alike = (self.verdict, "NON_FINITE") if self.relation else (self.verdict,)
        matches = fnmatchcase(subject, self.subject) and outcome.verdict in alike
        return matches and self.relation in ("", relation) and self.features <= set(outcome.features)


def signatures() -> list[Signature]:
    """Return the known divergences whose cases replay gradients; the data of each case is read once."""
    found = []
    for entry in known.load():
        cells, _ = collect([entry.case])
        for cell in cells:
            if cell.gradients == "replayed":
                marks = features(make(cell)) - {"several tensors"}
                says = entry.reason, entry.link, entry.relation
                found.append(Signature(cell.id, entry.subject, entry.verdict, marks, *says))
    return found


@dataclass(slots=True)
class Failure:
    """Where a failure was met first: the round, the number of the run in it, and how many runs were like it."""

    round: Round
    index: int
    outcome: Outcome
    runs: int = 1

    @property
    def order(self) -> tuple[int, int]:
        """Its place in the search, which does not depend on how many workers there are."""
        return self.round.number, self.index


@dataclass(slots=True)
class Failures:
    """All failures of a search, one for each cause and set of features, in the order of the search."""

    found: dict[tuple[str, str, Cause, frozenset[str]], Failure] = field(default_factory=dict)

    def add(self, round: Round, index: int, outcome: Outcome) -> None:
        """Take up a failing run."""
        key = (round.relation, round.subject, outcome.cause, frozenset(outcome.features))
        new = Failure(round, index, outcome)
        old = self.found.get(key)
        if old is not None:
            new.runs += old.runs
            if old.order < new.order:
                new.round, new.index, new.outcome = old.round, old.index, old.outcome
        self.found[key] = new

    def groups(self) -> list[list[Failure]]:
        """Return the failures by relation, subject and cause, each group and all groups in the order of the search."""
        grouped: dict[tuple[str, str, Cause], list[Failure]] = {}
        for (relation, subject, cause, _), failure in self.found.items():
            grouped.setdefault((relation, subject, cause), []).append(failure)
        groups = [sorted(group, key=lambda failure: failure.order) for group in grouped.values()]
        return sorted(groups, key=lambda group: group[0].order)
