"""Where the Keras side is the one that surprises: what it trains on is not what it shows."""

from collections.abc import Iterator

import numpy as np

from parity.bounds import functions as f
from parity.bounds.bounded import Bounded
from parity.bounds.functions import lifted
from parity.explain.whole.batches import loss_name
from parity.explain.whole.quantity import agrees
from parity.explain.whole.sides import LOSS_PLACE, Sides


def surprises(sides: Sides) -> Iterator[str]:
    """Yield what the model does that its parts do not say, as measured on a batch."""
    if "binary_crossentropy" not in loss_name(sides.side) or sides.side.activation != "softmax":
        return
    batch = sides.search[0]
    p, loss = sides.output(batch), sides.values(batch)[LOSS_PLACE]
    if not isinstance(p, Bounded) or not isinstance(loss, Bounded):
        return
    with np.errstate(all="ignore"):
        one, y = lifted(np.ones(p.shape), p.format), lifted(np.reshape(batch.y, p.shape), p.format)
        own = np.mean(-(f.log(p) * y + f.log(one - p) * (one - y)))
        if not agrees(np.asarray(loss.value), own):
            yield (
                f"the model is the surprising one: behind its softmax Keras takes a binary cross-entropy of a "
                f"sigmoid of its logits, {float(loss.value):.4g}, where that of its output is {float(own.value):.4g}, "
                f"and trains on that (_get_logits in keras/src/backend/tensorflow/nn.py)"
            )
