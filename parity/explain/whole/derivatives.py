"""Gradients that are no multiple of the model's come in, a mistake on the way back that yields them comes out."""

from collections.abc import Iterator

from parity.explain.whole.quantity import Mistake
from parity.explain.whole.sides import Grant, Sides


def mistakes(sides: Sides, grant: Grant) -> Iterator[Mistake]:
    """Yield the mistakes that reproduce every gradient of the program."""
    yield from ()
