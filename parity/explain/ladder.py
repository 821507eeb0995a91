"""One step of both programs, quantity by quantity, each from the same inputs: which part, and because of what factor.

At each rung everything below is taken from side B, so that a rung shows its own difference and not what it inherits;
so is, inside the forward and the backward pass, what a layer starts from. Side A agrees where it is within its own
rounding of what side B is exactly: both run on the array that carries a bound, in side A's dtype.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from parity.bounds.bounded import Bounded, exact, rounded
from parity.bounds.functions import lifted
from parity.bounds.graph.rules import joined, moved
from parity.bounds.numerics import format_of
from parity.explain.factors import Program, show, switched
from parity.explain.program import (
    Images,
    Passed,
    Tensors,
    back,
    backward,
    batches,
    drawn,
    forward,
    initial,
    kernel_name,
    last_error,
    layer,
    losses,
    orders,
    softmax,
)
from parity.explain.rule import Rule, walked
from parity.explain.whole.quantity import Outcome, held
from parity.explain.whole.slopes import slope

Array = NDArray[Any]
_STEPS: Final = 5
"""Steps of the update rule, so that a momentum buffer and a schedule come into play."""
_OUTCOMES: Final[dict[Outcome, Literal["rounding", "undecided"]]] = {
    Outcome.ROUNDING: "rounding",
    Outcome.UNDECIDED: "undecided",
}


class Rung(Struct, frozen=True):
    """One quantity: how far apart, relative to side B's largest element, and the factors that make it so."""

    quantity: str
    outcome: Literal["identical", "rounding", "undecided", "parts"]
    difference: float
    because: list[str]
    note: str


@dataclass(frozen=True, slots=True)
class Given:
    """What the rungs start from, all of it side B's: weights, a batch, its forward pass, its gradients.

    ``flows`` are what its backward pass hands to each layer, the first layer first; ``seed`` and ``data`` what it is
    drawn from. ``bounded`` says whether the arrays carry bounds: then they are exact values in ``dtype``. ``where`` are
    the elements whose update is looked at; None: all.
    """

    data: Images
    seed: int
    dtype: str
    tensors: Tensors
    batch: Images
    passed: Passed
    flows: list[Any]
    gradients: Tensors
    bounded: bool = False
    where: Array | None = None

    def turned(self, dtype: str, bounded: bool = False) -> "Given":
        """Return the same numbers in another dtype, and as arrays that carry bounds."""

        def each(array: Array) -> Any:
            return exact(array.astype(dtype)) if bounded else array.astype(dtype)

        def all_of(arrays: Sequence[Array]) -> list[Any]:
            return [each(array) for array in arrays]

        passed = self.passed
        return Given(
            self.data,
            self.seed,
            dtype,
            {name: each(w) for name, w in self.tensors.items()},
            Images(each(self.batch.pixels), each(self.batch.labels)),
            Passed(all_of(passed.inputs), all_of(passed.sums), each(passed.logits), each(passed.probabilities)),
            all_of(self.flows),
            {name: each(g) for name, g in self.gradients.items()},
            bounded,
            self.where,
        )


Measure = Callable[[Program, Given], list[Any]]
"""Returns what a program makes of a quantity, in pieces: arrays, or bounded ones where it is given such."""


def climb(a: Program, b: Program, factors: Sequence[str], data: Images, seed: int) -> list[Rung]:
    """Return the rungs in the order of computation; the first that parts is where to look first."""
    given = _given(b, data, seed)
    return [_rung(name, measure, a, b, factors, given) for name, measure in _RUNGS.items()]


def _given(b: Program, data: Images, seed: int) -> Given:
    tensors, images = initial(b, seed), data.cast(b)
    order = next(orders(b, seed, 1))[: b.batch_size]
    batch = Images(images.pixels[order], images.labels[order])
    passed = forward(b, tensors, batch.pixels)
    flows = [last_error(b, passed.probabilities, batch.labels)]
    for number in range(len(b.layers) - 1, 1, -1):
        flows.insert(0, back(b, tensors, passed, number, flows[0])[1])
    return Given(data, seed, b.dtype, tensors, batch, passed, flows, backward(b, tensors, passed, batch.labels))


def _rung(name: str, measure: Measure, a: Program, b: Program, factors: Sequence[str], given: Given) -> Rung:
    expected = measure(b, given.turned(b.dtype))
    obtained = measure(a, given.turned(a.dtype))
    difference = _difference(obtained, expected)
    because = []
    for factor in factors:
        one, other = switched(a, b, (factor,)), switched(b, a, (factor,))
        without, alone = (_difference(measure(each, given.turned(each.dtype)), expected) for each in (one, other))
        if without < difference / 2 or alone > difference / 2 > 0:
            because.append(factor)
    note = ", ".join(f"{factor} {show(getattr(a, factor))} / {show(getattr(b, factor))}" for factor in because)
    outcome: Any = "identical"
    if difference:
        given = replace(given, where=_where(obtained, expected))
        bounded = given.turned(a.dtype, bounded=True)
        outcome = _outcome(measure(a, given.turned(a.dtype)), measure(a, bounded), measure(b, bounded))
    return Rung(name, outcome, difference, because, note)


def _difference(obtained: list[Any], expected: list[Any]) -> float:
    """Return the largest difference of any piece, relative to the largest element of side B's."""
    return max(_apart(one, other) for one, other in zip(obtained, expected, strict=True))


