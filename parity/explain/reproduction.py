"""The published curves beside what the described programs do: plain records."""

from msgspec import Struct


class Tenth(Struct, frozen=True):
    """One epoch of the posted curve beside its reproduction; ``off`` is the median's distance in percent."""

    epoch: int
    published: float
    lowest: float
    median: float
    highest: float
    off: float
    within: bool


class Reproduction(Struct, frozen=True):
    """Both published curves beside five seeds of each program."""

    keras: list[list[float]]
    posted: list[list[float]]
    repaired: list[list[float]]
    published: dict[str, list[list[float]]]
    tenths: list[Tenth]
