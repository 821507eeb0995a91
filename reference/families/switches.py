"""The historical choices of each rule beside RMSprop, a record each: plain data, so that listing them costs nothing.

The classes beside this file compute them; those that stand around every rule are RMSprop's own records.
"""

from typing import NamedTuple

from ..switches import BY_NAME, Choice, Switch


class Kin(NamedTuple):
    """What is known of the members of a rule's family.

    Attributes:
        switches: every choice, in the order in which a member names them.
        own: the module beside this file and the class in it that computes them; empty where there is none but those
            around every rule.
        modes: what a rule's flags make of it, by name, beside the plain one: arguments, those of an earlier mode among
            them.
        usual: what people write into the code where an argument belongs, or that is on by itself.
    """

    switches: tuple[Switch, ...]
    own: tuple[str, str] = ("", "")
    modes: tuple[tuple[str, tuple[tuple[str, object], ...]], ...] = ()
    usual: tuple[tuple[str, object], ...] = ()


_EPSILONS = tuple(("epsilon", value) for value in (1e-8, 1e-6, 1e-5, 1e-10, 1e-12, 1e-4, 1e-3, 0.0))
_CARRIED = Switch(
    "state_carried",
    "the state is kept from step to step, or created anew",
    BY_NAME["state_carried"].choices[:2],
)
_SIGN = BY_NAME["step_sign"]
AROUND = (
    BY_NAME["weight_decay_form"],
    BY_NAME["decay_order"],
    BY_NAME["schedule_origin"],
    _CARRIED,
    BY_NAME["gradient_reduction"],
    BY_NAME["arithmetic"],
)
"""The choices that every rule leaves."""
_ORDER = Switch(
    "increment_order",
    "(L*g)/root, L*(g/root) or (L/root)*g",
    BY_NAME["increment_order"].choices,
    rounds="order",
)
_POWER = Switch(
    "denominator_power",
    "the root of the second moment, or none",
    (Choice(0.5), Choice(1.0, "the root of the second moment is missing", ("denominator", "d = v + ε"))),
)
_PREVIOUS = Switch(
    "denominator_uses",
    "the second moment after or before this step's update",
    (
        Choice("updated"),
        Choice(
            "previous",
            "the denominator uses the second moment from before this step",
            ("denominator", "d, of the v before this step"),
        ),
    ),
)

_SGD = (
    Switch(
        "learning_rate_place",
        "the learning rate inside or outside the momentum buffer",
        (
            Choice("inside"),
            Choice(
                "outside",
                "the learning rate multiplies the momentum buffer, not what is added to it",
                ("momentum_buffer", "b ← μ·b − g;  w ← w + η·b"),
            ),
        ),
        needs="momentum",
    ),
    Switch(
        "dampening",
        "how much of a gradient does not enter the momentum buffer",
        (
            Choice(0.0),
            Choice(
                "momentum",
                "a gradient enters the momentum buffer times 1 - momentum (dampening)",
                ("momentum_buffer", "b ← μ·b − (1−μ)·η·g"),
            ),
        ),
        needs="momentum",
    ),
    Switch(
        "first_gradient",
        "the first gradient enters the buffer as any other, or whole where others are dampened",
        (
            Choice("as_any"),
            Choice(
                "whole",
                "the first gradient enters the momentum buffer without the dampening, as torch's does",
                ("momentum_buffer", "b₁ ← −η·g₁"),
            ),
        ),
        needs="momentum",
        beside=(("dampening", "momentum"),),
    ),
    Switch(
        "first_step",
        "the first gradient enters the buffer as any other, or times momentum",
        (
            Choice("as_any"),
            Choice(
                "weighed",
                "the first gradient enters the momentum buffer times momentum: without one the first step does nothing",
                ("momentum_buffer", "b₁ ← −μ·η·g₁"),
            ),
        ),
    ),
    Switch(
        "dampens",
        "what a dampening acts on: what enters a momentum buffer, or gradients where there is no momentum, too",
        (
            Choice("the_buffer"),
            Choice(
                "always",
                "gradients are dampened where there is no momentum, too",
                ("momentum_buffer", "b ← μ·b − (1−d)·η·g, with μ = 0, too"),
            ),
            Choice(
                "all_but_the_first",
                "gradients are dampened where there is no momentum, too, all but the first",
                ("momentum_buffer", "b₁ ← −η·g₁;  b ← μ·b − (1−d)·η·g, with μ = 0, too"),
            ),
        ),
        beside=(("dampening", 0.5),),
    ),
    Switch(
        "nesterov_form",
        "what the weights move by where the momentum looks ahead",
        (
            Choice("gradient_ahead"),
            Choice(
                "buffer_twice",
                "Nesterov's step adds momentum times the buffer to the buffer, not to the gradient",
                ("parameter", "w ← w + (1+μ)·b"),
            ),
            Choice(
                "buffer_alone",
                "Nesterov's step leaves out the gradient: it is momentum times the buffer",
                ("parameter", "w ← w + μ·b"),
            ),
        ),
        needs="nesterov",
    ),
    Switch(
        "nesterov_order",
        "momentum * b - L * g, or b + momentum * (b - b before)",
        (
            Choice("one_buffer"),
            Choice(
                "two_buffers", "Nesterov's step is formed from the buffer and the one before, which rounds otherwise"
            ),
        ),
        rounds="order",
        needs="nesterov",
    ),
    Switch(
        "buffer_holds",
        "momentum of a buffer, or of the difference that the last step made of the weights",
        (
            Choice("moves"),
            Choice(
                "difference",
                "momentum multiplies the difference of the last two weights, which has lost what rounding took",
                ("momentum_buffer", "b = w − w_before;  w ← w + μ·b − η·g"),
            ),
        ),
        needs="momentum",
    ),
    Switch(
        "buffer_sign",
        "the buffer holds what the weights move by, or what is taken from them",
        (Choice("moves"), Choice("descends", "the momentum buffer has the other sign, and is subtracted")),
        rounds="order",
        needs="momentum",
    ),
    _SIGN,
)

