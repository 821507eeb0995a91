"""A log in, the verdict on every step of it that can be judged out, and what was not seen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from parity.case.rule import Rule
from parity.case.spec import Cell, Hyperparameters, Replayed, Weights
from parity.judge.evidence import Evidence
from parity.judge.lockstep import Lockstep
from parity.judge.page import Reference, reference
from parity.problem.data import Tensors
from parity.problem.problems import Problem
from parity.trajectory.blocks import BLOCK_BYTES, Block
from parity.trajectory.log.names import PARAMETER
from parity.trajectory.log.reading import Log


class LogProblem(Problem):
    """The weights and gradients of a log as a problem that was replayed; its steps keep their numbers."""

    def __init__(self, log: Log, rule: Rule, given: Hyperparameters) -> None:
        shapes = {name: list(shape) for name, shape in zip(log.layout.names, log.layout.shapes, strict=True)}
        super().__init__(
            Cell(
                id="log",
                case="log",
                summary=log.where,
                probes=[],
                problem=Replayed("log_spaced", tensors=shapes),
                weights=Weights("constant", 0.0),
                steps=len(log.numbers),
                dtype=str(log.dtype.name),  # type: ignore[arg-type]  # one of the four names
                hyperparameters=given,
                gradients="replayed",
                comparisons=["lockstep"],
                seed=0,
                rule=rule.name,
            )
        )
        self.log = log
        self.params = log.layout.split(log.before[PARAMETER][0])

    @property
    def numbers(self) -> Sequence[int]:
        """The zero-based numbers of the logged steps."""
        return self.log.numbers

    def gradients(self, step: int) -> Tensors:
        """Return the gradients of a logged step."""
        return self.log.layout.split(self.log.gradients[self.log.numbers.index(step)])


@dataclass(frozen=True, slots=True)
class Judged:
    """What judging a log yields.

    Attributes:
        problem: the log as a problem.
        evidence: the verdict with its evidence; None where no step can be judged.
        places: the places of the steps that were judged.
        unseen: sentences on what was not judged, and why.
    """

    problem: LogProblem
    evidence: Evidence | None
    places: tuple[int, ...]
    unseen: tuple[str, ...]


def judge(log: Log, rule: Rule, given: Hyperparameters) -> Judged:
    """Hold every step of a log against one step of the rule's page from the same state, in lockstep.

    A slot that the log lacks is the reference's own, with its bound, where the log has every step from the start on.
    Where it leaves some out, such a slot is not known, and nothing that follows from it can be judged.
    """
    problem = LogProblem(log, rule, given)
    against = reference(problem)
    kept, stretches = against.page.slots, log.stretches()
    hidden = [slot for slot in kept if slot not in log.slots]
    surplus = [slot for slot in log.slots if slot not in kept]
    chosen = stretches if not hidden else stretches[:1] if log.numbers[0] == 0 else []
    unseen = [*_hidden(log, hidden, chosen), *_surplus(surplus, rule), *_between(log)]
    evidence = held_against(problem, chosen) if chosen else None
    return Judged(problem, evidence, tuple(at for stretch in chosen for at in stretch), tuple(unseen))


def held_against(problem: LogProblem, stretches: Sequence[range], against: Reference | None = None) -> Evidence:
    """Return what folding over some stretches of a log yields, held against the page or what stands in its place."""
    # What the log shows and the reference does not keep has no step to be held against.
    kept = (against or reference(problem)).page.slots
    fold = Lockstep(problem, against)
    with np.errstate(all="ignore"):
        for block in blocks(problem.log, stretches, [PARAMETER, *kept]):
            fold.feed(block)
        return fold.result()


def blocks(log: Log, stretches: Sequence[range], fields: Sequence[str]) -> Iterator[Block]:
    """Yield stretches of a log as blocks, cut where memory says so."""
    fields = [field for field in fields if field in log.before]
    size = log.layout.size * log.dtype.itemsize * len(fields)
    most = max(1, BLOCK_BYTES // max(size, 1))
    for stretch in stretches:
        for first in range(stretch.start, stretch.stop, most):
            last = min(first + most, stretch.stop)
            rows = {
                field: np.concatenate([log.before[field][first : first + 1], log.after[field][first:last]])
                for field in fields
            }
            yield Block(log.numbers[first], last - first, log.layout, rows, log.gradients[first:last], None)


def _hidden(log: Log, hidden: list[str], chosen: Sequence[range]) -> Iterator[str]:
    if not hidden:
        return
    slots, numbers = ", ".join(hidden), log.numbers
    judged = sum(map(len, chosen))
    if not judged:
        yield (
            f"{slots}: not in the log, which begins at step {numbers[0]}; without the state before a step nothing that "
            f"follows from it can be judged. Log {slots}, or every step from the first one on."
        )
        return
    yield f"{slots}: not in the log; carried by the reference from the first step on, with a bound that grows."
    if judged < len(numbers):
        later = f"step {numbers[judged]}" if judged == len(numbers) - 1 else f"{len(numbers) - judged} steps"
        yield (
            f"{later} from step {numbers[judged]} on: not judged, since {slots} cannot be carried over a gap. "
            f"Log {slots}, or every step."
        )


def _surplus(surplus: list[str], rule: Rule) -> Iterator[str]:
    for slot in surplus:
        about = rule.slots.get(slot, slot)
        yield (
            f"{slot}: in the log and not judged: with these hyperparameters {rule.name} keeps no such slot ({about}). "
            f"If the program does, set what turns it on, such as --set momentum=0.9 or --set centered=true."
        )


def _between(log: Log) -> Iterator[str]:
    """Say where something changed the state between two steps that follow each other: no step of the optimizer did."""
    moved = [
        (log.numbers[at], fields)
        for at in range(1, len(log.numbers))
        if log.numbers[at] == log.numbers[at - 1] + 1 and (fields := log.moved(at))
    ]
    if not moved:
        return
    (number, fields), *more = moved
    also = f" (and between {len(more)} more pairs of steps)" if more else ""
    yield (
        f"between step {number - 1} and step {number}{also} {', '.join(fields)} changed, which no step of the "
        f"optimizer did: each step is judged from where it started."
    )
