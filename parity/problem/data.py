"""What a cell's data are made of: drawn from its seed, or read from its files; read-only, the same for all sides."""

import math
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from parity.bounds.numerics import Array
from parity.case.places import CASES
from parity.case.spec import Cell, Mlp, Replayed
from parity.errors import DataError
from parity.problem.archive import read_npz
from parity.problem.portable import log10, powers_of_ten, spread
from parity.problem.signs import signed

Tensors = dict[str, Array]

WEIGHTS, GRADIENTS, ORDER, TARGETS, ELEMENTS = 0, 1, 2, 3, 4
"""What numbers are drawn for: each purpose has a stream of its own, so that none shifts another."""
_HOLD = 5
_FLOAT64: Final = np.dtype(np.float64)
_SMALL = 1_024
"""Elements of the largest draw that is kept: the cells of a case draw the same, each in its own dtype."""
_Shapes = tuple[tuple[str, tuple[int, ...]], ...]
Permuted = Callable[[np.random.Generator, Array], Array]
"""``Generator.permuted``, in whichever form."""


def generator(seed: int, purpose: int, step: int = 0) -> np.random.Generator:
    """Return the generator of one purpose and step; a counter-based one, so that steps need no order and no memory."""
    return np.random.Generator(
        np.random.Philox(key=np.array([seed, purpose], dtype=np.uint64), counter=[0, 0, step, 0])
    )


def draw(
    spec: Replayed,
    shapes: Mapping[str, tuple[int, ...]],
    seed: int,
    step: int,
    dtype: Any = np.float64,
    permuted: Permuted = np.random.Generator.permuted,
) -> Tensors:
    """Return the gradients of one step, read-only, of a generator that needs no other step.

    They are drawn in float64 and rounded once to ``dtype``.
    """
    of_step = (spec.generator, spec.low, spec.high, tuple(shapes.items()), seed, step)
    if sum(map(math.prod, shapes.values())) > _SMALL:
        return _draw(*of_step, np.dtype(dtype), permuted)
    return {name: frozen(array.astype(dtype)) for name, array in _kept_draw(*of_step).items()}


