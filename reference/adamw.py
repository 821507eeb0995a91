"""AdamW as tf.keras (Keras 3) computes it: Adam, whose page has the rule, with weights that decay by default.

The rule (Loshchilov and Hutter, ICLR 2019; as in keras/src/optimizers/adamw.py)::

    w = w - w * weight_decay * L          before the step of Adam, which changes the decayed weights

Keras departs from the paper in the rate: there a schedule's multiplier is a factor of the decay and the rate is none,
here the rate is one, as in torch. What decays the weights stands around every rule (`optimizer.py`): this is Adam with
`weight_decay`, bit by bit, and 0.004 where nobody set it.
"""

from dataclasses import dataclass

from .adam import FORMULAS, SLOTS, Adam, Update

__all__ = ["FORMULAS", "SLOTS", "AdamW", "Update"]


@dataclass(eq=False)
class AdamW(Adam):
    """AdamW with the arguments and defaults of `keras.optimizers.AdamW`; see `Optimizer` for the others.

    Raises ValueError if `weight_decay` is None.
    """

    weight_decay: float | None = 0.004

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight_decay is None:
            raise ValueError("`weight_decay` must be a float. Received: None")
