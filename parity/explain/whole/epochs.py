"""An epoch of a program, taken apart by its own steps: which batches it makes, in which order, and what it prints.

It runs in the program's process. Where all examples are alike the order says nothing, so that the size of a batch and
what becomes of a last smaller one show; then the examples differ, and the order shows.
"""

import contextlib
import io
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from parity.bounds.numerics import Array

_SIZES: Final = (1, 2, 4, 5, 8, 10, 16, 20, 25, 30, 32, 40, 50, 60, 64, 100, 128, 200, 256)
_NUMBER: Final = re.compile(r"[-+]?\d+\.\d+(?:[eE][-+]?\d+)?|[-+]?\d+[eE][-+]?\d+")
_MOST: Final = 8
"""How many epochs of examples that are all alike are tried."""
LASTS: Final = {
    "kept": "the last, smaller one, too",
    "dropped": "the last, smaller one left out",
    "short": "one example is never trained on",
}
PRINTED: Final = {
    "running": "the mean over the batches while it trains, weighted by examples, as fit prints it",
    "unweighted": "the mean over the batches while it trains, in which a smaller last batch counts as much as any",
    "after": "evaluated after the epoch; fit prints the mean over the batches while it trains",
    "last": "that of the last batch; fit prints the mean over the batches while it trains",
    "summed": "the sum over the batches while it trains; fit prints their mean",
}
"""What a number that is shown of an epoch may be of its losses."""


class Epoch(NamedTuple):
    """What one epoch did: the size of its batches (0 where none fits), what became of the last one, and the order."""

    size: int
    last: str
    order: str
    printed: str


class Driver(NamedTuple):
    """How the program is driven: each from the same state.

    Attributes:
        begin: puts the program into its state and weights.
        epoch: trains one epoch on examples and labels, and returns what that returns.
        step: trains on some of them, by their places.
        loss: the loss on some of them; None where the program shows none.
        weights: the weights now.
    """

    begin: Callable[[], None]
    epoch: Callable[[Array, Array], Any]
    step: Callable[[Array, Array], None]
    loss: Callable[[Array, Array], float] | None
    weights: Callable[[], list[Array]]


def taken_apart(driver: Driver, x: Array, y: Array) -> Epoch:
    """Return what an epoch on ``x`` and ``y`` does; where several ways fit, nothing is said."""
    fit = list(_ways(len(x)))
    for _ in range(_MOST):
        n = len(x) if len(fit) > len(_SIZES) else _telling(fit)
        if not n:
            break
        alike = np.repeat(x[:1], n, axis=0), np.repeat(y[:1], n, axis=0)
        end, _shown = _epoch(driver, *alike)
        fit = [way for way in fit if _same(_stepped(driver, *alike, _batches(n, *way))[0], end)]
    end, shown = _epoch(driver, x, y)
    for way in fit:
        batches = _batches(len(x), *way)
        given, losses = _stepped(driver, x, y, batches)
        if _same(given, end):
            return Epoch(*way, "given", _printed(shown, losses, [len(each) for each in batches]))
    return Epoch(*fit[0], "shuffled", "") if len(fit) == 1 else Epoch(0, "", "", "")


def _ways(n: int) -> Iterator[tuple[int, str]]:
    """Yield sizes of a batch with what becomes of a smaller last one."""
    yield from ((size, last) for size in _SIZES if size < n for last in LASTS if last != "dropped" or n % size)
    yield n, "kept"


def _telling(ways: list[tuple[int, str]]) -> int:
    """Return how many examples tell ways apart by how many batches they make; zero if none do."""
    counts = ((n, {len(_batches(n, *way)) for way in ways}) for n in range(20, 300))
    return max(counts, key=lambda each: len(each[1]))[0] if len(ways) > 1 else 0


def _batches(n: int, size: int, last: str) -> list[range]:
    """Return the batches of an epoch over ``n`` examples."""
    count = {"kept": n, "dropped": n - n % size, "short": n - 1}[last]
    return [range(at, min(at + size, count)) for at in range(0, count, size)]


def _epoch(driver: Driver, x: Array, y: Array) -> tuple[list[Array], list[float]]:
    """Return the weights after an epoch, and the numbers that it returned or printed."""
    driver.begin()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        value = driver.epoch(x, y)
    numbers = [float(each) for each in _NUMBER.findall(printed.getvalue())]
    returned = [float(each) for each in np.ravel(value)] if _numeric(value) else []
    return driver.weights(), [*returned, *numbers]


def _numeric(value: Any) -> bool:
    try:
        return value is not None and np.asarray(value).dtype.kind in "fiu"
    except ValueError:  # parts of several sizes
        return False


def _stepped(driver: Driver, x: Array, y: Array, batches: list[range]) -> tuple[list[Array], list[tuple[float, float]]]:
    """Return the weights after steps on batches, and the losses before each step; the last is that after all."""
    driver.begin()
    losses = []
    for batch in batches:
        if driver.loss is not None:
            losses.append((driver.loss(x[batch], y[batch]), float(len(batch))))
        driver.step(x[batch], y[batch])
    end = driver.weights()
    if driver.loss is not None:
        losses.append((driver.loss(x, y), float(len(x))))
    return end, losses


def _same(one: Sequence[Array], two: Sequence[Array]) -> bool:
    """Whether two trainings of one program ended alike, but for the order in which float64 sums were taken.

    It tells ways of batching apart and judges nothing: no bound follows through steps of a program that is not read.
    """
    return all(
        # Not derived: far above what sums in another order make of some steps, far below a step more or less.
        np.allclose(a, b, rtol=1e6 * np.finfo(np.float64).eps, atol=1e4 * np.finfo(np.float64).eps)
        for a, b in zip(one, two, strict=True)
    )


def _printed(shown: list[float], losses: list[tuple[float, float]], sizes: list[int]) -> str:
    """Return which mean of the losses a number is that the epoch showed; empty where none of it is known."""
    if not losses or not shown:
        return ""
    each, (after, _) = np.array([loss for loss, _ in losses[:-1]]), losses[-1]
    found = {
        "running": float(np.average(each, weights=sizes)),
        "unweighted": float(np.mean(each)),
        "after": after,
        "last": float(each[-1]),
        "summed": float(np.sum(each)),
    }
    for number in shown:
        digits = 1e-9 if number == 0 else _digits(number)
        close = [name for name, value in found.items() if abs(value - number) <= digits]
        if len(close) == 1 or (close and close[0] == "running" and len(set(sizes)) == 1 and close[1] == "unweighted"):
            return close[0]
    return ""


def _digits(number: float) -> float:
    """Return half a unit in the last decimal place in which a number is written."""
    text = f"{number!r}".partition("e")[0]
    decimals = len(text.partition(".")[2])
    return max(0.5 * 10.0**-decimals, 1e-9 * abs(number))
