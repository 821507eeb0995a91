"""A cell's weights, data and gradients: NumPy arrays, made once from its seed, read-only, the same for all sides."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parity.bounds.compiled.forms import permuted
from parity.bounds.network import GradientBounds, gradient_bounds, known_bounds
from parity.bounds.numerics import Array, dtype_of, format_of
from parity.bounds.rule import absences, frozen, loss_scale_of
from parity.case.spec import Cell, Mlp, Quadratic, Replayed
from parity.circumstances import room
from parity.errors import DataError
from parity.problem import data
from parity.problem.data import Tensors
from parity.problem.portable import log10, powers_of_ten
from parity.reference import network
from parity.reference.optimizer import as_float32

_MUCH = 1_000_000_000
"""Bytes from which on it is asked whether there is so much memory."""


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
        self.shapes = data.shapes(cell)
        _require_memory(cell, self.whole * (8 + 2 * self.dtype.itemsize))
        self.params = data.initial(cell, self.shapes, self.dtype)
        self.scale = float(cell.hyperparameters.loss_scale_factor or 1.0)

    @property
    def whole(self) -> int:
        """How many elements all tensors have."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    @property
    def rotates(self) -> bool:
        """Whether the tensors come in another order at each step."""
        return False

    def scale_at(self, step: int) -> float:
        """Return what the loss is multiplied by before it is differentiated at a step."""
        return self.scale

    def scaled(self, gradients: Tensors) -> Tensors:
        """Return the gradients of the scaled loss, which is what an optimizer with a loss scale expects."""
        if self.scale == 1.0:
            return gradients
        return {name: np.asarray(g * g.dtype.type(self.scale)) for name, g in gradients.items()}

    def slices(self, step: int) -> dict[str, Slices]:
        """Return the rows that the gradients of a step consist of, for those tensors whose gradient is sparse."""
        return {}

    @property
    def absences(self) -> Mapping[str, frozenset[int]]:
        """The steps at which a tensor has no gradient, by tensor; most cases have none such."""
        return absences(self.cell)

    def absent(self, step: int) -> frozenset[str]:
        """Return the tensors that have no gradient at a step; ``gradients`` has zeros in their place."""
        return frozenset(name for name, steps in self.absences.items() if step in steps)

    def frozen(self, step: int) -> frozenset[str]:
        """Return the tensors that are not trained at a step; ``gradients`` has theirs all the same."""
        return frozenset(name for name, steps in frozen(self.cell).items() if step in steps)

    def gradients(self, step: int) -> Tensors:
        """Return the replayed gradients of a step, read-only, in the cell's dtype."""
        raise TypeError(f"{type(self).__name__} has no replayed gradients; its source is {self.cell.gradients}")

    def evaluate(self, params: Mapping[str, Array], step: int) -> Evaluation:
        """Return the NumPy loss and gradients at ``params`` for the batch of a step."""
        raise TypeError(f"{type(self).__name__} has no loss; its gradients are replayed")

    @property
    def numbers(self) -> Sequence[int]:
        """The zero-based numbers of the steps that are judged, ascending."""
        steps, every = self.cell.steps, self.cell.every
        return range(steps) if every == 1 else (*range(0, steps - 1, every), steps - 1)

    @property
    def values(self) -> int:
        """How many values a subject makes: steps times elements."""
        return self.cell.steps * self.elements

    @property
    def elements(self) -> int:
        """How many elements of a step are judged."""
        return sum(array.size for array in self.params.values())

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
        self._recorded = data.recorded(cell, self.shapes) if self.spec.generator == "recorded" else None
        self._permuted = permuted(self)
        self._scales: list[tuple[float, float, float]] = []

    @property
    def rotates(self) -> bool:
        """Whether the gradients of each step begin one tensor later than those of the step before."""
        return self.spec.order == "rotating"

    def gradients(self, step: int) -> Tensors:
        """Return the gradients of a step: one draw a tensor, rounded once to the cell's dtype, in the step's order."""
        found = self._of_step(step)
        found = {**found, **{name: data.frozen(np.zeros_like(found[name])) for name in self.absent(step)}}
        found = {**found, **{n: _overflown(found[n], step) for n, at in self.spec.overflow.items() if step in at}}
        if not self.rotates:
            return found
        names = list(self.shapes)
        first = step % max(len(names), 1)
        return {name: found[name] for name in names[first:] + names[:first]}

    def scale_at(self, step: int) -> float:
        """Return what a loss scale has become by a step, which the gradients before it say, or the one that stays."""
        scaling = loss_scale_of(self.cell)
        if scaling is None:
            return self.scale
        made = self._scales = self._scales or [(as_float32(scaling.initial_scale), 0.0, 0.0)]
        while len(made) <= step:
            made.append(scaling.moved(*made[-1], finite=scaling.all_finite(self.gradients(len(made) - 1))))
        return made[step][0]

    def _of_step(self, step: int) -> Tensors:
        if self._recorded is not None:
            found = {name: data.cast(array[step], self.dtype) for name, array in self._recorded.items()}
            dense = {
                name: data.summed(part.rows, part.values, self.shapes[name]) for name, part in self.slices(step).items()
            }
            return {**found, **dense}
        return data.draw(self.spec, self.shapes, self.cell.seed, step, self.dtype, self._permuted)

    def slices(self, step: int) -> dict[str, Slices]:
        """Return the recorded rows of a step with the rows of the tensor that they belong to."""
        recorded = self._recorded or {}
        return {
            name: Slices(np.asarray(rows, dtype=np.int64), data.cast(recorded[name][step], self.dtype))
            for name, rows in self.spec.sparse.items()
        }


