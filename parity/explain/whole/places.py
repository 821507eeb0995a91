"""Where a program keeps its weights: paths into it, which are read anew each time, since programs rebind.

``params.W1`` is a key, an attribute or a place in a list; ``layers.0.weights.T`` is held the other way round than Keras
does, and ``kernels.0.transpose(3,2,0,1)`` turns the axes of what is held into Keras' order. ``W2.rows(8,5,5)`` is a
matrix after images of 8 channels and 5 by 5 pixels that were flattened channel by channel; Keras has channels last.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Final

import numpy as np

from parity.bounds.numerics import Array
from parity.errors import SubjectError, did_you_mean

_AXES: Final = re.compile(r"^(.*)\.(?:T|transpose\(([\d, ]+)\))$")
_ROWS: Final = re.compile(r"^(.*)\.rows\((\d+), *(\d+), *(\d+)\)$")
_KERNEL: Final = re.compile(
    r"^(w|weights?|kernels?|filters?|theta|coefs?|w_?\d+|weights?_?\d+|(w|weights?|kernel)_\w+|w[a-z]{2}"
    r"|syn(apses?)?_?\d+)$",
    re.I,
)
_BIAS: Final = re.compile(r"^(b|bias|biases|w0|b_?\d+|bias(es)?_?\d+|(b|bias|biases)_\w+|b[a-z]{2}|intercepts?)$", re.I)
_NOT: Final = re.compile(
    r"^(d(_|w|b(?!lock)|k(?!ern)|f|l_|kernel|filter|theta|param|bias|$)|grad|delta|m_|v_|prev|old|best|velocity|cache|moment)"
    r"|grad|moment|(?<!x)_(m|v)$",
    re.I,
)
"""Names that say what is no weight: gradients, moments, and what was."""
_DEPTH: Final = 5
_COMMON: Final = ((0, 1, 2, 3), (2, 3, 1, 0), (1, 2, 3, 0), (2, 3, 0, 1))
"""How kernels of a convolution are held: as Keras', out-in-rows-columns, out-rows-columns-in, in-out-rows-columns."""


@dataclass(frozen=True, slots=True)
class Place:
    """A path to a tensor, and the order in which its axes are read to have Keras' (None: as they are).

    ``rows`` are channels, height and width of the images whose pixels, channel by channel, the rows stand for; empty
    where rows stand as Keras' do.
    """

    path: str
    axes: tuple[int, ...] | None = None
    rows: tuple[int, ...] = ()

    @classmethod
    def of(cls, text: str) -> "Place":
        """Return the place that a text names."""
        rows: tuple[int, ...] = ()
        text = text.strip()
        if by_channel := _ROWS.match(text):
            text, rows = by_channel[1], tuple(int(each) for each in by_channel.groups()[1:])
        found = _AXES.match(text)
        if not found:
            return cls(text, None, rows)
        axes = tuple(int(each) for each in found[2].split(",")) if found[2] else (-1,)
        return cls(found[1], axes, rows)

    def __str__(self) -> str:
        rows = f".rows({','.join(map(str, self.rows))})" if self.rows else ""
        if self.axes is None:
            return f"{self.path}{rows}"
        if self.axes in ((-1,), (1, 0)):
            return f"{self.path}.T{rows}"
        return f"{self.path}.transpose({','.join(map(str, self.axes))}){rows}"

    def turned(self, array: Array) -> Array:
        """Return what is held in Keras' order of axes and rows.

        Raises:
            ValueError: it has other axes, or other rows.
        """
        if self.axes is not None:
            array = array.T if self.axes == (-1,) else np.transpose(array, self.axes)
        if not self.rows:
            return array
        return array.reshape(*self.rows, -1).transpose(1, 2, 0, 3).reshape(array.shape)

    def back(self, array: Array) -> Array:
        """Return an array in Keras' order as it is held."""
        if self.rows:
            channels, height, width = self.rows
            array = array.reshape(height, width, channels, -1).transpose(2, 0, 1, 3).reshape(array.shape)
        if self.axes is None:
            return array
        if len(self.axes) > 2 and array.ndim > len(self.axes):  # of one channel, for which there is no axis
            array = array.reshape([n for n in array.shape if n != 1])
        return array.T if self.axes == (-1,) else np.transpose(array, np.argsort(self.axes))

    def keys(self) -> list[str]:
        """Return the keys, attributes and places on the way."""
        return self.path.split(".")


def got(root: Any, path: str) -> Any:
    """Return what a path leads to.

    Raises:
        SubjectError: it leads nowhere.
    """
    value = root
    for key in path.split("."):
        value = _step(value, key, path)
    return value


def _step(value: Any, key: str, path: str) -> Any:
    try:
        if isinstance(value, dict):
            return value[key] if key in value else value[int(key)]
        indexed = isinstance(value, list | tuple) and not hasattr(value, key)
        return value[int(key)] if indexed else getattr(value, key)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        there = [each for each in _keys(value) if not each.startswith("__")]
        hint = did_you_mean(key, there)
        shown = ", ".join(there[:12]) or "nothing"
        raise SubjectError(f"no {key!r} on the path {path!r}.{hint} There is: {shown}.") from error


