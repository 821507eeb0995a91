"""A conformance set of a few cells that flag every mistake that a bound can show, written once for all workers."""

import fcntl
import os
from pathlib import Path

import pytest

from parity.commands.cli import main

CELLS = (
    "rmsprop/plain[float32]",
    "rmsprop/plain[float64]",
    "rmsprop/plain[bfloat16]",
    "rmsprop/rho[rho=0.99]",
    "rmsprop/epsilon",
    "rmsprop/momentum[float32,momentum=0.9]",
    "rmsprop/momentum_small",
    "rmsprop/centered[float32]",
    "rmsprop/weight_decay[weight_decay=0.004]",
    "rmsprop/weight_decay_small",
    "rmsprop/weight_decay_excluded",
    "rmsprop/clipnorm[float32,clipnorm=0.5]",
    "rmsprop/global_clipnorm[float32]",
    "rmsprop/clipvalue[clipvalue=0.001]",
    "rmsprop/ema[ema_momentum=0.5+ema_overwrite_frequency=7]",
    "rmsprop/loss_scale_factor[loss_scale_factor=3.0]",
    "rmsprop/gradient_accumulation[gradient_accumulation_steps=3]",
    "rmsprop/rho_float64",
    "rmsprop/everything[float32]",
    "schedule/exponential[staircase=false]",
    "schedule/momentum_rate_change[float32]",
    "numerics/equal_shapes",
    "numerics/odd_shapes",
    "numerics/shapes",
    "numerics/many_steps_plain",
    "numerics/constant[float32]",
    "numerics/zeros[float32]",
    "numerics/sign_flips[float32,momentum=0.9]",
    "adam/amsgrad[float32]",
    "nadam/plain[float32]",
    "adafactor/plain[float32]",
)


@pytest.fixture(scope="session")
def conformance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the set once for all workers: the first one to hold the lock does it, the others find it."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if os.environ.get("PYTEST_XDIST_WORKER") else shared
    folder = shared / "conformance"
    with open(shared / "conformance.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            assert main(["export", *CELLS, "--output", str(folder)]) == 0
    return folder