_UNCORRECTED = (("bias_correction", "none"),)

_ADAM = (
    Switch(
        "epsilon_place",
        "epsilon beside or under the root of a second moment that is corrected or not, or nowhere",
        (
            Choice("hat"),
            Choice(
                "corrected",
                "epsilon is added to the root of the corrected second moment, as in the paper's algorithm; tf.keras "
                "adds it to that of the moment itself (epsilon hat)",
                ("step", "u = η·m/(1−β₁ᵗ) / (√(v/(1−β₂ᵗ)) + ε)"),
                moot=_UNCORRECTED,
            ),
            Choice(
                "under_corrected",
                "epsilon stands under the root, beside the corrected second moment",
                ("step", "u = η·m/(1−β₁ᵗ) / √(v/(1−β₂ᵗ) + ε)"),
                moot=_UNCORRECTED,
            ),
            Choice(
                "under_hat",
                "epsilon stands under the root, beside the second moment",
                ("denominator", "d = √(v + ε)"),
            ),
            Choice("none", "there is no epsilon", ("denominator", "d = √v")),
            Choice(
                "less",
                "epsilon is subtracted from the root of the corrected second moment instead of added",
                ("step", "u = η·m/(1−β₁ᵗ) / (√(v/(1−β₂ᵗ)) − ε)"),
            ),
        ),
    ),
    Switch(
        "bias_correction",
        "both moments corrected for their start at zero, one, none, or both twice",
        (
            Choice("both"),
            Choice("none", "there is no bias correction", ("step", "u = m·η / d")),
            Choice(
                "first",
                "only the first moment is corrected for its start",
                ("step", "u = m·η/(1−β₁ᵗ) / d"),
            ),
            Choice(
                "second",
                "only the second moment is corrected for its start",
                ("step", "u = m·η·√(1−β₂ᵗ) / d"),
            ),
            Choice(
                "twice",
                "both moments are corrected, and the learning rate for the same once more",
                ("step", "u = m·η·(1−β₂ᵗ)/(1−β₁ᵗ)² / d"),
            ),
        ),
    ),
    Switch(
        "correction_count",
        "the number of the step that the correction goes by",
        (
            Choice("given"),
            Choice(
                "ahead",
                "the bias correction counts one step too many: the first step is its second",
                ("step", "u = m·η·√(1−β₂ᵗ⁺¹)/(1−β₁ᵗ⁺¹) / d"),
                moot=_UNCORRECTED,
            ),
            Choice(
                "stuck",
                "the bias correction is that of the first step at every step: its count never moves",
                ("step", "u = m·η·√(1−β₂)/(1−β₁) / d"),
                moot=_UNCORRECTED,
            ),
            Choice(
                "squared",
                "the second moment is corrected by 1 - beta_2^2 at every step: by a square, not by the step's number",
                ("step", "u = m·η·√(1−β₂²)/(1−β₁ᵗ) / d"),
                moot=_UNCORRECTED,
            ),
        ),
    ),
    Switch(
        "moments_kept",
        "the moments kept as they are, or divided by what corrects them",
        (
            Choice("as_they_are"),
            Choice(
                "corrected",
                "the corrected moments are kept, and corrected again at the next step",
                ("first_moment", "m ← (β₁·m + (1−β₁)·g) / (1−β₁ᵗ)"),
                moot=_UNCORRECTED,
            ),
        ),
    ),
    Switch(
        "moment_carry",
        "the old moments weighted by their betas, or kept beside that",
        (
            Choice("weighted"),
            Choice(
                "doubled",
                "the old moments are added to themselves (+= where = is meant)",
                ("first_moment", "m ← m + β₁·m + (1−β₁)·g;  v ← v + β₂·v + (1−β₂)·g²"),
            ),
        ),
    ),
    Switch(
        "second_moment_of",
        "the mean of squares, or of gradients as they are",
        (
            Choice("squares"),
            Choice(
                "gradients",
                "the gradient is not squared in the second moment",
                ("second_moment", "v ← v + (1−β₂)·(g − v)"),
            ),
        ),
    ),
    Switch(
        "amsgrad_place",
        "the largest second moment taken before or after the correction",
        (
            Choice("before"),
            Choice(
                "after",
                "the largest second moment is that of the corrected ones",
                ("second_moment_max", "x ← max(x, v/(1−β₂ᵗ))"),
            ),
        ),
        needs="amsgrad",
    ),
    Switch(
        "beta_roles",
        "beta_1 for the first moment, for the second, or for what is old of both",
        (
            Choice("given"),
            Choice(
                "swapped",
                "the betas are swapped: beta_1 is the second moment's",
                ("first_moment", "m ← m + (1−β₂)·(g − m);  v ← v + (1−β₁)·(g² − v)"),
            ),
            Choice(
                "mixed",
                "beta_1 weighs the old second moment beside 1 - beta_2 for the square",
                ("second_moment", "v ← β₁·v + (1−β₂)·g²"),
            ),
        ),
    ),
    Switch(
        "beta_weighs",
        "the betas weigh the old moments or the new gradient",
        (
            Choice("old"),
            Choice(
                "new",
                "the betas weigh the new gradient instead of the old moments",
                ("first_moment", "m ← m + β₁·(g − m);  v ← v + β₂·(g² − v)"),
            ),
        ),
    ),
    _PREVIOUS,
    _POWER,
    Switch(
        "powers",
        "powers of the betas, or the whole rate with them, formed in the dtype of the weights or of Python's numbers",
        (
            Choice("variable_dtype"),
            Choice("double", "the powers of the betas are those of Python's numbers"),
            Choice("rate", "the rate and what corrects it are formed of Python's numbers, and rounded once"),
            Choice("float32", "the corrected rate is rounded to float32, whatever the weights are"),
        ),
        rounds="precision",
    ),
    Switch(
        "correction_form",
        "where epsilon is beside the corrected root: corrected moments, or a corrected step and root",
        (Choice("moments"), Choice("step", "the step size is corrected, not the moment, which rounds otherwise")),
        rounds="order",
        beside=(("epsilon_place", "corrected"),),
    ),
    Switch(
        "one_minus_beta",
        "1 - beta formed in double or in the variable's dtype",
        (Choice("double"), Choice("variable_dtype", "1 - beta is formed in the variable's dtype instead of in double")),
        rounds="precision",
    ),
    Switch(
        "moment_form",
        "m + (g-m)*(1-beta), beta*m + (1-beta)*g, or beta*v + ((1-beta)*g)*g",
        (
            Choice("lerp"),
            Choice("product", "the moments are beta·m + (1 - beta)·g, which rounds otherwise"),
            Choice("chained", "the second moment multiplies (1 - beta)·g by g, which rounds otherwise"),
        ),
        rounds="order",
    ),
    _ORDER,
    _SIGN,
)

