"""The forms in which programs take a batch: examples as rows or columns, or one after the other; labels as they are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from parity.bounds.numerics import Array

ROWS, COLUMNS, ONE, ONE_COLUMN, ONE_ROW = "rows", "columns", "one", "one column", "one row"
LAYOUTS: Final = (ROWS, COLUMNS, ONE_ROW, ONE_COLUMN, ONE)
"""Examples as rows ``[n, features]`` or columns ``[features, n]``, or a call each: ``[1, f]``, ``[f, 1]``, ``[f]``."""
IMAGES: Final = ("as given", "channels first", "no channel", "flat")


@dataclass(frozen=True, slots=True)
class Form:
    """How a program takes inputs and labels.

    Attributes:
        layout: one of ``LAYOUTS``.
        image: how images lie, of which Keras has the channels last.
        labels: a name of ``LABELS``.
    """

    layout: str = ROWS
    image: str = IMAGES[0]
    labels: str = "as given"

    @property
    def single(self) -> bool:
        """Whether it takes one example a call."""
        return self.layout in (ONE, ONE_COLUMN, ONE_ROW)

    def inputs(self, x: Array) -> Array:
        """Return a batch as the program takes it; of a single example, without the others."""
        return _laid(_IMAGES[self.image](x), self.layout)

    def targets(self, y: Array, classes: int) -> Array:
        """Return labels as the program takes them."""
        if self.labels == UPRIGHT:
            upright: Array = _hot(y, classes)[0].reshape(-1, 1)
            return upright
        labels = LABELS[self.labels](y, classes)
        return labels if labels.ndim < 2 and self.layout in (ROWS, COLUMNS) else _laid(labels, self.layout)


def _laid(array: Array, layout: str) -> Array:
    if layout == COLUMNS:
        return np.ascontiguousarray(np.moveaxis(array, 0, -1))
    if layout == ONE:
        return np.asarray(array[0])
    return array[0].reshape(-1, 1) if layout == ONE_COLUMN else array


_IMAGES: Final[dict[str, Callable[[Array], Array]]] = {
    "as given": lambda x: x,
    "channels first": lambda x: np.ascontiguousarray(np.moveaxis(x, -1, 1)),
    "no channel": lambda x: np.asarray(x[..., 0]),
    "flat": lambda x: x.reshape(len(x), -1),
}


def images(x: Array) -> tuple[str, ...]:
    """Return the forms that images can have; what is no image has one."""
    if x.ndim < 4:
        return IMAGES[:1]
    return IMAGES if x.shape[-1] == 1 else (IMAGES[0], IMAGES[1], IMAGES[3])


def _hot(y: Array, classes: int) -> Array:
    if y.ndim == 2 and y.shape[1] == classes:
        return y
    return np.asarray(np.eye(classes, dtype=np.float64)[y.reshape(-1).astype(int)])


def _numbers(y: Array, classes: int) -> Array:
    return np.argmax(y, axis=-1) if y.ndim == 2 and y.shape[1] == classes > 1 else y.reshape(-1).astype(int)


UPRIGHT: Final = "one-hot, upright"
"""Labels of a single example as a column, whatever its inputs lie like."""
LABELS: Final[dict[str, Callable[[Array, int], Array]]] = {
    "as given": lambda y, classes: y,
    "one-hot": _hot,
    "class numbers": _numbers,
    "a column": lambda y, classes: y.reshape(len(y), -1),
    "flat": lambda y, classes: y.reshape(-1),
}


def labels(y: Array, classes: int) -> list[str]:
    """Return the forms that labels can have, the one that they have first."""
    if classes > 1 and (np.issubdtype(y.dtype, np.integer) or y.shape[1:] == (classes,)) and _is_hot(y, classes):
        return ["as given", "one-hot", "class numbers"]
    return ["as given", "a column", "flat"] if classes == 1 else ["as given"]


def _is_hot(y: Array, classes: int) -> bool:
    return y.ndim == 1 or y.shape[1] == 1 or bool(np.all((y == 0) | (y == 1)) and np.all(y.sum(-1) == 1))


def output(value: object, n: int, classes: tuple[int, ...], layout: str) -> Array | None:
    """Return a program's output as Keras has it, ``[n, …classes]``, or None if it has another size."""
    array = np.asarray(value)
    units = int(np.prod(classes))
    if array.dtype.kind not in "fiu" or array.size != n * units:
        return None
    columns = layout == ROWS and array.shape == (units, n) and n != units  # takes rows and returns columns
    if (layout == COLUMNS and array.ndim > 1) or columns:
        array = np.moveaxis(array, -1, 0)
    return array.astype(np.float64).reshape(n, *classes)


def passed(value: object, n: int, shape: tuple[int, ...], form: Form) -> Array | None:
    """Return an array that a program passes through as Keras has such a layer, or None if it has another size.

    Where images come with their channels first, what is made of them has them first, too.
    """
    array = np.asarray(value)
    if form.image == "channels first" and len(shape) == 3 and array.shape == (n, shape[2], *shape[:2]):
        array = np.moveaxis(array, 1, -1)
    return output(array, n, shape, form.layout)