def _apart(obtained: Array, expected: Array) -> float:
    if obtained.shape != expected.shape:
        return float("inf")
    top = float(np.max(np.abs(expected), initial=0.0))
    apart = float(np.max(np.abs(obtained.astype(np.float64) - expected.astype(np.float64)), initial=0.0))
    return apart / top if top else apart


def _where(obtained: list[Any], expected: list[Any]) -> Array | None:
    """Return the elements that differ, where a quantity is one piece: what is equal needs no excuse."""
    if len(obtained) > 1 or obtained[0].shape != expected[0].shape:
        return None
    return np.flatnonzero(obtained[0] != expected[0])


def _outcome(obtained: list[Any], own: list[Any], side_b: list[Any]) -> Literal["rounding", "undecided", "parts"]:
    """Hold what side A obtained against what side B is exactly, within the rounding of side A's own evaluation."""
    outcomes = [_held(*each) for each in zip(obtained, own, side_b, strict=True)]
    if any(outcome.parts for outcome in outcomes):
        return "parts"
    return _OUTCOMES[Outcome.UNDECIDED if Outcome.UNDECIDED in outcomes else Outcome.ROUNDING]


def _held(obtained: Array, own: Bounded, side_b: Bounded) -> Outcome:
    if obtained.shape != side_b.shape:
        return Outcome.DIVERGED
    return held(obtained, Bounded(side_b.value, own.error, own.format)).outcome


def _exactly(array: Array, given: Given) -> list[Any]:
    """Return whole numbers, which nothing rounds."""
    return [lifted(array, format_of(np.float64)) if given.bounded else array]


def _start(program: Program, given: Given) -> list[Any]:
    if not given.bounded:
        return [_flat(initial(program, given.seed))]
    fmt = format_of(given.dtype)
    wide = _flat(drawn(program, given.seed)).astype(fmt.wide)
    return [rounded(wide, np.zeros_like(wide), fmt)]


def _order(program: Program, given: Given) -> list[Any]:
    order = np.concatenate(batches(next(orders(program, given.seed, 1)), program.batch_size))
    return _exactly(order, given)


def _batch(program: Program, given: Given) -> list[Any]:
    return _exactly(np.array([program.batch_size]), given)


def _forward(program: Program, given: Given) -> list[Any]:
    numbers = range(1, len(program.layers))
    return [layer(program, given.tensors, number, given.passed.inputs[number - 1]) for number in numbers]


def _loss(program: Program, given: Given) -> list[Any]:
    logits = given.passed.logits
    passed = Passed(given.passed.inputs, given.passed.sums, logits, softmax(logits))
    return [losses(program, passed, given.batch.labels)]


def _gradient(program: Program, given: Given) -> list[Any]:
    pieces = [last_error(program, given.passed.probabilities, given.batch.labels)]
    for number in range(len(program.layers) - 1, 0, -1):
        own, below = back(program, given.tensors, given.passed, number, given.flows[number - 1])
        pieces += [*own.values(), *([below] if number > 1 else [])]
    return pieces


def _update(program: Program, given: Given) -> list[Any]:
    where = slice(None) if given.where is None else given.where
    if given.bounded:
        return [_bounded_update(program, given, where)]
    tensors = {name: w.copy() for name, w in given.tensors.items()}
    rule = Rule(program, tensors)
    for _ in range(_STEPS):
        rule.step(tensors, {name: g.copy() for name, g in given.gradients.items()})
    return [(_flat(tensors).astype(np.float64) - _flat(given.tensors).astype(np.float64))[where]]


def _bounded_update(program: Program, given: Given, where: Any) -> Bounded:
    start, gradients = given.tensors, given.gradients
    whole = bool(program.clipnorm or program.global_clipnorm)  # a norm joins all elements
    if not whole:
        start, gradients = {"": _flat(start)[where]}, {"": _flat(gradients)[where]}
    *_, after = walked(program, start, [gradients] * _STEPS)
    # The difference is taken of what was obtained, and rounds nothing more.
    end = _flat(after)
    moved_by = Bounded(end.value - _flat(start).value, end.error, end.format)
    return moved_by[where] if whole else moved_by


def _flat(tensors: Mapping[str, Any]) -> Any:
    return joined(np.concatenate, [moved(np.ravel, tensors[name]) for name in sorted(tensors)])


_RUNGS: Final[dict[str, Measure]] = {
    "initial weights": _start,
    "batch size": _batch,
    "order of the images": _order,
    "forward pass (logits)": _forward,
    "loss": _loss,
    "gradient": _gradient,
    "update rule": _update,
}


def gradient_check(program: Program, data: Images, seed: int) -> dict[str, float]:
    """Return, for each kernel, the program's gradient over the derivative of its own loss, along the gradient.

    One where the backward pass belongs to the forward pass. The derivative is a central difference in float64.
    """
    wide = msgspec.structs.replace(program, dtype="float64", probability_clip=0.0, l2=0.0)
    given = _given(wide, data, seed)
    ratios = {}
    for number in range(1, len(program.layers)):
        name = kernel_name(number)
        length = float(np.linalg.norm(given.gradients[name]))
        direction = given.gradients[name] / length if length else given.gradients[name]

        def loss(step: float, name: str = name, direction: Array = direction) -> float:
            moved = {**given.tensors, name: given.tensors[name] + step * direction}
            return float(np.mean(losses(wide, forward(wide, moved, given.batch.pixels), given.batch.labels)))

        found = slope(loss, length)
        ratios[name] = length / found.measured if found is not None and found.measured else float("nan")
    return ratios
