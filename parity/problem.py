"""A cell's weights, data and gradients: NumPy arrays, made once from its seed, read-only, the same for all sides."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parity.archive import read_npz
from parity.errors import DataError
from parity.forward_bounds import GradientBounds, gradient_bounds, known_bounds
from parity.numerics import Array, dtype_of, format_of
from parity.reference import network
from parity.spec import CASES, Cell, Mlp, Quadratic, Replayed

Tensors = dict[str, Array]

_WEIGHTS, _GRADIENTS, _ORDER, _TARGETS = 0, 1, 2, 3
_HOLD = 5


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of a model problem: inputs ``[n, features]``, integer labels ``[n]``, and their rows in the data."""

    x: Array
    y: NDArray[np.int64]
    rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Loss and gradients at some parameters, as NumPy computes them; ``hidden`` are a network's pre-activations."""

    loss: float
    gradients: Tensors
    hidden: list[Array]


@dataclass(frozen=True, slots=True)
class Slices:
    """A sparse gradient: ``values`` ``[n, *shape[1:]]`` belong to ``rows`` ``[n]`` of a tensor and add up."""

    rows: NDArray[np.int64]
    values: Array


class Problem:
    """What both sides are given: ``params`` (read-only, in the cell's dtype), and gradients or a batch for a step."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.dtype = dtype_of(cell.dtype)
        self.shapes = _shapes(cell)
        self.params = _initial(cell, self.shapes, self.dtype)
        self.scale = float(cell.hyperparameters.loss_scale_factor or 1.0)

    def scaled(self, gradients: Tensors) -> Tensors:
        """Return the gradients of the scaled loss, which is what an optimizer with a loss scale expects."""
        if self.scale == 1.0:
            return gradients
        return {name: np.asarray(g * g.dtype.type(self.scale)) for name, g in gradients.items()}

    def slices(self, step: int) -> dict[str, Slices]:
        """Return the rows that the gradients of a step consist of, for those tensors whose gradient is sparse."""
        return {}

    def gradients(self, step: int) -> Tensors:
        """Return the replayed gradients of a step, read-only, in the cell's dtype."""
        raise TypeError(f"{type(self).__name__} has no replayed gradients; its source is {self.cell.gradients}")

    def evaluate(self, params: Mapping[str, Array], step: int) -> Evaluation:
        """Return the NumPy loss and gradients at ``params`` for the batch of a step."""
        raise TypeError(f"{type(self).__name__} has no loss; its gradients are replayed")

    def loss(self, params: Mapping[str, Array], step: int) -> float:
        """Return the NumPy loss at ``params`` for the batch of a step."""
        return self.evaluate(params, step).loss

    def bounds(self, params: Mapping[str, Array], step: int) -> GradientBounds:
        """Return the exact gradients at ``params``, with bounds on what rounding may do to them."""
        raise TypeError(f"{type(self).__name__} has no gradients of its own; its gradients are replayed")


class ReplayedProblem(Problem):
    """Gradients that do not depend on the parameters; drawn for each step alone, so that memory stays flat."""

    def __init__(self, cell: Cell) -> None:
        super().__init__(cell)
        assert isinstance(cell.problem, Replayed)
        self.spec = cell.problem
        self._recorded = _recorded(cell, self.shapes) if self.spec.generator == "recorded" else None

    def gradients(self, step: int) -> Tensors:
        """Return the gradients of a step: one draw a tensor, rounded once to the cell's dtype."""
        if self._recorded is not None:
            found = {name: _cast(array[step], self.dtype) for name, array in self._recorded.items()}
            dense = {name: _summed(part, self.shapes[name]) for name, part in self.slices(step).items()}
            return {**found, **dense}
        drawn = _draw(self.spec, self.shapes, self.cell.seed, step)
        return {name: _frozen(array.astype(self.dtype)) for name, array in drawn.items()}

    def slices(self, step: int) -> dict[str, Slices]:
        """Return the recorded rows of a step with the rows of the tensor that they belong to."""
        recorded = self._recorded or {}
        return {
            name: Slices(np.asarray(rows, dtype=np.int64), _cast(recorded[name][step], self.dtype))
            for name, rows in self.spec.sparse.items()
        }