def _keys(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [str(key) for key in value]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return list(value._fields)
    if isinstance(value, list | tuple):
        return [str(at) for at in range(len(value))]
    return list(getattr(value, "__dict__", {}))


def read(root: Any, place: Place, shape: Sequence[int]) -> Array:
    """Return a tensor in Keras' shape, as a copy.

    Raises:
        SubjectError: the path leads nowhere, to no numbers, or to another shape.
    """
    value = got(root, place.path)
    try:
        held = np.array(value)
        if held.dtype == object or held.dtype.kind not in "fiu":
            raise ValueError("no numbers")
        array = place.turned(held)
    except ValueError as error:
        raise SubjectError(f"{place}: holds no array of numbers. Received: {type(value).__name__}.") from error
    if array.shape != tuple(shape):
        if array.size != np.prod(shape) or [n for n in array.shape if n != 1] != [n for n in shape if n != 1]:
            raise SubjectError(f"{place}: has shape {array.shape}; the model's tensor has {tuple(shape)}.")
        array = array.reshape(shape)
    return array


def write(root: Any, place: Place, array: Array, wide: bool = False) -> None:
    """Put a tensor, given in Keras' shape, where the program keeps it: in place, and bound anew.

    ``wide`` makes it float64, whatever the program has.
    """
    *way, last = place.keys()
    holder = got(root, ".".join(way)) if way else root
    old = _step(holder, last, place.path)
    value = place.back(array).reshape(np.shape(old))
    if (
        isinstance(old, np.ndarray)
        and old.dtype.kind == "f"
        and old.flags.writeable
        and not (wide and old.itemsize < 8)
    ):
        old[...] = value
        new = old
    else:
        new = np.array(value, dtype=np.float64)
    if isinstance(holder, dict):
        holder[last if last in holder else int(last)] = new
    elif isinstance(holder, list):
        holder[int(last)] = new
    elif not isinstance(holder, tuple):
        setattr(holder, last, new)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An array that may be a weight: its path, its shape and whether its name says that it is a bias."""

    path: str
    shape: tuple[int, ...]
    bias: bool


def candidates(root: Any) -> list[Candidate]:
    """Return arrays whose names say that they are weights or biases, in the order of the layers as far as names say."""
    found = list(_walk(root, "", "", 0, set()))
    return sorted(found, key=lambda each: _natural(each.path))


def _natural(path: str) -> tuple[tuple[int, ...]]:
    """Return the numbers in a path; what has none stays in the order of definition."""
    return (tuple(int(each) for each in re.findall(r"\d+", path)),)


def _walk(value: Any, path: str, name: str, depth: int, seen: set[int]) -> Iterator[Candidate]:
    if isinstance(value, np.ndarray):
        own = next((key for key in reversed(path.split(".")) if not key.isdigit()), "")
        if value.dtype.kind == "f" and value.ndim and not _NOT.search(own) and id(value) not in seen:
            bias = bool(_BIAS.match(own))
            if bias or _KERNEL.match(own):
                seen.add(id(value))
                yield Candidate(path, value.shape, bias)
        return
    if depth > _DEPTH or id(value) in seen or isinstance(value, str | bytes | int | float | type):
        return
    seen.add(id(value))
    for key in _keys(value):
        if key.startswith("__") or not key.replace("_", "").isalnum() or _NOT.search(key):
            continue
        inner = (
            value.get(key, value.get(int(key)) if key.isdigit() else None)
            if isinstance(value, dict)
            else _step(value, key, key)
        )
        if type(inner).__name__ in ("module", "function", "type", "builtin_function_or_method", "method"):
            continue
        yield from _walk(inner, f"{path}.{key}" if path else key, key, depth + 1, seen)


def recognised(root: Any, shapes: Sequence[Sequence[int]]) -> list[list[Place]]:
    """Return where the model's tensors may be, for each tensor every way to read its axes that fits; empty if nowhere.

    The way that Keras has comes first. A tensor whose shape allows two is settled by running the program.
    """
    left = candidates(root)
    result: list[list[Place]] = []
    for shape in shapes:
        bias = len(shape) == 1
        for each in left:
            ways = _ways(each, tuple(shape)) if each.bias == bias else []
            if ways:
                result.append(ways)
                left.remove(each)
                break
        else:
            return []
    return result


def _ways(each: Candidate, shape: tuple[int, ...]) -> list[Place]:
    if each.bias:
        same = [n for n in each.shape if n != 1] == [n for n in shape if n != 1]
        return [Place(each.path)] if same else []
    ways: list[tuple[tuple[int, ...] | None, tuple[int, ...]]]
    if len(each.shape) == 2:
        ways = [(None, each.shape), ((1, 0), each.shape[::-1])]
    else:
        size = len(each.shape)
        orders = [*(o for o in _COMMON if len(o) == size), *permutations(range(size))]
        ways = [(None if list(o) == sorted(o) else o, tuple(each.shape[i] for i in o)) for o in dict.fromkeys(orders)]
    if len(each.shape) != len(shape):  # images of one channel need no axis for it
        short = tuple(n for n in shape if n != 1)
        return [Place(each.path, axes) for axes, turned in ways if len(shape) > 2 and turned == short]
    return [Place(each.path, axes) for axes, turned in ways if turned == shape]
