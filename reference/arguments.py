"""The arguments of tf.keras' optimizers and schedules, a record each: plain data, so that listing them costs nothing.

Which of them a rule has, and their defaults, stands on its page; what an argument may be and how people write it, here.
"""

from typing import NamedTuple


class Argument(NamedTuple):
    """What an argument may be, whatever rule or schedule has it.

    Attributes:
        name: Keras' name.
        domain: `rate` (a number >= 0 or a schedule), `fraction` (0 to 1), `non_negative`, `positive`, `flag`, `count`
            (an integer >= 1), `several` (an integer >= 2), `steps` (a number of steps >= 0) or `patterns` (regular
            expressions); of a schedule also `boundaries` (a list of steps), `rates` (a list of rates) and `pieces`
            (a list of two rates or more).
        aliases: other names that people give it; a constructor's own use of Keras' name wins.
        usual: what people set it to, for a search that draws from it alone.
        limits: beyond these an estimated value is a limit in which the rule turns into another one.
    """

    name: str
    domain: str
    aliases: tuple[str, ...] = ()
    usual: tuple[float, ...] = ()
    limits: tuple[float, float] | None = None


_RATES = ("lr", "learningRate", "l_rate", "learn_rate", "eta", "step_size", "stepsize", "step_rate", "rate", "alpha")
_PAIRS = ("betas", "beta", "b", "decay_rates")
"""What people call the two weights of old moments that they pass as a pair: `betas=(0.9, 0.999)`."""
_SECONDS = tuple(f"{name}[1]" for name in _PAIRS)
_MEMORIES = (
    *("rho_val", "rho_", "alpha", "decay_rate", "gamma", "beta", "beta2", "beta_2", "decay", "decay_factor"),
    *_SECONDS,
)
"""Where `lr` is there too, `alpha` is rho; a decay whose default is 0 is that of the rate, and none of them."""
ARGUMENTS = (
    Argument("learning_rate", "rate", aliases=_RATES, limits=(1e-5, 1e4)),
    Argument("rho", "fraction", aliases=_MEMORIES, limits=(0.05, 0.9999)),
    Argument("momentum", "fraction", aliases=("mu", "mass"), limits=(1e-3, 0.9999)),
    Argument(
        "epsilon",
        "non_negative",
        aliases=("eps", "epsilon_", "epsilon_val", "fuzz", "smoothing_term", "e"),
        limits=(1e-14, 1e2),
    ),
    Argument("centered", "flag", aliases=("centred",)),
    Argument("l1_regularization_strength", "non_negative", aliases=("lambda1", "l1"), usual=(0.0, 0.01)),
    Argument("l2_regularization_strength", "non_negative", aliases=("lambda2", "l2"), usual=(0.0, 0.01)),
    Argument("l2_shrinkage_regularization_strength", "non_negative", usual=(0.0, 0.01)),
    Argument("beta_1", "fraction", aliases=("beta1", "b1", *(f"{name}[0]" for name in _PAIRS)), limits=(1e-3, 0.9999)),
    Argument("beta_2", "fraction", aliases=("beta2", "b2", *_SECONDS), limits=(0.05, 0.99999)),
    Argument("adam_beta_1", "fraction", aliases=("adam_betas[0]",), limits=(1e-3, 0.9999)),
    Argument("adam_beta_2", "fraction", aliases=("adam_betas[1]",), limits=(0.05, 0.99999)),
    Argument("adam_lr_ratio", "non_negative", usual=(1.0, 0.5, 0.0, 2.0)),
    Argument("adam_weight_decay", "non_negative", usual=(0.004, 0.5, 0.0, 1.0)),
    Argument("exclude_layers", "patterns"),
    Argument("ns_steps", "steps", usual=(5, 0, 1, 3)),
    Argument("rms_rate", "non_negative", usual=(0.2, 0.0, 1.0)),
    Argument("amsgrad", "flag", aliases=("ams_grad", "AMSGrad")),
    Argument(
        "initial_accumulator_value",
        "non_negative",
        aliases=("initial_accumulator",),
        usual=(0.1, 0.0, 1.0),
        limits=(1e-14, 1e2),
    ),
    Argument("nesterov", "flag"),
    Argument("weight_decay", "non_negative", aliases=("wd",), usual=(0.5, 0.0, 0.004, 1.0, 1e30)),
    Argument("clipnorm", "positive", aliases=("clip_norm",)),
    Argument("clipvalue", "positive", aliases=("clip_value",)),
    Argument("global_clipnorm", "positive", aliases=("global_clip_norm",)),
    Argument("use_ema", "flag"),
    Argument("ema_momentum", "fraction"),
    Argument("ema_overwrite_frequency", "count"),
    Argument("loss_scale_factor", "positive", usual=(2.0, 1024.0, 3.0, 1e-3, 65536.0, 1e30)),
    Argument("gradient_accumulation_steps", "several"),
    Argument("exclude_from_weight_decay", "patterns"),
)
CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")
"""Arguments of which one at most is set."""
BY_NAME = {argument.name: argument for argument in ARGUMENTS}
"""Every argument that a page may have without saying more; another one is what its annotation says."""
OF_SCHEDULES = {
    argument.name: argument
    for argument in (
        Argument("initial_learning_rate", "non_negative"),
        Argument("end_learning_rate", "non_negative"),
        Argument("decay_steps", "count"),
        Argument("first_decay_steps", "count"),
        Argument("decay_rate", "non_negative"),
        Argument("staircase", "flag"),
        Argument("power", "non_negative", usual=(1.0, 2.0, 0.5, 0.0)),
        Argument("cycle", "flag"),
        Argument("alpha", "non_negative"),
        Argument("warmup_target", "non_negative"),
        Argument("warmup_steps", "steps"),
        Argument("t_mul", "positive", usual=(2.0, 1.0, 1.5)),
        Argument("m_mul", "non_negative"),
        Argument("boundaries", "boundaries"),
        Argument("values", "rates"),
        Argument("PiecewiseConstantDecay.values", "pieces"),
    )
}
"""What the arguments of schedules may be; which schedule has which, and their defaults, stands in `schedules.py`."""