class QuadraticProblem(Problem):
    """``loss = sum(curvature * (w - target)**2) / 2`` summed over all tensors."""

    def __init__(self, cell: Cell) -> None:
        super().__init__(cell)
        assert isinstance(cell.problem, Quadratic)
        low, high = np.log10(cell.problem.low), np.log10(cell.problem.high)
        rng = _generator(cell.seed, _TARGETS)
        self.curvature = {
            n: _frozen((10 ** rng.uniform(low, high, s)).astype(self.dtype)) for n, s in self.shapes.items()
        }
        self.target = {n: _frozen(rng.normal(size=s).astype(self.dtype)) for n, s in self.shapes.items()}

    def evaluate(self, params: Mapping[str, Array], step: int) -> Evaluation:
        """Return the loss and ``curvature * (w - target)``."""
        distance = {name: params[name] - self.target[name] for name in self.shapes}
        gradients = {name: np.asarray(self.curvature[name] * d) for name, d in distance.items()}
        half = self.dtype.type(0.5)
        loss = sum(float(np.sum(half * gradients[name] * d)) for name, d in distance.items())
        return Evaluation(loss, self.scaled(gradients), [])

    def bounds(self, params: Mapping[str, Array], step: int) -> GradientBounds:
        """Return exact gradients and what rounding may do to them: one subtraction and at most three products."""
        fmt = format_of(self.dtype)
        values, errors = {}, {}
        for name in self.shapes:
            w, target, curvature = (
                np.asarray(a).astype(fmt.wide) for a in (params[name], self.target[name], self.curvature[name])
            )
            values[name] = curvature * (w - target) * self.scale
            errors[name] = 6 * fmt.unit * np.abs(values[name]) + 4 * fmt.underflow * max(1.0, self.scale)
        return known_bounds(values, errors)


