"""A whole training program whose every choice is a field: initial weights in, curves and a digest of the weights out.

The arithmetic is that of the naive pages (``reference/``), bit for bit: tests hold it to them. The rule is theirs; what
is quicker here is that a black pixel's weights have a zero gradient and need no update. The forward and the backward
pass run on the array that carries a bound, too, and so say what rounding may do to them.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parity.bounds.bounded import Bounded
from parity.bounds.graph import losses as bounds
from parity.explain.factors import Program
from parity.explain.rule import Rule
from parity.problem import data as shipped
from parity.reference import network

Array = NDArray[Any]
Tensors = dict[str, Array]


@dataclass(frozen=True, slots=True)
class Images:
    """Training data: pixels ``[examples, 784]`` float32 in 0 … 1, one-hot labels ``[examples, 10]`` float32."""

    pixels: Array
    labels: Array

    def cast(self, program: Program) -> "Images":
        """Return the program's examples in the program's dtype."""
        dtype, count = np.dtype(program.dtype), program.examples
        return Images(self.pixels[:count].astype(dtype), self.labels[:count].astype(dtype))


@dataclass(frozen=True, slots=True)
class Passed:
    """What one forward pass leaves behind: inputs of every layer, pre-activations, probabilities, logits."""

    inputs: list[Array]
    sums: list[Array]
    logits: Array
    probabilities: Array


def kernel_name(layer: int) -> str:
    """Return the name of a layer's weights, as ``reference/network.py`` has it; layers count from one."""
    return f"dense_{layer}/kernel"


def bias_name(layer: int) -> str:
    """Return the name of a layer's biases."""
    return f"dense_{layer}/bias"


def mnist() -> Images:
    """Return the first 1,000 training images of MNIST, as every program here sees them.

    Raises:
        DataError: the file is missing or damaged.
    """
    pixels, answers = shipped.mnist()
    return Images((pixels / np.float64(255)).astype(np.float32), np.eye(10, dtype=np.float32)[answers])


def initial(program: Program, seed: int) -> Tensors:
    """Return the weights that a seed stands for, drawn in float64 and rounded; biases are zero.

    ``glorot_uniform`` is that of ``reference/network.py``, ``normal`` is N(0, 1).
    """
    return {name: w.astype(program.dtype) for name, w in drawn(program, seed).items()}


def drawn(program: Program, seed: int) -> Tensors:
    """Return the weights that a seed stands for before they are rounded."""
    tensors = network.init_glorot(np.random.default_rng([seed, 0]), program.layers, np.float64)
    if program.initial_weights == "normal":
        generator = np.random.default_rng([seed, 0])
        tensors = {n: generator.standard_normal(w.shape) if w.ndim == 2 else w for n, w in tensors.items()}
    return {name: w * program.initial_scale for name, w in tensors.items()}


def orders(program: Program, seed: int, epochs: int) -> Iterator[Array]:
    """Yield the order of the examples for each epoch; the same for every program that has this seed and shuffles."""
    generator = np.random.default_rng([seed, 1])
    for _ in range(epochs):
        shuffled = generator.permutation(program.examples)
        yield shuffled if program.shuffle else np.arange(program.examples)


def layer(program: Program, tensors: Tensors, number: int, flow: Any) -> Any:
    """Return one layer's product with its bias, before the activation, with the program's stray factors."""
    product = flow @ tensors[kernel_name(number)]
    if number == 1 and program.hidden_slip != 1:
        product = product / product.dtype.type(program.hidden_slip)
        product = product * product.dtype.type(program.hidden_slip)
    if number == len(program.layers) - 1 and program.forward_divisor != 1:
        product = product / product.dtype.type(program.forward_divisor)
    return product + tensors[bias_name(number)]


def forward(program: Program, tensors: Tensors, pixels: Array) -> Passed:
    """Run the network on ``[batch, 784]`` pixels: ReLU layers, then softmax."""
    last = len(program.layers) - 1
    inputs, sums, flow = [], [], pixels
    for number in range(1, last + 1):
        inputs.append(flow)
        sums.append(layer(program, tensors, number, flow))
        flow = np.maximum(sums[-1], 0) if number < last else sums[-1]
    return Passed(inputs, sums, flow, softmax(flow))


def softmax(logits: Any) -> Any:
    """Return the probabilities of logits ``[batch, 10]``."""
    if isinstance(logits, Bounded):
        return bounds.softmax(logits)
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponents / exponents.sum(axis=-1, keepdims=True)


def losses(program: Program, passed: Passed, labels: Array) -> Array:
    """Return the cross-entropy of each example ``[batch]`` as the program computes it.

    With a ``probability_clip`` from the clipped probabilities, without one from the logits, which no clipping needs.
    """
    if program.probability_clip:
        clip = program.probability_clip
        clipped = np.minimum(np.maximum(passed.probabilities, clip), 1 - clip)
        chosen: Array = -np.sum(labels * np.log(clipped), axis=-1)
        return chosen
    return cross_entropy(passed.logits, labels)


def cross_entropy(logits: Any, labels: Array) -> Array:
    """Return log(sum(exp(logits))) - logits[label] for each example, computed in float64: the common yardstick."""
    if isinstance(logits, Bounded):
        bounded: Array = -np.sum(bounds.log_softmax(logits) * labels, axis=-1)
        return bounded
    wide = logits.astype(np.float64)
    top = wide.max(axis=-1, keepdims=True)
    spread: Array = np.log(np.exp(wide - top).sum(axis=-1)) + top[..., 0]
    result: Array = spread - (wide * labels).sum(axis=-1)
    return result