_ADAGRAD = (
    Switch(
        "epsilon_place",
        "epsilon under the root, after it, or nowhere",
        (
            Choice("inside"),
            Choice("outside", "epsilon is added after the root instead of under it", ("denominator", "d = √s + ε")),
            Choice("none", "there is no epsilon", ("denominator", "d = √s")),
            Choice(
                "floor",
                "epsilon is the least that the root may be (max), not added",
                ("denominator", "d = max(√s, ε)"),
            ),
        ),
    ),
    Switch(
        "denominator_uses",
        "the sum after or before this step's square",
        (
            Choice("updated"),
            Choice(
                "previous",
                "the denominator uses the sum from before this step",
                ("denominator", "d, of the s before this step"),
            ),
        ),
    ),
    Switch(
        "denominator_power",
        "the root of the sum, or none",
        (Choice(0.5), Choice(1.0, "the root of the sum is missing", ("denominator", "d = s + ε"))),
    ),
    Switch(
        "sum_of",
        "a sum of squares, or of magnitudes",
        (
            Choice("squares"),
            Choice("magnitudes", "magnitudes are summed instead of squares", ("sum_of_squares", "s ← s + |g|")),
        ),
    ),
    Switch("division", BY_NAME["division"].meaning, BY_NAME["division"].choices, rounds="order"),
    _ORDER,
    _SIGN,
)

