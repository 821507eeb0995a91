"""The probes: short gradient sequences, each element with a program of its own, in five modes of the optimizer.

What each program is for: log-spaced magnitudes show where epsilon stands and how large it is; constants show the
memory of the second moment; a first gradient of zero shows a division by zero and the start; zeros later show decay and
momentum; sign flips show signs and centring; a learning rate that changes shows where it enters and when it is asked.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np

from parity.bounds.numerics import Array, dtype_of
from parity.bounds.rule import page, plain_arguments
from parity.case.rule import DEFAULT, find
from parity.case.spec import Cell, Hyperparameters, LearningRateSchedule, Replayed, Weights, hyperparameters
from parity.diagnosis.choices import MODES as MODES
from parity.diagnosis.choices import mode_of as _mode_of
from parity.diagnosis.choices import modes
from parity.problem.data import Tensors
from parity.problem.portable import powers_of_ten
from parity.problem.problems import ReplayedProblem, make
from parity.reference.optimizer import Optimizer
from parity.trajectory.layout import Layout, layout_of

SHAPES: Final[dict[str, tuple[int, ...]]] = {"kernel": (6, 4), "bias": (12,), "scale": ()}
SIZE: Final = 37
MOST_VALUES: Final = 200_000
"""Elements times steps of a case that are looked at, if a case is taken as a probe."""
LAYOUT: Final = layout_of({name: np.zeros(shape, dtype=np.float32) for name, shape in SHAPES.items()})
"""How the tensors of our probes lie in a row of elements."""
WITH_AXES: Final = layout_of({name: np.zeros(shape or (1,), dtype=np.float32) for name, shape in SHAPES.items()})
"""The same elements, for who cannot take a tensor without dimensions."""
VECTORS: Final = layout_of(
    {name: np.zeros(math.prod(shape), dtype=np.float32) for name, shape in SHAPES.items()},
)
"""The same elements, for who takes vectors alone."""
EQUAL: Final = layout_of(
    {name: np.zeros(12, dtype=np.float32) for name in ("a", "b", "c")} | {"d": np.zeros((), dtype=np.float32)}
)
"""The same elements in tensors of which three have one shape."""
OTHER_LAYOUTS: Final = {"a tensor without dimensions": WITH_AXES, "a tensor of none or of two dimensions": VECTORS}
"""How tensors are shaped for who raises with ours, by what they are then not seen with."""
BATCH_SIZE: Final = 32
"""The batch that a gradient of a probe is said to be the mean of; a rule that sums is off by this factor."""

RATES: Final = (1e-3, 2e-3, 5e-4, 5e-4, 4e-3, 1e-3, 1e-4, 3e-3, 1e-3, 1e-3, 2e-4, 1e-3)
HELD_RATE: Final = 2.0**-10
"""A power of two is the same number in float32, where Keras keeps the learning rate, and in float64."""
_LONGER: Final = 4
"""Steps that the probes have more which are held back."""
_PATTERN: Final = (1.0, 1.0, 1.0, 0.0, 1.0, -1.0, 3.0, 0.0, 0.0, 1.0, -1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Probe:
    """One sequence in one mode: gradients ``[steps, elements]``, first weights ``[elements]``, tensors side by side.

    ``rotates`` says that each step hands the tensors over beginning one later than the last one.
    ``arguments`` are the hyperparameters as the page takes them: a search builds thousands of members from them.
    ``runs`` has what members make of it, whoever the subject is, where every diagnosis asks for the same probe.
    """

    name: str
    mode: str
    hyperparameters: Hyperparameters
    weights: Array
    gradients: Array
    tensors: Layout = field(default_factory=lambda: LAYOUT)
    rule: str = DEFAULT
    rotates: bool = False
    arguments: dict[str, Any] = field(init=False, repr=False, compare=False)
    runs: dict[Any, Any] | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "arguments", plain_arguments(self.hyperparameters))

    @property
    def scheduled(self) -> bool:
        """Whether the learning rate changes."""
        return isinstance(self.hyperparameters.learning_rate, LearningRateSchedule)

    @property
    def steps(self) -> int:
        """How many steps it has."""
        return len(self.gradients)

    @property
    def layout(self) -> Layout:
        """How its tensors lie in a row of elements, and whether the rule asks for them by name.

        It does where it mixes the elements of one, or treats them by name.
        """
        given = self.hyperparameters
        by_name = given.clipnorm is not None or given.global_clipnorm is not None or given.exclude_from_weight_decay
        return replace(self.tensors, by_name=True) if by_name else self.tensors


@cache
def first_probe(dtype: str = "float32", seed: int = 0, rule: str = DEFAULT) -> Probe:
    """Return the probe with Keras' defaults and weights of zero, where each change is seen in full precision."""
    weights = _frozen(np.zeros(SIZE, dtype=dtype_of(dtype)))
    name = f"defaults{f', held back {seed}' if seed else ''}"
    given = hyperparameters(rule)(**held_in_float32(dtype, rule))
    return _shared(Probe(name, "plain", given, weights, _gradients(seed, len(RATES), dtype), rule=rule))


