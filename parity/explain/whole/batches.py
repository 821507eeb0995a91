"""Data that both sides get: a person's own, the shipped images, or drawn to fit the model's input and loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from parity.bounds.numerics import Array
from parity.case.tomlfile import show_path
from parity.errors import DataError, raised
from parity.explain.whole.keras_side import KerasSide
from parity.problem import data as shipped
from parity.problem.archive import read_npz

_NAMES: Final = (
    ("x", "y"),
    ("x_train", "y_train"),
    ("X", "Y"),
    ("X", "y"),
    ("inputs", "targets"),
    ("images", "labels"),
)
_DRAWN: Final = 64


@dataclass(frozen=True, slots=True)
class Data:
    """Examples and labels as the Keras model takes them, and where they are from."""

    x: Array
    y: Array
    source: str
    given: bool = True
    """Whether a person gave them, in the shapes that his program takes."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch and the weights to ask at: the same numbers go into both sides."""

    x: Array
    y: Array
    weights: tuple[Array, ...]

    @property
    def size(self) -> int:
        """How many examples it has."""
        return len(self.x)


def data_for(side: KerasSide, wanted: str) -> Data:
    """Return data for a model.

    Args:
        side: the model; its file may have a function ``data()`` that returns inputs and labels.
        wanted: an NPZ file, ``FILE.py:function``, ``mnist``, or an empty text.

    Raises:
        DataError: they cannot be read, or do not fit the model.
    """
    if not wanted and callable(side.data):
        return _checked(side, *_called(side.data, f"{side.name.partition(':')[0]}:data"))
    if not wanted:
        return _drawn(side)
    if wanted == "mnist":
        pixels, answers = shipped.mnist()
        x = (pixels / np.float64(255)).astype(np.float32).reshape(len(pixels), *_image(side))
        return _checked(side, x, _labels(side, answers), "the first 1,000 images of MNIST")
    path, _, name = wanted.partition(":")
    if path.endswith(".py"):
        from parity.subjects.importing import module_of

        if not Path(path).is_file():
            raise DataError(f"--data {wanted}: no such file.")
        function = getattr(module_of(Path(path)), name or "data", None)
        if not callable(function):
            raise DataError(f"--data {wanted}: {show_path(Path(path))} has no function {name or 'data'!r}.")
        return _checked(side, *_called(function, wanted))
    try:
        arrays = read_npz(Path(wanted))
    except FileNotFoundError as error:
        raise DataError(
            f"--data {wanted}: no such file. Allowed: an NPZ with x and y, FILE.py:function, mnist."
        ) from error
    except DataError as error:
        raise DataError(f"--data {wanted}: {error}.") from error
    pair = next((pair for pair in _NAMES if {*pair} <= arrays.keys()), None)
    if pair is None:
        raise DataError(f"--data {wanted}: has {', '.join(arrays)}. Allowed: x and y, or x_train and y_train.")
    return _checked(side, arrays[pair[0]], arrays[pair[1]], wanted)


def _called(function: Any, where: str) -> tuple[Any, Any, str]:
    try:
        x, y = function()[:2]
    except Exception as error:  # a person's function may raise anything
        raise DataError(f"{where}: {raised(error)}. Allowed: a function that returns inputs and labels.") from error
    return np.asarray(x), np.asarray(y), where


def _image(side: KerasSide) -> tuple[int, ...]:
    if int(np.prod(side.inputs)) != 784:
        raise DataError(f"--data mnist: an image has 784 pixels; the model's input is {side.inputs}.")
    return side.inputs


def _labels(side: KerasSide, numbers: Array) -> Array:
    """Return class numbers as the loss takes them."""
    if "sparse" in loss_name(side):
        return numbers.astype(np.int32)
    return np.eye(side.classes[-1], dtype=np.float32)[numbers]


def loss_name(side: KerasSide) -> str:
    """Return what the loss of a model is called."""
    loss = side.model.loss
    name = loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", type(loss).__name__))
    return str(name).lower()


def _drawn(side: KerasSide) -> Data:
    """Draw inputs and labels that fit."""
    rng, count, classes = np.random.default_rng(20), _DRAWN, side.classes
    x = np.abs(rng.standard_normal((count, *side.inputs))).astype(side.dtype)
    x = (x * np.where(rng.random(x.shape) < 0.5, -1, 1)).astype(side.dtype)
    name = loss_name(side)
    if "sparse" in name:
        y: Array = rng.integers(0, classes[-1], (count, *classes[:-1])).astype(np.int32)
    elif "categorical" in name or "kl" in name:
        y = np.eye(classes[-1], dtype=side.dtype)[rng.integers(0, classes[-1], (count, *classes[:-1]))]
    elif "binary" in name:
        y = rng.integers(0, 2, (count, *classes)).astype(side.dtype)
    elif "hinge" in name:
        y = (2 * rng.integers(0, 2, (count, *classes)) - 1).astype(side.dtype)
    else:
        y = rng.standard_normal((count, *classes)).astype(side.dtype)
    return Data(x, y, "drawn to fit the model", given=False)


def _checked(side: KerasSide, x: Array, y: Array, where: str) -> Data:
    if x.ndim < 2 or x.shape[1:] != side.inputs:
        raise DataError(
            f"{where}: inputs have shape {x.shape}; the model takes (n, {', '.join(map(str, side.inputs))})."
        )
    if len(x) != len(y) or not len(x):
        raise DataError(f"{where}: {len(x)} inputs and {len(y)} labels; there must be as many, and some.")
    if x.dtype.kind not in "fiub" or y.dtype.kind not in "fiub":
        raise DataError(f"{where}: holds {x.dtype} and {y.dtype}. Allowed: real numbers.")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise DataError(f"{where}: holds NaN or infinity. Allowed: finite numbers.")
    y = y.astype(np.int32) if "sparse" in loss_name(side) else y.astype(side.dtype)
    return Data(x.astype(side.dtype), y, where)


def batches(side: KerasSide, data: Data, sizes: Sequence[int], seed: int) -> list[Batch]:
    """Return batches of so many examples, each with weights of its own: kernels as they begin, spread; biases drawn."""
    result = []
    classes = (
        data.y if data.y.ndim == 1 or data.y.shape[-1] == 1 else np.argmax(data.y.reshape(len(data.y), -1), axis=-1)
    )
    last = int(np.argmax(np.ravel(classes)))
    for number, size in enumerate(sizes):
        rng = np.random.default_rng([seed, number])
        at = rng.choice(len(data.x), size, replace=len(data.x) < size)
        weights = tuple(_weights(array, rng, side.dtype) for array in side.weights)
        at[0] = last  # who makes labels one-hot by the largest in a batch needs it there
        result.append(Batch(data.x[at], data.y[at], weights))
    return result


def _weights(array: Array, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    spread = float(np.std(array)) if array.ndim > 1 else 0.0
    return (rng.standard_normal(array.shape) * (spread or 0.1)).astype(dtype)


def sizes_beside(taken: Sequence[int], count: int, first: int = 5) -> list[int]:
    """Return so many different sizes of a batch, none of them a size that the model has, so that factors tell."""
    sizes: list[int] = []
    size = first
    while len(sizes) < count:
        if size not in taken and size not in sizes:
            sizes.append(size)
        size += 1
    return sizes
