"""The closed lists of words that cases, switches and reports share; plain data, so that listing them costs nothing."""

from typing import Final, Literal

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

SLOTS: Final[dict[str, str]] = {
    "second_moment": "running mean of squared gradients",
    "first_moment": "running mean of gradients (centred)",
    "momentum_buffer": "the accumulator that momentum adds into",
    "average": "exponential moving average of the parameters (use_ema)",
    "accumulated_gradient": "sum of gradients that wait for their update (gradient_accumulation_steps)",
}

STAGES: Final = (
    "loss",
    "gradient",
    "second_moment",
    "first_moment",
    "denominator",
    "step",
    "momentum_buffer",
    "parameter",
    "average",
)

SWITCHES: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "epsilon_place": (("inside", "outside", "none"), "epsilon under the root, after it, or nowhere"),
    "second_moment_start": (("0", "1"), "the number that the second moment starts at"),
    "learning_rate_place": (("inside", "outside"), "the learning rate inside or outside the momentum buffer"),
    "nesterov": (("false", "true"), "Nesterov's look-ahead on the momentum buffer"),
    "bias_correction": (("false", "true"), "the moments divided by 1 - rho^t, as Adam does"),
    "weight_decay_form": (("decoupled", "coupled", "unscaled"), "decay of weights, of gradients, or without the rate"),
    "one_minus_rho": (("double", "variable_dtype"), "1 - rho formed in double or in the variable's dtype"),
    "moment_form": (("product", "lerp"), "rho*v + (1-rho)*g2 or v + (g2-v)*(1-rho)"),
    "division": (("divide", "rsqrt"), "division by the root or multiplication by its reciprocal"),
    "denominator_uses": (("updated", "previous"), "the second moment after or before this step's update"),
    "denominator_power": (("0.5", "1"), "the root of the second moment, or none"),
    "rho_role": (("keep", "new"), "rho weighs the old moment or the new gradient"),
    "schedule_origin": (("0", "1"), "the first step's number in a learning-rate schedule"),
    "state_carried": (("true", "false"), "the state is kept from step to step"),
    "gradient_reduction": (("mean", "sum"), "gradients averaged or summed over the batch"),
    "arithmetic": (("float16", "bfloat16", "float32", "float64"), "the dtype that the update is computed in"),
}

MISTAKES: Final[dict[str, str]] = {
    **{name: sentence for name, (_, sentence) in SWITCHES.items()},
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
    "gradient_accumulation": "micro-batches summed, counted or applied otherwise",
    "zero_gradient": "division by zero, or state that does not decay when the gradient is zero",
    "sign": "the sign of a gradient lost or doubled",
    "tensor_mixup": "state of one tensor used for another",
    "data_order": "examples visited in another order",
    "network": "forward pass, loss or backward pass of the model",
}
