"""RMSprop with every historical choice as a switch: with its defaults it is the page beside it, bit for bit.

Each switch is one line of the rule that some implementation, framework or tutorial writes otherwise; the presets are
the sets of them that six implementations chose. What stands around the rule (unscaling, accumulation, clipping, the
average) is the page's own. Sources of the presets: keras/src/optimizers/rmsprop.py; tf_keras/optimizers/rmsprop.py and
optimizers/legacy/rmsprop.py; tensorflow/core/kernels/training_ops.cc (ApplyRMSProp); torch/optim/rmsprop.py;
optax/_src/alias.py and transform.py (scale_by_rms).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .families.choosing import Choosing
from .optimizer import as_float32, constant
from .rmsprop import SLOTS, RMSprop, Update
from .switches import SWITCHES

_VALUES = {switch.name: switch.values for switch in SWITCHES}


@dataclass(eq=False)
class Family(Choosing, RMSprop):
    """`RMSprop` of the page, with every argument of it, and the switches of `switches.py`; see `Choosing` for others.

    `moment_form="chained"` is ((1-rho)·g)·g, as `(1 - rho) * g * g` reads in Python. `increment_order` says what meets
    first: (L·g)/root, L·(g/root) or (L/root)·g.
    `rho_held`, `epsilon_held` and `momentum_held` are "float32" where `np.float32` stands around the number; so is
    1 - rho then.
    Without momentum `learning_rate_place`, `nesterov`, `buffer_of` and `dampening` mean nothing.
    """

    epsilon_place: str = "inside"
    second_moment_start: float | str = 0.0
    learning_rate_place: str = "inside"
    nesterov: bool = False
    buffer_of: str = "steps"
    dampening: float | str = 0.0
    bias_correction: bool = False
    moment_kept: str = "as_it_is"
    one_minus_rho: str = "double"
    rho_held: str = "given"
    epsilon_held: str = "given"
    momentum_held: str = "given"
    moment_form: str = "product"
    division: str = "divide"
    increment_order: str = "rate_first"
    denominator_uses: str = "updated"
    denominator_power: float = 0.5
    rho_role: str = "keep"
    rho_from: str = "rho"
    moment_carry: str = "weighted"
    moment_of: str = "element"
    step_sign: str = "subtract"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, values in _VALUES.items():
            received = getattr(self, name)
            free = name == "second_moment_start" and not isinstance(received, str)
            if not free and received not in values:
                raise ValueError(f"`{name}` must be one of {values}. Received: {received!r}")
        for name in ("rho", "epsilon", "momentum"):
            if getattr(self, f"{name}_held") == "float32":
                setattr(self, name, as_float32(getattr(self, name)))

    def start(self, w: Any) -> dict[str, Any]:
        """Return the slots of one tensor before the first step; the second moment is `second_moment_start`."""
        slots = super().start(w)
        if self.second_moment_start and not isinstance(self.second_moment_start, str):
            slots["second_moment"] = slots["second_moment"] + constant(w, self.second_moment_start)
        return slots

    def _chosen(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Update:
        v, m, b = (slots.get(slot) for slot in SLOTS)
        return self.rule(w, g, v, m, b, learning_rate, count)

    def rule(self, w: Any, g: Any, v: Any, m: Any, b: Any, rate: Any, count: int) -> Update:
        """Apply the rule to one tensor; `count` is the one-based number of the update."""
        keep = self.kept(rate)
        if self.second_moment_start == "first_square" and count == 1:
            v = np.square(g)
        before_v, before_m = v, m
        weights = self._weights(w, rate)
        v = self._moment(w, v, g, weights, squared=True)
        m = None if m is None else self._moment(w, m, g, weights, squared=False)
        used_v, used_m = (v, m) if self.denominator_uses == "updated" else (before_v, before_m)
        if self.bias_correction:
            correction = constant(w, 1 - keep**count)
            used_v, used_m = used_v / correction, None if used_m is None else used_m / correction
            if self.moment_kept == "corrected":
                v, m = v / correction, None if m is None else m / correction
        denominator = self._denominator(w, used_v if used_m is None else used_v - np.square(used_m))
        if b is None:
            increment = self._increment(g, denominator, constant(w, rate))
            return Update(g, v, m, denominator, increment, None, self._moved(w, increment))
        rates = (constant(w, rate), None)
        entering, leaving = rates if self.learning_rate_place == "inside" else rates[::-1]
        if self.buffer_of == "gradients":
            step, b = self._buffered(w, b, g if entering is None else entering * g)
            increment = self._increment(step, denominator, leaving)
            return Update(g, v, m, denominator, increment, b, self._moved(w, increment))
        increment = self._increment(g, denominator, entering)
        step, b = self._buffered(w, b, increment)
        return Update(g, v, m, denominator, increment, b, self._moved(w, step if leaving is None else leaving * step))

    def _buffered(self, w: Any, b: Any, new: Any) -> tuple[Any, Any]:
        """Return what the weights move by, and the momentum buffer."""
        momentum = constant(w, self.momentum)
        new = new * constant(w, 1 - self.momentum) if self.dampening == "momentum" else new
        b = momentum * b + new
        return momentum * b + new if self.nesterov else b, b

    def _moved(self, w: Any, step: Any) -> Any:
        return w - step if self.step_sign == "subtract" else w + step

    def kept(self, rate: float) -> float:
        """Return what of an old moment is kept."""
        keep = rate if self.rho_from == "rate" else self.rho
        return keep if self.rho_role == "keep" else 1 - keep

    def _weights(self, w: Any, rate: float) -> tuple[Any, Any]:
        """Return what weighs an old moment, and what is new."""
        rho = rate if self.rho_from == "rate" else self.rho
        less = 1 - (self.rho if self.rho_from == "rho" else rate)
        keep, new = constant(w, rho), constant(w, as_float32(less) if self.rho_held == "float32" else less)
        if self.one_minus_rho == "variable_dtype":
            new = constant(w, 1) - (keep if self.rho_from != "rate_in_rest" else constant(w, rate))
        return (keep, new) if self.rho_role == "keep" else (new, keep)

    def _moment(self, w: Any, old: Any, g: Any, weights: tuple[Any, Any], squared: bool) -> Any:
        keep, new = weights
        fresh = self._fresh(g) if squared else g
        if squared and self.moment_carry == "whole":
            moment = old + fresh
        elif self.moment_form == "chained" and squared and self.moment_of == "element":
            moment = keep * old + new * g * g
        elif self.moment_form == "lerp":
            moment = old + (fresh - old) * new
        else:
            moment = keep * old + new * fresh
        moment = old + moment if squared and self.moment_carry == "doubled" else moment
        return moment + constant(w, self.epsilon) if squared and self.epsilon_place == "kept" else moment

    def _fresh(self, g: Any) -> Any:
        if self.moment_of == "magnitude":
            return np.abs(g)
        squares = np.square(g)
        if self.moment_of == "element":
            return squares
        total = np.sum(squares) / constant(g, math.prod(g.shape)) if self.moment_of == "mean" else np.sum(squares)
        return g * constant(g, 0.0) + total

    def _denominator(self, w: Any, x: Any) -> Any:
        epsilon = constant(w, self.epsilon)
        x = x + epsilon if self.epsilon_place == "inside" else x
        x = np.sqrt(x) if self.denominator_power == 0.5 else x
        if self.epsilon_place == "floor":
            return np.maximum(x, epsilon)
        return x + epsilon if self.epsilon_place == "outside" else x

    def _increment(self, g: Any, denominator: Any, rate: Any) -> Any:
        if self.division == "rsqrt":
            inverse = constant(g, 1) / denominator
            if rate is None or self.increment_order == "quotient_first":
                return g * inverse if rate is None else rate * (g * inverse)
            return rate * g * inverse if self.increment_order == "rate_first" else rate * inverse * g
        if rate is None or self.increment_order == "quotient_first":
            return g / denominator if rate is None else rate * (g / denominator)
        return rate * g / denominator if self.increment_order == "rate_first" else rate / denominator * g

    @property
    def mixes_elements(self) -> bool:
        """Whether an element's update depends on the other elements of its tensor, or of all of them."""
        return super().mixes_elements or self.moment_of in ("sum", "mean")

    @property
    def steps_alike(self) -> bool:
        """Whether a step depends on nothing but the state that it starts from: not on its number."""
        counts = self.bias_correction or self.second_moment_start == "first_square"
        return super().steps_alike and not counts


