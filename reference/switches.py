"""The historical choices of RMSprop, a record each: plain data, so that listing them costs nothing.

`family.py` computes them; what a choice is called, what it means and what it does as a cause stands here.
"""

from typing import Any, NamedTuple


class Choice(NamedTuple):
    """A value of a switch, and the sentence that says what it does otherwise than tf.keras.

    `line` names what then reads otherwise, a stage of the rule's page or what stands around it, and says how.
    `becomes` names the rule that this one then is. Beside a choice that is `moot` it shows nothing.
    """

    value: Any
    cause: str = ""
    line: tuple[str, str] = ("", "")
    becomes: str = ""
    moot: tuple[tuple[str, Any], ...] = ()


class Switch(NamedTuple):
    """A line of the rule that some implementation, framework or tutorial writes otherwise.

    Attributes:
        name: the argument of `Family`.
        meaning: what is chosen, in a few words.
        choices: every value; the first is tf.keras', which has no cause.
        rounds: "" if a choice changes the rule, "order" if it changes last bits alone by another order of the same
            operations, "precision" if by other roundings of numbers or of all.
        needs: the argument or setting without which it shows nothing: momentum, weight_decay or schedule.
        beside: another choice without which it shows nothing.
    """

    name: str
    meaning: str
    choices: tuple[Choice, ...]
    rounds: str = ""
    needs: str = ""
    beside: tuple[tuple[str, Any], ...] = ()

    @property
    def values(self) -> tuple[Any, ...]:
        """Every value, tf.keras' first."""
        return tuple(choice.value for choice in self.choices)


def _held(name: str, subject: str, needs: str = "") -> Switch:
    """Return the switch of a number that a NumPy float32 holds, which float64 weights do not widen."""
    cause = f"{subject} rounded to float32, whatever the weights are"
    choices = (Choice("given"), Choice("float32", cause))
    return Switch(f"{name}_held", f"{name} as it is given or as a float32 number", choices, "precision", needs)


