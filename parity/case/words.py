"""The closed lists of words that cases, switches and reports share; plain data, so that listing them costs nothing."""

from typing import Final, Literal

from parity.reference.switches import SWITCHES

Dtype = Literal["float64", "float32", "float16", "bfloat16"]
Source = Literal["replayed", "shared", "computed"]
Mode = Literal["lockstep", "free"]

DTYPES: Final = ("float64", "float32", "float16", "bfloat16")
SOURCES: Final[dict[str, str]] = {
    "replayed": "a fixed sequence of gradients goes into both sides: judges the update rule alone",
    "shared": "the subject's own gradients on a real model go into both sides: judges the rule on real data",
    "computed": "each side differentiates at its own parameters: judges the whole program",
}
MODES: Final[dict[str, str]] = {
    "lockstep": "before each step the reference takes the subject's state and makes one step: the local error",
    "free": "both run alone from the same start: the accumulated drift",
}

MISTAKES: Final[dict[str, str]] = {
    **{switch.name: switch.meaning for switch in SWITCHES},
    "learning_rate": "another learning rate, or one rounded to another dtype",
    "rho": "another rho",
    "epsilon": "another epsilon",
    "momentum": "momentum missing, added, or with another coefficient",
    "centered": "the mean of the gradients not subtracted from the second moment",
    "weight_decay": "weight decay missing, misplaced, or applied to excluded tensors",
    "clipping": "clipping missing, by the wrong norm, or in the wrong place",
    "schedule": "a learning-rate schedule that is evaluated otherwise",
    "use_ema": "the average of the parameters missing, or overwritten at the wrong step",
    "loss_scale": "gradients not divided by the loss scale",
    "dynamic_loss_scale": "a loss scale that moves otherwise, or a step that overflows not skipped as a whole",
    "gradient_accumulation": "micro-batches summed, counted or applied otherwise",
    "zero_gradient": "division by zero, or state that does not decay when the gradient is zero",
    "absent_gradient": "a tensor without a gradient decayed, or taken for one whose gradient is zero",
    "constraint": "a constraint on weights not applied, or at another place, to other tensors, along another axis",
    "frozen_tensor": "a tensor trained while it is frozen, or one whose state starts anew when it is thawed",
    "sign": "the sign of a gradient lost or doubled",
    "tensor_mixup": "state of one tensor used for another",
    "late": "another rule after many steps",
    "shape": "another rule for tensors of some number of dimensions, or of some size",
    "data_order": "examples visited in another order",
    "network": "forward pass, loss or backward pass of the model",
}
"""The mistakes that an RMSprop can have: each has mutants, and a case that catches them."""
_NUMBERS: Final = (
    "beta_1",
    "beta_2",
    "initial_accumulator_value",
    "l1_regularization_strength",
    "l2_regularization_strength",
    "l2_shrinkage_regularization_strength",
)
PROBES: Final[dict[str, str]] = {
    **{name: f"another {name}" for name in _NUMBERS},
    "amsgrad": "the largest second moment not kept, or not used",
    **MISTAKES,
}
"""What a case may say that it catches, whatever its rule."""