_ADADELTA = (
    Switch(
        "epsilon_place",
        "epsilon under both roots, or after them",
        (
            Choice("inside"),
            Choice(
                "outside",
                "epsilon is added after the roots instead of under them",
                ("change", "u = (√s + ε)·g / (√v + ε)"),
            ),
        ),
    ),
    Switch(
        "change_moment_of",
        "the moment of the change, or of what is taken from the weights",
        (
            Choice("change"),
            Choice(
                "step",
                "the moment of changes is that of the steps, with the rate in them",
                ("change_moment", "s ← ρ·s + (1−ρ)·(η·u)²"),
            ),
        ),
    ),
    Switch(
        "rho_role",
        "rho weighs the old moments or what is new",
        (
            Choice("keep"),
            Choice(
                "new",
                "rho weighs what is new instead of the old moments",
                ("second_moment", "v ← (1−ρ)·v + ρ·g²"),
            ),
        ),
    ),
    Switch(
        "units",
        "the root of the changes multiplied, or left out",
        (
            Choice("kept"),
            Choice("missing", "the root of the changes is missing: RMSprop", ("change", "u = g / d"), "rmsprop"),
        ),
    ),
    Switch(
        "one_minus_rho",
        BY_NAME["one_minus_rho"].meaning,
        BY_NAME["one_minus_rho"].choices,
        rounds="precision",
    ),
    Switch(
        "moment_form",
        "rho*v + (1-rho)*g2, or v + (g2-v)*(1-rho)",
        BY_NAME["moment_form"].choices[:2],
        rounds="order",
    ),
    Switch(
        "increment_order",
        "(root*g)/root, (root/root)*g or root*(g/root)",
        (
            Choice("product_first"),
            Choice("quotient_first", "the roots are divided first, which rounds otherwise"),
            Choice("gradient_first", "the gradient is divided first, which rounds otherwise"),
        ),
        rounds="order",
    ),
    _SIGN,
)

_LION = (
    Switch(
        "beta_roles",
        "beta_1 for the direction, or for the moment",
        (
            Choice("given"),
            Choice(
                "swapped",
                "the betas are swapped: beta_1 is the moment's",
                ("direction", "c = β₂·m + (1−β₂)·g;  m ← β₁·m + (1−β₁)·g"),
            ),
        ),
    ),
    Switch(
        "beta_weighs",
        "the betas weigh the old moment or the new gradient",
        (
            Choice("old"),
            Choice(
                "new",
                "the betas weigh the new gradient instead of the old moment",
                ("direction", "c = (1−β₁)·m + β₁·g"),
            ),
        ),
    ),
    Switch(
        "direction_of",
        "the direction of the moment before its update, after it, or the moment itself",
        (
            Choice("old_moment"),
            Choice(
                "new_moment",
                "the moment is updated before the direction is taken from it",
                ("direction", "c = β₁·m_new + (1−β₁)·g"),
            ),
            Choice("moment", "the direction is the moment itself (Signum)", ("direction", "c = m_new")),
        ),
    ),
    Switch(
        "sign",
        "the sign of the direction, or the direction itself",
        (Choice("taken"), Choice("missing", "the sign is not taken", ("step", "u = η·c"))),
    ),
    Switch(
        "one_minus_beta",
        "1 - beta formed in the variable's dtype or in double",
        (Choice("variable_dtype"), Choice("double", "1 - beta is formed in double instead of in the variable's dtype")),
        rounds="precision",
    ),
    Switch(
        "moment_form",
        "beta*m + (1-beta)*g, or m + (g-m)*(1-beta)",
        (Choice("product"), Choice("lerp", "the means are m + (g - m)·(1 - beta), which rounds otherwise")),
        rounds="order",
    ),
    _SIGN,
)

