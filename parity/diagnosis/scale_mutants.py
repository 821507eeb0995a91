"""Mutants of the loss scale: its page with one mistake, around a rule that is right."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import numpy as np

from parity.case.spec import Cell
from parity.reference.loss_scale import SLOTS, LossScale

Tensors = Mapping[str, Any]

RULES: Final = ("rmsprop", "adam", "nadam")
"""The rules whose cases have a loss scale: it knows nothing of the rule, so that three stand for all."""


class NotSkipped(LossScale):
    """The scale is halved, and the step made all the same."""

    def step(self, params: Tensors, grads: Tensors, state: Mapping[str, Any]) -> Any:
        """Return the parameters and the state after one step."""
        if self.all_finite(grads):
            return super().step(params, grads, state)
        _, own = super().step(params, grads, state)
        after, inside = self.inner.step(params, self._divided(grads, state), self._inside(state))
        return after, {**own, **inside, "iterations": own["iterations"]}


class SkippedAlone(LossScale):
    """A tensor whose gradient is finite makes its step where that of another is not."""

    def step(self, params: Tensors, grads: Tensors, state: Mapping[str, Any]) -> Any:
        """Return the parameters and the state after one step."""
        left = {name: g if np.isfinite(g).all() else None for name, g in grads.items()}
        if all(g is not None for g in left.values()) or not any(g is not None for g in left.values()):
            return super().step(params, grads, state)
        _, own = super().step(params, grads, state)
        after, inside = self.inner.step(params, self._divided(left, state), self._inside(state))
        return after, {**own, **inside, "iterations": own["iterations"]}


class Decays(LossScale):
    """Weights decay in a step that is skipped."""

    def step(self, params: Tensors, grads: Tensors, state: Mapping[str, Any]) -> Any:
        """Return the parameters and the state after one step."""
        after, own = super().step(params, grads, state)
        if not self.all_finite(grads):
            rate = self.inner._learning_rate_at(self._inside(state)["iterations"])
            after = {name: self.inner._decayed(name, w, w, rate)[0] for name, w in after.items()}
        return after, own


class Averages(LossScale):
    """The average of the weights goes on in a step that is skipped."""

    def step(self, params: Tensors, grads: Tensors, state: Mapping[str, Any]) -> Any:
        """Return the parameters and the state after one step."""
        after, own = super().step(params, grads, state)
        if not self.all_finite(grads):
            _, own["average"] = self.inner._averaged(params, {**self._inside(state), "average": state["average"]})
        return after, own


class ClipsFirst(LossScale):
    """Gradients are clipped before they are divided."""

    def _divided(self, grads: Tensors, state: Mapping[str, Any]) -> dict[str, Any]:
        return super()._divided(self.inner._clipped(grads), state)


class Undivided(LossScale):
    """Gradients are not divided."""

    def _divided(self, grads: Tensors, state: Mapping[str, Any]) -> dict[str, Any]:
        return dict(grads)


class DividesLater(LossScale):
    """Gradients are divided by the scale that the step leads to."""

    def _divided(self, grads: Tensors, state: Mapping[str, Any]) -> dict[str, Any]:
        after = {
            name: g.dtype.type(self.moved(*(float(state[slot][name]) for slot in SLOTS), finite=True)[0])
            for name, g in grads.items()
        }
        return super()._divided(grads, {**state, "loss_scale": after})


class OnlyNan(LossScale):
    """Infinite gradients are not looked for."""

    def all_finite(self, grads: Tensors) -> bool:
        """Return whether no element of any gradient is NaN."""
        return not any(np.isnan(g).any() for g in grads.values())


class OnlyInfinite(LossScale):
    """Gradients that are NaN are not looked for."""

    def all_finite(self, grads: Tensors) -> bool:
        """Return whether no element of any gradient is infinite."""
        return not any(np.isinf(g).any() for g in grads.values())


class OnlyFirst(LossScale):
    """The gradient of the first tensor alone is tested."""

    def all_finite(self, grads: Tensors) -> bool:
        """Return whether no element of the first gradient is infinite or NaN."""
        return bool(np.isfinite(next(iter(grads.values()))).all())


Moves = Callable[[LossScale, float, float, float, bool], tuple[float, float, float]]
"""What scale, count and updates become after a step that is finite or not."""


def _count_kept(page: LossScale, scale: float, count: float, updates: float, finite: bool) -> Any:
    return LossScale.moved(page, scale, count, updates, finite=True) if finite else (scale / 2, count, updates)


def _count_kept_at_growth(page: LossScale, scale: float, count: float, updates: float, finite: bool) -> Any:
    moved = LossScale.moved(page, scale, count, updates, finite=finite)
    return (moved[0], count + 1, moved[2]) if finite else moved


def _late(page: LossScale, scale: float, count: float, updates: float, finite: bool, by: float) -> Any:
    if not finite:
        return LossScale.moved(page, scale, count, updates, finite=finite)
    grows = count == page.dynamic_growth_steps - 1 + by
    return (scale * 2, 0.0, updates + 1) if grows else (scale, count + 1, updates + 1)


def _factors(page: LossScale, scale: float, count: float, updates: float, finite: bool, up: float, down: float) -> Any:
    moved = LossScale.moved(page, scale, count, updates, finite=finite)
    factor = moved[0] / scale
    return (scale * (up if factor > 1 else down if factor < 1 else 1.0), *moved[1:])


def _limited(page: LossScale, scale: float, count: float, updates: float, finite: bool) -> Any:
    moved = LossScale.moved(page, scale, count, updates, finite=finite)
    return (max(moved[0], 1.0), *moved[1:])


def _all_counted(page: LossScale, scale: float, count: float, updates: float, finite: bool) -> Any:
    return (*LossScale.moved(page, scale, count, updates, finite=finite)[:2], updates + 1)


_MOVES: Final[dict[str, Moves]] = {
    "count goes on after an overflow": _count_kept,
    "count goes on after a growth": _count_kept_at_growth,
    "grows a step late": partial(_late, by=1.0),
    "grows a step early": partial(_late, by=-1.0),
    "not halved": partial(_factors, up=2.0, down=1.0),
    "quartered": partial(_factors, up=2.0, down=0.25),
    "never grows": partial(_factors, up=1.0, down=0.5),
    "never below one": _limited,
    "skipped steps are counted": _all_counted,
}
"""How the scale and the counts move otherwise."""

_OTHERS: Final[dict[str, tuple[type[LossScale], str]]] = {
    "step not skipped": (NotSkipped, ""),
    "skipped tensor by tensor": (SkippedAlone, ""),
    "infinity passes": (OnlyNan, ""),
    "NaN passes": (OnlyInfinite, ""),
    "the first tensor alone is tested": (OnlyFirst, ""),
    "not divided": (Undivided, ""),
    "divided by the scale after it": (DividesLater, ""),
    "clipped before it is divided": (ClipsFirst, "clipvalue"),
    "decays where it skips": (Decays, "weight_decay"),
    "averages where it skips": (Averages, "use_ema"),
}
"""What else is done otherwise, and the argument without which it is not."""


def _moving(moves: Moves) -> type[LossScale]:
    class Moving(LossScale):
        def moved(self, scale: float, count: float, updates: float, *, finite: bool) -> tuple[float, float, float]:
            return moves(self, scale, count, updates, finite)

    return Moving


def variants() -> dict[str, tuple[type[LossScale], str]]:
    """Return each mutant of the page by how it is made, with the argument of the rule that it needs."""
    return {**{name: (_moving(moves), "") for name, moves in _MOVES.items()}, **_OTHERS}


def kind_in(cell: Cell, page: type[LossScale], own: Callable[..., Any]) -> Callable[..., Any] | None:
    """Return what makes a rule behind such a page in a cell; None where no scale moves."""
    given = cell.loss_scale
    if given is None:
        return None
    return lambda **arguments: page(own(**arguments), given.initial_scale, given.dynamic_growth_steps)