_PRESETS: dict[str, dict[str, Any]] = {
    "keras3": {},
    "tf_keras": {"division": "rsqrt"},
    "tf_keras-legacy": {"epsilon_place": "outside", "one_minus_rho": "variable_dtype"},
    "tf1": {"second_moment_start": 1.0, "moment_form": "lerp", "one_minus_rho": "variable_dtype"},
    "torch": {
        "epsilon_place": "outside",
        "learning_rate_place": "outside",
        "weight_decay_form": "coupled",
        "moment_form": "chained",
    },
    "optax": {"division": "rsqrt", "increment_order": "quotient_first"},
}
_LEGACY_WITH_MOMENTUM = {"moment_form": "lerp", "one_minus_rho": "variable_dtype"}
DEFAULTS: dict[str, dict[str, float]] = {
    "keras3": {"learning_rate": 1e-3, "rho": 0.9, "momentum": 0.0, "epsilon": 1e-7},
    "tf_keras": {"learning_rate": 1e-3, "rho": 0.9, "momentum": 0.0, "epsilon": 1e-7},
    "tf_keras-legacy": {"learning_rate": 1e-3, "rho": 0.9, "momentum": 0.0, "epsilon": 1e-7},
    "tf1": {"learning_rate": 1e-3, "rho": 0.9, "momentum": 0.0, "epsilon": 1e-10},
    "torch": {"learning_rate": 1e-2, "rho": 0.99, "momentum": 0.0, "epsilon": 1e-8},
    "optax": {"learning_rate": 1e-3, "rho": 0.9, "momentum": 0.0, "epsilon": 1e-8},
}
"""The numbers that each preset takes where its user gives none; TF1 and optax have no default learning rate."""


def switches_of(preset: str, momentum: float = 0.0) -> dict[str, Any]:
    """Return the switches of a preset that differ from tf.keras'.

    The legacy class branches on its momentum: the kernel that adds it also has epsilon inside and the moment as a lerp.

    Raises ValueError for a name that is no preset.
    """
    if preset not in _PRESETS:
        raise ValueError(f"`preset` must be one of {', '.join(_PRESETS)}. Received: {preset!r}")
    return dict(_LEGACY_WITH_MOMENTUM if preset == "tf_keras-legacy" and momentum > 0 else _PRESETS[preset])


def preset(name: str, **arguments: Any) -> Family:
    """Return the family member that computes like an implementation, with its default numbers unless given."""
    numbers: Mapping[str, Any] = {**DEFAULTS.get(name, {}), **arguments}
    return Family(**{**switches_of(name, float(numbers.get("momentum", 0.0))), **numbers})
