"""Where the Keras side is the one that surprises: what it trains on is not what it shows."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from parity.bounds import functions as f
from parity.bounds.bounded import Bounded
from parity.bounds.functions import lifted
from parity.bounds.numerics import Array
from parity.explain.whole.batches import loss_name
from parity.explain.whole.quantity import agrees
from parity.explain.whole.sides import Sides

_CLIP: Final = 1e-7
"""What a loss of probabilities clips them by (``keras.config.epsilon``)."""


def surprises(sides: Sides) -> Iterator[str]:
    """Yield what the model does that its parts do not say, as measured on a batch."""
    name, head = loss_name(sides.side), sides.side.activation
    if head not in ("softmax", "sigmoid") or "crossentropy" not in name:
        return
    batch = sides.search[0]
    p, loss = sides.output(batch), sides.data_loss(batch)[0]
    if not isinstance(p, Bounded) or not isinstance(loss, Bounded):
        return
    with np.errstate(all="ignore"):
        if "binary" in name and head == "softmax":
            one, y = lifted(np.ones(p.shape), p.format), lifted(np.reshape(batch.y, p.shape), p.format)
            own = np.mean(-(f.log(p) * y + f.log(one - p) * (one - y)))
            if not agrees(np.asarray(loss.value), own):
                yield (
                    f"the model is the surprising one: behind its softmax Keras takes a binary cross-entropy of a "
                    f"sigmoid of its logits, {float(loss.value):.4g}, where that of its output is "
                    f"{float(own.value):.4g}, and trains on that (_get_logits in keras/src/backend/tensorflow/nn.py)"
                )
            return
        shown = _of_probabilities(np.asarray(p.value, dtype=np.float64), batch.y, "binary" in name)
        if not agrees(np.asarray(shown), loss):
            yield (
                f"the model's loss is that of the logits behind its {head}, {float(loss.value):.4g}; of the "
                f"probabilities that predict shows, clipped at {_CLIP:g}, it is {shown:.4g}: fit and evaluate print "
                f"the former (_get_logits in keras/src/backend/tensorflow/nn.py)"
            )


def _of_probabilities(p: Array, y: Array, binary: bool) -> float:
    clipped = np.clip(p, _CLIP, 1 - _CLIP)
    if binary:
        labels = np.reshape(y, p.shape)
        return float(np.mean(-(labels * np.log(clipped) + (1 - labels) * np.log(1 - clipped))))
    hot = np.eye(p.shape[-1])[y.reshape(p.shape[:-1]).astype(int)] if y.ndim < p.ndim or y.shape != p.shape else y
    return float(np.mean(-np.sum(hot * np.log(clipped), axis=-1)))
