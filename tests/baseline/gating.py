"""Runs made up without running, an optimizer with interchangeable lines, and the command line as a function."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parity import api
from parity.commands.cli import main
from parity.verdicts.results import Comparison, Divergence, Pair, Run, Worst

HERE: dict[str, Any] = {
    "cpu": "Model A fma avx2",
    "cores": 2,
    "system": "Linux x86_64, Some OS",
    "python": "3.11.7",
    "parity": "0.1.0",
    "commit": "c0ffee",
    "packages": {"numpy": "2.4.6", "tensorflow": "2.21.0", "keras": "3.15.1", "pandas": "3.0"},
    "environment": {},
}
ELSEWHERE = HERE | {"cpu": "Model B fma avx2 avx512f"}
OPTIMIZER = """
import numpy as np


class RMSprop:
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.learning_rate, self.rho, self.epsilon = learning_rate, rho, epsilon

    def init(self, params):
        return {{name: np.zeros_like(w) for name, w in params.items()}}

    def step(self, params, grads, state):
        new_params, new_state = {{}}, {{}}
        for name, g in grads.items():
            v = new_state[name] = self.rho * state[name] + (1 - self.rho) * {square}
            new_params[name] = params[name] - self.learning_rate * g / {root}
        return new_params, new_state

    def slots(self, state):
        return {slots}
"""
INSIDE = "np.sqrt(v + self.epsilon)"
SHOWN = "{'second_moment': state}"
LINES = {
    "identical": ("(g * g)", INSIDE, SHOWN),
    "rounding": ("g * g", INSIDE, SHOWN),
    "diverged": ("(g * g)", "(np.sqrt(v) + self.epsilon)", SHOWN),
    "hiding": ("(g * g)", INSIDE, "{}"),
    "raising": ("(g * g)", "(1 / 0)", SHOWN),
}


def optimizer(path: Path, kind: str) -> None:
    """Write the optimizer of that kind into a file."""
    square, root, slots = LINES[kind]
    path.write_text(OPTIMIZER.format(square=square, root=root, slots=slots), encoding="utf-8")


def made(case: str, verdict: str = "IDENTICAL", mode: str = "lockstep", **more: Any) -> Comparison:
    """Make up a comparison; a ratio in ``more`` gives it a worst difference, ``parts`` a first divergence."""
    ratio, parts = more.pop("ratio", None), more.pop("parts", None)
    worst = Worst(3, "second_moment", "w1", [4], 1.0, 2.0, 1e-9, -1.0, ratio, 7.0) if ratio is not None else None
    first = Divergence(parts, "parameter", "w1", [2], 1.0, 2.0, 1e-9, "denominator") if parts is not None else None
    settings: dict[str, Any] = {
        "subject": "reference",
        "compared": 100,
        "reason": "",
        "digest": f"{case} {verdict} {ratio}",
    } | more
    return Comparison(
        case=case,
        gradients="replayed",
        comparison=mode,
        verdict=verdict,
        worst=worst,
        first_divergence=first,
        **settings,
    )


def a_run(*items: Comparison, circumstances: dict[str, Any] | None = None, **cell: Any) -> Run:
    """Make up a run of comparisons; further arguments become part of each cell's definition."""
    pairs = [Pair(item.case, "a case", item.subject, "a.Class", [item]) for item in items]
    modes = ["lockstep", "free"]
    cells = [{"id": case, "steps": 5, "comparisons": modes} | cell for case in sorted({item.case for item in items})]
    return Run(pairs, circumstances or HERE, "2026-01-01T00:00:00Z", 1.0, cells)


class Line:
    """The command line in a folder of its own; ``next`` is the run that the next check is given."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._capsys, self.next = folder, capsys, a_run()
        self.baseline = folder / "reports" / "baseline"
        self._fake = lambda: monkeypatch.setitem(
            sys.modules, "parity.api", SimpleNamespace(run_all=lambda *_, **__: self.next, describe=api.describe)
        )
        self.out = self.err = ""

    def __call__(self, *words: str) -> int:
        """Run a command and return its status; what it printed is in ``out`` and ``err``."""
        status = main(list(words))
        captured = self._capsys.readouterr()
        self.out, self.err = captured.out, captured.err
        return status

    def check(self, *items: Comparison, words: tuple[str, ...] = (), **more: Any) -> int:
        """Check a run that was made up; unless words name cases, as if the whole set had run."""
        self._fake()
        self.next = a_run(*items, **more)
        return self("check", "--subject", "reference", *(words if words and words[0] != "--strict" else ("*", *words)))

    def accepted(self, *items: Comparison, **more: Any) -> None:
        """Make comparisons the baseline."""
        self.check(*items, **more)
        assert self("accept") == 0

    def record(self, name: str = "reference") -> Path:
        """Return the path of a record."""
        return self.baseline / f"{name}.json"

    def left(self) -> list[str]:
        """Return the names of everything in the baseline's folder, but for what has git ignore some of it."""
        return sorted(path.name for path in self.baseline.iterdir() if path.name != ".gitignore")
