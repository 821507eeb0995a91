"""What programs make of a last layer's sums in place of what the model makes of them."""

from collections.abc import Callable, Iterator

import numpy as np

from parity.bounds import functions as f
from parity.bounds.bounded import Bounded
from parity.bounds.graph.losses import softmax
from parity.bounds.graph.rules import moved
from parity.explain.whole.keras_side import KerasSide

Head = Callable[[Bounded], Bounded]


def heads(side: KerasSide) -> Iterator[tuple[str, str, str, Head]]:
    """Yield the name of a mistake, its sentence, its repair and what it makes of logits ``[n, classes]``."""
    own = side.activation
    if own == "softmax":
        yield (
            "softmax_over_batch",
            "the softmax sums over the examples of a batch, not over the classes: columns sum to one",
            "sum over the classes: axis=1 where examples are rows, axis=0 where they are columns, with keepdims=True",
            _over_batch,
        )
        yield (
            "softmax_over_all",
            "the softmax divides by the sum over the whole batch",
            "sum over the classes alone: axis=1 where examples are rows, with keepdims=True",
            _over_all,
        )
        yield "softmax_twice", "the softmax is taken twice", "take one of them out", lambda z: softmax(softmax(z))
        yield "other_activation", "the output is a sigmoid of each sum, the model's a softmax", "use softmax", f.sigmoid
    if own == "sigmoid":
        yield "other_activation", "the output is a tanh of each sum, the model's a sigmoid", "use a sigmoid", f.tanh
    if own != "linear":
        yield (
            "activation_left_out",
            f"the output is the sums themselves: the model's {own} is left out",
            f"return {own} of what is returned now",
            lambda z: z,
        )


def _over_batch(z: Bounded) -> Bounded:
    return _turned(softmax(_turned(z)))


def _turned(z: Bounded) -> Bounded:
    result: Bounded = moved(np.transpose, z)
    return result


def _over_all(z: Bounded) -> Bounded:
    flat: Bounded = moved(lambda array: array.reshape(1, -1), z)
    result: Bounded = moved(lambda array: array.reshape(z.shape), softmax(flat))
    return result
