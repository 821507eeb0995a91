"""Drift where no bound exists: how far a subject is from the reference, beside references started one ULP away."""

from typing import Any

import msgspec
import numpy as np

from parity.bounds.compiled.kinds import Step
from parity.bounds.numerics import Array
from parity.judge.page import Page
from parity.problem.problems import Problem

COPIES = 2
DRIFT_POINTS = 200

_ENVELOPES: dict[bytes, list[float]] = {}
"""Case cell to its envelope, which no subject changes: a process that runs several of them makes it once."""


class Envelope:
    """Measures a subject's distance from the reference, and that of the reference's copies, at a few steps of a run."""

    def __init__(self, problem: Problem, page: Page) -> None:
        self._problem, self._layout = problem, page.layout
        self._key = msgspec.json.encode(problem.cell)
        self._known = _ENVELOPES.get(self._key)
        self._copies = _copies(problem, page) if self._known is None else []
        self._every = max(1, problem.cell.steps // DRIFT_POINTS)
        self._ended = False
        self._drift: list[float] = []
        self._envelope: list[float] = []

    def step(self, step: int, obtained: Array, expected: Array) -> None:
        """Let the copies make a step; measure parameters after it, flat rows ``[size]``, if it is one of the few."""
        for copy in self._copies:
            copy.step(self._problem, step)
        self._ended = step == self._problem.cell.steps - 1
        if step % self._every and not self._ended:
            return
        self._drift.append(_distance(obtained, expected))
        if self._known is not None:
            self._envelope.append(self._known[len(self._envelope)])
        else:
            self._envelope.append(max(_distance(self._layout.join(copy.params), expected) for copy in self._copies))

    @property
    def times(self) -> float:
        """How many times the distance of the copies the subject's is, at the end."""
        return self._drift[-1] / self._envelope[-1] if self._envelope and self._envelope[-1] else float("inf")

    def curves(self) -> dict[str, list[float]] | None:
        """Return both distances at each step that was measured; None if none was."""
        if not self._drift:
            return None
        if self._ended:
            _ENVELOPES[self._key] = self._envelope
        return {"drift": list(self._drift), "envelope": list(self._envelope)}


class _Copy:
    """A reference that starts one ULP away in every parameter."""

    def __init__(self, params: dict[str, Array], state: dict[str, Any], step: Step) -> None:
        self.params, self._state, self._step = params, state, step

    def step(self, problem: Problem, number: int) -> None:
        grads = problem.evaluate(self.params, number).gradients
        self.params, self._state = self._step(self.params, grads, self._state)


def _copies(problem: Problem, page: Page) -> list[_Copy]:
    copies = []
    for seed in range(COPIES):
        rng = np.random.default_rng([problem.cell.seed, seed])
        params = {}
        for name, w in problem.params.items():
            toward = np.where(rng.random(w.shape) < 0.5, -np.inf, np.inf).astype(w.dtype)
            params[name] = np.asarray(np.nextafter(w, toward))
        copies.append(_Copy(params, page.rule.init(params), page.make))
    return copies


def _distance(a: Array, b: Array) -> float:
    """Root of the mean squared difference over all parameters."""
    return float(np.sqrt(np.sum(np.square(a.astype(np.float64) - b.astype(np.float64))) / b.size))
