"""How far TensorFlow's elementary functions are off on this machine, in unit roundoffs, over float32 numbers.

``python tests/program/elementary.py [EVERY]`` goes through every 61st float32 unless told otherwise (1 is all of them)
and prints, for each function and for eager and XLA, the largest error and where.
"""

import math
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

UNIT = 2.0**-24
SMALLEST = float(np.finfo(np.float32).smallest_normal)
CHUNK = 1 << 22


def functions() -> dict[str, tuple[Callable[[Any], Any], Callable[[np.ndarray], np.ndarray]]]:
    """Return each function as TensorFlow has it, and in float64."""
    import tensorflow as tf

    return {
        "exp": (tf.exp, np.exp),
        "expm1": (tf.math.expm1, np.expm1),
        "log": (tf.math.log, np.log),
        "log1p": (tf.math.log1p, np.log1p),
        "tanh": (tf.tanh, np.tanh),
        "sigmoid": (tf.sigmoid, lambda x: np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x)))),
        "softplus": (tf.math.softplus, lambda x: np.logaddexp(x, 0)),
        "erf": (tf.math.erf, np.vectorize(math.erf, otypes=[float])),
    }


def numbers(every: int) -> Iterator[np.ndarray]:
    """Yield every so-many-th finite float32, normal ones only."""
    for first in range(0, 1 << 32, CHUNK * every):
        count = min(CHUNK, -(-((1 << 32) - first) // every))
        raw = (np.arange(count, dtype=np.uint64) * every + first).astype(np.uint32)
        x = raw.view(np.float32)
        yield x[np.isfinite(x) & (np.abs(x) >= SMALLEST)]


def main(arguments: list[str]) -> int:
    """Print a line for each function and way to run it."""
    import tensorflow as tf

    every = int(arguments[0]) if arguments else 61
    for name, (ours, exact) in functions().items():
        for way, run in (("eager", ours), ("xla", tf.function(ours, jit_compile=True))):
            worst, where = 0.0, math.nan
            for x in numbers(every * (20 if name == "erf" else 1)):
                with np.errstate(all="ignore"):
                    want = exact(x.astype(np.float64))
                    got = np.asarray(run(tf.constant(x))).astype(np.float64)
                    off = (np.abs(got - want) - SMALLEST) / (np.abs(want) * UNIT)
                    off[~np.isfinite(want) | (np.abs(want) > np.finfo(np.float32).max)] = 0
                if x.size and np.nanmax(off) > worst:
                    worst, where = float(np.nanmax(off)), float(x[np.nanargmax(off)])
            print(f"{name:10} {way:6} {worst:6.2f} at {where!r}", flush=True)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    raise SystemExit(main(sys.argv[1:]))
