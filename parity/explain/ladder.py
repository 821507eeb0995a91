"""One step of both programs, quantity by quantity, each from the same inputs: which part, and because of what factor.

At each rung everything below is taken from side B, so that a rung shows its own difference and not what it inherits.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from parity.explain.factors import Program, show, switched
from parity.explain.program import (
    Images,
    Passed,
    Tensors,
    backward,
    batches,
    forward,
    initial,
    kernel_name,
    losses,
    orders,
)
from parity.explain.rule import Rule

Quantity = NDArray[Any]
Measure = Callable[[Program, Program, Images, int], Quantity]
ROUNDING = 64
"""Units in the last place of the coarser dtype up to which a difference counts as rounding here."""


class Rung(Struct, frozen=True):
    """One quantity: how far apart, relative to side B's largest element, and the factors that make it so."""

    quantity: str
    outcome: Literal["identical", "rounding", "parts"]
    difference: float
    because: list[str]
    note: str


def climb(a: Program, b: Program, factors: Sequence[str], data: Images, seed: int) -> list[Rung]:
    """Return the rungs in the order of computation; the first that parts is where to look first."""
    return [_rung(name, measure, a, b, factors, data, seed) for name, measure in _RUNGS.items()]


def _rung(name: str, measure: Measure, a: Program, b: Program, factors: Sequence[str], data: Images, seed: int) -> Rung:
    expected = measure(b, b, data, seed)
    difference = _difference(measure(a, b, data, seed), expected)
    because = []
    for factor in factors:
        without = _difference(measure(switched(a, b, (factor,)), b, data, seed), expected)
        alone = _difference(measure(switched(b, a, (factor,)), b, data, seed), expected)
        if without < difference / 2 or alone > difference / 2 > 0:
            because.append(factor)
    note = ", ".join(f"{factor} {show(getattr(a, factor))} / {show(getattr(b, factor))}" for factor in because)
    return Rung(name, _outcome(difference, a, b), difference, because, note)


def _difference(obtained: Quantity, expected: Quantity) -> float:
    if obtained.shape != expected.shape:
        return float("inf")
    top = float(np.max(np.abs(expected), initial=0.0))
    apart = float(np.max(np.abs(obtained.astype(np.float64) - expected.astype(np.float64)), initial=0.0))
    return apart / top if top else apart


def _outcome(difference: float, a: Program, b: Program) -> Literal["identical", "rounding", "parts"]:
    if difference == 0:
        return "identical"
    coarse = max(float(np.finfo(side.dtype).eps) for side in (a, b))
    return "rounding" if difference <= ROUNDING * coarse else "parts"


def _start(program: Program, other: Program, data: Images, seed: int) -> Quantity:
    return _flat(initial(program, seed))


def _order(program: Program, other: Program, data: Images, seed: int) -> Quantity:
    return np.concatenate(batches(next(orders(program, seed, 1)), program.batch_size))


def _batch(program: Program, other: Program, data: Images, seed: int) -> Quantity:
    return np.array([program.batch_size])


def _at_b(program: Program, other: Program, data: Images, seed: int) -> tuple[Tensors, Images, Passed]:
    """Return side B's start, one batch and side B's forward pass, all in the dtype of ``program``."""
    order = next(orders(other, seed, 1))[: other.batch_size]
    cast = data.cast(program)
    one = Images(cast.pixels[order], cast.labels[order])
    tensors = {name: w.astype(program.dtype) for name, w in initial(other, seed).items()}
    passed = forward(msgspec.structs.replace(other, dtype=program.dtype), tensors, one.pixels)
    return tensors, one, passed


def _forward(program: Program, other: Program, data: Images, seed: int) -> Quantity:
    tensors, one, _ = _at_b(program, other, data, seed)
    return forward(program, tensors, one.pixels).logits


def _loss(program: Program, other: Program, data: Images, seed: int) -> Quantity:
    _, one, passed = _at_b(program, other, data, seed)
    return losses(program, passed, one.labels)


def _gradient(program: Program, other: Program, data: Images, seed: int) -> Quantity:
    tensors, one, passed = _at_b(program, other, data, seed)
    return _flat(backward(program, tensors, passed, one.labels))


def _update(program: Program, other: Program, data: Images, seed: int) -> Quantity:
    """Five steps with side B's gradients, so that a momentum buffer and a schedule come into play."""
    tensors, one, passed = _at_b(program, other, data, seed)
    before = _flat(tensors)
    rule = Rule(program, tensors)
    for _ in range(5):
        fixed = backward(other, tensors, passed, one.labels)
        rule.step(tensors, {name: g.astype(program.dtype) for name, g in fixed.items()})
    return _flat(tensors).astype(np.float64) - before.astype(np.float64)


_RUNGS: dict[str, Measure] = {
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
    tensors, one, _ = _at_b(wide, wide, data, seed)
    gradients = backward(wide, tensors, forward(wide, tensors, one.pixels), one.labels)
    ratios = {}
    for layer in range(1, len(program.layers)):
        name = kernel_name(layer)
        g = gradients[name]
        length = float(np.sqrt(np.sum(np.square(g))))
        step = 1e-5 / length if length else 0.0
        ends = []
        for sign in (1, -1):
            moved = {**tensors, name: tensors[name] + sign * step * g}
            ends.append(float(np.mean(losses(wide, forward(wide, moved, one.pixels), one.labels))))
        slope = (ends[0] - ends[1]) / (2 * step) if step else 0.0
        ratios[name] = length**2 / slope if slope else float("nan")
    return ratios


def _flat(tensors: Tensors) -> Quantity:
    return np.concatenate([tensors[name].ravel() for name in sorted(tensors)])
