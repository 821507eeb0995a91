"""A tensor's gradient on both sides comes in, what it may be of the model's comes out: a multiple, summed, turned."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np

from parity.bounds.bounded import Bounded
from parity.bounds.numerics import Array
from parity.explain.whole.batches import Batch
from parity.explain.whole.factors import Factor, likely, scaled, told
from parity.explain.whole.grants import Grant, combined
from parity.explain.whole.quantity import agrees, nearest
from parity.explain.whole.sides import Sides

ONE: Final = Factor("one", 1.0)
NONE: Final = Factor("nothing", 0.0)
BEFORE: Final = "summed before the activation's derivative is multiplied in"
INSIDE: Final = "times the activation's derivative, which a bias that is added after the activation has not in its own"
_LEFT: Final = 0.1
"""What part of a difference a reason may leave: more than that is the bound's doing and not the reason's."""
_FEW: Final = 64
"""How many elements are held against a kind before all are: what is not the gradient there is it nowhere."""


class Kind(NamedTuple):
    """What a gradient is of the model's: a factor of the loss's part and a share of the penalty's, or another shape.

    ``decay`` is what the weights are multiplied by and added: a penalty that the model does not have.
    """

    factor: Factor
    penalty: float = 1.0
    shape: str = ""
    decay: Factor = NONE

    @property
    def right(self) -> bool:
        """Whether it is the model's gradient."""
        return self == RIGHT


RIGHT: Final = Kind(ONE)


def _transposed(g: Bounded) -> Bounded | None:
    return g._each(np.transpose) if g.ndim == 2 and g.shape[0] == g.shape[1] else None


def _total(g: Bounded) -> Bounded | None:
    """Return the sum over all units in every place, as ``np.sum(delta)`` without an axis yields."""
    if g.ndim != 1 or g.size == 1:
        return None
    summed = np.sum(g, axis=0)  # type: ignore[call-overload]  # the bounded array's own
    return Bounded(np.broadcast_to(summed.value, g.shape), np.broadcast_to(summed.error, g.shape), g.format)


def _reversed(g: Bounded) -> Bounded | None:
    return g._each(lambda a: a[::-1]) if g.ndim == 1 and g.size > 1 else None


def _turned_over(g: Bounded) -> Bounded | None:
    return g._each(lambda a: a[::-1, ::-1]) if g.ndim == 4 and max(g.shape[:2]) > 1 else None


_SHAPES: Final[dict[str, Callable[[Bounded], Bounded | None]]] = {
    "transposed": _transposed,
    "summed over all axes": _total,
    "in the other order": _reversed,
    "turned over": _turned_over,
}


class Parts(NamedTuple):
    """What a kind is made of on one batch: the model's gradient, its penalty's part of it, and the weights."""

    whole: Any
    penalty: Any
    weights: Array


