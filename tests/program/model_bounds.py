"""How many values of outputs, losses and gradients of Keras models lie outside their bounds; how tight these are.

``python tests/program/model_bounds.py [VALUES] [MODEL…]`` goes on with new weights and batches until each model has
that many values in each mode (a million unless given), and prints a line a model and mode: values, how many lie
outside, the largest part of a bound, the median of bound over value, and in what share of values a factor of 1.001,
1.01 and 1.1 would be caught.
"""

import os
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

BATCHES = (1, 32)
MODES = ("eager", "graph", "xla")
SPREADS = (1.0, 0.2, 4.0)
"""What the initial weights are multiplied by."""


class Seen(NamedTuple):
    """What one model showed in one mode."""

    model: str
    mode: str
    values: int
    outside: int
    largest: float
    median: float
    caught: tuple[float, ...]
    operations: frozenset[str]

    def __str__(self) -> str:
        shares = " ".join(f"{share:.3f}" for share in self.caught)
        unknown = f"  unknown: {', '.join(sorted(self.operations))}" if self.operations else ""
        return (
            f"{self.model:16} {self.mode:6} {self.values:>9,} values, {self.outside} outside, largest part "
            f"{self.largest:.2f}, bound / value {self.median:.1e}, caught {shares}{unknown}"
        )


def seen(name: str, most: int, seeds: int = 5, modes: tuple[str, ...] = MODES) -> Iterator[Seen]:
    """Yield what one model shows in each mode."""
    import keras
    from keras_models import MODELS

    from parity.explain.whole.traced import Traced

    keras.utils.set_random_seed(0)
    model, batch = MODELS[name]()
    first = [np.asarray(variable) for variable in model.variables]
    traced = {size: Traced(model, *batch(np.random.default_rng(0), size)) for size in BATCHES}
    for mode in modes:
        counted: list[Any] = []
        ratios: list[np.ndarray] = []
        total = turn = 0
        while turn < seeds * len(BATCHES) or total < most:
            rng = np.random.default_rng(turn)
            size, spread = BATCHES[turn % len(BATCHES)], SPREADS[turn % len(SPREADS)]
            weights = [_moved(array, spread, rng) for array in first]
            x, y = batch(rng, size)
            found = traced[size].checked(x, y, weights, traced[size].observed(x, y, weights, mode))
            counted += found
            ratios += [each.relative for each in found if each.relative.size]
            total += sum(each.values for each in found)
            turn += 1
            if not total:
                break
        whole = np.concatenate(ratios)
        yield Seen(
            name,
            mode,
            total,
            sum(each.outside for each in counted),
            max(each.largest for each in counted),
            float(np.median(whole)),
            tuple(float(np.mean(whole < factor - 1)) for factor in (1.001, 1.01, 1.1)),
            frozenset().union(*(each.operations for each in counted)),
        )


def _moved(array: np.ndarray, spread: float, rng: np.random.Generator) -> np.ndarray:
    """Return weights that are spread otherwise; what was zero is drawn."""
    drawn = array if array.any() else rng.standard_normal(array.shape) * 0.3
    return (drawn * spread + rng.standard_normal(array.shape) * 0.01).astype(array.dtype)


def main(arguments: list[str]) -> int:
    """Print a line for each model and mode; fail where a value lies outside."""
    from keras_models import MODELS

    most = int(arguments[0]) if arguments else 1_000_000
    outside = 0
    for name in arguments[1:] or MODELS:
        for each in seen(name, most):
            print(each, flush=True)
            outside += each.outside
    return 1 if outside else 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    raise SystemExit(main(sys.argv[1:]))
