"""What the name of an array in a log means: before or after, which field, which tensor, which step."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from parity.errors import DataError, did_you_mean

GRADIENT: Final = "gradient"
PARAMETER: Final = "parameter"
RATE: Final = "learning_rate"
STEPS: Final = "steps"
HYPERPARAMETER: Final = "hyperparameter"
RULE: Final = "rule"
SOURCE: Final = "source"

_ALSO: Final[dict[str, tuple[str, ...]]] = {
    PARAMETER: ("w", "weight", "weights", "param", "params", "parameters", "variable", "variables"),
    GRADIENT: ("g", "grad", "grads", "gradients"),
    "second_moment": ("velocity", "velocities", "rms", "square_avg", "exp_avg_sq", "nu", "v"),
    "momentum_buffer": ("momentum", "momentums", "trace"),
    "first_moment": (
        *("average_gradient", "average_gradients", "mg", "grad_avg"),
        *("exp_avg", "mu", "m", "momentum", "momentums"),
    ),
    "second_moment_max": ("velocity_hat", "velocity_hats", "max_exp_avg_sq", "nu_max", "vhat"),
    "infinity_norm": ("u", "exp_inf"),
    "sum_of_squares": ("accumulator", "accumulators", "sum"),
    "change_moment": ("accumulated_delta_var", "accumulated_delta_vars", "acc_delta"),
    "linear": ("linears", "z"),
    "average": ("moving_average",),
    "accumulated_gradient": ("gradient_accumulator",),
}
"""What Keras, TensorFlow 1, torch, optax and people call a field; of several meanings the first that a rule has."""
NEGATED: Final = frozenset({"trace"})
"""Names under which a library keeps the field with the opposite sign (optax/_src/transform.py)."""
_NUMBERED: Final = re.compile(r"step/(0|[1-9][0-9]{0,17})/(.*)", re.DOTALL)


class Field(NamedTuple):
    """A field by its name here, and whether it was written with the opposite sign."""

    name: str
    negated: bool = False


class Place(NamedTuple):
    """Where an array of values belongs.

    Attributes:
        step: the zero-based step that it alone is of; None where it has an axis of steps.
        when: ``before`` or ``after`` a step, ``states`` for both in one array, ``gradient`` for what went in.
        field: which field of the state, or the gradient.
        tensor: whose.
    """

    step: int | None
    when: str
    field: Field
    tensor: str

    @property
    def title(self) -> str:
        """How a message names it."""
        where = "" if self.step is None else f"step/{self.step}/"
        inside = f"{self.when}/{self.field.name}" if self.when in ("before", "after") else self.field.name
        return f"{where}{inside}/{self.tensor}"


def field_of(word: str, slots: Iterable[str]) -> Field | None:
    """Return the field that a word means among those of a rule, None where it means none."""
    known = [PARAMETER, GRADIENT, *slots]
    if word in known:
        return Field(word)
    meant = [name for name, also in _ALSO.items() if word in also and name in known]
    return Field(meant[0], word in NEGATED) if meant else None


def numbered(name: str) -> tuple[int | None, str]:
    """Return the step that a name begins with, and the rest of the name."""
    found = _NUMBERED.fullmatch(name)
    return (int(found[1]), found[2]) if found else (None, name)


def place_of(name: str, slots: Iterable[str], where: str) -> Place:
    """Return where the array of a name belongs.

    Raises:
        DataError: the name means nothing.
    """
    slots = list(slots)
    step, rest = numbered(name)
    when, _, inside = rest.partition("/")
    word, _, tensor = (inside if when in ("before", "after") else rest).partition("/")
    field = field_of(word, slots)
    if field is None or (field.name == GRADIENT and when in ("before", "after")):
        raise DataError(_unknown(name, word, slots, where))
    if not tensor:
        raise DataError(
            f"{where}: array {name!r} names no tensor. Add its name, whatever you call it: {name.rstrip('/')}/kernel."
        )
    if field.name == GRADIENT:
        return Place(step, GRADIENT, field, tensor)
    if when in ("before", "after"):
        return Place(step, when, field, tensor)
    if step is not None:
        raise DataError(
            f"{where}: array {name!r} does not say whether it is from before the step or after it. "
            f"Call it step/{step}/before/{rest} or step/{step}/after/{rest}."
        )
    return Place(None, "states", field, tensor)


def _unknown(name: str, word: str, slots: list[str], where: str) -> str:
    fields = [PARAMETER, *slots]
    hint = did_you_mean(word, [GRADIENT, *fields, STEPS, RATE])
    return (
        f"{where}: array {name!r} means nothing here: {word!r} is no field.{hint} "
        f"Allowed: gradient/TENSOR, before/FIELD/TENSOR and after/FIELD/TENSOR, each as it is or after step/NUMBER/; "
        f"FIELD/TENSOR; fields are {', '.join(fields)}, or what Keras, torch and optax call them; and steps, "
        f"learning_rate, hyperparameter/NAME, rule, source."
    )
