"""A learning rate that changes, for who takes a number: whatever holds that number is set anew before each step."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from parity.subjects.binding.bound import Bound
from parity.subjects.binding.drivers.shape import Driver
from parity.subjects.binding.drivers.states import Configured

TOLD: Final = 0.0012345678901234567
"""A learning rate that nothing else is by chance: what holds it after construction holds the learning rate."""
Place = tuple[str, ...]
"""The way to a number in an optimizer: an attribute, or an attribute and a key of the mapping that it is."""


def places(driver: Driver, bound: Bound) -> list[Place]:
    """Return where an optimizer that was made with ``TOLD`` holds its learning rate."""
    if isinstance(driver, Configured):
        return [(bound.spelled["learning_rate"],)]
    found: dict[Place, None] = {}
    for holder in _holders(driver):
        of_class = {name: getattr(type(holder), name, None) for name in bound.of_class}
        for name, held in {**of_class, **getattr(holder, "__dict__", {})}.items():
            if _is_told(held):
                found[(name,)] = None
            elif isinstance(held, dict):
                found |= {(name, key): None for key, value in held.items() if isinstance(key, str) and _is_told(value)}
    return list(found)


def _is_told(value: Any) -> bool:
    return isinstance(value, float | np.floating) and bool(value == type(value)(TOLD))


def move(driver: Driver, found: list[Place], rate: float) -> None:
    """Set the learning rate of an optimizer on its way, each in the type that it is held in."""
    if isinstance(driver, Configured):
        for config in driver.configs:
            config[found[0][0]] = rate
        return
    for holder in _holders(driver):
        for name, *keys in found:
            if keys:
                mapping = getattr(holder, name)
                mapping[keys[0]] = type(mapping[keys[0]])(rate)
            else:
                setattr(holder, name, type(getattr(holder, name))(rate))


def holds(driver: Driver, found: list[Place], rate: float) -> bool:
    """Return whether an optimizer still holds in one of the places the learning rate that was set."""
    if isinstance(driver, Configured):
        return all(config[found[0][0]] == rate for config in driver.configs)
    held = [
        getattr(holder, name) if not keys else getattr(holder, name)[keys[0]]
        for holder in _holders(driver)
        for name, *keys in found
    ]
    return not held or any(value == type(value)(rate) for value in held)


def _holders(driver: Driver) -> Iterator[Any]:
    one = {"": getattr(driver, "optimizer", None)}
    held = list(getattr(driver, "optimizers", one).values())
    yield from {id(each): each for each in held}.values()


Mover = Callable[[float], None]


def mover(driver: Driver, ways: list[Place], bound: Bound, own: str) -> Mover:
    """Return what sets the learning rate of an optimizer; an update rule is passed another number."""
    if not ways:
        return lambda rate: bound.values.__setitem__(own, rate)
    return lambda rate: move(driver, ways, rate)