class MlpProblem(Problem):
    """The softmax network on the shipped images, visited in an order that the seed fixes."""

    def __init__(self, cell: Cell) -> None:
        super().__init__(cell)
        assert isinstance(cell.problem, Mlp)
        self.spec = cell.problem
        images, labels = _mnist()
        features = cell.problem.layers[0]
        if features > images.shape[1]:
            raise DataError(
                f"{cell.id}: problem.layers: received {features} inputs; the images have {images.shape[1]} pixels."
            )
        self.x = _frozen((images[: self.spec.examples, :features] / np.float64(255)).astype(self.dtype))
        self.y = labels[: self.spec.examples]
        self._rows = _frozen(np.eye(self.spec.layers[-1], dtype=np.float64).astype(self.dtype))

    def batch(self, step: int) -> Batch:
        """Return the batch of a step; the last one of an epoch may be smaller."""
        size = self.spec.batch_size
        in_epoch = -(-self.spec.examples // size)
        epoch, position = divmod(step, in_epoch)
        rows = _order(self.cell.seed, epoch, self.spec.examples, self.spec.order)[
            position * size : (position + 1) * size
        ]
        return Batch(self.x[rows], self.y[rows], rows)

    def one_hot(self, labels: NDArray[np.int64]) -> Array:
        """Return labels ``[n]`` as rows ``[n, classes]`` in the cell's dtype."""
        return self._rows[labels]

    def evaluate(self, params: Mapping[str, Array], step: int) -> Evaluation:
        """Return loss, gradients and the pre-activations of the hidden layers for the batch of a step."""
        batch = self.batch(step)
        loss, gradients, activations = network.gradients(params, batch.x, self.one_hot(batch.y))
        return Evaluation(float(loss), self.scaled(gradients), list(activations.pre_activations[:-1]))

    def loss(self, params: Mapping[str, Array], step: int) -> float:
        """Return the NumPy loss of a forward pass alone."""
        batch = self.batch(step)
        return float(network.loss(params, batch.x, self.one_hot(batch.y)))

    def bounds(self, params: Mapping[str, Array], step: int) -> GradientBounds:
        """Return the exact gradients of the network, with bounds for products of matrices in any order of summation."""
        batch = self.batch(step)
        return gradient_bounds(params, batch.x, self.one_hot(batch.y), self.scale)


def make(cell: Cell) -> Problem:
    """Return the problem of a cell.

    Raises:
        DataError: a data file is missing, damaged, or does not fit the cell.
    """
    if isinstance(cell.problem, Replayed):
        return ReplayedProblem(cell)
    return QuadraticProblem(cell) if isinstance(cell.problem, Quadratic) else MlpProblem(cell)


def _generator(seed: int, purpose: int, step: int = 0) -> np.random.Generator:
    """Return the generator of one purpose and step; a counter-based one, so that steps need no order and no memory."""
    return np.random.Generator(
        np.random.Philox(key=np.array([seed, purpose], dtype=np.uint64), counter=[0, 0, step, 0])
    )


def _draw(spec: Replayed, shapes: Mapping[str, tuple[int, ...]], seed: int, step: int) -> Tensors:
    held = {"constant": 0, "sign_flips": 0, "repeated": step // _HOLD}.get(spec.generator, step)
    rng = _generator(seed, _GRADIENTS, held)
    low, high = np.log10(spec.low), np.log10(spec.high)
    result = {}
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        magnitude = rng.permuted(10 ** np.linspace(low, high, size)) if size > 1 else 10 ** rng.uniform(low, high, size)
        sign = rng.choice([-1.0, 1.0], size)
        if spec.generator == "sign_flips":
            period = 1 + np.arange(size) % 4
            sign = np.where((step // period) % 2 == 0, 1.0, -1.0)
        if spec.generator == "zeros":
            sign = np.where((rng.random(size) < 0.4) | (step % 7 == 3), 0.0, sign)
        result[name] = (magnitude * sign).reshape(shape)
    return result


def _shapes(cell: Cell) -> dict[str, tuple[int, ...]]:
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


def _initial(cell: Cell, shapes: Mapping[str, tuple[int, ...]], dtype: np.dtype[Any]) -> Tensors:
    given = cell.weights
    if given.kind == "file":
        return _from_file(cell, shapes, dtype)
    rng = _generator(cell.seed, _WEIGHTS)
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
        result[name] = _frozen(np.asarray(drawn).astype(dtype))
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
    return {name: _cast(found[name], dtype) for name in shapes}


def _recorded(cell: Cell, shapes: Mapping[str, tuple[int, ...]]) -> Tensors:
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


def _order(seed: int, epoch: int, examples: int, order: str) -> NDArray[np.int64]:
    if order == "sequential":
        return np.arange(examples, dtype=np.int64)
    return _permutation(seed, epoch, examples)


@cache
def _permutation(seed: int, epoch: int, examples: int) -> NDArray[np.int64]:
    return _generator(seed, _ORDER, epoch).permutation(examples)


@cache
def _mnist() -> tuple[Array, NDArray[np.int64]]:
    """Return the first 1,000 training images, flat, uint8 ``[1000, 784]``, and their labels."""
    path = CASES / "data" / "mnist_first_1000.npz"
    try:
        with np.load(path, allow_pickle=False) as archive:
            return archive["x_train"].reshape(1000, 784), archive["y_train"].astype(np.int64)
    except Exception as error:  # missing or damaged: the reasons are many, the remedy is one
        raise DataError(f"cases/data/{path.name}: cannot be read: {error}. Restore it from the repository.") from error


def _summed(part: Slices, shape: tuple[int, ...]) -> Array:
    """Return a sparse gradient as a dense one: rows added up one after the other, in the dtype of the values."""
    dense = np.zeros(shape, dtype=part.values.dtype)
    for row, value in zip(part.rows, part.values, strict=True):
        dense[row] = dense[row] + value
    return _frozen(dense)


def _cast(array: Array, dtype: np.dtype[Any]) -> Array:
    # Numbers that the dtype does not hold become infinite, and a signalling NaN a quiet one; neither is a mistake here.
    with np.errstate(over="ignore", invalid="ignore"):
        return _frozen(array.astype(dtype))


def _frozen(array: Array) -> Array:
    array = np.asarray(array)
    array.setflags(write=False)
    return array
