"""Gradients that no multiple explains come in, the mistakes on the way back come out, from the last layer down."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from parity.explain.whole.derivatives import Level, Said, Way
from parity.explain.whole.grants import Grant
from parity.explain.whole.kinds import Compared, Kind
from parity.explain.whole.layered import Layers
from parity.explain.whole.quantity import nearest
from parity.explain.whole.sides import Sides
from parity.explain.whole.stack import Stack


class Backwards(Protocol):
    """A model whose way back can be changed, layer by layer."""

    def levels(self) -> Iterator[Level]:
        """Yield what each layer decides, the last first."""

    def changed(self, ways: Sequence[Way]) -> Sides:
        """Return both sides with mistakes on the model's way back."""

    def said(self, ways: Sequence[Way]) -> list[Said]:
        """Return mistakes in words."""


@dataclass(frozen=True, slots=True)
class Found:
    """What explains gradients: mistakes on the way back, and what each gradient is of the model's so changed.

    Attributes:
        sides: both sides, the model's way back changed.
        kinds: of each tensor, None where nothing is found.
        said: the mistakes in words.
        shown: the tensors whose gradients they are seen in.
    """

    sides: Sides
    kinds: list[Kind | None]
    said: list[Said] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)


class _Try:
    """A choice of mistakes for one layer, beside those that were found above it."""

    def __init__(self, sides: Sides, first: Sides, grant: Grant, level: Level, option: tuple[Way, ...]) -> None:
        self.option, self.sides = option, sides
        self._compared = [Compared(sides, grant, at, first) for at in level.tensors]
        self.kinds: list[Kind | None] = [next(iter(each.kinds), None) for each in self._compared]

    @property
    def unknown(self) -> int:
        """How many gradients it leaves without a reason."""
        return self.kinds.count(None)

    @property
    def left(self) -> float:
        """What part of its gradients it leaves."""
        pairs = zip(self._compared, self.kinds, strict=True)
        parts = [each.left(kind) for each, kind in pairs if kind is not None]
        return float(np.linalg.norm(parts)) if parts else np.inf

    def cost(self, ways: Sequence[Way], kinds: Sequence[Kind]) -> tuple[int, int]:
        """Return how many gradients have no reason, and how many mistakes are new beside those found above."""
        names = {(way.name, way.other) for way in self.option} - {(way.name, way.other) for way in ways}
        new = {kind for kind in self.kinds if kind is not None and not kind.right} - {*kinds}
        return self.unknown, len(names) + len(new)


def found(sides: Sides, grant: Grant) -> Found:
    """Return the fewest mistakes on the way back, and beside it, that explain the gradients.

    A layer's gradients show its own mistake and those of the layers above it: what fits them is settled from the last
    layer down, each by what was found so far.
    """
    stack = Stack(sides, grant)
    with np.errstate(all="ignore"):
        model: Backwards = stack if stack.covered else Layers(sides)
        chosen: tuple[Way, ...] = ()
        kinds: dict[int, Kind | None] = {}
        shown: dict[Way, list[int]] = {}
        for level in model.levels():
            best = _best(sides, grant, model, level, chosen, [each for each in kinds.values() if each is not None])
            chosen += best.option
            kinds |= zip(level.tensors, best.kinds, strict=True)
            for way in chosen:
                seen = [at for at, kind in zip(level.tensors, best.kinds, strict=True) if kind is not None]
                shown.setdefault(way, []).extend(seen)
    count = len(sides.side.names)
    tensors = sorted({at for way in chosen for at in shown[way]})
    return Found(model.changed(chosen), [kinds.get(at) for at in range(count)], model.said(chosen), tensors)


def _best(sides: Sides, grant: Grant, model: Any, level: Level, chosen: tuple[Way, ...], known: list[Kind]) -> _Try:
    """Return the choice for one layer: what leaves least without a reason, then what needs the fewest mistakes."""
    tries: list[_Try] = []
    for option in level.options:
        made = _Try(model.changed((*chosen, *option)), sides, grant, level, option)
        if not option and not any(made.cost(chosen, known)):
            return made  # nothing new is wrong here
        tries.append(made)
    right, fewest = tries[0], min(each.unknown for each in tries)
    if right.unknown == len(right.kinds) == fewest:
        return right  # nothing is explained by any: no mistake is named
    fitting = nearest([each for each in tries if each.unknown == fewest], lambda each: each.left)
    return min(fitting, key=lambda each: each.cost(chosen, known))
