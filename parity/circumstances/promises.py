"""What processors and libraries promise of an operation that is not rounded correctly, in unit roundoffs.

A division may cost more than one where a processor estimates a reciprocal and Newton's steps refine it.

What a maker promises of an instruction holds on each of his processors; what one of them does is better by chance. So
the bound follows from the promises: RCPPS, RSQRTPS and their AVX forms are off by at most 1.5 * 2**-12 (Intel, Software
Developer's Manual, vol. 2; AMD, Architecture Programmer's Manual, vol. 4), VRCP14 and VRSQRT14 of AVX-512 by 2**-14,
FRECPE and FRSQRTE of Arm by 2**-8 (Architecture Reference Manual: eight bits). Eigen refines each as
``generic_rsqrt_newton_step`` and ``generic_reciprocal_newton_step`` do (Core/MathFunctionsImpl.h; the number of steps
in Core/arch), or by Arm's FRSQRTS and FRECPS; XLA as Eigen, with a second step on Intel
(xla/codegen/intrinsic/rsqrt.cc).
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import product
from typing import Final

ROUNDINGS: Final = {
    "exp": 4.0,
    "cos": 4.0,
    "pow": 6.0,
    "log": 7.0,
    "exp above zero": 8.0,
    "expm1": 8.0,
    "log1p": 8.0,
    "tanh": 8.0,
    "erf": 8.0,
    "sigmoid": 12.0,
    "softplus": 12.0,
}
"""What elementary functions of Eigen, XLA and the C library may be off by, in unit roundoffs of their dtype.

Two ULP are four, three are six: Eigen says three of pow and two of cos in range (Core/arch/Default/
GenericPacketMathFunctions.h). Of float32's exp and log it says nothing; every operation of their polynomials rounded or
contracted, exp is within 3.1 and log, a quotient of two of them beside one, within 6.9. The C library and XLA stay
within one or two ULP, XLA's exp three near the largest number. Nothing is said of those from there on: theirs is what
was seen of every 61st float32, and about half as much again (``tests/program/elementary.py`` measures it on the machine
at hand).
"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """An instruction that estimates a reciprocal or a reciprocal root, and what TensorFlow makes of it.

    Attributes:
        instruction: the name that its maker gives it.
        feature: the word for it among a processor's features, empty if each has it.
        dtype: what it takes here.
        root: whether it estimates 1 / sqrt(y), else 1 / y.
        promise: the largest relative error that the maker allows it.
        steps: how many of Newton's steps follow.
        form: how a step is rounded: each operation, each contracted pair (FMA), or as Arm's own step.
    """

    instruction: str
    feature: str
    dtype: str
    root: bool
    promise: Fraction
    steps: int
    form: str

    def roundings(self, unit: float) -> float:
        """Return the largest relative error of what is refined, in unit roundoffs of the dtype."""
        refine = {True: _refined_root, False: _refined_reciprocal}[self.root]
        error = self.promise
        for _ in range(self.steps):
            error = refine(error, Fraction(unit), self.form)
        return float(error / Fraction(unit))


_TWELVE, _FOURTEEN, _EIGHT = Fraction(3, 2**13), Fraction(1, 2**14), Fraction(1, 2**8)

ESTIMATES: Final = (
    Estimate("RSQRTPS", "", "float32", True, _TWELVE, 1, "rounded"),
    Estimate("RCPPS", "", "float32", False, _TWELVE, 1, "rounded"),
    Estimate("VRSQRT14PS", "avx512f", "float32", True, _FOURTEEN, 1, "contracted"),
    Estimate("VRCP14PS", "avx512f", "float32", False, _FOURTEEN, 1, "contracted"),
    Estimate("VRSQRT14PD", "avx512f", "float64", True, _FOURTEEN, 2, "contracted"),
    Estimate("FRSQRTE", "asimd", "float32", True, _EIGHT, 2, "arm"),
    Estimate("FRECPE", "asimd", "float32", False, _EIGHT, 2, "arm"),
    Estimate("FRSQRTE", "asimd", "float64", True, _EIGHT, 3, "contracted"),
)


@cache
def division_roundings(dtype: str, unit: float) -> float:
    """Return how many roundings of a quotient every way to divide stays below, for any processor.

    Args:
        dtype: the name of a dtype.
        unit: its unit roundoff.

    ``x / y`` may be ``x * (1 / y)``: two roundings, or one more than the estimate's. ``x / sqrt(y)`` may be
    ``x * rsqrt(y)``, of whose roundings the square root has counted one, and the product makes one. 16 bits are
    computed in float32 and rounded once, so that no estimate is seen in them.
    """
    exact = Fraction(unit)
    ways = [(1 + exact) ** 2 - 1]
    for estimate in ESTIMATES:
        if estimate.dtype == dtype:
            off = Fraction(estimate.roundings(unit)) * exact
            ways.append(off if estimate.root else (1 + off) * (1 + exact) - 1)
    return float(max(ways) / exact)


def _refined_root(error: Fraction, unit: Fraction, form: str) -> Fraction:
    """Return the largest relative error after a step for 1 / sqrt(a), whose start y is off by at most ``error``.

    Eigen: ``h = (a*y)*y - 1``, ``y - (y/2)*h``; the subtraction is exact, as is halving. Arm:
    ``y * ((3 - (a*y)*y) / 2)``, whose quotient is rounded once. Each rounding enters linearly: its extremes are at its
    ends. The start enters by -3/2 of its square: its extremes are at its ends or, for the other sign, at zero.
    """
    worst = Fraction(0)
    for start, *signs in product((-error, Fraction(0), error), *[(-unit, unit)] * 4):
        y, (first, second, third, last) = 1 + start, signs
        if form == "contracted":
            off = (y * y * (1 + first) - 1) * (1 + second)
            refined = (y - y / 2 * off) * (1 + last)
        elif form == "arm":
            refined = y * (3 - y * y * (1 + first)) / 2 * (1 + third) * (1 + last)
        else:
            off = y * y * (1 + first) * (1 + second) - 1
            refined = (y - y / 2 * off * (1 + third)) * (1 + last)
        worst = max(worst, abs(refined - 1))
    return worst


def _refined_reciprocal(error: Fraction, unit: Fraction, form: str) -> Fraction:
    """Return the largest relative error after a step for 1 / a: Eigen ``x + x*(1 - a*x)``, Arm ``x * (2 - a*x)``.

    Arm rounds the difference once; Eigen's subtraction is exact.
    """
    worst = Fraction(0)
    for start, *signs in product((-error, Fraction(0), error), *[(-unit, unit)] * 3):
        x, (first, second, last) = 1 + start, signs
        if form == "contracted":
            refined = (x + x * (1 - x) * (1 + first)) * (1 + last)
        elif form == "arm":
            refined = x * (2 - x) * (1 + second) * (1 + last)
        else:
            refined = (x + x * (1 - x * (1 + first)) * (1 + second)) * (1 + last)
        worst = max(worst, abs(refined - 1))
    return worst
