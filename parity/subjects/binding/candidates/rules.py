"""Whether a function is an update rule itself, and what it takes beside its numbers."""

import inspect
from collections.abc import Callable
from typing import Any

from parity.subjects.binding.bound import Bound
from parity.subjects.binding.companions import own_gradient
from parity.subjects.binding.drivers.loops import GRADIENTS
from parity.subjects.binding.roles import Parameter, parameters_of


def is_rule(kind: Callable[..., Any], bound: Bound) -> bool:
    """Whether a function is the optimizer itself, not a maker of optimizers.

    It takes weights and gradients, or what gives gradients, or asks a function beside it for them; or it takes weights
    and yields them; or it takes gradients and cannot do without.
    """
    if inspect.isclass(kind):
        return False
    own = [p for p in parameters_of(kind) or () if p.name not in bound.taken]
    roles = {p.role for p in own}
    if any(p.role == "grads" and p.required for p in own):
        return True
    asks = bool(roles & {"grads", *GRADIENTS} or own_gradient(kind))
    return "params" in roles and (asks or inspect.isgeneratorfunction(kind))


def of_rule(kind: Callable[..., Any], bound: Bound) -> list[Parameter]:
    """Return the parameters of an update rule that are no hyperparameters; those behind one go by name."""
    numbers, own = bound.taken, parameters_of(kind) or []
    first = next((place for place, p in enumerate(own) if p.name in numbers), len(own))
    return [p._replace(by_name=p.by_name or place > first) for place, p in enumerate(own) if p.name not in numbers]