class Compared:
    """The gradient of one tensor, the program's beside the model's.

    Args:
        sides: both sides; the model may have been changed.
        grant: what explains the predictions.
        at: which tensor.
        first: both sides as they are where the model was changed: a reason must come nearer than that model does.
    """

    def __init__(self, sides: Sides, grant: Grant, at: int, first: Sides | None = None) -> None:
        self.sides, self.grant, self.at, self._first = sides, grant, at, first or sides
        self._kept: dict[Hashable, Any] = {}

    @cached_property
    def kinds(self) -> list[Kind]:
        """What it may be of the model's, the simplest first; a kind that another comes far nearer than is left out."""
        if self.holds(RIGHT):
            return [RIGHT]
        found = list(dict.fromkeys(self._tried())) or list(self._measured())
        return nearest(found, self.left)

    def holds(self, kind: Kind, confirm: bool = False) -> bool:
        """Whether the program's gradient is of that kind, on the batches of the search or on the others."""
        batches = self.sides.confirm if confirm else self.sides.search
        with np.errstate(all="ignore"):
            return all(self._agrees(kind, batch) and self._accounts(kind, batch) for batch in batches)

    def left(self, kind: Kind) -> float:
        """Return what part of the program's gradient a kind leaves, on the batches of the search."""
        away = size = 0.0
        for batch in self.sides.search:
            own, expected = self._own(batch, False), self._expected(kind, self._parts(batch, kind.shape, False), batch)
            if expected is None:
                return np.inf
            away += float(np.sum(np.square(np.float64(own - expected.value))))
            size += float(np.sum(np.square(np.float64(own))))
        return float(np.sqrt(away / size)) if size else 0.0

    def _tried(self) -> Iterator[Kind]:
        tried = [NONE, *self.sides.factors()]
        penalised = self.sides.penalty_gradient(self.sides.search[0], self.at, self.grant) is not None
        kinds = [Kind(factor, share) for share in _shares(penalised) for factor in [ONE, *tried]]
        yield from (kind for kind in kinds if not kind.right and self.holds(kind))
        yield from (kind for kind in self._fitted(penalised) if self.holds(kind))
        shapes = (*_SHAPES, BEFORE, INSIDE)
        kinds = [Kind(factor, 1.0, shape) for shape in shapes for factor in [ONE, *self.sides.factors()]]
        yield from (kind for kind in kinds if self.holds(kind))

    def _measured(self) -> Iterator[Kind]:
        """Yield the multiple that it is where the model's is largest, the fewest digits first."""
        for number in likely(self._ratio) if self._ratio else ():
            kind = Kind(Factor(told(number), number))
            if self.holds(kind):
                yield kind
                return

    def _fitted(self, penalised: bool) -> Iterator[Kind]:
        """Yield the share of the model's penalty, else the penalty of its own, that it has beside the model's."""
        batch = self.sides.search[0]
        (whole, penalty, weights), own = self._parts(batch, "", False), self._own(batch, False)
        if not isinstance(whole, Bounded):
            return
        if penalised:
            yield Kind(ONE, 1 + _multiple(own - whole.value, penalty.value))
        number = _multiple(own - whole.value, weights)
        words = "the weights"
        for decay in (Factor(words, number), Factor(words, float(f"{number * batch.size:.6g}"), -1)):
            if number:
                yield Kind(ONE, decay=decay)

    @cached_property
    def _ratio(self) -> float:
        """What it is of the model's where that is largest, zero if that is no number."""
        batch = self.sides.search[0]
        expected, own = self._parts(batch, "", False).whole, self._own(batch, False)
        if not isinstance(expected, Bounded):
            return 0.0
        value = np.asarray(expected.value, dtype=np.float64)
        place = np.unravel_index(int(np.argmax(np.abs(value))), value.shape)
        number = float(own[place] / value[place]) if value[place] else 0.0
        return number if np.isfinite(number) else 0.0

    def _agrees(self, kind: Kind, batch: Batch) -> bool:
        for few in (True, False):
            expected = self._expected(kind, self._parts(batch, kind.shape, few), batch)
            if expected is None or not agrees(self._own(batch, few), expected):
                return False
        return True

    def _accounts(self, kind: Kind, batch: Batch) -> bool:
        """Whether a kind comes nearer than the model's gradient does, which a wide bound alone does not show.

        Where the model's way back was changed, and nothing else, nearer is enough: a rule takes both sides of a maximum
        that rounding may decide, and where a mask is left out these are what differs.
        """
        own, model = self._own(batch, False), self._first.gradient(batch, self.at, self.grant)
        if kind.right and agrees(own, model):
            return True
        expected = self._expected(kind, self._parts(batch, kind.shape, False), batch)
        if expected is None or not isinstance(model, Bounded):
            return False
        left, before = (float(np.linalg.norm(np.float64(own - each.value))) for each in (expected, model))
        return left < before if kind.right else left <= _LEFT * before or before == 0

    def _own(self, batch: Batch, few: bool) -> Array:
        found = self.sides.gradients(batch)
        assert found is not None
        own = found[self.at]
        return own.reshape(-1)[self._few(batch)] if few else own

    def _few(self, batch: Batch) -> Array:
        """Return the places of the largest elements."""
        key = id(batch), "few"
        if key not in self._kept:
            size = np.abs(self._own(batch, False).reshape(-1))
            places = np.argpartition(size, -_FEW)[-_FEW:] if size.size > _FEW else np.arange(size.size)
            self._kept[key] = places
        places = self._kept[key]
        return np.asarray(places)

    def _parts(self, batch: Batch, shape: str, few: bool) -> Parts:
        key = id(batch), shape, few
        if key not in self._kept:
            self._kept[key] = self._chosen(batch, shape) if few else self._whole(batch, shape)
        parts: Parts = self._kept[key]
        return parts

    def _chosen(self, batch: Batch, shape: str) -> Parts:
        whole, penalty, weights = self._parts(batch, shape, False)
        places = self._few(batch)

        def chosen(each: Any) -> Any:
            if not isinstance(each, Bounded):
                return each
            error = np.broadcast_to(each.error, each.shape).reshape(-1)[places]
            return Bounded(each.value.reshape(-1)[places], error, each.format)

        return Parts(chosen(whole), chosen(penalty), weights.reshape(-1)[places])

    def _whole(self, batch: Batch, shape: str) -> Parts:
        weights = batch.weights[self.at]
        if shape in (BEFORE, INSIDE):
            return Parts(self.sides.of_bias(batch, self.at, self.grant, shape == INSIDE), None, weights)
        whole = self.sides.gradient(batch, self.at, self.grant)
        penalty = self.sides.penalty_gradient(batch, self.at, self.grant)
        if shape and isinstance(whole, Bounded):
            whole = _SHAPES[shape](whole)
            penalty = None if penalty is None else _SHAPES[shape](penalty)
        return Parts(whole, penalty, weights)

    def _expected(self, kind: Kind, parts: Parts, batch: Batch) -> Bounded | None:
        whole, penalty, weights = parts
        factor = kind.factor.at(batch.size)
        if not isinstance(whole, Bounded):
            return None
        # factor * (whole - penalty) + share * penalty
        value = scaled(whole, factor) if penalty is None else combined(whole, factor, penalty, kind.penalty - factor)
        if kind.decay.scale:
            added = weights.astype(np.float64) * kind.decay.at(batch.size)
            error = np.abs(added) * np.finfo(self.sides.side.dtype).eps
            value = combined(value, 1.0, Bounded(added, error, value.format), 1.0)
        return value


def _shares(penalised: bool) -> Sequence[float]:
    return (1.0, 0.0, 0.5, 2.0) if penalised else (1.0,)


def _multiple(one: Array, other: Array) -> float:
    """Return what one array is of another, where that is largest, to six digits."""
    value = np.asarray(other, dtype=np.float64)
    place = np.unravel_index(int(np.argmax(np.abs(value))), value.shape)
    number = float(np.asarray(one)[place] / value[place]) if value[place] else 0.0
    return float(f"{number:.6g}") if np.isfinite(number) else 0.0
