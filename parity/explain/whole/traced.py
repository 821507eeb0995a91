"""A Keras model in, its layers' outputs, loss and gradients out: as Keras computes them, and with a bound for each.

What is traced is the model's own: the loss is computed inside it, as ``fit`` does, behind a softmax from its logits.
The trace is not independent of Keras: a wrong gradient that is registered there is reproduced here. Central differences
of the traced loss are what stands beside it.
"""

import inspect
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from parity.bounds.bounded import Bounded
from parity.bounds.graph.interpreter import Interpreter, Unknown
from parity.bounds.numerics import Array

Mode = Literal["eager", "graph", "xla"]
LAYER, LOSS, PENALTY, GRADIENT, BACK, PENALTY_GRADIENT = "layer", "loss", "penalty", "gradient", "back", "penalty grad"
LOGITS, LOGITS_BACK, SUM, SUM_BACK = "logits", "logits back", "sum", "sum back"
KINDS = frozenset({LAYER, LOSS, PENALTY, GRADIENT, BACK, PENALTY_GRADIENT, LOGITS, LOGITS_BACK, SUM, SUM_BACK})
ANCHORED = frozenset({LAYER, BACK, SUM, SUM_BACK})
"""What a program may leave behind, and what the rest is then judged from."""


@dataclass(frozen=True, slots=True)
class Place:
    """A quantity of the trace: its kind, and which of its kind it is (a layer's or a tensor's number)."""

    kind: str
    number: int


@dataclass(frozen=True, slots=True)
class Checked:
    """A quantity that was observed, held against its bound.

    Attributes:
        place: which it is.
        values: how many values it has.
        outside: how many of them lie outside their bounds.
        largest: the largest difference in parts of its bound.
        relative: bound over value, where the value is not zero.
        operations: those without a rule that it follows from; then it was held against nothing.
    """

    place: Place
    values: int
    outside: int
    largest: float
    relative: Array
    operations: frozenset[str] = frozenset()


class Traced:
    """A compiled Keras model, traced once for batches of any size.

    Args:
        model: compiled, with a loss; asked as in inference, so that dropout is off.
        x: a batch of inputs.
        y: its targets, as the loss takes them.
        sums: whether what goes into each activation is looked at, too.
    """

    def __init__(self, model: Any, x: Array, y: Array, sums: bool = False) -> None:
        import tensorflow as tf

        self.model = model
        self._step = _step_of(model, sums)
        self._runs: dict[str, Any] = {}
        specs = [tf.TensorSpec((None, *np.shape(each)[1:]), np.asarray(each).dtype) for each in (x, y)]
        self._function = tf.function(self._step, autograph=False).get_concrete_function(*specs)
        self._interpreter = Interpreter(self._function)
        self._places = [
            Place(kind, number)
            for kind, tensors in sorted(self._function.structured_outputs.items())
            for number in range(len(tensors))
        ]
        own = [getattr(variable, "value", variable) for variable in model.variables]
        self._order = [
            next((at for at, each in enumerate(own) if each is variable), None)
            for variable in self._interpreter.variables
        ]

    def bounded(
        self,
        x: Array | Bounded,
        y: Array,
        weights: Sequence[Array | Bounded],
        anchor: Callable[[Place, Bounded], Bounded] = lambda place, computed: computed,
        kinds: Container[str] = KINDS,
    ) -> dict[Place, Bounded | Unknown]:
        """Return every quantity with its bound, as computed at the weights given.

        Args:
            x: inputs.
            y: targets.
            weights: an array for each of the model's variables.
            anchor: makes of what is computed for a layer, or comes back to it, what goes on in its place; unless given,
                that itself.
            kinds: of quantities that are wanted.
        """
        names = [_source(tensor).name for tensor in self._function.outputs]
        computed: dict[str, Any] = {}
        places = {n: place for n, place in zip(names, self._places, strict=True) if place.kind in ANCHORED}

        def goes_on(name: str, value: Any) -> Any:
            computed[name] = value
            return anchor(places[name], value) if name in places and isinstance(value, Bounded) else value

        anchors = {name: partial(goes_on, name) for name in names}
        wanted = [at for at, place in enumerate(self._places) if place.kind in kinds]
        self._interpreter([x, y], self._state(weights), anchors, wanted=wanted)
        return {self._places[at]: computed[names[at]] for at in wanted}

    def observed(self, x: Array, y: Array, weights: Sequence[Array], mode: Mode = "eager") -> dict[Place, Array]:
        """Return every quantity as Keras computes it; the model keeps the weights that it had."""
        import tensorflow as tf

        if mode not in self._runs:
            compiled = tf.function(self._step, autograph=False, jit_compile=mode == "xla")
            self._runs[mode] = self._step if mode == "eager" else compiled
        run = self._runs[mode]
        with lent(self.model, weights):
            outputs = run(tf.constant(x), tf.constant(y))
        flat = [np.asarray(each) for _, tensors in sorted(outputs.items()) for each in tensors]
        return dict(zip(self._places, flat, strict=True))

    def checked(self, x: Array, y: Array, weights: Sequence[Array], observed: Mapping[Place, Array]) -> list[Checked]:
        """Hold what Keras computed against the bounds, each part from what was observed before it."""
        sources = [_source(tensor).name for tensor in self._function.outputs]
        anchors = {name: observed[place] for name, place in zip(sources, self._places, strict=True)}
        named: dict[str, list[Place]] = {}
        for name, place in zip(sources, self._places, strict=True):
            named.setdefault(name, []).append(place)
        found: list[Checked] = []

        def judge(name: str, computed: Any, seen: Bounded) -> None:
            found.extend(_held(place, computed, seen) for place in named[name])

        self._interpreter([x, y], self._state(weights), anchors, judge)
        return found

    def _state(self, weights: Sequence[Array | Bounded]) -> list[Array | Bounded]:
        return [
            np.asarray(variable) if at is None else weights[at]
            for at, variable in zip(self._order, self._interpreter.variables, strict=True)
        ]


