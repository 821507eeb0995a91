"""Rounds of Newton and Schulz on a bounded matrix: what rounding may do to singular values that the rounds move.

Bounds by elements know nothing of singular values: they grow by some hundred in every round, where a round multiplies
an error by its polynomial's slope at most. So errors are bounded in the Frobenius norm, round by round. An odd
polynomial p of the singular values of x is p of the symmetric matrix [[0, x], [x', 0]], and in that norm a function of
symmetric matrices has the Lipschitz constant that it has on an interval with all their eigenvalues (R. Bhatia, Matrix
Analysis, 1997, section X.3): the largest slope of p up to the largest singular value. What a round itself rounds
follows from ``|fl(x y) - x y| <= gamma_n |x| |y|`` (Higham, section 3.5) and from |x y| <= ||x|| |y| with the spectral
norm of either factor.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from parity.bounds.bounded import Bounded
from parity.bounds.functions import gamma
from parity.bounds.numerics import Array, Format

Polynomial = tuple[float, float, float]
"""a, b and c of ``a s + b s**3 + c s**5``, which a round makes of each singular value s."""


def rounds_of(make: Callable[[Array], Array], x: Bounded, rounds: int, polynomial: Polynomial) -> Bounded:
    """Return what so many rounds make of a matrix, each element within what the norm of all errors may be.

    ``make`` makes one round of wide values: ``a x + (b A + (c A) A) x`` with ``A = x x'`` of the shorter side. What an
    evaluation's largest singular value may be follows from the value's and the error, or from that of the round before.
    """
    value, rank = x.value, min(x.shape, default=0)
    off, top = _norm(np.broadcast_to(x.error, x.shape)), math.inf
    with np.errstate(all="ignore"):
        for _ in range(rounds):
            largest, norm = _largest(value), _norm(value)
            top = min(top, largest + off)
            reach = max(norm, min(norm + off, math.sqrt(rank) * top))
            rounding = _rounding(polynomial, max(top, largest), reach, x.shape, x.format)
            off = _slope(polynomial, max(top, largest)) * off + rounding
            top = _height(polynomial, top) + rounding
            value = make(value)
            off = min(off, _norm(value) + math.sqrt(rank) * top)
    error = np.where(np.isnan(value) | np.isnan(off), np.inf, off)
    if x.format.certain and np.all(x.certainly_nan):
        error = np.zeros_like(error)
    return Bounded(value, error.astype(value.dtype), x.format)


def _rounding(polynomial: Polynomial, s: Any, norm: Any, shape: tuple[int, ...], fmt: Format) -> Any:
    """Return what a round rounds at most of a matrix with singular values up to ``s`` and this norm.

    A constant, and the product with it, round three times together; each line is an operation of the round.
    """
    a, b, c = polynomial
    short, long = min(shape), max(shape)
    unit = fmt.unit + 4 * float(np.finfo(fmt.wide).eps)
    square = gamma(long, fmt) * norm * norm
    squares, largest = s * norm + square, s * s + square  # of A as it is computed: its norm, its largest eigenvalue
    linear = abs(b) * (3 * unit * squares + square)
    scaled = abs(c) * (3 * unit * squares + square)
    quartic = gamma(short, fmt) * (abs(c) * squares + scaled) * squares + scaled * largest + abs(c) * s * s * square
    factor = max(abs(b), abs(b + c * s * s)) * s * norm  # b A + c A A is A times a number between b and b + c s**2
    both = linear + quartic
    both += unit * (factor + both)
    product = gamma(short, fmt) * (factor + both) * norm + both * s
    change = max(abs(b), abs(b + c * s * s)) * s * s * norm
    total = product + 3 * unit * abs(a) * norm + unit * (abs(a) * norm + change + product)
    lost = 4 * long * short * fmt.underflow * (1 + abs(a) + abs(b) + abs(c)) * (1 + s) ** 3
    return total * (1 + 8 * unit) + lost


def _norm(x: Array) -> Any:
    return np.sqrt(np.sum(np.square(x), dtype=np.float64))


def _largest(x: Array) -> Any:
    """Return no less than the largest singular value."""
    if not np.all(np.isfinite(x)):
        return np.float64(math.inf)
    double = x.astype(np.float64)
    gram = double @ double.T if x.shape[0] < x.shape[1] else double.T @ double
    most = np.max(np.linalg.eigvalsh(gram), initial=0.0) + 1e-12 * np.trace(gram)
    return np.sqrt(most)


def _slope(polynomial: Polynomial, end: Any) -> Any:
    """Return the largest magnitude of the polynomial's slope from 0 to ``end``."""
    a, b, c = polynomial
    square = np.array([0.0, end * end, *_within([-3 * b / (10 * c)] if c else [], end)])
    return np.max(np.abs(a + 3 * b * square + 5 * c * square * square))


def _height(polynomial: Polynomial, end: Any) -> Any:
    """Return the largest magnitude of the polynomial from 0 to ``end``."""
    a, b, c = polynomial
    turns = [each.real for each in np.roots([5 * c, 3 * b, a]) if not each.imag]
    square = np.array([end * end, *_within(turns, end)])
    return np.max(np.sqrt(square) * np.abs(a + b * square + c * square * square))


def _within(squares: list[float], end: Any) -> list[float]:
    return [square for square in squares if 0 < square < end * end]
