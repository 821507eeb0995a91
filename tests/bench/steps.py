"""One step of the question's network: Keras and NumPy alone, a loop written by hand, and the harness."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from parity import subjects
from parity.bounds.compiled.forms import forms
from parity.bounds.rule import reference_rule
from parity.case.cells import select
from parity.case.spec import hyperparameters
from parity.judge.table import Table
from parity.problem import problems
from parity.runner.loop import run_pair
from parity.trajectory.layout import layout_of

CASE = "network/question_shared"
FEW = 200
AS_PEOPLE_DO = {"rtol": 1e-4, "atol": 1e-6}  # tolerances as they are usually chosen: timed, they judge nothing
STEPS, SETTLED = 800, 200
"""Steps of a run of the harness, and the first that count: what a run costs once, such as tracing, lies before."""


class Question:
    """The question's network in Keras' graph mode, built and traced once, with a rule's page beside it."""

    def __init__(self, rule: str = "rmsprop") -> None:
        (cell,) = select([CASE])
        self.cell = msgspec.structs.replace(cell, comparisons=["lockstep"])
        if rule != cell.rule:
            self.cell = msgspec.structs.replace(self.cell, rule=rule, hyperparameters=hyperparameters(rule)())
        self.problem: Any = problems.make(self.cell)
        self.keras: Any = subjects.create("keras-graph")
        self.keras.open(self.problem)
        self.rule = reference_rule(self.problem.cell)
        self.train = _plain_step(self.keras)

    def keras_step(self) -> float:
        """Return milliseconds of one traced training step: a batch fed in, forward, backward, apply."""
        return _each(lambda number: self.train(*self.keras._inputs(number)), FEW)

    def numpy_step(self) -> float:
        """Return milliseconds of one step of the reference page over all parameters."""
        grads = {name: w * w.dtype.type(1e-3) for name, w in self.problem.params.items()}
        state = [self.problem.params, self.rule.init(self.problem.params)]

        def step(number: int) -> None:
            state[:] = self.rule.step(state[0], grads, state[1])

        return _each(step, FEW)

    def by_hand(self) -> float:
        """Return milliseconds of a step of the loop that people write: both sides, read back, ``assert_allclose``."""
        slots = self.keras._optimizer._velocities
        names = list(self.problem.params)

        def read() -> tuple[dict[str, Any], dict[str, Any]]:
            variables = self.keras._variables.values()
            return (
                {name: v.numpy() for name, v in zip(names, variables, strict=True)},
                {name: v.numpy() for name, v in zip(names, slots, strict=True)},
            )

        def step(number: int) -> None:
            params, moments = read()
            _, gradients = self.train(*self.keras._inputs(number))
            grads = {name: g.numpy() for name, g in zip(names, gradients, strict=True)}
            after, state = self.rule.step(params, grads, {"iterations": number, "second_moment": moments})
            new_params, new_moments = read()
            for name in names:
                np.testing.assert_allclose(new_params[name], after[name], **AS_PEOPLE_DO)
                np.testing.assert_allclose(new_moments[name], state["second_moment"][name], **AS_PEOPLE_DO)

        return _each(step, FEW)

    def harness(self) -> float:
        """Return milliseconds of a step in ``run_pair``, every tensor and slot compared and bounded."""
        adapter = _timed(subjects.create("keras-graph"))
        pair = run_pair(msgspec.structs.replace(self.cell, steps=STEPS), "keras-graph", adapter, beside=True)
        assert pair.comparisons[0].verdict in ("IDENTICAL", "ROUNDING"), pair.comparisons[0]
        # What is run again without the rewrites is the same subject.
        return (adapter.times[STEPS - 1] - adapter.times[SETTLED]) / (STEPS - 1 - SETTLED) * 1e3


def _timed(subject: Any) -> Any:
    """Return a subject that notes when each of its steps begins."""
    step, subject.times = subject.step, []

    def noted(number: int, gradients: Any) -> Any:
        subject.times.append(time.perf_counter())
        return step(number, gradients)

    subject.step = noted
    return subject


def _plain_step(subject: Any) -> Callable[..., Any]:
    """Return the traced training step as people write it, on a subject's model and optimizer."""
    import tensorflow as tf

    variables = list(subject._variables.values())

    @tf.function
    def train(*inputs: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = subject._loss(*inputs)
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        subject._optimizer.apply(gradients, variables)
        return loss, gradients

    return train


class Comparing:
    """All parameters and second moments of the question's network, once equal to the bit, once nowhere equal."""

    def __init__(self, question: Question) -> None:
        self.layout = layout_of(question.problem.params)
        self.forms = forms(question.rule, question.problem)
        weights = self.layout.join(question.problem.params) + np.float32(1e-3)
        self.expected = {"parameter": weights, "second_moment": np.abs(weights) * np.float32(1e-3)}
        self.equal = {slot: row.copy() for slot, row in self.expected.items()}
        self.unequal = {slot: np.nextafter(row, np.float32(9)) for slot, row in self.expected.items()}
        self.part = Table(self.layout).open(0, 1, "parameter")

    def allclose(self, obtained: dict[str, Any]) -> float:
        """Return milliseconds of ``np.testing.assert_allclose`` over all tensors."""

        def compare(number: int) -> None:
            for slot, row in self.expected.items():
                theirs, ours = self.layout.split(obtained[slot]), self.layout.split(row)
                for name in self.layout.names:
                    np.testing.assert_allclose(theirs[name], ours[name], **AS_PEOPLE_DO)

        return _each(compare, 10)

    def harness(self, obtained: dict[str, Any]) -> float:
        """Return milliseconds of the harness' comparison: bits first, then the statistics of what differs."""

        def compare(number: int) -> None:
            for slot, row in self.expected.items():
                self.part.write_drift(0, obtained[slot], row, 1e-3, self.forms.drift)

        return _each(compare, 10)


class Updating:
    """One update of a 784 x 512 kernel: the reference page, and Keras' apply in graph mode and compiled by XLA."""

    def __init__(self) -> None:
        import keras
        import tensorflow as tf

        rng = np.random.default_rng(0)
        self.w, self.g = (rng.normal(size=(784, 512)).astype(np.float32) for _ in range(2))
        self.v = np.square(self.g)
        self.rule = reference_rule(Question().problem.cell)
        self.apply: dict[str, Callable[[int], Any]] = {}
        for mode in ("graph", "xla"):
            variable = keras.Variable(self.w, name=f"kernel_{mode}")
            optimizer = keras.optimizers.RMSprop()
            optimizer.build([variable])
            self.apply[mode] = _applied(tf, optimizer, variable, tf.constant(self.g), mode == "xla")
            self.apply[mode](0)

    def page(self) -> float:
        """Return milliseconds of the reference page."""
        return _each(lambda number: self.rule.update(self.w, self.g, {"second_moment": self.v}, 1e-3, 1), 40)

    def keras(self, mode: str) -> float:
        """Return milliseconds of Keras' ``apply``."""
        return _each(self.apply[mode], 40)


def _applied(tf: Any, optimizer: Any, variable: Any, gradient: Any, xla: bool) -> Callable[[int], Any]:
    traced = tf.function(lambda g: optimizer.apply([g], [variable]), jit_compile=xla)
    return lambda number: traced(gradient)


def _each(step: Callable[[int], Any], count: int) -> float:
    step(0)
    began = time.perf_counter()
    for number in range(count):
        step(number)
    return (time.perf_counter() - began) / count * 1e3