class QuadraticProblem(Problem):
    """``loss = sum(curvature * (w - target)**2) / 2`` summed over all tensors."""

    def __init__(self, cell: Cell) -> None:
        super().__init__(cell)
        assert isinstance(cell.problem, Quadratic)
        low, high = log10(cell.problem.low), log10(cell.problem.high)
        rng = data.generator(cell.seed, data.TARGETS)
        self.curvature = {
            n: data.frozen(powers_of_ten(rng.uniform(low, high, s)).astype(self.dtype)) for n, s in self.shapes.items()
        }
        self.target = {n: data.frozen(rng.normal(size=s).astype(self.dtype)) for n, s in self.shapes.items()}

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
        return known_bounds(values, errors, fmt)


class MlpProblem(Problem):
    """The softmax network on the shipped images, visited in an order that the seed fixes."""

    def __init__(self, cell: Cell) -> None:
        super().__init__(cell)
        assert isinstance(cell.problem, Mlp)
        self.spec = cell.problem
        images, labels = data.mnist()
        features = cell.problem.layers[0]
        if features > images.shape[1]:
            raise DataError(
                f"{cell.id}: problem.layers: received {features} inputs; the images have {images.shape[1]} pixels."
            )
        self.x = data.frozen((images[: self.spec.examples, :features] / np.float64(255)).astype(self.dtype))
        self.y = labels[: self.spec.examples]
        self._rows = data.frozen(np.eye(self.spec.layers[-1], dtype=np.float64).astype(self.dtype))

    def batch(self, step: int) -> Batch:
        """Return the batch of a step; the last one of an epoch may be smaller."""
        size = self.spec.batch_size
        in_epoch = -(-self.spec.examples // size)
        epoch, position = divmod(step, in_epoch)
        rows = data.order(self.cell.seed, epoch, self.spec.examples, self.spec.order)[
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


def _overflown(gradient: Array, step: int) -> Array:
    """Return a gradient with one element that is no finite number: which one and what depends on the step."""
    spoiled = gradient.copy()
    spoiled.flat[step % gradient.size] = (np.inf, -np.inf, np.nan)[step % 3]
    return data.frozen(spoiled)


def _require_memory(cell: Cell, needed: int) -> None:
    """Refuse a problem whose weights and gradients alone need more memory than there is."""
    free = room.available() if needed >= _MUCH else None
    if free is not None and needed > free:
        raise DataError(
            f"{cell.id}: its weights and gradients alone need about {room.size(needed)} of memory; this machine has "
            f"{room.size(free)} to spare. Give fewer or smaller tensors, or a narrower dtype."
        )


def make(cell: Cell) -> Problem:
    """Return the problem of a cell.

    Raises:
        DataError: a data file is missing, damaged, or does not fit the cell.
    """
    if isinstance(cell.problem, Replayed):
        return ReplayedProblem(cell)
    return QuadraticProblem(cell) if isinstance(cell.problem, Quadratic) else MlpProblem(cell)
