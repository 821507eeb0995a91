"""Bounds on Muon's rounds hold every order of sums, and what a matrix may be off; they are not so wide as a step."""

from typing import Any

import numpy as np
import pytest

from parity.bounds.bounded import Bounded, exact, in_certain
from parity.bounds.numerics import dtype_of, format_of
from parity.bounds.rule import bounded, page
from parity.bounds.spectral import _height, _largest, _slope

KEPT = (3.4445, -4.775, 2.0315)
SHAPES = [(1, 1), (1, 7), (4, 6), (7, 3), (16, 16), (12, 40)]


def made(dtype: str = "float32", rounds: int = 5, **given: Any) -> Any:
    return bounded(page("muon"))(ns_steps=rounds, **given)


def matrices(shape: tuple[int, int]) -> list[Any]:
    """Return matrices of norm one with singular values of every kind: alike, far apart, of rank one, or as drawn."""
    rng = np.random.default_rng(7)
    drawn = rng.normal(size=shape)
    u, s, v = np.linalg.svd(drawn, full_matrices=False)
    every = [drawn, u @ v, (u * np.geomspace(1, 1e-6, len(s))) @ v, np.outer(u[:, 0], v[0]), drawn * 1e-5]
    return [x / (np.linalg.norm(x) + 1e-7) for x in every]


def product(x: Any, y: Any, order: Any) -> Any:
    """Multiply in the narrow dtype, one product after the other, in an order of its own."""
    total = np.zeros((x.shape[0], y.shape[1]), dtype=x.dtype)
    for k in order(x.shape[1]):
        total = total + x[:, k : k + 1] * y[k : k + 1]
    return total


def evaluated(x: Any, rounds: int, order: Any, gathered: bool) -> Any:
    a, b, c = (x.dtype.type(each) for each in KEPT)
    for _ in range(rounds):
        square = product(x, x.T, order)
        quartic = c * product(square, square, order) if gathered else product(c * square, square, order)
        x = a * x + product(b * square + quartic, x, order)
    return x


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "rounds"), [("float32", 5), ("float64", 5), ("float16", 1), ("bfloat16", 1)])
def test_any_order_of_sums_is_inside(shape: tuple[int, int], dtype: str, rounds: int) -> None:
    rng, kind = np.random.default_rng(1), dtype_of(dtype)
    orders = (range, lambda n: range(n)[::-1], lambda n: rng.permutation(n))
    for matrix in matrices(shape):
        x = matrix.astype(kind)
        reached = made().orthogonalized(exact(x), rounds)
        for order in orders:
            for gathered in (False, True):
                x = matrix.astype(kind)
                narrow = evaluated(x.T if shape[0] > shape[1] else x, rounds, order, gathered)
                narrow = narrow.T if shape[0] > shape[1] else narrow
                assert np.all(np.abs(narrow.astype(reached.value.dtype) - reached.value) <= reached.error)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [1e-7, 1e-4, 1e-2])
def test_what_the_matrix_may_be_off_is_inside(shape: tuple[int, int], share: float) -> None:
    """Also where it is off along the smallest singular values, which the rounds raise most."""
    rng, plain = np.random.default_rng(2), page("muon")()
    for matrix in matrices(shape):
        off = share * rng.uniform(0, 1, size=shape)
        reached = made().orthogonalized(Bounded(matrix, off, format_of(np.float32)), 5)
        u, _, v = np.linalg.svd(matrix, full_matrices=False)
        for sign in (rng.choice([-1.0, 1.0], size=shape), np.sign(np.outer(u[:, -1], v[-1]))):
            other = plain.orthogonalized(matrix + sign * off, 5)
            assert np.all(np.abs(other - reached.value) <= reached.error)


@pytest.mark.parametrize("shape", [(4, 6), (7, 3), (16, 16)])
def test_another_coefficient_and_another_count_are_outside(shape: tuple[int, int]) -> None:
    matrix = matrices(shape)[0].astype(np.float32)
    reached = made().orthogonalized(exact(matrix), 5)
    others: list[Any] = [page("muon")(**one) for one in ({"muon_a": 3.1}, {"muon_b": -5.0}, {"muon_c": 1.9})]
    own: Any = page("muon")()
    for wrong, rounds in [*((each, 5) for each in others), (own, 4), (own, 6)]:
        assert np.mean(np.abs(wrong.orthogonalized(matrix, rounds) - reached.value) > reached.error) > 0.5
    assert np.mean(2 * reached.error < np.abs(reached.value)) > 0.8


def test_nothing_stays_nothing_and_certain_nan_is_certain() -> None:
    nothing = made().orthogonalized(exact(np.zeros((3, 4), np.float32)), 5)
    assert not nothing.value.any()
    assert np.all(nothing.error < 1e-30)
    nan = exact(np.full((3, 4), np.nan, np.float32))
    assert np.all(np.isinf(made().orthogonalized(nan, 5).error))
    assert not made().orthogonalized(in_certain(nan), 5).error.any()
    empty = made().orthogonalized(exact(np.zeros((0, 4), np.float32)), 5)
    assert empty.shape == (0, 4)


@pytest.mark.parametrize("polynomial", [KEPT, (1.5, -0.5, 0.0), (3.0, -16 / 5, 6 / 5), (2.0, 1.0, -3.0)])
def test_slopes_and_heights_are_the_largest(polynomial: tuple[float, float, float]) -> None:
    a, b, c = polynomial
    for end in (0.1, 0.7, 1.0, 1.3, 2.0):
        s = np.linspace(0, end, 20_001)
        slope, height = np.max(np.abs(a + 3 * b * s**2 + 5 * c * s**4)), np.max(np.abs(a * s + b * s**3 + c * s**5))
        assert slope <= _slope(polynomial, end) * (1 + 1e-12) <= slope * (1 + 1e-6)
        assert height <= _height(polynomial, end) * (1 + 1e-12) <= height * (1 + 1e-6)
    assert np.linalg.norm(np.diag([3.0, 4.0]), 2) <= _largest(np.diag([3.0, 4.0])) < 4.00001


def test_a_rate_of_a_schedule_keeps_its_bound_where_it_is_multiplied() -> None:
    from parity.bounds.bounded import Rate
    from parity.reference.optimizer import Single, constant

    rate = Rate(0.1)
    rate.error = 1e-5
    scaled = Single(rate * Single(0.5))
    assert (float(scaled), scaled.given) == (float(np.float32(0.05)), 0.05)
    for dtype in ("float32", "float64"):
        assert 5e-6 < constant(exact(np.ones(1, dtype_of(dtype))), scaled).error < 6e-6
    assert constant(exact(np.ones(1)), Single(Rate(0.25) * Single(0.5))).error == 0
