"""Numbers that people multiply by where they should not: sizes of the batch and of the model, halves, twos, a sign."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from parity.bounds.bounded import Bounded
from parity.bounds.numerics import Array
from parity.explain.whole.keras_side import KerasSide
from parity.explain.whole.quantity import agrees


@dataclass(frozen=True, slots=True)
class Factor:
    """A number that may depend on how many examples a batch has: ``scale * n ** power``."""

    words: str
    scale: float
    power: int = 0

    def at(self, n: int) -> float:
        """Return the number for a batch."""
        return self.scale * float(n) ** self.power

    def inverse(self) -> "Factor":
        """Return one over it."""
        return Factor(self.words, 1 / self.scale, -self.power)


_PLAIN: Final = (
    Factor("two", 2.0),
    Factor("a half", 0.5),
    Factor("minus one", -1.0),
    Factor("the batch's size", 1.0, 1),
    Factor("one over the batch's size", 1.0, -1),
    Factor("half the batch's size", 0.5, 1),
    Factor("one over half the batch's size", 2.0, -1),
    Factor("one over twice the batch's size", 0.5, -1),
    Factor("twice the batch's size", 2.0, 1),
    Factor("minus the batch's size", -1.0, 1),
)


def factors(side: KerasSide) -> list[Factor]:
    """Return the factors that are looked for, the likelier first."""
    outputs = int(np.prod(side.classes))
    found = list(_PLAIN)
    if outputs > 1:
        found += [
            Factor(f"the number of outputs ({outputs})", outputs),
            Factor(f"one over the number of outputs ({outputs})", 1 / outputs),
            Factor(f"half the number of outputs ({outputs})", outputs / 2),
            Factor(f"one over half the number of outputs ({outputs})", 2 / outputs),
            Factor(f"the batch's size times the number of outputs ({outputs})", outputs, 1),
            Factor(f"one over the batch's size times the number of outputs ({outputs})", 1 / outputs, -1),
            Factor(f"half the batch's size times the number of outputs ({outputs})", outputs / 2, 1),
        ]
    for name, shape in zip(side.names, side.shapes, strict=True):
        if len(shape) == 2:
            inputs, units = shape
            layer = name.partition("/")[0]
            for words, size in (
                (f"the inputs of {layer} ({inputs})", inputs),
                (f"the units of {layer} ({units})", units),
            ):
                found += [Factor(words, size), Factor(f"one over {words}", 1 / size)]
    for layer, shape in side.images.items():
        places = shape[0] * shape[1]
        words = f"the positions of {layer} ({places})"
        found += [Factor(words, places), Factor(f"one over {words}", 1 / places)]
        found.append(Factor(f"one over the batch's size times {words}", 1 / places, -1))
    found += [Factor(f"{words}", number) for words, number in (("255", 255.0), ("1/255", 1 / 255), ("1/256", 1 / 256))]
    return list({(each.scale, each.power): each for each in reversed(found)}.values())[::-1]


def scaled(x: Bounded, number: float) -> Bounded:
    """Return a bounded array whose every evaluation is multiplied by a number."""
    return Bounded(x.value * number, np.asarray(x.error) * abs(number), x.format)


def fitting(pairs: Sequence[tuple[Array, Bounded, int]], known: Sequence[Factor]) -> Iterator[Factor]:
    """Yield the factors by which all obtained arrays are multiples of what is expected; else the number that fits.

    Args:
        pairs: what was obtained, what is expected, and how many examples the batch had.
        known: what is tried.
    """
    found = False
    for factor in known:
        changes = any(abs(factor.at(n) - 1) > 1e-12 for _, _, n in pairs)
        if changes and all(agrees(own, scaled(expected, factor.at(n))) for own, expected, n in pairs):
            found = True
            yield factor
    number = None if found else _number(pairs)
    if number is not None and all(agrees(own, scaled(expected, number)) for own, expected, _ in pairs):
        yield Factor(f"{number:.6g}", number)


def _number(pairs: Sequence[tuple[Array, Bounded, int]]) -> float | None:
    """Return the ratio where it is best known."""
    best: tuple[float, float] | None = None
    for own, expected, _ in pairs:
        value, error = np.ravel(expected.value), np.ravel(np.broadcast_to(expected.error, expected.shape))
        with np.errstate(all="ignore"):
            sharpness = np.where(np.isfinite(error) & (value != 0), error / np.abs(value), np.inf)
        at = int(np.argmin(sharpness))
        if np.isfinite(sharpness[at]) and (best is None or sharpness[at] < best[0]):
            best = float(sharpness[at]), float(np.ravel(own)[at] / value[at])
    return None if best is None or best[1] == 0 or not np.isfinite(best[1]) else best[1]


def likely(number: float) -> list[float]:
    """Return what a measured factor may be, as people write it: a whole number, one over one, few digits, itself."""
    whole = [float(round(number))] if abs(number) > 1 else [1 / round(1 / number)] if round(1 / number) else []
    return list(dict.fromkeys([*whole, float(f"{number:.3g}"), float(f"{number:.6g}"), number]))


def multiple(factor: Factor, whose: str) -> str:
    """Return what a multiple is of, such as ``512 times the model's (the units of dense)``."""
    number = told(factor.scale)
    words = factor.words.removesuffix(f" ({round(max(abs(factor.scale), 1 / abs(factor.scale)))})")
    if factor.power or words == factor.words:
        return f"{factor.words if factor.words != number else number} times {whose}"
    return f"{number} times {whose} ({words})"


def told(number: float) -> str:
    """Return a factor as people write it."""
    if 0 < abs(number) < 1 and abs(1 / number - round(1 / number)) < 1e-6 * abs(1 / number):
        return f"{'-' if number < 0 else ''}1/{abs(round(1 / number))}"
    return f"{number:.6g}"
