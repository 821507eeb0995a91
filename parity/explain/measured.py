"""The runs that an explanation needs, asked for by factor: which matter at all, and what each combination reaches."""

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from parity.errors import UsageError
from parity.explain.attribution import Coalition, plan
from parity.explain.experiment import Experiment
from parity.explain.factors import Program, switched
from parity.explain.pool import Pool
from parity.explain.store import Task

FRESH = 1000
"""Seeds from here on are kept for confirmations: no search has seen them."""

LAST = 3
"""Epochs at the end of a run over which its loss is judged."""

Record = dict[str, Any]


class Runs:
    """Runs of one experiment: programs between side A and side B, each with every seed."""

    def __init__(self, experiment: Experiment, pool: Pool, seeds: int | None = None, epochs: int | None = None) -> None:
        self.experiment, self.pool = experiment, pool
        self.a, self.b = experiment.programs
        self.seeds = range(seeds or experiment.seeds)
        self.epochs = epochs or experiment.epochs

    def toward_b(self, factors: Iterable[str]) -> Program:
        """Side A with the named factors taken from side B."""
        return switched(self.a, self.b, tuple(factors))

    def toward_a(self, factors: Iterable[str]) -> Program:
        """Side B with the named factors taken from side A."""
        return switched(self.b, self.a, tuple(factors))

    def records(
        self, programs: Sequence[Program], title: str, seeds: Iterable[int] | None = None
    ) -> list[list[Record]]:
        """Return, for each program, one record a seed."""
        chosen = list(self.seeds if seeds is None else seeds)
        tasks = [[Task(program, seed, self.epochs) for seed in chosen] for program in programs]
        found = self.pool.run((task for row in tasks for task in row), title)
        return [[found[task] for task in row] for row in tasks]

    def ends(self) -> tuple[list[Record], list[Record]]:
        """Return the records of both sides.

        Raises:
            UsageError: side B does not reach the target in every seed, so nothing can be measured against it.
        """
        a, b = self.records([self.a, self.b], "both sides")
        target, losses, name = self.experiment.target, reached(b), self.experiment.b.name
        if not all(loss <= target for loss in losses):
            raise UsageError(
                f"target {target:g} is out of reach: side B ({name}) reaches {_list(losses)} in {self.epochs} "
                f"epochs. Set `target` above {max(losses):.3g}, or train for more epochs."
            )
        return a, b

    def active(self) -> tuple[list[str], list[str]]:
        """Return the factors that change any bit of the trained weights, and those that change none.

        A factor is inert if switching it alone leaves every weight as it was, at side A's end and at side B's.
        """
        seed, names = [self.seeds[0]], self.experiment.active
        alone = self.records([self.a, *(self.toward_b([name]) for name in names)], "which factors matter", seed)
        quiet = [name for name, row in zip(names, alone[1:], strict=True) if _same(row, alone[0])]
        other = self.records([self.b, *(self.toward_a([name]) for name in quiet)], "which factors matter", seed)
        inert = [name for name, row in zip(quiet, other[1:], strict=True) if _same(row, other[0])]
        # Bits do not depend on them, so that both ends may share side A's values, and with them their runs.
        self.b = switched(self.b, self.a, tuple(inert))
        return [name for name in names if name not in inert], inert

    def combinations(self, active: Sequence[str]) -> dict[Coalition, list[Record]]:
        """Return the records of every combination that the attribution needs."""
        sets = plan(active)
        rows = self.records([self.toward_b(chosen) for chosen in sets], "combinations of factors")
        return dict(zip(sets, rows, strict=True))


def reached(records: Sequence[Record]) -> list[float]:
    """Return the loss that each run reached, one a seed: the geometric mean after its last three epochs.

    At a batch of one and a constant rate the loss jumps tenfold from one epoch to the next, and what a rounding error
    does to one epoch must not count as a cause. A loss that is not a number is infinite.
    """
    ends = [np.nan_to_num(record["loss"][1:][-LAST:], nan=np.inf, posinf=np.inf) for record in records]
    return [typical([float(loss) for loss in losses]) for losses in ends]


def typical(losses: Sequence[float]) -> float:
    """Return the geometric mean: losses differ by factors."""
    return float(np.exp(fmean(np.log(np.maximum(losses, 1e-300)))))


def epochs_to(record: Record, target: float) -> int | None:
    """Return the first epoch after which the loss is at most the target, or None."""
    return next((epoch for epoch, loss in enumerate(record["loss"]) if loss <= target), None)


def _same(one: Sequence[Record], other: Sequence[Record]) -> bool:
    return all(x["digest"] == y["digest"] for x, y in zip(one, other, strict=True))


def _list(losses: Iterable[float]) -> str:
    return ", ".join(f"{loss:.3g}" for loss in losses)
