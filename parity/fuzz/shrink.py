"""From a failing run to the smallest case that fails for the same cause: Hypothesis shrinks, a worker judges."""

import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.errors import HypothesisException

from parity.circumstances.files import ignore_cache
from parity.fuzz.findings import Failure
from parity.fuzz.plan import Round
from parity.fuzz.strategies import examples
from parity.fuzz.words import Example, Outcome

SECONDS = 90.0
_COMPILED_RUNS, _RUNS = 60, 500

Judge = Callable[[Example, str, str], Outcome]


def generate(round: Round, allowed: frozenset[str], condition: Callable[[Example], bool]) -> None:
    """Make the cases of a round and hand each to ``condition``, which is true where the round must end early."""
    _find(round, allowed, condition, (Phase.generate,), None, b"")


def shrink(
    failure: Failure, allowed: frozenset[str], judge: Judge, database: Path | None, wanted: Callable[[Outcome], bool]
) -> tuple[Example, Outcome] | None:
    """Return the smallest example that fails like this one, and how; None if the failure does not repeat.

    Args:
        failure: where the search met it.
        allowed: the hyperparameters of the subject.
        judge: runs an example of a relation on a subject.
        database: the folder of Hypothesis' examples, from which an earlier search's smallest example is tried first.
        wanted: whether an outcome belongs to the failure's cause.
    """
    round = failure.round
    hunt = _Hunt(round, judge, wanted)
    if database is not None:
        ignore_cache(database)
        key = "/".join((round.relation, round.subject, *failure.outcome.cause)).encode()
        hunt.skip = 0
        _find(round, allowed, hunt, (Phase.reuse, Phase.shrink), database, key)
        if hunt.best is not None:
            return hunt.best
        hunt.skip = failure.index
        _find(round, allowed, hunt, (Phase.generate, Phase.shrink), database, key)
    else:
        hunt.skip = failure.index
        _find(round, allowed, hunt, (Phase.generate, Phase.shrink), None, b"")
    return hunt.best


class _Hunt:
    """The condition that Hypothesis shrinks under: the first ``skip`` examples are not run, since they did not fail."""

    def __init__(self, round: Round, judge: Judge, wanted: Callable[[Outcome], bool]) -> None:
        self._round, self._judge, self._wanted = round, judge, wanted
        compiled = round.subject in ("keras-graph", "keras-xla", "keras-fit")
        self._left = _COMPILED_RUNS if compiled else _RUNS
        self._deadline = time.monotonic() + SECONDS
        self._judged: dict[Example, Outcome] = {}
        self.skip = 0
        self.best: tuple[Example, Outcome] | None = None

    def __call__(self, example: Example) -> bool:
        if self.skip > 0:
            self.skip -= 1
            return False
        outcome = self._judged.get(example)
        if outcome is None:
            if self._left <= 0 or time.monotonic() > self._deadline:
                return False
            self._left -= 1
            outcome = self._judged[example] = self._judge(example, self._round.relation, self._round.subject)
        if not (outcome.fails and self._wanted(outcome)):
            return False
        self.best = (example, outcome)
        return True


def _find(
    round: Round,
    allowed: frozenset[str],
    condition: Callable[[Example], bool],
    phases: tuple[Phase, ...],
    database: Path | None,
    key: bytes,
) -> None:
    limits = settings(
        max_examples=round.runs,
        phases=phases,
        database=None if database is None else DirectoryBasedExampleDatabase(database),
        deadline=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        find(
            examples(round.relation, allowed, rule=round.rule),
            condition,
            settings=limits,
            random=round.random(),
            database_key=key,
        )
    except HypothesisException:
        # No example is left to find, or one no longer fails when it is run again: what was seen stands in `condition`.
        return
