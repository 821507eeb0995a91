import itertools
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from parity.explain.attribution import Losses, attribute, dividend, interaction, plan, shapley

Game = Callable[[frozenset[str]], float]


def _losses(names: list[str], game: Game, seeds: int = 3) -> Losses:
    return {chosen: [game(chosen) * (1 + 0.01 * seed) for seed in range(seeds)] for chosen in plan(names)}


def _worth(names: list[str], game: Game) -> dict[frozenset[str], float]:
    return {chosen: game(chosen) for chosen in plan(names)}


def _only_both(chosen: frozenset[str]) -> float:
    return 0.001 if {"x", "y"} <= chosen else 0.3


def test_two_factors_that_work_only_together_share_alike() -> None:
    found = attribute(["x", "y", "z"], _losses(["x", "y", "z"], _only_both), 0.01, "loss")
    shares = {one.factors[0]: one.percent for one in found.factors}
    assert shares == pytest.approx({"x": 50, "y": 50, "z": 0})
    assert found.pairs[0].factors == ["x", "y"]
    assert found.pairs[0].percent == pytest.approx(100)
    assert found.interactions[0].percent == pytest.approx(100)
    assert found.terms[0].factors == ["x", "y"]


def test_shares_sum_to_the_gap() -> None:
    names = list("abcde")
    worth = _worth(names, lambda chosen: len(chosen) ** 2 + 3 * ("a" in chosen) - ("b" in chosen and "e" in chosen))
    assert sum(shapley(names, worth).values()) == pytest.approx(worth[frozenset(names)] - worth[frozenset()])
    assert sum(dividend(worth, chosen) for chosen in plan(names)[1:]) == pytest.approx(
        worth[frozenset(names)] - worth[frozenset()]
    )


def test_factors_that_only_add_have_no_interaction() -> None:
    names = ["x", "y", "z"]
    worth = _worth(names, lambda chosen: sum({"x": 1.0, "y": 2.0, "z": 4.0}[name] for name in chosen))
    assert shapley(names, worth) == pytest.approx({"x": 1, "y": 2, "z": 4})
    for pair in itertools.combinations(names, 2):
        assert interaction(names, worth, frozenset(pair)) == pytest.approx(0)


def test_more_than_six_factors_are_sampled_and_still_sum_to_the_gap() -> None:
    names = list("abcdefgh")
    assert len(plan(names)) < 2**8
    worth = _worth(names, lambda chosen: float("a" in chosen and "b" in chosen) + len(chosen))
    values = shapley(names, worth)
    assert sum(values.values()) == pytest.approx(9)
    assert attribute(names, _losses(names, lambda chosen: 1 / (1 + len(chosen))), 0.01, "loss").complete is False


def test_what_lies_below_the_target_is_no_gap() -> None:
    losses = {frozenset[str](): [1.0, 1.0], frozenset(["x"]): [0.001, 0.0001]}
    found = attribute(["x"], losses, 0.01, "to_target")
    assert found.gap == pytest.approx(2)
    assert found.factors[0].percent == pytest.approx(100)
    assert found.factors[0].uncertainty == 0


def test_seeds_that_disagree_widen_the_interval() -> None:
    names = ["x", "y"]
    agree = _losses(names, lambda chosen: 1 - 0.4 * len(chosen))
    differ = {chosen: [values[0], values[1] + 0.1 * ("x" in chosen), values[2]] for chosen, values in agree.items()}
    narrow, wide = (attribute(names, losses, 0.01, "loss").factors[0].uncertainty for losses in (agree, differ))
    assert wide > narrow


ORDERED = """
import math
from parity.explain.attribution import interaction, plan
names = ["initial_weights", "forward_divisor", "second_moment_start", "dtype", "rho"]
worth = {chosen: math.sin(number) for number, chosen in enumerate(plan(names))}
print([interaction(names, worth, pair) for pair in plan(names) if len(pair) == 2])
"""


def test_figures_do_not_depend_on_the_order_of_a_set() -> None:
    said = [
        subprocess.run(
            [sys.executable, "-c", ORDERED], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in "012"
    ]
    assert len(set(said)) == 1
