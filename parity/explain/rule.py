"""The update rule of a described program: the member of the family that its choices name, with the state it carries."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from parity.bounds.bounded import Bounded
from parity.bounds.compiled.forms import forms
from parity.case import spec
from parity.case.spec import Hyperparameters
from parity.diagnosis.family import family
from parity.explain.factors import Program
from parity.reference.family import Family
from parity.subjects.binding.arguments import bind

Array = NDArray[Any]
Tensors = dict[str, Array]
FIRST = "dense_1/kernel"


def hyperparameters(program: Program) -> Hyperparameters:
    """Return the arguments of ``tf.keras.optimizers.RMSprop`` that a program has; its zero is Keras' None."""
    plain = ("learning_rate", "rho", "momentum", "epsilon", "centered")
    limits = ("weight_decay", "clipnorm", "clipvalue", "global_clipnorm")
    given: dict[str, Any] = {name: getattr(program, name) for name in plain}
    return spec.hyperparameters()(**given | {name: getattr(program, name) or None for name in limits})


def member(program: Program, kind: type[Any] = Family) -> Any:
    """Return the member of the family that a program applies, with numbers that are Python floats.

    ``kind`` is the family, or what it is on another kind of array.

    Outside the root, epsilon is added to it (torch.optim.RMSprop); with the learning rate outside the buffer the buffer
    holds steps without it (same source), and where there is no buffer it multiplies the quotient.
    """
    outside = program.learning_rate_place == "outside"
    return kind(
        **bind(Family, hyperparameters(program)).values,
        epsilon_place=program.epsilon_place,
        second_moment_start=program.second_moment_start,
        learning_rate_place=program.learning_rate_place,
        increment_order="quotient_first" if outside and not program.momentum else "rate_first",
        weight_decay_form=program.weight_decay_form,
        numbers="double",
    )


def walked(
    program: Program, tensors: dict[str, Any], gradients: Iterable[dict[str, Any]]
) -> Iterator[dict[str, Bounded]]:
    """Yield bounded tensors after each step by bounded gradients: what the program's rule makes of them exactly.

    No step starts from an observation, so that bounds add up.
    """
    rule = member(program, family().bounded)
    state = rule.init(tensors)
    for each in gradients:
        with np.errstate(all="ignore"):
            tensors, state = rule.step(tensors, each, state)
        yield tensors


class Length(NamedTuple):
    """How much is to be updated: elements times steps, their dtype, and the elements alone."""

    values: int
    dtype: np.dtype[Any]
    elements: int


class Rule:
    """A program's rule and its state, applied to tensors that change in place.

    Args:
        program: whose choices.
        tensors: the weights that it starts from.
        steps: how many such steps this process makes; where they are many, it takes the compiled form of the page.
    """

    def __init__(self, program: Program, tensors: Tensors, steps: int = 1) -> None:
        self.family: Family = member(program)
        self.state: dict[str, Any] = self.family.init(tensors)
        elements = sum(w.size for w in tensors.values())
        length = Length(steps * elements, np.dtype(program.dtype), elements)
        self._step = forms(self.family, length).step
        clips = program.clipnorm or program.clipvalue or program.global_clipnorm
        # A zero gradient then leaves the weight as it is, and its second moment only decays.
        self.skips_zeros = (
            program.epsilon > 0
            and program.epsilon_place != "none"
            and not (program.centered or program.momentum or program.weight_decay or program.l2 or clips)
        )

    def step(self, tensors: Tensors, gradients: Tensors, rows: Array | None = None) -> None:
        """Make one step; where ``rows`` is given, the first kernel's gradient has these rows alone, the others zero."""
        if rows is None:
            new, self.state = self._step(tensors, gradients, self.state)
            tensors.update(new)
        else:
            self._step_rows(tensors, gradients, rows)

    def _step_rows(self, tensors: Tensors, gradients: Tensors, rows: Array) -> None:
        """Give the page the rows with a gradient, and decay the second moment of the others as a zero does."""
        # On one image of the question's network a step takes 0.36 of the time of one that gives the page everything, in
        # float64 0.41 (`python tests/bench/bench.py program`).
        w, second = tensors[FIRST], self.state["second_moment"]
        v = second[FIRST]
        # The mode that looks for no row outside: looking copies once more.
        some_w, some_v = (array.take(rows, axis=0, mode="clip") for array in (w, v))
        some = {"iterations": self.state["iterations"], "second_moment": {**second, FIRST: some_v}}
        new, self.state = self._step({**tensors, FIRST: some_w}, gradients, some)
        v *= v.dtype.type(self.family.rho)
        w[rows], v[rows] = new[FIRST], self.state["second_moment"][FIRST]
        tensors.update(new | {FIRST: w})
        self.state["second_moment"][FIRST] = v
