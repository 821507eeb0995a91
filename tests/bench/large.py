"""Large jobs: a class that rounds otherwise everywhere, by both comparisons, with Numba and without; many tensors."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from parity.case.spec import Cell, Replayed, Weights, hyperparameters
from parity.problem import problems

LARGE = {"kernel": [2_000, 1_250], "embedding": [2_500_000]}
HUGE = {"kernel": [5_000, 10_000]}
MANY = {f"layer_{number}/kernel": [8] for number in range(10_000)}
STEPS = 64


class Otherwise:
    """RMSprop as a lerp, with the rate after the quotient: each differs from tf.keras by rounding alone."""

    def __init__(
        self,
        learning_rate: float = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
    ) -> None:
        self.rate, self.kept, self.epsilon = (np.float32(x) for x in (learning_rate, 1 - rho, epsilon))

    def init(self, params: Any) -> Any:
        return {name: np.zeros_like(w) for name, w in params.items()}

    def step(self, params: Any, grads: Any, state: Any) -> Any:
        moments = {name: v + self.kept * (np.square(grads[name]) - v) for name, v in state.items()}
        after = {
            name: w - self.rate * (grads[name] / np.sqrt(moments[name] + self.epsilon)) for name, w in params.items()
        }
        return after, moments

    def slots(self, state: Any) -> Any:
        return {"second_moment": state}


def cell(tensors: dict[str, list[int]], steps: int) -> Cell:
    """Return a replayed case of these tensors, judged by both comparisons."""
    return Cell(
        id="large",
        case="large",
        summary="made for a measurement",
        probes=["rho"],
        problem=Replayed(generator="log_spaced", tensors=tensors, low=1e-4, high=1.0),
        weights=Weights(),
        steps=steps,
        dtype="float32",
        hyperparameters=hyperparameters()(),
        gradients="replayed",
        comparisons=["lockstep", "free"],
        seed=0,
    )


def nanoseconds(numba: bool, steps: int = STEPS) -> float:
    """Return what an element and step of a large run take from start to end, once a process has what it imports."""
    seconds, _ = _in_a_process("LARGE", steps, numba)
    return seconds / steps / 5_000_000 * 1e9


def huge_megabytes() -> float:
    """Return the peak memory of 50 million elements in two steps."""
    return _in_a_process("HUGE", 2, True)[1]


def huge_seconds() -> float:
    """Return the seconds of 50 million elements in two steps, once a process has what it imports."""
    return _in_a_process("HUGE", 2, True)[0]


def weights_megabytes() -> float:
    """Return the memory of their weights."""
    return 4 * 50.0


def many_seconds() -> float:
    """Return the seconds of 10,000 tensors of 8 elements in 100 steps."""
    return _in_a_process("MANY", 100, True)[0]


def many_by_hand() -> float:
    """Return the seconds in which those gradients are drawn and those steps made, with nothing judged."""
    made, optimizer = problems.make(cell(MANY, 100)), Otherwise()
    params, state = dict(made.params), optimizer.init(made.params)
    began = time.perf_counter()
    for step in range(100):
        params, state = optimizer.step(params, made.gradients(step), state)
    return time.perf_counter() - began


def _in_a_process(tensors: str, steps: int, numba: bool) -> tuple[float, float]:
    program = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import large; "
    program += f"large.measured(large.{tensors}, {steps})"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "numba.py").write_text("raise ImportError\n", encoding="utf-8")
        before = os.environ.get("PYTHONPATH", "")
        path = before if numba else f"{folder}{os.pathsep}{before}"
        words = [sys.executable, "-c", program]
        around = {**os.environ, "PYTHONPATH": path}
        done = subprocess.run(words, check=True, capture_output=True, text=True, env=around)
    seconds, megabytes = done.stdout.strip().splitlines()[-1].split()
    return float(seconds), float(megabytes)


def measured(tensors: dict[str, list[int]], steps: int) -> None:
    """Print the seconds of one run, and the peak of its processes in megabytes."""
    from parity.runner.loop import run_pair
    from parity.subjects.numpy_class import NumpySubject

    began = time.perf_counter()
    pair = run_pair(cell(tensors, steps), "large", NumpySubject(Otherwise, "large"), beside=True)
    seconds = time.perf_counter() - began
    assert {item.verdict for item in pair.comparisons} == {"ROUNDING"}, pair.comparisons
    who = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    print(seconds, sum(resource.getrusage(each).ru_maxrss for each in who) / 1024)
