"""An epoch is taken apart by the program's own steps: its batches, their order, and which loss it shows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from parity.explain.whole.epochs import Driver, Epoch, taken_apart

RNG = np.random.default_rng(5)
X, Y = RNG.standard_normal((43, 3)), RNG.standard_normal(43)


class Descent:
    """A line fitted by descent, an epoch as it is told."""

    def __init__(self, size: int, end: Callable[[int], int], shuffled: bool, shows: str) -> None:
        self.size, self.end, self.shuffled, self.shows = size, end, shuffled, shows

    def begin(self) -> None:
        self.w = np.array([0.3, -0.2, 0.1])
        self.rng = np.random.default_rng(1)

    def loss(self, x: Any, y: Any) -> float:
        return float(np.mean((x @ self.w - y) ** 2))

    def step(self, x: Any, y: Any) -> None:
        self.w = self.w - 0.1 * x.T @ (x @ self.w - y) / len(x)

    def epoch(self, x: Any, y: Any) -> float | None:
        order = self.rng.permutation(len(x)) if self.shuffled else np.arange(len(x))
        losses, end = [], self.end(len(x))
        for at in range(0, end, self.size):
            batch = order[at : min(at + self.size, end)]
            losses.append((self.loss(x[batch], y[batch]), len(batch)))
            self.step(x[batch], y[batch])
        found = {
            "running": np.average(*np.transpose(losses)[:1], weights=[n for _, n in losses]),
            "unweighted": np.mean([loss for loss, _ in losses]),
            "after": self.loss(x, y),
            "last": losses[-1][0],
            "summed": sum(loss for loss, _ in losses),
        }
        if self.shows.endswith("printed"):
            print(f"epoch 1 loss {found[self.shows.split()[0]]:.4f}")
            return None
        return float(found[self.shows])


def driven(size: int, end: Callable[[int], int] = int, shuffled: bool = False, shows: str = "running") -> Epoch:
    own = Descent(size, end, shuffled, shows)
    return taken_apart(Driver(own.begin, own.epoch, own.step, own.loss, lambda: [own.w.copy()]), X, Y)


@pytest.mark.parametrize("size", [1, 10, 16, 32, 43])
def test_the_size_of_its_batches_is_found_and_a_last_smaller_one(size: int) -> None:
    assert driven(size) == (size, "kept", "given", "running" if size not in (1, 43) else driven(size).printed)


def test_what_is_left_out_is_told() -> None:
    assert driven(8, lambda n: n - n % 8)[:3] == (8, "dropped", "given")
    assert driven(10, lambda n: n - 1)[:3] == (10, "short", "given")


def test_a_shuffled_one_is_told_from_one_in_the_given_order() -> None:
    assert driven(10, shuffled=True) == (10, "kept", "shuffled", "")


@pytest.mark.parametrize("shows", ["running", "unweighted", "after", "last", "summed"])
@pytest.mark.parametrize("how", ["", " printed"])
def test_which_loss_it_shows_is_found(shows: str, how: str) -> None:
    assert driven(8, shows=shows + how).printed == shows


def test_of_an_epoch_that_does_something_else_nothing_is_said() -> None:
    own = Descent(8, int, False, "after")

    def drifting(x: Any, y: Any) -> None:
        own.epoch(x, y)
        own.w = own.w * 0.99

    found = taken_apart(Driver(own.begin, drifting, own.step, own.loss, lambda: [own.w.copy()]), X, Y)
    assert found == (0, "", "", "")