_NADAM = (
    Switch(
        "momentum_schedule",
        "the momentum by a schedule of t, of t / 250, or by none",
        (
            Choice("each_step"),
            Choice(
                "slow",
                "the momentum's schedule goes by t / 250, as in the paper and in torch; tf.keras' goes by t",
                ("momentum_product", "p ← p·μₜ,  μₜ = β₁·(1 − ½·0.96^(t/250))"),
            ),
            Choice(
                "constant",
                "the momentum has no schedule: it is beta_1 at every step",
                ("momentum_product", "p ← p·β₁"),
            ),
        ),
    ),
    Switch(
        "moment_correction",
        "the first moment corrected as at the next step, at this one, or not",
        (
            Choice("ahead"),
            Choice(
                "same",
                "the first moment is corrected as at this step, not as at the next one",
                ("lookahead", "h = μₜ₊₁·m/(1 − p) + (1−μₜ)·g/(1−p)"),
            ),
            Choice(
                "none",
                "neither the first moment nor the gradient beside it is corrected",
                ("lookahead", "h = μₜ₊₁·m + (1−μₜ)·g"),
            ),
        ),
    ),
    Switch(
        "second_correction",
        "the second moment corrected for its start, or not",
        (
            Choice("taken"),
            Choice("missing", "the second moment is not corrected for its start", ("denominator", "d = √v + ε")),
        ),
    ),
    Switch(
        "epsilon_place",
        "epsilon beside the root of the corrected second moment, or of the moment itself",
        (
            Choice("corrected"),
            Choice(
                "hat",
                "epsilon is added to the root of the second moment itself (epsilon hat), not of the corrected one",
                ("denominator", "d = (√v + ε) / √(1−β₂ᵗ)"),
            ),
        ),
    ),
    _SIGN,
)

_ADAMAX = (
    Switch(
        "epsilon_place",
        "epsilon added to the norm, to the magnitude inside the maximum, or nowhere",
        (
            Choice("outside"),
            Choice(
                "inside",
                "epsilon is added to the gradient's magnitude, inside the maximum, as torch's is",
                ("infinity_norm", "u ← max(β₂·u, |g| + ε);  d = (1−β₁ᵗ)·u"),
            ),
            Choice("none", "there is no epsilon, as in the paper", ("denominator", "d = (1−β₁ᵗ)·u")),
        ),
    ),
    Switch(
        "bias_correction",
        "the first moment corrected for its start, or not",
        (Choice("first"), Choice("none", "there is no bias correction", ("denominator", "d = u + ε"))),
    ),
    _SIGN,
)

_DECAYS = tuple(("weight_decay", value) for value in (0.01, 0.004, 1e-3, 1e-4, 5e-4, 0.1))
_BETAS = (
    *(("beta_1", value) for value in (0.0, 0.5, 0.8, 0.95, 0.99)),
    *(("beta_2", value) for value in (0.9, 0.95, 0.98, 0.99, 0.9999)),
)
_ADAM_KIN = Kin(
    (*_ADAM, *AROUND),
    ("adam", "AdamChoices"),
    (("amsgrad", (("amsgrad", True),)),),
    (*_EPSILONS, *_BETAS, ("amsgrad", True), *_DECAYS),
)
FAMILIES = {
    "sgd": Kin(
        (*_SGD, *AROUND),
        ("sgd", "SGDChoices"),
        (("momentum", (("momentum", 0.9),)), ("nesterov", (("momentum", 0.9), ("nesterov", True)))),
        (
            *(("momentum", value) for value in (0.9, 0.5, 0.8, 0.95, 0.99)),
            *(("dampening", value) for value in (0.5, 0.9, 0.1)),
            ("nesterov", True),
            *_DECAYS,
        ),
    ),
    "adam": _ADAM_KIN,
    "adamw": _ADAM_KIN._replace(own=("adam", "AdamWChoices"), usual=(*_ADAM_KIN.usual, ("weight_decay", 0.0))),
    "adagrad": Kin(
        (*_ADAGRAD, *AROUND),
        ("adagrad", "AdagradChoices"),
        (),
        (*_EPSILONS, *(("initial_accumulator_value", value) for value in (0.0, 1.0, 1e-8, 1e-7, 1e-6, 0.01)), *_DECAYS),
    ),
    "adadelta": Kin(
        (*_ADADELTA, *AROUND),
        ("adadelta", "AdadeltaChoices"),
        (),
        (*_EPSILONS, *(("rho", value) for value in (0.9, 0.8, 0.99)), ("learning_rate", 1.0), *_DECAYS),
    ),
    "lion": Kin((*_LION, *AROUND), ("lion", "LionChoices"), (), (*_BETAS, *_DECAYS)),
    "nadam": Kin((*_NADAM, *AROUND), ("nadam", "NadamChoices"), (), (*_EPSILONS, *_BETAS, *_DECAYS)),
    "adamax": Kin((*_ADAMAX, *AROUND), ("adamax", "AdamaxChoices"), (), (*_EPSILONS, *_BETAS, *_DECAYS)),
}
"""The families of the rules that people write, by the rule's name; any other rule has the choices around it alone."""
OTHERS = Kin(AROUND)
