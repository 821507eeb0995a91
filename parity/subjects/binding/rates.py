"""A learning rate that changes, for who takes a number: whatever holds that number is set anew before each step."""

import re
from collections.abc import Callable
from typing import Any, Final

from parity.subjects.binding.arguments import Bound
from parity.subjects.binding.shapes import Configured, Driver, Singly

_NAMES: Final = re.compile(
    r"_*(initial_|current_|base_)?(learning_?rate|lr|l_rate|rate|alpha|eta|step_?size)_*", re.IGNORECASE
)

Setter = Callable[[float], None]


def setters(driver: Driver, bound: Bound, value: float) -> dict[str, list[Setter]]:
    """Return what sets the learning rate of an optimizer on its way, by the name of the attribute, key or argument.

    Args:
        driver: the optimizer, made with the number ``value`` for its learning rate.
        bound: what it was passed.
        value: that number.
    """
    own = bound.spelled.get("learning_rate", "")
    if isinstance(driver, Configured):
        return {own: [lambda rate, config=config: config.__setitem__(own, rate) for config in driver.configs]}  # type: ignore[misc]
    holders = list(driver.optimizers.values()) if isinstance(driver, Singly) else [getattr(driver, "optimizer", None)]
    found: dict[str, list[Setter]] = {}
    for holder in {id(each): each for each in holders}.values():
        for name, held in getattr(holder, "__dict__", {}).items():
            if _NAMES.fullmatch(name) and isinstance(held, float | int) and float(held) == value:
                found.setdefault(name, []).append(_attribute(holder, name))
    return found


def _attribute(holder: Any, name: str) -> Setter:
    return lambda rate: setattr(holder, name, rate)
