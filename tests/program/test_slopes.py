"""Derivatives by differences: of smooth losses, of losses rounded to float32 on their way, at kinks, of still ones."""

from collections.abc import Callable

import numpy as np
import pytest

from parity.explain.whole.slopes import Slope, slope

CURVES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]] = {
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "squares": (lambda z: z**2 / 2, lambda z: z),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
}


def lines(kind: str, seed: int, dtype: type) -> tuple[Callable[[float], float], float]:
    """Return a mean of curves along a line, whose sums are made in a dtype, and its derivative at zero."""
    rng = np.random.default_rng(seed)
    start, way = rng.standard_normal((2, 40))
    curve, derivative = CURVES[kind]
    return (
        lambda t: float(np.mean(curve((start + t * way).astype(dtype)).astype(np.float64))),
        float(np.mean(derivative(start) * way)),
    )


def measured(kind: str, seed: int, dtype: type, factor: float = 1.0) -> Slope:
    loss, right = lines(kind, seed, dtype)
    found = slope(loss, factor * right)
    assert found is not None
    return found


@pytest.mark.parametrize("kind", CURVES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_right_derivative_agrees_in_either_dtype(kind: str, dtype: type) -> None:
    assert all(measured(kind, seed, dtype).right for seed in range(60))


@pytest.mark.parametrize("kind", CURVES)
def test_float64_knows_a_derivative_to_a_millionth(kind: str) -> None:
    found = [measured(kind, seed, np.float64) for seed in range(60)]
    assert all(each.noise == 0 for each in found)
    assert np.median([each.unsure / abs(each.measured) for each in found]) < 1e-6
    assert not any(measured(kind, seed, np.float64, 1.001).right for seed in range(60))


@pytest.mark.parametrize("kind", CURVES)
@pytest.mark.parametrize("factor", [2.0, 0.5, 5.0, -1.0])
def test_a_wrong_factor_is_seen_through_the_noise_of_float32(kind: str, factor: float) -> None:
    found = [measured(kind, seed, np.float32, factor) for seed in range(60)]
    assert all(each.noise > 0 for each in found)
    assert all(each.blurred or not each.right for each in found)
    assert np.mean([each.blurred for each in found]) < 0.2
    known = [each.ratio for each in found if each.ratio is not None]
    assert len(known) > 20
    assert np.allclose(known, factor, rtol=0.02)


def test_a_loss_that_is_itself_float32_is_taken_for_one() -> None:
    loss, right = lines("tanh", 3, np.float64)
    found = slope(lambda t: float(np.float32(loss(t))), right)
    assert found is not None
    assert found.right
    assert found.noise > 0


def test_a_loss_that_does_not_move_has_a_derivative_of_zero() -> None:
    still = slope(lambda t: 0.5, 0.0)
    assert still is not None
    assert (still.measured, still.right) == (0.0, True)
    moved = slope(lambda t: 0.5, 1.0)
    assert moved is not None
    assert not moved.right


def test_what_is_hidden_in_a_coarse_loss_is_no_agreement() -> None:
    found = slope(lambda t: round(0.7 + 1e-4 * t, 2), 1e-4)
    assert found is None or not found.right or found.blurred


def test_a_kink_near_by_is_no_noise() -> None:
    found = slope(lambda t: max(t - 4e-6, 0.0) + np.sin(t), 1.0)
    assert found is not None
    assert found.noise == 0
    assert found.right
    assert found.unsure < 1e-6


def test_a_loss_that_is_not_finite_has_none() -> None:
    assert slope(lambda t: float("nan"), 1.0) is None
