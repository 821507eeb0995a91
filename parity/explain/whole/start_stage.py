"""What weights begin as on both sides, over several seeds: whether they may be drawn from one distribution."""

import math
from typing import Final

import numpy as np

from parity.bounds.numerics import Array
from parity.errors import ParityError
from parity.explain.whole.quantity import Mistake, Outcome, Stage
from parity.explain.whole.sides import Sides

_SEEDS: Final = (3, 40)
"""Starts at least and at most."""
_BUILDS: Final = 8
"""Models that are built at most, each of which takes some time."""
_NUMBERS: Final = 1_000
"""How many numbers of each kernel are wanted."""
_ALIKE: Final = 0.1
"""A ratio of spreads that is nearer to one than this is not what is said of two samples."""
_CHANCE: Final = 1e-6
"""How seldom two samples of one distribution may be told apart by chance."""


def judged(sides: Sides) -> tuple[list[Stage], list[Mistake]]:
    """Return how the initial weights of each tensor compare, and which are drawn otherwise."""
    try:
        smallest = min(int(np.prod(shape)) for shape in sides.side.shapes if len(shape) > 1)
        seeds = int(np.clip(-(-_NUMBERS // smallest), *_SEEDS))
        starts = sides.asked.starts(sides.settled.places, seeds)
    except ParityError as error:
        return [Stage("weights", "", Outcome.UNSEEN, str(error).rstrip("."))], []
    if all(np.array_equal(one, other) for start in starts[1:] for one, other in zip(start, starts[0], strict=True)):
        starts = starts[:1]  # it sets a seed of its own: more of the same numbers say no more
    models = [sides.side.build() for _ in range(min(seeds, _BUILDS))]
    stages, mistakes = [], []
    for at, name in enumerate(sides.side.names):
        own = np.concatenate([start[at].ravel() for start in starts])
        keras = np.concatenate([np.asarray(model.trainable_variables[at]).ravel() for model in models])
        if told_apart(own, keras):
            note = f"{name} begins {_described(own)}; the model's {_described(keras)}"
            stages.append(Stage("weights", name, Outcome.DIVERGED, note, None, _ratio(own, keras)))
        else:
            both = "both begin as zeros" if not own.any() and not keras.any() else f"{_described(own)}, as the model's"
            stages.append(Stage("weights", name, Outcome.ALIKE, both))
    wrong = [stage for stage in stages if stage.outcome is Outcome.DIVERGED]
    if wrong:
        names = ", ".join(stage.about for stage in wrong)
        sentence = "; ".join(_shortly(stage) for stage in wrong)
        repair = f"draw {names} as the model does, or give both the same weights"
        seen = f"{len(starts)} start(s) beside {len(models)} of the model"
        evidence = "; ".join(stage.note for stage in wrong)
        evidence += f": {seen}, chance of error {_CHANCE:g} (Kolmogorov-Smirnov)"
        mistakes.append(Mistake("initial_weights", "weights", sentence, evidence, repair, True))
    return stages, mistakes


def _shortly(stage: Stage) -> str:
    """Return how a tensor begins in few words, where it is wider or narrower than the model's."""
    ratio = stage.factor
    if not ratio or abs(ratio - 1) < _ALIKE:
        return stage.note
    return f"{stage.about} begins {ratio:.3g} times as widely spread as the model's"


def told_apart(one: Array, two: Array) -> bool:
    """Whether two samples cannot well be of one distribution: Kolmogorov and Smirnov's largest difference."""
    one, two = np.sort(np.float64(one)), np.sort(np.float64(two))
    if not one.any() or not two.any():
        return bool(one.any() != two.any())
    both = np.concatenate([one, two])
    away = np.searchsorted(one, both, side="right") / len(one) - np.searchsorted(two, both, side="right") / len(two)
    reach = math.sqrt(-math.log(_CHANCE / 2) / 2) * math.sqrt((len(one) + len(two)) / (len(one) * len(two)))
    return bool(np.max(np.abs(away)) > reach)


def _described(sample: Array) -> str:
    if not sample.any():
        return "as zeros"
    if np.all(sample == sample[0]):
        return f"as {sample[0]:g} everywhere"
    spread, reach = float(np.std(sample)), float(np.max(np.abs(sample)))
    return f"with mean {float(np.mean(sample)):.2g}, deviation {spread:.3g} and reach {reach:.3g}"


def _ratio(own: Array, keras: Array) -> float | None:
    spread = float(np.std(keras))
    return float(f"{float(np.std(own)) / spread:.4g}") if spread else None
