"""A real Keras training, watched: what its optimizer started a step from, was given and ended in, goes into a log.

The training computes what it computes unwatched, bit for bit, in every mode. Run eagerly, a watched step hands over the
gradients that its optimizer is called with. A compiled step keeps its gradients inside, and a graph that shows them is
another one to Grappler and to XLA, which may give it other bits; so a watched step is made twice: first by a graph that
shows them, whose effects are taken back, then by the training's own graph, which nobody has touched. Where both end in
the same bits the log is of both; where they do not, it is of the first, and says so.
"""

import re
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from parity.bounds.numerics import bits
from parity.case.rule import find
from parity.errors import UnsupportedError, UsageError
from parity.problem.archive import MAX_BYTES
from parity.subjects.keras import ROWS, Shown, names_of
from parity.trajectory.log.names import RATE
from parity.trajectory.log.writing import LogWriter

Tensors = Mapping[str, Any]
States = Mapping[str, Tensors]
MOST = 100


def watch(optimizer: Any, every: int = 100, path: str | Path = "steps.npz", most: int = MOST) -> Any:
    """Return a callback for ``model.fit`` that writes a log of the optimizer's steps, for ``parity judge``.

    The weights after the training are those of a training without it, to the bit. A watched step takes the time of
    about two, and of writing it down; the first one of a compiled training also that of a second compilation; the
    others take none. The log is there, whole, once ``fit`` ends, also where it is interrupted.

    Args:
        optimizer: the model's own, of ``keras.optimizers`` or of a class that extends one of them.
        every: a step is watched where its zero-based number is a multiple of it, so the first one is.
        path: where the log goes, an NPZ file; what stands there is replaced.
        most: steps that are logged at most. Each takes the room of all weights and slots twice, and of the gradients;
            a log ends before it is larger than what ``parity judge`` reads, 2 GB.

    Raises:
        UsageError: an argument is not allowed.
        UnsupportedError: the optimizer is none whose rule has a page; or, when ``fit`` begins, the training cannot be
            watched without changing it.
    """
    for name, number in (("every", every), ("most", most)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise UsageError(f"{name} must be a whole number of steps, at least 1. Received: {number!r}.")
    rule = _rule_of(optimizer)
    return _callback()(Watch(optimizer, rule, every, Path(path), most))


def _rule_of(optimizer: Any) -> str:
    import keras

    if isinstance(optimizer, type):
        raise UsageError(f"optimizer must be an instance, the model's own. Received the class {optimizer.__name__}.")
    known = {rule: getattr(keras.optimizers, row.kind) for rule, row in ROWS.items()}
    held = [rule for rule, kind in known.items() if isinstance(optimizer, kind)]
    if held:  # AdamW extends Adam
        return max(held, key=lambda rule: len(known[rule].__mro__))
    kinds = ", ".join(f"keras.optimizers.{kind.__name__}" for kind in known.values())
    kind = type(optimizer)
    raise UnsupportedError(
        f"{kind.__module__.partition('.')[0]}'s {kind.__name__} cannot be watched. Allowed: {kinds}."
    )


@cache
def _callback() -> Any:
    """Return the class of the callback, made once Keras is there."""
    import keras

    class ParityWatch(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is untyped
        """Watches the optimizer of a training; see ``parity.watch``."""

        def __init__(self, watch: Watch) -> None:
            super().__init__()
            self.watch = watch

        def on_train_begin(self, logs: Any = None) -> None:
            """Take up the training's step."""
            self.watch.begin(self.model)

        def on_train_end(self, logs: Any = None) -> None:
            """Give it back, and put the log into its place."""
            self.watch.end()

    return ParityWatch


class Watch:
    """Stands between ``fit`` and the model's training step, from the first batch to the end.

    Attributes:
        steps: how many steps were logged.
        apart: of how many of them the step that shows its gradients ended in other bits than that of the training.
    """

    def __init__(self, optimizer: Any, rule: str, every: int, path: Path, most: int) -> None:
        self._optimizer, self._rule, self._every, self._path, self._most = optimizer, rule, every, path, most
        self._writer: LogWriter | None = None
        self._showing: Any = None
        self.steps = self.apart = 0

    def begin(self, model: Any) -> None:
        """Put itself in the place of the model's training step.

        Raises:
            UnsupportedError: it cannot be watched.
        """
        import tensorflow as tf

        self.end()
        _require_watchable(model, self._optimizer)
        self._tf, self._model = tf, model
        if not self._optimizer.built:  # as the first step would do
            self._optimizer.build(model.trainable_weights)
        variables = list(self._optimizer._trainable_variables)
        self._names = dict(zip(_names_of(variables), variables, strict=True))
        self._shown = Shown(tf, names_of(self._rule), self._optimizer, self._names)
        self._room = min(self._most, _steps_that_fit(self._shown.read()))
        self._number = int(self._optimizer._iterations.numpy())
        self._showing, self.steps, self.apart = None, 0, 0
        self._writer = LogWriter(self._path)
        # Where fit ends without a word, the log is finished when the interpreter ends or forgets the callback.
        self._rescue = weakref.finalize(self, _finish, self._writer, self._rule, self._said())
        self._plain: Callable[[Any], Any] = model.train_function
        model.train_function = self._step

    def end(self) -> None:
        """Give the model its own step back, and put the log into its place; nothing to do is fine."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        self._rescue.detach()
        if self._model.train_function == self._step:
            self._model.train_function = self._plain
        _finish(writer, self._rule, self._said())

    def _step(self, iterator: Any) -> Any:
        """Make one step, as the model's own function does."""
        watched = self._writer is not None and self._number % self._every == 0 and self.steps < self._room
        try:
            outputs = self._watched(iterator) if watched else self._plain(iterator)
        except (StopIteration, self._tf.errors.OutOfRangeError):  # the data end: fit goes on with the next epoch
            raise
        except BaseException:
            self.end()
            raise
        self._number += 1
        return outputs

    def _watched(self, iterator: Any) -> Any:
        before, rate = self._shown.read(), float(self._optimizer.learning_rate)
        if self._model.run_eagerly:
            with _caught(self._optimizer) as calls:
                outputs = self._plain(iterator)
            self._write(before, rate, self._by_name(_only(calls)), self._shown.read())
            return outputs
        data = iterator.get_next()
        gradients, shown = self._made_apart(data)
        outputs = self._plain(_once_more(self._tf, data, iterator))
        after = self._shown.read()
        alike = _same(shown, after)
        self.apart += not alike
        self._write(before, rate, gradients, after if alike else shown)
        return outputs

    def _made_apart(self, data: Any) -> tuple[Tensors, dict[str, Tensors]]:
        """Return the gradients of a step and what it ends in, by a graph that shows them, and take all of it back."""
        if self._showing is None:
            self._showing = self._tf.function(
                self._showing_step, jit_compile=bool(self._model.jit_compile), reduce_retracing=True
            )
        touched = self._showing.get_concrete_function(data).graph.variables
        held = {id(v): v for v in (*touched, *_variables(self._model, self._optimizer))}
        kept = [(variable, variable.read_value()) for variable in held.values()]
        try:
            return self._showing(data), self._shown.read()
        finally:
            for variable, value in kept:
                variable.assign(value)

    def _showing_step(self, data: Any) -> Tensors:
        with _caught(self._optimizer) as calls:
            self._model.train_step(data)
        return self._by_name(_only(calls))

    def _by_name(self, pairs: Sequence[tuple[Any, Any]]) -> Tensors:
        """Return the gradients of a call by the names of their variables, dense; those that are None are left out."""
        names = {id(variable): name for name, variable in self._names.items()}
        return {
            names[id(variable)]: self._tf.convert_to_tensor(gradient)
            for gradient, variable in pairs
            if gradient is not None
        }

    def _write(self, before: States, rate: float, gradients: Tensors, after: States) -> None:
        assert self._writer is not None
        states = [
            {field: {name: tensors[name] for name in gradients if name in tensors} for field, tensors in state.items()}
            for state in (before, after)
        ]
        self._writer.step(self._number, states[0], {name: np.asarray(g) for name, g in gradients.items()}, states[1])
        self._writer.rate(self._number, rate)
        self.steps += 1

    def _said(self) -> tuple[dict[str, Any], str]:
        """Return the hyperparameters, and who the log is of."""
        config = self._optimizer.get_config()
        names = [parameter.name for parameter in find(self._rule).parameters if parameter.name != RATE]
        given = {name: config[name] for name in names if config.get(name) is not None}
        if given.get("weight_decay") is not None:
            # Keras searches other names inside a model than a person writes: what it left out is what counts.
            left = [name for name, v in self._names.items() if not self._optimizer._use_weight_decay(v.value)]
            patterns = [rf"^{re.escape(name)}\Z" for name in left]
            given["exclude_from_weight_decay"] = msgspec.json.encode(patterns).decode()
        mode = "eager" if self._model.run_eagerly else "XLA" if self._model.jit_compile else "a graph"
        source = f"parity.watch from {_kind(self._optimizer)} in model.fit ({mode}), {_versions(self._tf)}"
        if self.apart:
            source += (
                f"; in {self.apart} of {self.steps} steps the graph that shows its gradients ended in other bits than "
                f"that of the training, and the log is of the former"
            )
        return given, source


def _steps_that_fit(state: States) -> int:
    """Return how many steps a log of a state has room for, as far as it is read.

    Raises:
        UnsupportedError: not even one.
    """
    fields = {field: sum(np.asarray(array).nbytes for array in tensors.values()) for field, tensors in state.items()}
    size = 2 * sum(fields.values()) + fields["parameter"]
    if size > MAX_BYTES:
        raise UnsupportedError(f"one step of this training takes {size} bytes; a log is read up to {MAX_BYTES}.")
    return MAX_BYTES * 99 // 100 // size  # what stands around the values takes room, too


def _finish(writer: LogWriter, rule: str, said: tuple[dict[str, Any], str]) -> None:
    if writer.steps:
        writer.finish(said[0], rule, said[1])
    else:
        writer.abandon()


@contextmanager
def _caught(optimizer: Any) -> Iterator[list[list[tuple[Any, Any]]]]:
    """Note what an optimizer is called with, gradients and their variables, and let it do what it does."""
    calls: list[list[tuple[Any, Any]]] = []
    own = optimizer.apply

    def apply(grads: Any, trainable_variables: Any = None) -> Any:
        grads = list(grads)
        given = list(optimizer._trainable_variables if trainable_variables is None else trainable_variables)
        calls.append(list(zip(grads, given, strict=True)))
        return own(grads, given)

    # Beside what Keras tracks: an attribute of the object itself, in front of the method of its class.
    optimizer.__dict__["apply"] = apply
    try:
        yield calls
    finally:
        optimizer.__dict__.pop("apply", None)


def _only(calls: list[list[tuple[Any, Any]]]) -> list[tuple[Any, Any]]:
    if len(calls) != 1:
        raise UnsupportedError(
            f"this training calls its optimizer {len(calls)} times in a step; a log has one set of gradients a step."
        )
    return calls[0]


def _require_watchable(model: Any, optimizer: Any) -> None:
    """Raise UnsupportedError where a training cannot be watched, or would be another one."""
    import keras

    refusals = {
        f"Keras runs on {keras.backend.backend()}; allowed: tensorflow": keras.backend.backend() != "tensorflow",
        f"the model is compiled with another optimizer, {type(model.optimizer).__name__}; watch that one": (
            model.optimizer is not optimizer
        ),
        "it is spread over several devices by a strategy": model.distribute_strategy.num_replicas_in_sync > 1,
        "steps_per_execution is above 1, so that steps end inside a graph; compile with steps_per_execution=1": (
            model.steps_per_execution != 1
        ),
        "the model has no weights before its first batch; build it first, or give it an Input": (
            not optimizer.built and not model.trainable_weights
        ),
    }
    weights = model.trainable_weights
    for variable in [v for v in weights if getattr(v, "constraint", None) is not None][:1]:
        refusals[f"{variable.path} has a constraint, which changes it after the optimizer's step"] = True
    dtypes = sorted({str(variable.dtype) for variable in weights})
    if len(dtypes) > 1:
        refusals[f"its weights are {' and '.join(dtypes)}; a log has one dtype"] = True
    for why, is_so in refusals.items():
        if is_so:
            raise UnsupportedError(f"this training cannot be watched: {why}.")


def _names_of(variables: Sequence[Any]) -> list[str]:
    """Return the paths of variables, numbered where several have one."""
    paths = [str(variable.path) for variable in variables]
    return [path if paths.count(path) == 1 else f"{path}.{at}" for at, path in enumerate(paths)]


def _variables(model: Any, optimizer: Any) -> list[Any]:
    """Return the variables that a step may write to, as TensorFlow's."""
    held = [*model.variables, *model.metrics_variables, *optimizer.variables]
    return [getattr(variable, "value", variable) for variable in held]


def _once_more(tf: Any, data: Any, iterator: Any) -> Any:
    """Return an iterator that yields a batch again, of the type of its own, so that no graph is traced anew."""
    held = tf.data.experimental.to_variant(tf.data.Dataset.from_tensors(data))
    return iter(tf.data.experimental.from_variant(held, iterator.element_spec))


def _same(one: Mapping[str, Tensors], other: Mapping[str, Tensors]) -> bool:
    return all(
        bool((bits(np.asarray(array)) == bits(np.asarray(other[field][name]))).all())
        for field, tensors in one.items()
        for name, array in tensors.items()
    )


def _kind(optimizer: Any) -> str:
    return f"{type(optimizer).__module__.replace('keras.src', 'keras')}.{type(optimizer).__name__}"


def _versions(tf: Any) -> str:
    import keras

    return f"keras {keras.__version__}, tensorflow {tf.__version__}"
