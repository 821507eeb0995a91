"""One training step of a described program on one image: weights of black pixels left out, or all given to the page."""

import time

import numpy as np

from parity.explain.factors import Program
from parity.explain.program import Trainer, initial, mnist

IMAGES = 200
LONG = 10**6
"""Steps that are announced, so that the rule takes the form that it has in a run of the question's length."""


class Described:
    """The question's network as tf.keras trains it, twice."""

    def __init__(self, dtype: str) -> None:
        program = Program(dtype=dtype)
        data = mnist().cast(program)
        self.sparse, self.whole = (Trainer(program, initial(program, 0), data, LONG) for _ in range(2))
        self.whole.lit = None

    def without_black(self) -> float:
        """Return milliseconds of a step that gives the page the rows with a gradient."""
        return _each(self.sparse)

    def with_all(self) -> float:
        """Return milliseconds of a step that gives the page everything."""
        return _each(self.whole)


def _each(trainer: Trainer) -> float:
    trainer.step(np.array([0]))
    began = time.perf_counter()
    for image in range(IMAGES):
        trainer.step(np.array([image]))
    return (time.perf_counter() - began) / IMAGES * 1e3
