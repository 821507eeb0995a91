"""The update rule with its historical choices as switches, in place: gradients go in, the tensors change."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from parity.explain.factors import Program

Array = NDArray[Any]
Tensors = dict[str, Array]
FIRST = "dense_1/kernel"


class Rule:
    """RMSprop as one program applies it; operation for operation ``reference/rmsprop.py`` where that has the choice.

    Outside the root, epsilon is added to it (torch.optim.RMSprop); with the learning rate outside the buffer the
    buffer holds steps without it (same source).
    """

    def __init__(self, program: Program, tensors: Tensors) -> None:
        self.program = program
        self.steps = 0
        self.second = {name: np.full_like(w, program.second_moment_start) for name, w in tensors.items()}
        self.first = {name: np.zeros_like(w) for name, w in tensors.items()} if program.centered else {}
        self.buffer = {name: np.zeros_like(w) for name, w in tensors.items()} if program.momentum else {}
        self._scratch = {name: (np.empty_like(w), np.empty_like(w)) for name, w in tensors.items()}
        self._rate = schedule(program)
        self._clips = bool(program.clipnorm or program.clipvalue or program.global_clipnorm)
        # A zero gradient then leaves the weight as it is, and its second moment only decays.
        self.skips_zeros = (
            program.epsilon > 0
            and program.epsilon_place != "none"
            and not (program.centered or program.momentum or program.weight_decay or program.l2 or self._clips)
        )

    def step(self, tensors: Tensors, gradients: Tensors, rows: Array | None = None) -> None:
        """Make one step; where ``rows`` is given, the first kernel's gradient has these rows alone, the others zero."""
        rate = self._rate(self.steps)
        if self._clips:
            gradients = clipped(self.program, gradients)
        for name, w in tensors.items():
            if rows is not None and name == FIRST:
                self._step_rows(w, gradients[name], rows, rate)
            else:
                self._step_all(name, w, gradients[name], rate)
        self.steps += 1

    def _step_rows(self, w: Array, g: Array, rows: Array, rate: float) -> None:
        second, (one, two) = self.second[FIRST], self._scratch[FIRST]
        v, scratch = one[: len(rows)], two[: len(rows)]
        np.multiply(second, w.dtype.type(self.program.rho), out=second)
        np.take(second, rows, axis=0, out=v, mode="clip")
        np.square(g, out=scratch)
        scratch *= w.dtype.type(1 - self.program.rho)
        v += scratch
        second[rows] = v
        self._divide(self._scaled(g, rate), v)
        if self.program.learning_rate_place == "outside":
            g *= w.dtype.type(rate)
        np.take(w, rows, axis=0, out=v, mode="clip")
        v -= g
        w[rows] = v

    def _step_all(self, name: str, w: Array, g: Array, rate: float) -> None:
        program, number = self.program, w.dtype.type
        denominator, scratch = self._scratch[name]
        if program.weight_decay and program.weight_decay_form == "coupled":
            g = g + w * number(program.weight_decay)
        elif program.weight_decay:
            w -= w * number(program.weight_decay) * number(rate)
        second = self.second[name]
        second *= number(program.rho)
        second += np.multiply(np.square(g, out=scratch), number(1 - program.rho), out=scratch)
        np.copyto(denominator, second)
        if program.centered:
            first = self.first[name]
            first *= number(program.rho)
            first += np.multiply(g, number(1 - program.rho), out=scratch)
            denominator -= np.square(first, out=scratch)
        self._divide(self._scaled(g, rate), denominator)
        if program.momentum:
            buffer = self.buffer[name]
            buffer *= number(program.momentum)
            buffer += g
            g = buffer
        w -= np.multiply(g, number(rate), out=scratch) if program.learning_rate_place == "outside" else g

    def _scaled(self, g: Array, rate: float) -> Array:
        if self.program.learning_rate_place == "inside":
            g *= g.dtype.type(rate)
        return g

    def _divide(self, g: Array, denominator: Array) -> None:
        """Divide ``g`` by the root, in place; ``denominator`` comes as the second moment and is used up."""
        epsilon, place = denominator.dtype.type(self.program.epsilon), self.program.epsilon_place
        if place == "inside":
            denominator += epsilon
        np.sqrt(denominator, out=denominator)
        if place == "outside":
            denominator += epsilon
        g /= denominator


def schedule(program: Program) -> Callable[[int], float]:
    """Return the learning rate as a function of the zero-based step."""
    if isinstance(program.learning_rate, float):
        constant = program.learning_rate
        return lambda step: constant
    import parity.reference.schedules as schedules

    fields = msgspec.to_builtins(program.learning_rate)
    made: Callable[[int], float] = getattr(schedules, fields.pop("schedule"))(
        **{name: getattr(program.learning_rate, name) for name in program.learning_rate.__struct_fields__}
    )
    return made


def clipped(program: Program, gradients: Tensors) -> Tensors:
    """Return the gradients after clipping, as ``tf.clip_by_norm`` and Keras' base optimizer define it."""
    if program.clipnorm:
        return {name: _by_norm(g, program.clipnorm) for name, g in gradients.items()}
    if program.global_clipnorm:
        norm = np.sqrt(sum(np.sum(np.square(g)) for g in gradients.values()))
        limit = norm.dtype.type(program.global_clipnorm)
        return {name: g * (limit / max(norm, limit)) for name, g in gradients.items()}
    limit = program.clipvalue
    return {name: np.clip(g, g.dtype.type(-limit), g.dtype.type(limit)) for name, g in gradients.items()}


def _by_norm(g: Array, clip: float) -> Array:
    limit = g.dtype.type(clip)
    result: Array = g * limit / np.maximum(np.sqrt(np.sum(np.square(g))), limit)
    return result
