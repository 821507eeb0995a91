"""A file with a function that returns a compiled Keras model comes in; the model and what it promises go out."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from parity.bounds.bounded import Bounded
from parity.bounds.numerics import Array
from parity.case.tomlfile import show_path
from parity.errors import SubjectError, did_you_mean, raised
from parity.explain.whole.traced import Traced, layers_of

_RESTED: Final = ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "AlphaDropout")
"""Layers that do nothing outside a training."""
_FORM: Final = (
    "a function that returns a compiled model, such as `def build(): …; model.compile('rmsprop', 'mse'); return model`"
)


@dataclass(slots=True)
class KerasSide:
    """A person's Keras model.

    Attributes:
        name: what it is called in messages.
        build: returns a new one.
        model: one of them.
        names: of its trainable tensors, such as ``dense/kernel``.
        unseen: what of it is not looked at, a sentence each.
        data: the function of its file that returns inputs and labels, if it has one.
        first: the model that this one is a change of, None where it is the person's own.
        activations: what was changed in it: activations by the names of layers.
        late: layers whose bias is added after their activation.
    """

    name: str
    build: Callable[[], Any]
    model: Any
    names: list[str]
    unseen: list[str]
    data: Any = None
    first: Any = None
    activations: dict[str, Any] = field(default_factory=dict)
    late: frozenset[str] = frozenset()
    _traced: dict[Any, Traced] = field(default_factory=dict)
    _slots: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        own = [getattr(v, "value", v) for v in self.model.variables]
        trained = [variable.value for variable in self.model.trainable_variables]
        self._slots = [next(at for at, each in enumerate(own) if each is variable) for variable in trained]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of its tensors."""
        return [tuple(variable.shape) for variable in self.model.trainable_variables]

    @property
    def dtype(self) -> np.dtype[Any]:
        """What it computes in."""
        return np.dtype(str(self.model.trainable_variables[0].dtype))

    @property
    def classes(self) -> tuple[int, ...]:
        """The shape of an output, without the axis of examples."""
        return tuple(int(each) for each in self.model.output_shape[1:])

    @property
    def inputs(self) -> tuple[int, ...]:
        """The shape of an input, without the axis of examples; an axis of any length has eight here."""
        return tuple(8 if each is None else int(each) for each in self.model.input_shape[1:])

    @property
    def layers(self) -> list[str]:
        """The names of its layers."""
        return [layer.name for layer in layers_of(self.model)]

    @property
    def flattened(self) -> dict[str, tuple[int, int, int]]:
        """The kernels that multiply flattened images of several channels: height, width and channels of each."""
        found = {}
        layers = layers_of(self.model)
        for flat, after in pairwise(layers):
            shape = tuple(flat.input.shape)[1:] if type(flat).__name__ == "Flatten" else ()
            if len(shape) == 3 and shape[2] > 1 and shape[0] * shape[1] > 1 and type(after).__name__ == "Dense":
                found[f"{after.name}/kernel"] = shape
        return found

    @property
    def images(self) -> dict[str, tuple[int, int]]:
        """Height and width of what each convolution returns."""
        convolutions = [layer for layer in layers_of(self.model) if len(getattr(layer, "kernel_size", ())) == 2]
        return {layer.name: tuple(layer.output.shape[1:3]) for layer in convolutions}

    @property
    def activation(self) -> str:
        """The activation of its last layer."""
        last = layers_of(self.model)[-1]
        kind = type(last).__name__
        return kind.lower() if kind == "Softmax" else getattr(getattr(last, "activation", None), "__name__", "linear")

    @property
    def optimizer(self) -> tuple[str, dict[str, Any]]:
        """The class of its optimizer and the arguments of that."""
        optimizer = self.model.optimizer
        return type(optimizer).__name__, dict(optimizer.get_config())

    @property
    def weights(self) -> list[Array]:
        """The values of its tensors."""
        return [np.asarray(variable) for variable in self.model.trainable_variables]

    def traced(self, x: Array, y: Array) -> Traced:
        """Return the trace for batches of such examples."""
        key = (x.shape[1:], x.dtype.str, y.shape[1:], y.dtype.str)
        if key not in self._traced:
            try:
                self._traced[key] = Traced(self.model, x, y, sums=True)
            except Exception as error:  # a person's layers and loss may raise anything
                shapes = f"{(None, *x.shape[1:])} and labels of shape {(None, *y.shape[1:])}"
                raise SubjectError(
                    f"{self.name}: the model {raised(error)}, on inputs of shape {shapes}. Allowed: a model and a loss "
                    "that TensorFlow can trace."
                ) from error
        return self._traced[key]

    def whole(self, weights: Sequence[Array | Bounded]) -> list[Any]:
        """Return all of the model's variables with the trained ones as given, in its dtype or with their bounds."""
        result: list[Any] = [np.asarray(variable) for variable in self.model.variables]
        for at, array in zip(self._slots, weights, strict=True):
            result[at] = array if isinstance(array, Bounded) else np.asarray(array, dtype=result[at].dtype)
        return result


