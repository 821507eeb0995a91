"""The config that goes from step to step, and that an update rule keeps its numbers and its state in."""

import inspect
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np

from parity.subjects.binding.asked import (
    HYPERPARAMETERS,
    LookedUp,
)
from parity.subjects.binding.parts import NONE
from parity.subjects.binding.roles import parameters_of


@cache
def config_of(rule: Any) -> dict[str, Any] | None:
    """Return the config that ``f(w, dw, config=None)`` starts from, None where it is no such function.

    One that must be given is what its steps look up, with the defaults that they have for it; then only who looks up
    a hyperparameter is such a function.

    What a step changes is left to the function where it fills that in itself; else a count is counted back to where it
    was before the first step, and an array is that of a tensor of two elements, in whose place zeros go.
    """
    own = parameters_of(rule) if inspect.isfunction(rule) else None
    if not own or [p.role for p in own] not in (["params", "grads", "state"], ["grads", "params", "state"]):
        return None
    config = _config_looked_up(rule) if own[2].required else _config_after(rule, None)
    if config is None:
        return None
    after = _config_after(rule, config) or config
    for name, value in list(config.items()):
        becomes = after.get(name, value)
        grows = isinstance(value, np.ndarray) or isinstance(becomes, np.ndarray)
        counts = not grows and isinstance(value, int | float) and becomes != value
        rest = {key: held for key, held in config.items() if key != name}
        if (counts or grows) and _config_after(rule, rest) is not None:
            config = rest
        elif counts:
            config[name] = 2 * value - after[name]
    return config


def _config_looked_up(rule: Callable[..., Any]) -> dict[str, Any] | None:
    """Return what a step looks up in a config, None where none of it is a hyperparameter."""
    config = LookedUp()
    if _config_after(rule, config, copies=False) is None or not set(config.asked) & set(HYPERPARAMETERS):
        return None
    return {name: LookedUp()[name] if default is NONE else default for name, default in config.asked.items()}


def _config_after(
    rule: Callable[..., Any], config: dict[str, Any] | None, copies: bool = True
) -> dict[str, Any] | None:
    """Return the config after a step from another one, which stays as it is if it ``copies``; None if there is none.

    One that was given may come back beside the weights, or be changed in place.
    """
    given = () if config is None else (deepcopy(config) if copies else config,)
    with np.errstate(all="ignore"):
        try:
            returned = rule(np.ones(2, dtype=np.float32), np.ones(2, dtype=np.float32), *given)
        except Exception:  # then it is another shape, or none
            return None
    if isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], dict):
        return dict(returned[1])
    return dict(given[0]) if given and isinstance(returned, np.ndarray) else None