def backward(program: Program, tensors: Tensors, passed: Passed, labels: Array, lit: Array | None = None) -> Tensors:
    """Return the gradient of the loss in every tensor: probabilities minus labels, carried back through the layers.

    ``lit`` are the pixels of a single image that are not black: the first kernel then has only their rows.
    """
    flow = last_error(program, passed.probabilities, labels)
    gradients: Tensors = {}
    for number in range(len(program.layers) - 1, 0, -1):
        own, flow = back(program, tensors, passed, number, flow, lit)
        gradients |= own
    return gradients


def last_error(program: Program, probabilities: Any, labels: Any) -> Any:
    """Return the derivative of the loss in the logits."""
    flow = probabilities - labels
    if program.gradient_reduction == "mean" and flow.shape[0] > 1:
        flow = flow * (flow.dtype.type(1) / flow.dtype.type(flow.shape[0]))
    return flow


def back(
    program: Program, tensors: Tensors, passed: Passed, number: int, flow: Any, lit: Array | None = None
) -> tuple[Tensors, Any]:
    """Return the gradients of one layer from the derivative in its sums, and the derivative in the sums below it."""
    kernel, below = tensors[kernel_name(number)], passed.inputs[number - 1]
    gradients: Tensors = {bias_name(number): np.sum(flow, axis=0)}
    if number == len(program.layers) - 1 and program.backward_divisor != 1:
        flow = flow / flow.dtype.type(program.backward_divisor)
    if number == 1 and lit is not None:
        below = below[:, lit]
    gradients[kernel_name(number)] = below.T @ flow
    if program.l2:
        gradients[kernel_name(number)] = gradients[kernel_name(number)] + kernel * flow.dtype.type(2 * program.l2)
    if number > 1:
        flow = np.where(passed.sums[number - 2] > 0, flow @ kernel.T, flow.dtype.type(0))
    return gradients, flow


def train(program: Program, seed: int, epochs: int, images: Images, runs: int = 1) -> dict[str, Any]:
    """Train and return the curves: loss and accuracy over all examples, and the printed loss and accuracy.

    ``loss`` and ``accuracy`` have one value before the first epoch and one after each; they use the same yardstick
    for every program (no clipping, float64). ``printed`` has what this program prints, one value an epoch. ``runs`` is
    how many such runs this process makes: what takes a second to compile pays in many.
    """
    data, tensors = images.cast(program), initial(program, seed)
    trainer = Trainer(program, tensors, data, runs * epochs * -(-program.examples // program.batch_size))
    curves: dict[str, list[float]] = {"loss": [], "accuracy": [], "printed": [], "printed_accuracy": []}
    seen = [_measure(program, tensors, data, curves)]
    for order in orders(program, seed, epochs):
        running = [trainer.step(batch) for batch in batches(order, program.batch_size)]
        seen.append(_measure(program, tensors, data, curves))
        mean = tuple(float(np.mean(np.concatenate(column))) for column in zip(*running, strict=True))
        printed = {"running_mean": mean, "before_epoch": seen[-2], "after_epoch": seen[-1]}[program.printed_loss]
        curves["printed"].append(printed[0])
        curves["printed_accuracy"].append(printed[1])
    return {**curves, "digest": digest(tensors)}


class Trainer:
    """One program's step, on tensors that it changes in place; ``steps`` is how many such this process makes."""

    def __init__(self, program: Program, tensors: Tensors, data: Images, steps: int = 1) -> None:
        self.program, self.tensors, self.data = program, tensors, data
        self.rule = Rule(program, tensors, steps)
        skips = self.rule.skips_zeros and program.batch_size == 1 and len(program.layers) > 1
        self.lit = [np.flatnonzero(row) for row in data.pixels] if skips else None

    def step(self, batch: Array) -> tuple[Array, Array]:
        """Train on the named examples; return the loss of each before the step, and whether each was right."""
        pixels, labels = self.data.pixels[batch], self.data.labels[batch]
        passed = forward(self.program, self.tensors, pixels)
        rows = self.lit[batch[0]] if self.lit else None
        self.rule.step(self.tensors, backward(self.program, self.tensors, passed, labels, rows), rows)
        return losses(self.program, passed, labels), _right(passed.logits, labels)


def batches(order: Array, size: int) -> list[Array]:
    """Cut an epoch's order into batches; the last one may be smaller."""
    return [order[start : start + size] for start in range(0, len(order), size)]


def digest(tensors: Tensors) -> str:
    """Return a fingerprint of every bit of every tensor."""
    whole = hashlib.sha256()
    for name in sorted(tensors):
        whole.update(f"{name} {tensors[name].dtype} {tensors[name].shape}".encode())
        whole.update(np.ascontiguousarray(tensors[name]).tobytes())
    return whole.hexdigest()[:32]


def measure(program: Program, tensors: Tensors, data: Images) -> tuple[float, float]:
    """Return loss and accuracy over all examples by the yardstick that is the same for every program."""
    passed = forward(program, tensors, data.pixels)
    loss = float(np.mean(cross_entropy(passed.logits, data.labels)))
    return loss, float(np.mean(_right(passed.logits, data.labels)))


def _measure(program: Program, tensors: Tensors, data: Images, curves: dict[str, list[float]]) -> tuple[float, float]:
    passed = forward(program, tensors, data.pixels)
    accuracy = float(np.mean(_right(passed.logits, data.labels)))
    curves["loss"].append(float(np.mean(cross_entropy(passed.logits, data.labels))))
    curves["accuracy"].append(accuracy)
    return float(np.mean(losses(program, passed, data.labels))), accuracy


def _right(logits: Array, labels: Array) -> Array:
    right: Array = logits.argmax(axis=-1) == labels.argmax(axis=-1)
    return right
