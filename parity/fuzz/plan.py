"""Which relation gets how many runs on which subject: a fixed sequence of rounds, each with a seed of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count as count_up
from random import Random

from parity.bounds.rule import page
from parity.case.rule import DEFAULT
from parity.fuzz.words import RELATIONS
from parity.reference.optimizer import Optimizer

DEFAULT_SUBJECTS = ("keras-eager", "keras-graph", "keras-xla")

# Tracing a function costs as much as dozens of eager runs, so the compiled modes get a smaller share.
_SHARE = {"keras-graph": 0.1, "keras-xla": 0.03, "keras-fit": 0.03}
_RUNS = {"reference": 120, "resume": 20, "permute": 20, "split": 20, "accumulate": 20, "sparse": 20}


LEAST = 8
"""The least runs of a round: Hypothesis begins each with the simplest example there is, so short ones learn nothing."""


@dataclass(frozen=True, slots=True)
class Round:
    """A number of generated runs of one relation on one subject; ``number`` and the search's seed make its own.

    ``rule`` is whose cases they are.
    """

    number: int
    relation: str
    subject: str
    runs: int
    seed: int
    rule: str = DEFAULT

    def random(self) -> Random:
        """Return the source of the round's cases: the same at each call."""
        return Random(f"{self.seed}/{self.number}/{self.relation}")


def holds(relation: str, subject: str, rule: str = DEFAULT) -> bool:
    """Return whether a relation can be asked of a subject at all: only Keras knows gradients that are rows."""
    return (relation != "sparse" or subject in DEFAULT_SUBJECTS) and applies(relation, page(rule))


def applies(relation: str, kind: type[Optimizer]) -> bool:
    """Return whether a relation holds of a rule: one that sums over rows or tensors has no elements to move or cut."""
    alone = kind().starts_alike
    return {"permute": alone, "split": alone and not kind().mixes_elements}.get(relation, True)


def rounds(
    subjects: list[str], relations: list[str], seed: int, runs: int | None, rule: str = DEFAULT
) -> Iterator[Round]:
    """Yield rounds in a fixed order, without end unless ``runs`` limits their sum."""
    pairs = [(r, s) for s in subjects for r in RELATIONS if r in relations and holds(r, s, rule)]
    left, number = runs, 0
    for cycle in count_up():
        for relation, subject in pairs:
            count = _count(relation, subject, cycle)
            if count == 0:
                continue
            count = count if left is None else min(count, left)
            if not count:
                return
            yield Round(number, relation, subject, count, seed, rule)
            left, number = None if left is None else left - count, number + 1
        if not pairs:
            return


def _count(relation: str, subject: str, cycle: int) -> int:
    """Return how many runs a pair gets in a cycle: a small share is saved up until a round is worth its while."""
    share = _RUNS[relation] * _SHARE.get(subject, 1.0)
    period = max(1, round(LEAST / share))
    return round(share * period) if cycle % period == 0 else 0