@cache
def probe(mode: str, scheduled: bool, seed: int = 0, dtype: str = "float32", rule: str = DEFAULT) -> Probe:
    """Return the probe of a mode; seed 0 is what the search uses, others are held back for the confirmation."""
    rng = np.random.default_rng([seed, 7])
    # Small weights let a small change show: next to a weight of one, float32 hides all but 2^-24 of it.
    drawn = rng.normal(size=SIZE) * powers_of_ten(rng.uniform(-3, 0.3, SIZE))
    weights = _frozen(np.where(rng.random(SIZE) < 0.3, 0.0, drawn).astype(dtype_of(dtype)))
    steps = len(RATES) + (_LONGER if seed else 0)
    rates = RATES if seed == 0 else tuple(float(f"{r:.3g}") for r in powers_of_ten(rng.uniform(-4, -2, steps)))
    own = modes(rule)[mode]
    given = {**held_in_float32(dtype, rule), **(in_float32(own) if dtype == "float64" else own)}
    if "weight_decay" in own and dtype == "float64":
        given["weight_decay"] = 2.0**-7
    if scheduled:
        changing = {"learning_rate": LearningRateSchedule(values=list(rates))}
        given |= in_float32(changing) if dtype == "float64" else changing
    name = f"{mode}{', rate changes' if scheduled else ''}{f', held back {seed}' if seed else ''}"
    return _shared(
        Probe(name, mode, hyperparameters(rule)(**given), weights, _gradients(seed, steps, dtype), rule=rule)
    )


_LONG: Final = 20
"""Sequences that follow each other in a long probe: 320 steps, more than 8 bits count."""


@cache
def long_probe(mode: str, rule: str = DEFAULT) -> Probe:
    """Return the probe of a mode over hundreds of steps, for what begins, ends or runs over after some."""
    short = probe(mode, False, rule=rule)
    rows = [_gradients(seed, len(RATES) + _LONGER, "float32") for seed in range(1, _LONG + 1)]
    return _shared(
        replace(short, name=f"{mode}, {_LONG * len(rows[0])} steps", gradients=_frozen(np.concatenate(rows)))
    )


def _shared(probe: Probe) -> Probe:
    object.__setattr__(probe, "runs", {})
    return probe


@cache
def held_in_float32(dtype: str, rule: str = DEFAULT) -> dict[str, Any]:
    """Return numbers that are the same in float32, where Keras holds or rounds them, and in float64.

    That is the learning rate, and, as long as nobody sets them, a decay that is on and what a page casts.
    """
    if dtype != "float64":
        return {}
    rounded = _rounded(rule)
    held = {each.name: each.default for each in find(rule).parameters if each.name in rounded and each.default}
    return {**in_float32(held), "learning_rate": HELD_RATE}


def _rounded(rule: str) -> set[str]:
    """Return the arguments whose defaults the page of a rule casts, as an update of it shows, and its decay."""
    cast = set[float]()

    def noted(self: Any, value: float) -> float:
        cast.add(value)
        return Optimizer.cast(self, value)

    kind: Any = type("Noted", (page(rule),), {"cast": noted})
    w, own = np.ones((2, 2)), kind()
    own.update(w, w, own.start(w), own.learning_rate, 1)
    return {each.name for each in find(rule).parameters if each.name == "weight_decay" or each.default in cast}


def in_float32(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with the numbers of float32 that are nearest: Keras' casts of them lose nothing, then."""
    held: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, LearningRateSchedule):
            held[name] = LearningRateSchedule(values=[float(np.float32(rate)) for rate in value.values])
        else:
            held[name] = float(np.float32(value)) if isinstance(value, float) else value
    return held


