"""Cells to try things on, and the optimizers that lie beside these tests."""

from pathlib import Path

import msgspec

from parity.case.cells import collect
from parity.case.spec import Cell, Replayed, Weights, hyperparameters
from parity.runner.loop import run_pair
from parity.subjects.adapter import Adapter
from parity.verdicts.results import Comparison

OPTIMIZERS = Path(__file__).parents[1] / "optimizers"
TENSORS = {"kernel": [8, 16], "bias": [16], "scale": []}


def cell(
    steps=10,
    low=1e-7,
    high=10.0,
    tensors=TENSORS,
    dtype="float32",
    modes=("lockstep", "free"),
    finite=True,
    every=1,
    drawn=0,
    **given,
):
    """A replayed cell with log-spaced gradients; further arguments are hyperparameters."""
    return Cell(
        id="tried",
        case="tried",
        summary="made by a test",
        probes=["rho"],
        problem=Replayed(generator="log_spaced", tensors=tensors, low=low, high=high),
        weights=Weights(),
        steps=steps,
        dtype=dtype,
        hyperparameters=hyperparameters()(**given),
        gradients="replayed",
        comparisons=list(modes),
        seed=1,
        non_finite=not finite,
        every=every,
        drawn=drawn,
    )


def committed(*patterns, steps=None) -> list[Cell]:
    """Committed cells, cut short where ``steps`` is given."""
    cells, problems = collect(list(patterns))
    assert not problems
    return [msgspec.structs.replace(c, steps=min(c.steps, steps or c.steps)) for c in cells]


def optimizer(file: str, name: str = "RMSprop") -> str:
    """The name of a subject among the test's optimizers."""
    return f"{OPTIMIZERS / file}.py:{name}"


def judged(cell: Cell, subject: str, adapter: Adapter | None = None) -> dict[str, Comparison]:
    """Run in this process and return the comparisons by mode; a subject that was made already is not made anew."""
    return {item.comparison: item for item in run_pair(cell, subject, adapter).comparisons}