SWITCHES = (
    Switch(
        "epsilon_place",
        "epsilon under the root, after it, in the moment that is kept, or nowhere",
        (
            Choice("inside"),
            Choice("outside", "epsilon is added after the root instead of under it"),
            Choice("none", "there is no epsilon"),
            Choice("floor", "epsilon is the least that the root may be (max), not added"),
            Choice("kept", "epsilon is added to the second moment itself, which keeps it (+= where + is meant)"),
        ),
    ),
    Switch(
        "second_moment_start",
        "the number that the second moment starts at",
        (
            Choice(0.0),
            Choice(1.0, "the second moment starts at one instead of zero"),
            Choice("first_square", "the second moment starts at the square of the first gradient"),
        ),
    ),
    Switch(
        "learning_rate_place",
        "the learning rate inside or outside the momentum buffer",
        (
            Choice("inside"),
            Choice("outside", "the learning rate multiplies the momentum buffer, not what is added to it"),
        ),
        needs="momentum",
    ),
    Switch(
        "nesterov",
        "Nesterov's look-ahead on the momentum buffer",
        (Choice(False), Choice(True, "the momentum looks ahead (Nesterov)")),
        needs="momentum",
    ),
    Switch(
        "buffer_of",
        "a momentum buffer of steps, or of gradients before they are divided",
        (
            Choice("steps"),
            Choice("gradients", "the momentum buffer holds gradients, and is divided by the root"),
        ),
        needs="momentum",
    ),
    Switch(
        "dampening",
        "how much of what is new does not enter the momentum buffer",
        (
            Choice(0.0),
            Choice("momentum", "what is new enters the momentum buffer times 1 - momentum (dampening)"),
        ),
        needs="momentum",
    ),
    Switch(
        "bias_correction",
        "the moments divided by 1 - rho^t, as Adam does",
        (Choice(False), Choice(True, "the moments are divided by 1 - rho^t, as in Adam")),
    ),
    Switch(
        "moment_kept",
        "the moments kept as they are, or divided by 1 - rho^t",
        (
            Choice("as_it_is"),
            Choice("corrected", "the corrected moments are kept, and corrected again at the next step"),
        ),
        beside=(("bias_correction", True),),
    ),
    Switch(
        "weight_decay_form",
        "decay of weights before or after the step, of gradients, or without the rate",
        (
            Choice("decoupled"),
            Choice(
                "coupled",
                "weight decay is added to the gradient instead of taken from the weights",
                ("decay", "g = g + weight_decay·w"),
            ),
            Choice(
                "unscaled",
                "weight decay is not multiplied by the learning rate",
                ("decay", "w = w - w·weight_decay"),
            ),
            Choice(
                "after",
                "weight decay is taken from the weights that the step has moved, not from those before it",
                ("decay", "w = w - w·weight_decay·L, after the step"),
            ),
        ),
        needs="weight_decay",
    ),
    Switch(
        "decay_order",
        "a decay of the gradient after clipping or before it",
        (
            Choice("after_clipping"),
            Choice(
                "before_clipping",
                "the gradient is clipped with the decay in it",
                ("gradient", "g = clip(gradient + weight_decay·w)"),
            ),
        ),
        needs="clipvalue",
        beside=(("weight_decay_form", "coupled"),),
    ),
    Switch(
        "one_minus_rho",
        "1 - rho formed in double or in the variable's dtype",
        (Choice("double"), Choice("variable_dtype", "1 - rho is formed in the variable's dtype instead of in double")),
        rounds="precision",
    ),
    _held("rho", "rho and 1 - rho are"),
    _held("epsilon", "epsilon is"),
    _held("momentum", "momentum is", needs="momentum"),
    Switch(
        "moment_form",
        "rho*v + (1-rho)*g2, v + (g2-v)*(1-rho), or rho*v + ((1-rho)*g)*g",
        (
            Choice("product"),
            Choice("lerp", "the moment is v + (g² - v)·(1 - rho), which rounds otherwise"),
            Choice("chained", "the moment multiplies (1 - rho)·g by g, which rounds otherwise"),
        ),
        rounds="order",
    ),
    Switch(
        "division",
        "division by the root or multiplication by its reciprocal",
        (
            Choice("divide"),
            Choice("rsqrt", "the gradient is multiplied by a reciprocal root instead of divided by the root"),
        ),
        rounds="order",
    ),
    Switch(
        "increment_order",
        "(L*g)/root, L*(g/root) or (L/root)*g",
        (
            Choice("rate_first"),
            Choice("quotient_first", "the learning rate multiplies the quotient, which rounds otherwise"),
            Choice("rate_over_root", "the learning rate is divided by the root first, which rounds otherwise"),
        ),
        rounds="order",
    ),
    Switch(
        "denominator_uses",
        "the second moment after or before this step's update",
        (Choice("updated"), Choice("previous", "the denominator uses the second moment from before this step")),
    ),
    Switch(
        "denominator_power",
        "the root of the second moment, or none",
        (Choice(0.5), Choice(1.0, "the root of the second moment is missing")),
    ),
    Switch(
        "rho_role",
        "rho weighs the old moment or the new gradient",
        (Choice("keep"), Choice("new", "rho weighs the new gradient instead of the old moment")),
    ),
    Switch(
        "rho_from",
        "rho, or the learning rate in its place",
        (
            Choice("rho"),
            Choice("rate", "the learning rate stands where rho belongs"),
            Choice("rate_in_rest", "the learning rate stands where rho belongs in what weighs the new square"),
        ),
    ),
    Switch(
        "moment_carry",
        "the old moment weighted by rho, kept beside that, or kept whole",
        (
            Choice("weighted"),
            Choice("doubled", "the old moment is added to itself (+= where = is meant)"),
            Choice("whole", "the old moment is kept whole and the square is added whole: Adagrad", becomes="adagrad"),
        ),
    ),
    Switch(
        "moment_of",
        "a moment of squares for each element, of magnitudes, or one for the whole tensor",
        (
            Choice("element"),
            Choice("magnitude", "the moment is one of magnitudes instead of squares"),
            Choice("sum", "a tensor has one moment: the sum of its squares"),
            Choice("mean", "a tensor has one moment: the mean of its squares"),
        ),
    ),
    Switch(
        "step_sign",
        "the step subtracted from the weights or added to them",
        (Choice("subtract"), Choice("add", "the step is added to the weights instead of subtracted")),
    ),
    Switch(
        "schedule_origin",
        "the first step's number in a learning-rate schedule",
        (
            Choice(0),
            Choice(
                1,
                "the schedule is asked for step 1 at the first step instead of step 0",
                ("rate", "L = schedule(t + 1)"),
            ),
        ),
        needs="schedule",
    ),
    Switch(
        "state_carried",
        "the state is kept from step to step, all of it, none, or the momentum buffer alone",
        (
            Choice(True),
            Choice(False, "the state is created anew at every step"),
            Choice("momentum_only", "the second moment is created anew at every step"),
        ),
    ),
    Switch(
        "gradient_reduction",
        "gradients averaged or summed over the batch",
        (
            Choice("mean"),
            Choice(
                "sum",
                "gradients are summed over the batch instead of averaged",
                ("gradient", "g = batch_size·gradient"),
            ),
        ),
    ),
    Switch(
        "arithmetic",
        "the dtype that the update is computed in",
        (
            Choice("variable_dtype"),
            Choice("float16", "the update is computed in float16"),
            Choice("bfloat16", "the update is computed in bfloat16"),
            Choice("float32", "the update is computed in float32"),
            Choice("float64", "the update is computed in float64"),
        ),
        rounds="precision",
    ),
)
"""Every switch, in the order in which a member of the family names them."""
BY_NAME = {switch.name: switch for switch in SWITCHES}


def only_rounds(name: str, value: Any) -> bool:
    """Return whether a choice changes no more than last bits; arithmetic in 16 bits changes more than those."""
    return bool(BY_NAME[name].rounds) and value not in ("float16", "bfloat16")


def spelled(value: Any) -> str:
    """Return a value of a switch as it is written in TOML."""
    return str(value).lower().removesuffix(".0") if isinstance(value, bool | int | float) else str(value)