def _gradients(seed: int, steps: int, dtype: str) -> Array:
    """Return ``[steps, SIZE]``: constants with gaps, new draws, a late start, sign flips, and one held value."""
    rng = np.random.default_rng([seed, 11])
    pattern = np.resize(np.asarray(_PATTERN, dtype=np.float64), steps)
    rows = np.arange(steps)[:, None]
    shift = 1.0 if seed == 0 else float(powers_of_ten(rng.uniform(-0.5, 0.5)))
    held = pattern[:, None] * _spaced(-6, 1, 12) * shift
    drawn = np.stack([rng.permuted(_spaced(-6, 1.5, 12)) * rng.choice([-1.0, 1.0], 12) for _ in range(steps)])
    late = np.where(rows < 2, 0.0, _spaced(-5, 1, 6) * shift * np.where(rows % 3 == 0, -1.0, 1.0))
    flipped = np.where(rows % 2 == 0, 1.0, -1.0) * _spaced(-4, 0, 6) * shift
    repeated = np.where(rows % 8 < 4, 0.5, 0.01)
    all_of_them = np.concatenate([held, drawn, late, flipped, repeated], axis=1)
    order = np.arange(SIZE) if seed == 0 else rng.permutation(SIZE)
    return _frozen(all_of_them[:, order].astype(dtype_of(dtype)))


def _spaced(low: float, high: float, count: int) -> Array:
    return powers_of_ten(np.linspace(low, high, count))


def of_cell(cell: Cell, sums: bool = False) -> Probe | None:
    """Return a case's own sequence as a probe, as many steps as are cheap; None where gradients are not replayed.

    Sparse gradients are handed over as their sums, to who ``sums`` them in a run as well; of others it is None.
    """
    if cell.gradients != "replayed":
        return None
    problem = make(cell)
    tensors = layout_of(problem.params)
    if not tensors.size or cell.surroundings or (problem.slices(0) and not sums):
        return None
    gradients = np.stack([tensors.join(problem.gradients(number)) for number in range(_steps(cell, tensors))])
    weights, mode = tensors.join(problem.params), mode_of(cell)
    return Probe(cell.id, mode, cell.hyperparameters, weights, gradients, tensors, cell.rule, problem.rotates)


def _steps(cell: Cell, tensors: Layout) -> int:
    return max(1, min(cell.steps, MOST_VALUES // tensors.size))


class Extent(NamedTuple):
    """How far probes look: the most steps, the dimensions that tensors have, and the most elements of one."""

    steps: int
    dimensions: tuple[int, ...]
    elements: int


def extent(cells: Iterable[Cell], steps: int = 0) -> Extent:
    """Return how far our own probes look, one of which has so many steps, and cases that `of_cell` made one of."""
    lies = [(LAYOUT, max(steps, len(RATES) + _LONGER))]
    lies += [(tensors, _steps(cell, tensors)) for cell in cells if (tensors := layout_of(make(cell).params)).size]
    shapes = {shape for tensors, _ in lies for shape in tensors.shapes if math.prod(shape)}
    dimensions = tuple(sorted({len(shape) for shape in shapes}))
    return Extent(max(steps for _, steps in lies), dimensions, max(map(math.prod, shapes)))


def mode_of(cell: Cell) -> str:
    """Return the mode of the optimizer that a case is in."""
    return _mode_of(cell.rule, cell.hyperparameters)


class ProbeProblem(ReplayedProblem):
    """A probe in the form that adapters open."""

    def __init__(self, probe: Probe) -> None:
        layout = probe.tensors
        shapes = {name: list(shape) for name, shape in zip(layout.names, layout.shapes, strict=True)}
        replayed = Replayed("log_spaced", tensors=shapes, order="rotating" if probe.rotates else "fixed")
        super().__init__(
            Cell(
                id=f"probe/{probe.name}",
                case="probe",
                summary=probe.name,
                probes=[],
                problem=replayed,
                weights=Weights(),
                steps=probe.steps,
                dtype=str(probe.weights.dtype.name),  # type: ignore[arg-type]  # one of the four names
                hyperparameters=probe.hyperparameters,
                gradients="replayed",
                comparisons=["free"],
                seed=0,
                rule=probe.rule,
            )
        )
        self.params = {name: _frozen(array) for name, array in probe.tensors.split(probe.weights).items()}
        self._rows = [
            {name: _frozen(array) for name, array in probe.tensors.split(row).items()} for row in probe.gradients
        ]

    def _of_step(self, step: int) -> Tensors:
        return self._rows[step]


def _frozen(array: Array) -> Array:
    array = np.array(array)
    array.setflags(write=False)
    return array
