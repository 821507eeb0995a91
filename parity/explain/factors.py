"""Every choice that a training program makes, one field a choice: a side of an experiment is one value for each.

The defaults are those of ``tf.keras``: ``Sequential([Dense(512, "relu"), Dense(10, "softmax")])`` under ``RMSprop()``.
"""

from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from parity.case.spec import Count, Fraction, NonNegative, Positive, Schedule

Layers: TypeAlias = Annotated[list[Annotated[int, Meta(ge=1, le=10_000)]], Meta(min_length=2, max_length=8)]


class Program(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole training program; each field can be switched alone.

    The stray factors are those of the posted program: the first layer's product divided by ``hidden_slip`` and then
    multiplied by it, the last layer's product divided by ``forward_divisor`` on the way forward and its gradient by
    ``backward_divisor`` on the way back. A correct program has one for all three.
    """

    layers: Layers = msgspec.field(default_factory=lambda: [784, 512, 10])
    initial_weights: Literal["glorot_uniform", "normal"] = "glorot_uniform"
    initial_scale: Positive = 1.0
    hidden_slip: Positive = 1.0
    forward_divisor: Positive = 1.0
    backward_divisor: Positive = 1.0
    l2: NonNegative = 0.0
    examples: Annotated[int, Meta(ge=1, le=1000)] = 1000
    batch_size: Annotated[int, Meta(ge=1, le=1000)] = 1
    shuffle: bool = True
    gradient_reduction: Literal["mean", "sum"] = "mean"
    probability_clip: Annotated[float, Meta(ge=0, lt=0.5)] = 0.0
    learning_rate: NonNegative | Schedule = 0.001
    rho: Fraction = 0.9
    epsilon: NonNegative = 1e-7
    epsilon_place: Literal["inside", "outside", "none"] = "inside"
    second_moment_start: NonNegative = 0.0
    centered: bool = False
    momentum: Fraction = 0.0
    learning_rate_place: Literal["inside", "outside"] = "inside"
    weight_decay: NonNegative = 0.0
    weight_decay_form: Literal["decoupled", "coupled"] = "decoupled"
    clipvalue: NonNegative = 0.0
    clipnorm: NonNegative = 0.0
    global_clipnorm: NonNegative = 0.0
    dtype: Literal["float32", "float64"] = "float32"
    threads: Annotated[int, Meta(ge=1, le=64)] = 1
    printed_loss: Literal["running_mean", "before_epoch", "after_epoch"] = "running_mean"


MEANING: Final[dict[str, str]] = {
    "layers": "sizes of the layers, pixels first",
    "initial_weights": "distribution of the initial weights",
    "initial_scale": "number that the initial weights are multiplied by",
    "hidden_slip": "first layer's product divided by it, then multiplied by it",
    "forward_divisor": "last layer's product divided by it on the way forward",
    "backward_divisor": "last layer's gradient divided by it on the way back",
    "l2": "coefficient of an L2 penalty on the kernels",
    "examples": "number of training images",
    "batch_size": "images a step",
    "shuffle": "a new order of the images each epoch",
    "gradient_reduction": "gradients averaged or summed over the batch",
    "probability_clip": "probabilities clipped to [c, 1 - c] in the loss; 0: loss from the logits",
    "learning_rate": "learning rate or schedule",
    "rho": "weight of the old second moment",
    "epsilon": "number that keeps the denominator from zero",
    "epsilon_place": "epsilon inside the root, outside, or nowhere",
    "second_moment_start": "number that the accumulators start at",
    "centered": "mean of the gradients subtracted from the second moment",
    "momentum": "coefficient of the momentum buffer",
    "learning_rate_place": "learning rate inside or outside the momentum buffer",
    "weight_decay": "coefficient of weight decay",
    "weight_decay_form": "decay of the weights, or added to the gradients",
    "clipvalue": "limit on each gradient element; 0: none",
    "clipnorm": "limit on each tensor's gradient norm; 0: none",
    "global_clipnorm": "limit on the norm of all gradients; 0: none",
    "dtype": "precision of weights and arithmetic",
    "threads": "threads of the matrix products",
    "printed_loss": "which loss the program prints",
}

FACTORS: Final = Program.__struct_fields__
FIXED: Final = ("layers", "examples")
"""Fields that describe the problem itself: both sides must agree in them, or their losses cannot be compared."""


def switched(program: Program, other: Program, names: tuple[str, ...] | frozenset[str]) -> Program:
    """Return ``program`` with the named factors taken from ``other``."""
    return msgspec.structs.replace(program, **{name: getattr(other, name) for name in names})


def differing(a: Program, b: Program) -> list[str]:
    """Return the factors in which two programs differ, in the order of declaration."""
    return [name for name in FACTORS if getattr(a, name) != getattr(b, name)]


def show(value: Any) -> str:
    """Return a factor's value as people write it: ``1e-07``, ``true``, ``PiecewiseConstantDecay(…)``."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Struct):
        fields = msgspec.to_builtins(value)
        inner = ", ".join(f"{name}={show(item)}" for name, item in fields.items() if name != "schedule")
        return f"{fields['schedule']}({inner})"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


__all__ = ["FACTORS", "FIXED", "MEANING", "Count", "Program", "differing", "show", "switched"]