def _held(place: Place, computed: Any, seen: Bounded) -> Checked:
    if isinstance(computed, Unknown):
        return Checked(place, seen.size, 0, 0.0, np.zeros(0), computed.operations)
    difference = np.abs(seen.value - computed.value)
    error = np.broadcast_to(computed.error, difference.shape)
    with np.errstate(all="ignore"):
        parts = np.where(difference == 0, 0.0, difference / error)
        relative = (error / np.abs(computed.value))[computed.value != 0]
    outside = int(np.sum(~(difference <= error)))
    return Checked(place, seen.size, outside, float(np.nanmax(parts, initial=0.0)), relative)


def _source(tensor: Any) -> Any:
    """Return what a function hands out, which it wraps into an identity."""
    return tensor.op.inputs[0] if tensor.op.type == "Identity" else tensor


@contextmanager
def lent(model: Any, weights: Sequence[Array]) -> Iterator[None]:
    """Lend a model weights."""
    before = [np.asarray(variable) for variable in model.variables]
    try:
        for variable, array in zip(model.variables, weights, strict=True):
            variable.assign(array)
        yield
    finally:
        for variable, array in zip(model.variables, before, strict=True):
            variable.assign(array)


def layers_of(model: Any) -> list[Any]:
    """Return the layers whose outputs are looked at."""
    return [layer for layer in model.layers if type(layer).__name__ != "InputLayer"]


def _step_of(model: Any, sums: bool) -> Callable[[Any, Any], dict[str, list[Any]]]:
    """Return what computes every quantity of a batch, and the gradients in weights and in layers' outputs."""
    import tensorflow as tf

    layers = layers_of(model)
    watched = [variable.value for variable in model.trainable_variables]

    def step(x: Any, y: Any) -> dict[str, list[Any]]:
        outputs: list[Any] = []
        into: list[Any] = []
        with tf.GradientTape(persistent=True) as tape:
            with _recording(layers, outputs, into if sums else None):
                prediction = model(x, training=False)
            loss = model.compute_loss(x=x, y=y, y_pred=prediction, training=False)
            # The sum is taken as Keras takes it, so that the penalty alone has no rounding of its own.
            penalty = tf.add_n([tf.cast(each, loss.dtype) for each in model.losses]) if model.losses else None
        wanted: dict[str, list[Any]] = {LAYER: outputs, LOSS: [loss]}
        # Keras leaves what went into a last softmax or sigmoid with its output (keras/src/activations/activations.py).
        if (logits := getattr(prediction, "_keras_logits", None)) is not None:
            wanted[LOGITS] = [logits]
            wanted[LOGITS_BACK] = [tape.gradient(loss, logits, unconnected_gradients=tf.UnconnectedGradients.ZERO)]
        zero = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(loss, watched + outputs + into, unconnected_gradients=zero)
        wanted[GRADIENT] = [tf.convert_to_tensor(each) for each in gradients[: len(watched)]]
        wanted[BACK] = list(gradients[len(watched) : len(watched) + len(outputs)])
        if into:
            wanted[SUM], wanted[SUM_BACK] = into, list(gradients[len(watched) + len(outputs) :])
        if penalty is not None:
            wanted[PENALTY] = [penalty]
            each = tape.gradient(penalty, watched, unconnected_gradients=zero)
            wanted[PENALTY_GRADIENT] = [tf.convert_to_tensor(gradient) for gradient in each]
        return wanted

    return step


@contextmanager
def _recording(layers: Sequence[Any], outputs: list[Any], into: list[Any] | None) -> Iterator[None]:
    """Put down what each layer returns, and what goes into its activation unless ``into`` is None."""
    own = [layer.call for layer in layers]
    bent = [layer for layer in layers if into is not None and callable(getattr(layer, "activation", None))]
    activations = [layer.activation for layer in bent]
    try:
        for layer, call in zip(layers, own, strict=True):
            object.__setattr__(layer, "call", _recorded(call, outputs))
        for layer, activation in zip(bent, activations, strict=True):
            object.__setattr__(layer, "activation", _entered(activation, into))
        yield
    finally:
        for layer, call in zip(layers, own, strict=True):
            object.__setattr__(layer, "call", call)
        for layer, activation in zip(bent, activations, strict=True):
            object.__setattr__(layer, "activation", activation)


def _entered(activation: Callable[..., Any], into: Any) -> Callable[..., Any]:
    def entered(z: Any) -> Any:
        into.append(z)
        return activation(z)

    return entered


def _recorded(call: Callable[..., Any], outputs: list[Any]) -> Callable[..., Any]:
    def recorded(*args: Any, **kwargs: Any) -> Any:
        output = call(*args, **kwargs)
        outputs.append(output)
        return output

    recorded.__signature__ = inspect.signature(call)  # type: ignore[attr-defined]  # Keras looks at it
    return recorded