def load(path: Path, name: str) -> KerasSide:
    """Return a person's Keras model.

    Raises:
        SubjectError: there is no such file or function, it raises, or returns what cannot be compared; the text says
            what and how to go on.
    """
    where = f"{show_path(path)}:{name}"
    with _nothing_leaves(where):
        from parity.subjects.importing import module_of

        if not path.is_file():
            raise SubjectError(f"{where}: no such file. Allowed: {_FORM}.")
        module = module_of(path)
    function = getattr(module, name, None)
    if not callable(function):
        hint = did_you_mean(name, [each for each in dir(module) if not each.startswith("_")])
        raise SubjectError(f"{where}: no function {name!r} in it.{hint} Allowed: {_FORM}.")

    def build() -> Any:
        with _nothing_leaves(where):
            return _compiled(function(), where)

    model = build()
    names = [str(getattr(v, "path", v.name)).removeprefix(f"{model.name}/") for v in model.trainable_variables]
    _refuse(model, where)
    return KerasSide(where, build, model, names, list(_unseen(model)), getattr(module, "data", None))


@contextlib.contextmanager
def _nothing_leaves(where: str) -> Iterator[None]:
    """Turn whatever a person's file raises into a message."""
    try:
        yield
    except SubjectError:
        raise
    except SystemExit as error:
        raise SubjectError(f"{where}: called sys.exit({error.code!r}). Allowed: {_FORM}.") from error
    except Exception as error:  # what builds a person's model may raise anything
        raise SubjectError(f"{where}: {raised(error)}. Allowed: {_FORM}.") from error


def _compiled(made: Any, where: str) -> Any:
    """Return a model, compiled with what came beside it."""
    if isinstance(made, tuple) and len(made) == 3:
        model, loss, optimizer = made
        model.compile(optimizer=optimizer, loss=loss)
        return model
    import keras

    if not isinstance(made, keras.Model):
        raise SubjectError(
            f"{where}: returned {type(made).__name__}. Allowed: {_FORM}, or a tuple of model, loss and optimizer."
        )
    return made


def _refuse(model: Any, where: str) -> None:
    if not getattr(model, "built", False) or not model.trainable_variables:
        raise SubjectError(
            f"{where}: the model has no weights yet. Begin it with keras.Input(shape), or call it on a batch."
        )
    if not getattr(model, "compiled", False):
        raise SubjectError(
            f"{where}: the model is not compiled. Add model.compile(optimizer, loss) before it is returned."
        )
    if not getattr(model, "loss", None):
        raise SubjectError(f"{where}: the model is compiled without a loss. Add loss=…, such as 'mse'.")
    for what, shape in (("input", model.input_shape), ("output", model.output_shape)):
        if isinstance(shape, dict) or (
            isinstance(shape, list | tuple) and shape and isinstance(shape[0], list | tuple)
        ):
            raise SubjectError(f"{where}: the model has more than one {what}. Allowed: one input and one output.")
    dtype = str(model.trainable_variables[0].dtype)
    if dtype not in ("float32", "float64"):
        raise SubjectError(f"{where}: its weights are {dtype}. Allowed: float32, float64.")
    kept = [each for each in model.non_trainable_variables if "seed" not in str(getattr(each, "path", each.name))]
    if kept:
        layers = {str(each.path).split("/")[-2] for each in kept}
        raise SubjectError(
            f"{where}: {', '.join(sorted(layers))} keeps weights that are not trained, such as moving statistics. Such "
            f"layers are not compared: leave them out on both sides."
        )


def _unseen(model: Any) -> Iterator[str]:
    rested = [layer.name for layer in layers_of(model) if type(layer).__name__ in _RESTED]
    if rested:
        yield f"{', '.join(rested)}: the model is asked as in inference, where it does nothing"