def _draw(
    kind: str,
    low: float,
    high: float,
    shapes: _Shapes,
    seed: int,
    step: int,
    dtype: np.dtype[Any] = _FLOAT64,
    permuted: Permuted = np.random.Generator.permuted,
) -> Tensors:
    held = {"constant": 0, "sign_flips": 0, "repeated": step // _HOLD}.get(kind, step)
    rng = generator(seed, GRADIENTS, held)
    ends = log10(low), log10(high)
    result = {}
    for name, shape in shapes:
        size = math.prod(shape)
        # To round does not depend on the order or the sign, so what is moved about is as narrow as it will be.
        if size > 1:
            magnitude = permuted(rng, spread(low, high, size, dtype))
        else:
            magnitude = powers_of_ten(rng.uniform(*ends, size)).astype(dtype)
        drawn = signed(rng, magnitude)
        if kind == "sign_flips":
            period = 1 + np.arange(size) % 4
            drawn = np.where((step // period) % 2 == 0, magnitude, -magnitude)
        if kind == "zeros":
            drawn = np.where((rng.random(size) < 0.4) | (step % 7 == 3), dtype.type(0), drawn)
        result[name] = frozen(drawn.astype(dtype, copy=False).reshape(shape))
    return result


_kept_draw = lru_cache(maxsize=1_024)(_draw)


def shapes(cell: Cell) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor of a cell, which a network or a file may say.

    Raises:
        DataError: the file of recorded gradients cannot be used.
    """
    problem = cell.problem
    if isinstance(problem, Mlp):
        sizes = zip(problem.layers[:-1], problem.layers[1:], strict=True)
        pairs = [((f"dense_{i}/kernel", (a, b)), (f"dense_{i}/bias", (b,))) for i, (a, b) in enumerate(sizes, 1)]
        return {name: shape for pair in pairs for name, shape in pair}
    if isinstance(problem, Replayed) and problem.generator == "recorded":
        found = _archive(cell, problem.file or "", "problem.file", problem.non_finite)
        sparse = {name: tuple(problem.tensors[name]) for name in problem.sparse}
        return {name: sparse.get(name, array.shape[1:]) for name, array in found.items()}
    return {name: tuple(shape) for name, shape in problem.tensors.items()}


def initial(cell: Cell, shapes: Mapping[str, tuple[int, ...]], dtype: np.dtype[Any]) -> Tensors:
    """Return the weights that both sides start from, read-only.

    Raises:
        DataError: the file of weights cannot be used.
    """
    given = cell.weights
    if given.kind == "file":
        return _from_file(cell, shapes, dtype)
    rng = generator(cell.seed, WEIGHTS)
    result = {}
    for name, shape in shapes.items():
        if given.kind == "constant":
            drawn = np.full(shape, given.scale, dtype=np.float64)
        elif given.kind == "glorot_uniform":
            drawn = _glorot(rng, shape)
        else:
            drawn = (
                rng.normal(0, given.scale, shape) if given.kind == "normal" else rng.uniform(-1, 1, shape) * given.scale
            )
        result[name] = frozen(np.asarray(drawn).astype(dtype))
    return result


def _glorot(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Uniform within sqrt(6 / (fan_in + fan_out)); vectors and scalars, the biases, are zero."""
    if len(shape) < 2:
        return np.zeros(shape, dtype=np.float64)
    limit = np.sqrt(6 / (shape[-2] + shape[-1]))
    return rng.uniform(-limit, limit, shape)


def _from_file(cell: Cell, shapes: Mapping[str, tuple[int, ...]], dtype: np.dtype[Any]) -> Tensors:
    found = _archive(cell, cell.weights.file or "", "weights.file", cell.weights.non_finite)
    missing = sorted(set(shapes) - set(found))
    if missing:
        raise DataError(
            f"{cell.id}: weights.file: no array {missing[0]!r}; it holds {', '.join(sorted(found)) or 'nothing'}."
        )
    for name, shape in shapes.items():
        if found[name].shape != shape:
            raise DataError(f"{cell.id}: weights.file: {name} has shape {found[name].shape}; the case needs {shape}.")
    return {name: cast(found[name], dtype) for name in shapes}


def recorded(cell: Cell, shapes: Mapping[str, tuple[int, ...]]) -> Tensors:
    """Return the recorded gradients of a cell, ``[steps, *shape]`` for each tensor.

    Raises:
        DataError: the file is missing, damaged, too short, or has other tensors.
    """
    assert isinstance(cell.problem, Replayed)
    found = _archive(cell, cell.problem.file or "", "problem.file", cell.problem.non_finite)
    sparse = cell.problem.sparse
    wanted = {n: [len(sparse[n]), *s[1:]] if n in sparse else s for n, s in cell.problem.tensors.items()}
    for name, shape in wanted.items():
        if name not in found or list(found[name].shape[1:]) != shape:
            received = found[name].shape[1:] if name in found else "no such array"
            raise DataError(f"{cell.id}: problem.tensors.{name}: the case says {shape}, the file holds {received}.")
    short = min((array.shape[0] for array in found.values()), default=0)
    if short < cell.steps:
        raise DataError(f"{cell.id}: problem.file: holds {short} steps; the case asks for {cell.steps}. Lower steps.")
    return found


def _archive(cell: Cell, name: str, key: str, non_finite: bool) -> Tensors:
    """Read an NPZ file of numbers, finite ones unless the case allows others."""
    try:
        found = read_npz(Path(cell.folder) / name)
    except FileNotFoundError as error:
        raise DataError(f"{cell.id}: {key}: no file {name!r} beside the case file.") from error
    except DataError as error:
        raise DataError(f"{cell.id}: {key}: {name!r}: {error}.") from error
    for member, array in found.items():
        if array.dtype.kind not in "fiu":
            raise DataError(f"{cell.id}: {key}: {member} in {name!r} has dtype {array.dtype}; allowed: real numbers.")
        if not non_finite and not np.isfinite(array).all():
            where, table = np.argwhere(~np.isfinite(array))[0].tolist(), key.partition(".")[0]
            text = f"{member} in {name!r} is {array[tuple(where)]} at {where}; allowed: finite"
            raise DataError(f"{cell.id}: {key}: {text}, unless the case says {table}.non_finite = true.")
    return found


def order(seed: int, epoch: int, examples: int, order: str) -> NDArray[np.int64]:
    """Return the rows of the data in the order of one epoch."""
    if order == "sequential":
        return np.arange(examples, dtype=np.int64)
    return _permutation(seed, epoch, examples)


@cache
def _permutation(seed: int, epoch: int, examples: int) -> NDArray[np.int64]:
    return generator(seed, ORDER, epoch).permutation(examples)


@cache
def mnist() -> tuple[Array, NDArray[np.int64]]:
    """Return the first 1,000 training images, flat, uint8 ``[1000, 784]``, and their labels."""
    path = CASES / "data" / "mnist_first_1000.npz"
    try:
        with np.load(path, allow_pickle=False) as archive:
            return archive["x_train"].reshape(1000, 784), archive["y_train"].astype(np.int64)
    except Exception as error:  # missing or damaged: the reasons are many, the remedy is one
        raise DataError(f"cases/data/{path.name}: cannot be read: {error}. Restore it from the repository.") from error


def summed(rows: NDArray[np.int64], values: Array, shape: tuple[int, ...]) -> Array:
    """Return a sparse gradient as a dense one: rows added up one after the other, in the dtype of the values."""
    dense = np.zeros(shape, dtype=values.dtype)
    for row, value in zip(rows, values, strict=True):
        dense[row] = dense[row] + value
    return frozen(dense)


def cast(array: Array, dtype: np.dtype[Any]) -> Array:
    """Return an array rounded once to a dtype, read-only."""
    # Numbers that the dtype does not hold become infinite, and a signalling NaN a quiet one; neither is a mistake here.
    with np.errstate(over="ignore", invalid="ignore"):
        return frozen(array.astype(dtype))


def frozen(array: Array) -> Array:
    """Return an array that nobody writes into."""
    array = np.asarray(array)
    array.setflags(write=False)
    return array
