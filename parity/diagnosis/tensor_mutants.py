"""Mutants of what a step does with some tensors: with those without a gradient, the frozen, the constrained."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

FROZEN_RULES: Final = ("rmsprop", "adam")
"""The rules whose cases freeze tensors: whoever does so knows nothing of the rule."""
CONSTRAINED_RULES: Final = ("rmsprop", "adam")
"""The rules whose cases have constraints: whoever applies them knows nothing of the rule."""

Variants = Mapping[str, tuple[type[Any], str]]
"""Classes of a rule with one mistake by how it is made, with the argument that it needs."""


def absent(own: type[Any]) -> Variants:
    """Return what is made of a tensor without a gradient."""
    return {"taken for zero": (_zero_for_none(own), ""), "decayed": (_decays_none(own), "weight_decay")}


def thawed(own: type[Any]) -> Variants:
    """Return what is made of a tensor that is frozen and thawed."""
    return {
        "state of a thawed tensor starts anew": (_anew(own, False), ""),
        "all state starts anew": (_anew(own, True), ""),
        "average stands still": (_keeps_average(own), "use_ema"),
    }


def constrained(own: type[Any]) -> Variants:
    """Return what is made of constraints."""
    return {
        "missing": (_constraining(own, lambda rule, params, grads: dict(params)), ""),
        "of each tensor, with a gradient or not": (_constraining(own, _everywhere), ""),
        "along the last axis": (_constraining(own, lambda rule, params, grads: _along(rule, params, grads, -1)), ""),
        "of the whole tensor": (_constraining(own, lambda rule, params, grads: _along(rule, params, grads, None)), ""),
        "before the step": (_constrains_first(own), ""),
        "before the average": (_averages_constrained(own), "use_ema"),
        "where gradients are applied alone": (_constrains_updates(own), "gradient_accumulation_steps"),
    }


def _zero_for_none(own: type[Any]) -> type[Any]:
    class ZeroForNone(own):  # type: ignore[misc]  # of any rule
        def step(self, params: Any, grads: Any, state: Any) -> Any:
            full = {name: np.zeros_like(params[name]) if g is None else g for name, g in grads.items()}
            return super().step(params, full, state)

    return ZeroForNone


def _decays_none(own: type[Any]) -> type[Any]:
    class DecaysNone(own):  # type: ignore[misc]  # of any rule
        def step(self, params: Any, grads: Any, state: Any) -> Any:
            rate = self._learning_rate_at(state["iterations"])
            decayed = {n: self._decayed(n, params[n], params[n], rate)[0] for n, g in grads.items() if g is None}
            return super().step({**params, **decayed}, grads, state)

    return DecaysNone


def _anew(own: type[Any], everything: bool) -> type[Any]:
    """Return a class that forgets a tensor's state when it is thawed, or all state when other tensors are trained."""

    class Anew(own):  # type: ignore[misc]  # of any rule
        def step(self, params: Any, grads: Any, state: Any) -> Any:
            trained = {name for name, g in grads.items() if g is not None}
            before = getattr(self, "_trained", trained)
            self._trained = trained
            start = self.init(params)
            if everything and trained != before:
                state = start
            for slot in self._own_slots(state):
                state = {**state, slot: {**state[slot], **{n: start[slot][n] for n in trained - before}}}
            return super().step(params, grads, state)

    return Anew


def _keeps_average(own: type[Any]) -> type[Any]:
    class KeepsAverage(own):  # type: ignore[misc]  # of any rule
        def step(self, params: Any, grads: Any, state: Any) -> Any:
            after, new = super().step(params, grads, state)
            kept = {name: state["average"][name] for name, g in grads.items() if g is None}
            return after, {**new, "average": {**new["average"], **kept}}

    return KeepsAverage


def _constraining(own: type[Any], change: Callable[[Any, Any, Any], dict[str, Any]]) -> type[Any]:
    class Constraining(own):  # type: ignore[misc]  # of any rule
        def _constrained(self, params: Any, grads: Any) -> dict[str, Any]:
            return change(self, params, grads)

    return Constraining


def _everywhere(rule: Any, params: Any, grads: Any) -> dict[str, Any]:
    return {**params, **{name: constrain(params[name]) for name, constrain in rule.constraints.items()}}


def _along(rule: Any, params: Any, grads: Any, axis: int | None) -> dict[str, Any]:
    other = {n: replace(each, axis=axis) if hasattr(each, "axis") else each for n, each in rule.constraints.items()}
    return {**params, **{n: each(params[n]) for n, each in other.items() if grads[n] is not None}}


def _constrains_first(own: type[Any]) -> type[Any]:
    class ConstrainsFirst(own):  # type: ignore[misc]  # of any rule
        def step(self, params: Any, grads: Any, state: Any) -> Any:
            return super().step(super()._constrained(params, grads), grads, state)

        def _constrained(self, params: Any, grads: Any) -> dict[str, Any]:
            return dict(params)

    return ConstrainsFirst


def _averages_constrained(own: type[Any]) -> type[Any]:
    class AveragesConstrained(own):  # type: ignore[misc]  # of any rule
        def _averaged(self, params: Any, state: Any) -> Any:
            return super()._averaged(_everywhere(self, params, params), state)

    return AveragesConstrained


def _constrains_updates(own: type[Any]) -> type[Any]:
    class ConstrainsUpdates(own):  # type: ignore[misc]  # of any rule
        def step(self, params: Any, grads: Any, state: Any) -> Any:
            self._updates = (state["iterations"] + 1) % self.gradient_accumulation_steps == 0
            return super().step(params, grads, state)

        def _constrained(self, params: Any, grads: Any) -> dict[str, Any]:
            return super()._constrained(params, grads) if self._updates else dict(params)

    return ConstrainsUpdates
