"""The searching side of a worker: sends a generated case, waits for its outcome, and outlives the worker's death."""

import os
import tempfile
from typing import Any

import msgspec

from parity.case.rule import DEFAULT
from parity.case.spec import Cell
from parity.circumstances import child
from parity.circumstances.doctor import WORKER_ENVIRONMENT
from parity.errors import ParityError
from parity.fuzz.judging import features_of
from parity.fuzz.words import Example, Outcome
from parity.verdicts.verdict import Verdict


class Child:
    """One worker process at a time; a new one takes the place of one that died or hung.

    Args:
        time_limit: seconds that one case may take before its worker is stopped.
    """

    def __init__(self, time_limit: float) -> None:
        self._time_limit = time_limit
        self._process: child.Child | None = None
        # Made on this side, which always comes to its end: a worker is killed and removes nothing.
        self._folder = tempfile.TemporaryDirectory(prefix="parity-fuzz-")
        self._ends: set[str] = set()

    def accepted(self, subject: str, rule: str = DEFAULT) -> frozenset[str]:
        """Return the hyperparameters of a rule that a subject takes.

        Raises:
            ParityError: the subject cannot be loaded, or its process dies at once.
        """
        answer = self._ask({"subject": subject, "rule": rule})
        if isinstance(answer, str):
            raise ParityError(f"{subject}: {answer}.")
        return frozenset(answer["accepted"])

    def judge(self, example: Example, relation: str, subject: str) -> Outcome:
        """Return what an example came to; a worker that dies or hangs is a failure of the subject.

        Raises:
            ParityError: the example is no case, or the subject cannot be loaded.
        """
        outcome = self._judged({**msgspec.structs.asdict(example), "relation": relation, "subject": subject})
        if outcome.stage in self._ends:
            return msgspec.structs.replace(outcome, features=features_of(example))
        return outcome

    def judge_cell(self, cell: Cell, relation: str, subject: str) -> Outcome:
        """Return what a relation comes to on a cell of a case file, as ``judge`` does."""
        return self._judged({"cell": msgspec.to_builtins(cell), "relation": relation, "subject": subject})

    def _judged(self, task: dict[str, Any]) -> Outcome:
        answer = self._ask(task)
        if isinstance(answer, str):
            self._ends.add(answer)
            return Outcome(Verdict.FAILED.name, stage=answer, text=f"the subject's process {answer}", fails=True)
        return msgspec.convert(answer["outcome"], Outcome)

    def close(self) -> None:
        """Stop the worker and remove what it wrote."""
        self._stop()
        self._folder.cleanup()

    def _ask(self, task: dict[str, Any]) -> dict[str, Any] | str:
        """Return the worker's answer, or in words how it ended without one."""
        if self._process is None or not self._process.alive:
            self._stop()
            around = {**WORKER_ENVIRONMENT, **os.environ}
            self._process = child.Child("parity.fuzz.worker", self._folder.name, environment=around)
        try:
            answer = self._process.ask(task, self._time_limit)
        except child.NoAnswerError as ended:
            self._stop()
            return ended.how or f"did not answer within {self._time_limit:g} s and was stopped"
        if "error" in answer:
            raise ParityError(str(answer["error"]))
        return dict(answer)

    def _stop(self) -> None:
        if self._process is not None:
            self._process.end()
        self._process = None
