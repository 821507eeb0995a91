"""tf.keras inside a real ``model.fit``: Keras owns the loop, a callback lets it pass one batch at a time.

Departs from the other Keras subjects in what ``fit`` adds: the loss scale multiplies the loss before it is
differentiated (exact for powers of two), and the gradients stay inside, so cases with shared gradients are unsupported.
"""

import copy
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Final

import numpy as np

from parity.errors import MisbehavedError, UnsupportedError
from parity.problem.problems import MlpProblem, Problem, QuadraticProblem
from parity.subjects.adapter import EVERYTHING, Own, Taken, Tensors
from parity.subjects.keras import (
    GRAPPLER,
    Shown,
    around,
    build_model,
    constrain,
    describe,
    keras_circumstances,
    model_variables,
    names_of,
    optimizer_of,
    own_slots,
    rewind,
    row_of,
    scaling,
    set_rewrites,
    told,
)


class KerasFitSubject:
    """``model.fit`` on the case's batches; replayed gradients enter through a loss that is linear in the weights."""

    def __init__(self, rewrites: bool = True, own: Own | None = None) -> None:
        self._rewrites, self._own = rewrites, own
        self._begun = False
        self._thread: threading.Thread | None = None
        self.resolved = ""
        self.circumstances: dict[str, Any] = {}

    @property
    def own(self) -> Own | None:
        """Somebody's optimizer, None where it is Keras' own."""
        return self._own

    def slots_of(self, rule: str) -> dict[str, str]:
        """Return which attributes of the optimizer hold which slots of a rule."""
        return names_of(rule) if self._own is None else own_slots(rule, self._inner)

    knows: Final = EVERYTHING - {"absent"}
    """What may stand around an update: each tensor of a loss has a gradient."""

    @property
    def ablations(self) -> dict[str, Callable[[], "KerasFitSubject"]]:
        """Return what may be turned off to explain a difference: the reason, and the subject without it."""
        return {GRAPPLER: self._unrewritten}

    def _unrewritten(self) -> "KerasFitSubject":
        """Return this subject without the rewrites, from its start; see the subject of the mode graph."""
        if self._own is not None or self._thread is None:
            return KerasFitSubject(False, self._own)
        again = copy.copy(self)
        again._rewrites, again._begun = False, True
        return again

    def open(self, problem: Problem) -> None:
        """Compile the model and start ``fit`` in a thread that waits before its first batch."""
        if self._own is None:
            row_of(problem.cell.rule)
        if problem.cell.gradients == "shared":
            raise UnsupportedError("model.fit keeps its gradients inside, and the case shares them; use keras-graph.")
        if isinstance(problem, QuadraticProblem):
            raise UnsupportedError(
                "model.fit is driven with replayed gradients or with a network, not with a quadratic."
            )
        if not isinstance(problem, MlpProblem) and np.frexp(problem.scale_at(0))[0] != 0.5:
            raise UnsupportedError("model.fit multiplies the loss by the loss scale, exact only for powers of two.")
        if problem.slices(0):
            raise UnsupportedError("model.fit is driven with dense gradients; the case has sparse ones.")
        if "frozen" in problem.cell.surroundings and problem.cell.hyperparameters.use_ema:
            raise UnsupportedError("model.fit ends where a tensor is frozen, and would overwrite weights by averages.")
        import tensorflow as tf

        self._tf, self._problem = tf, problem
        set_rewrites(tf, self._rewrites)
        if self._begun:
            rewind(self._variables, self._optimizer, problem)
        else:
            self._build(problem)
        self.circumstances = keras_circumstances(tf) | {
            "mode": "fit",
            "jit_compile": bool(self._model.jit_compile),
            "arithmetic_optimization": self._rewrites,
        }
        self.circumstances |= told(problem.cell, self._own, "inside a real model.fit")
        self._start()

    def _build(self, problem: Problem) -> None:
        loss: Any
        if isinstance(problem, MlpProblem):
            self._model, loss = build_model(problem), "categorical_crossentropy"
        else:
            self._model, loss = _linear_model(problem), _identity
        self._variables = model_variables(self._model, problem)
        constrain(self._variables, problem.cell)
        self._inner = optimizer_of(problem.cell, self._own)
        self._optimizer = around(self._inner, problem.cell)
        self._of_model = {"optimizer": self._optimizer, "loss": loss}
        self._model.compile(**self._of_model)
        self._optimizer.build(self._model.trainable_variables)
        names = self.slots_of(problem.cell.rule)
        self._shown = Shown(self._tf, names, self._inner, self._variables, scaling(self._optimizer, self._inner))
        self.resolved = f"{describe(self._optimizer)} in model.fit"

    def step(self, number: int, gradients: Tensors | None) -> Taken:
        """Let ``fit`` take its next batch and wait until it is done."""
        self._turn.release()
        self._done.acquire()
        if self._error is not None:
            raise MisbehavedError(f"model.fit raised {type(self._error).__name__}: {self._error}")
        return Taken(self._loss if isinstance(self._problem, MlpProblem) else None)

    def read(self) -> dict[str, Tensors]:
        """Return the variables as NumPy arrays; ``fit`` stands still between two batches."""
        return self._shown.read()

    def close(self) -> None:
        """Let ``fit`` run out without another batch; nothing to do where ``open`` refused the case."""
        if self._thread is None:
            return
        self._model.stop_training = True
        self._closing = True
        self._turn.release()
        self._thread.join(timeout=60)
        set_rewrites(self._tf, True)

    def _start(self) -> None:
        self._turn, self._done = threading.Semaphore(0), threading.Semaphore(0)
        self._error: BaseException | None = None
        self._loss: float | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._fit, name="model.fit", daemon=True)
        self._thread.start()

    def _fit(self) -> None:
        try:
            for steps in _alike(self._problem):
                self._freeze(self._problem.frozen(steps[0]))
                batches = _batches(self._tf, self._problem, steps)
                # Who is not told how many there are begins another batch before it finds that there is none.
                count = len(steps) if steps.stop <= self._problem.cell.steps else None
                given = {"epochs": 1, "verbose": 0, "shuffle": False, "steps_per_epoch": count}
                self._model.fit(batches, **given, callbacks=[self._gate()])
        except _Stop:
            pass
        except BaseException as error:  # handed to the runner's thread, which reports it
            self._error = error
            self._done.release()

    def _freeze(self, names: frozenset[str]) -> None:
        """Train all tensors but some from now on: the model has to be compiled again, with the optimizer as it is."""
        trained = {name: name not in names for name in self._variables}
        if trained != {name: variable.trainable for name, variable in self._variables.items()}:
            for name, variable in self._variables.items():
                variable.trainable = trained[name]
            self._model.compile(**self._of_model)

    def _gate(self) -> Any:
        import keras

        subject = self

        class Gate(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is untyped
            def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
                subject._turn.acquire()
                if subject._closing:
                    raise _Stop
                # fit reports a running mean; from a reset state it is this batch's own loss.
                self.model.reset_metrics()

            def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
                subject._loss = float((logs or {}).get("loss", float("nan")))
                subject._done.release()

        return Gate()


class _Stop(Exception):
    """Ends ``fit`` early from inside its callback."""


def _identity(_: Any, predicted: Any) -> Any:
    return predicted


def _linear_model(problem: Problem) -> Any:
    """Return a model whose loss is ``sum(w * input)``, so that its gradient is the input, bit for bit."""
    import keras
    import tensorflow as tf

    class Linear(keras.Model):  # type: ignore[misc]  # Keras is untyped
        def __init__(self) -> None:
            super().__init__(dtype=problem.cell.dtype)
            self.tensors = {
                name: self.add_weight(shape=array.shape, dtype=problem.cell.dtype, name=name.replace("/", "_"))
                for name, array in problem.params.items()
            }

        def call(self, inputs: dict[str, Any]) -> Any:
            products = [tf.reduce_sum(v.value * inputs[name][0]) for name, v in self.tensors.items()]
            return tf.reshape(tf.add_n(products), [1])

    model = Linear()
    for name, variable in model.tensors.items():
        variable.assign(problem.params[name])
    model.built = True
    return model


def _alike(problem: Problem) -> list[range]:
    """Return the steps of a case, cut where other tensors are trained; the last of them has one more at its end."""
    count = problem.cell.steps
    cuts = [step for step in range(1, count) if problem.frozen(step) != problem.frozen(step - 1)]
    # At its end, fit overwrites the weights by their average (use_ema), so that one more is there than is asked for.
    return [range(first, last) for first, last in pairwise([0, *cuts, count + 1])]


def _batches(tf: Any, problem: Problem, steps: range) -> Any:
    """Return some of the case's batches in the case's order, as a ``tf.data.Dataset`` of one long epoch."""

    def batch(number: int) -> tuple[Any, Any]:
        if isinstance(problem, MlpProblem):
            found = problem.batch(number)
            return found.x, problem.one_hot(found.y)
        scale = problem.scale_at(number)
        inputs = {name: (g / g.dtype.type(scale))[None] for name, g in problem.gradients(number).items()}
        return inputs, np.zeros(1, dtype=np.float32)

    def batches() -> Iterator[tuple[Any, Any]]:
        for number in steps:
            yield batch(min(number, problem.cell.steps - 1))

    # The number of examples is left open, as Keras does for a data set that it makes itself.
    signature = tf.nest.map_structure(lambda array: tf.TensorSpec((None, *array.shape[1:]), array.dtype), batch(0))
    options = tf.data.Options()
    # The loop that tunes a data set sleeps up to a minute, and whoever frees the data set waits for it.
    options.autotune.enabled = False
    return tf.data.Dataset.from_generator(batches, output_signature=signature).with_options(options)
