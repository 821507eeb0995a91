"""Optimizers of six rules as strangers write them: forms of a rule, each in several shapes, made from templates."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np


class Form(NamedTuple):
    """A rule as somebody writes it.

    Attributes:
        rule: the rule that it is.
        name: what it is called.
        takes: the arguments of its constructor.
        slots: the names of what it keeps.
        lines: the update of ``w`` by ``g``; ``t`` counts from one.
        causes: the switches and numbers that it departs by, those that only round left out.
    """

    rule: str
    name: str
    takes: str
    slots: tuple[str, ...]
    lines: tuple[str, ...]
    causes: Mapping[str, object] = MappingProxyType({})


_MEANS = ("m = b1 * m + (1 - b1) * g", "v = b2 * v + (1 - b2) * g**2")
_HATS = (*_MEANS, "mh = m / (1 - b1**t)", "vh = v / (1 - b2**t)")
_ADAM = "lr=0.001, b1=0.9, b2=0.999, eps=1e-7"
_PAPER = {"epsilon_place": "corrected"}
FORMS = (
    Form("adam", "Paper", _ADAM, ("m", "v"), (*_HATS, "w = w - lr * mh / (np.sqrt(vh) + eps)"), _PAPER),
    Form(
        "adam",
        "Hat",
        _ADAM,
        ("m", "v"),
        (*_MEANS, "w = w - lr * (1 - b2**t) ** 0.5 / (1 - b1**t) * m / (np.sqrt(v) + eps)"),
    ),
    Form(
        "adam",
        "Uncorrected",
        _ADAM,
        ("m", "v"),
        (*_MEANS, "w = w - lr * m / (np.sqrt(v) + eps)"),
        {"bias_correction": "none"},
    ),
    Form(
        "adam",
        "Under",
        _ADAM,
        ("m", "v"),
        (*_HATS, "w = w - lr * mh / np.sqrt(vh + eps)"),
        {"epsilon_place": "under_corrected"},
    ),
    Form(
        "adam",
        "Fixed",
        "lr=0.001",
        ("m", "v"),
        ("b1, b2, eps = 0.9, 0.999, 1e-8", *_HATS, "w = w - lr * mh / (np.sqrt(vh) + eps)"),
        {**_PAPER, "epsilon": 1e-8},
    ),
    Form(
        "adam",
        "Swapped",
        _ADAM,
        ("m", "v"),
        (
            "m = b2 * m + (1 - b2) * g",
            "v = b1 * v + (1 - b1) * g**2",
            "w = w - lr * (m / (1 - b2**t)) / (np.sqrt(v / (1 - b1**t)) + eps)",
        ),
        {**_PAPER, "beta_roles": "swapped"},
    ),
    Form(
        "adam",
        "Late",
        _ADAM,
        ("m", "v"),
        (
            *_MEANS,
            "mh = m / (1 - b1 ** (t + 1))",
            "vh = v / (1 - b2 ** (t + 1))",
            "w = w - lr * mh / (np.sqrt(vh) + eps)",
        ),
        {**_PAPER, "correction_count": "ahead"},
    ),
    Form(
        "adam",
        "Torch",
        _ADAM,
        ("m", "v"),
        (*_MEANS, "w = w - lr / (1 - b1**t) * (m / (np.sqrt(v) / (1 - b2**t) ** 0.5 + eps))"),
        _PAPER,
    ),
    Form(
        "adamw",
        "Decoupled",
        f"{_ADAM}, weight_decay=0.004",
        ("m", "v"),
        ("w = w - lr * weight_decay * w", *_HATS, "w = w - lr * mh / (np.sqrt(vh) + eps)"),
        _PAPER,
    ),
    Form(
        "adamw",
        "WithL2",
        f"{_ADAM}, weight_decay=0.004",
        ("m", "v"),
        ("g = g + weight_decay * w", *_HATS, "w = w - lr * mh / (np.sqrt(vh) + eps)"),
        {**_PAPER, "weight_decay_form": "coupled"},
    ),
    Form(
        "adamw",
        "Unscaled",
        f"{_ADAM}, weight_decay=0.004",
        ("m", "v"),
        ("w = w - weight_decay * w", *_HATS, "w = w - lr * mh / (np.sqrt(vh) + eps)"),
        {**_PAPER, "weight_decay_form": "unscaled"},
    ),
    Form("sgd", "Plain", "lr=0.01", (), ("w = w - lr * g",)),
    Form("sgd", "Classic", "lr=0.01, momentum=0.0", ("b",), ("b = momentum * b - lr * g", "w = w + b")),
    Form(
        "sgd",
        "RateOutside",
        "lr=0.01, momentum=0.0",
        ("b",),
        ("b = momentum * b + g", "w = w - lr * b"),
        {"learning_rate_place": "outside"},
    ),
    Form(
        "sgd",
        "Dampened",
        "lr=0.01, momentum=0.0, dampening=0.5",
        ("b",),
        ("b = momentum * b + (g if t == 1 else (1 - dampening) * g)", "w = w - lr * b"),
        {"learning_rate_place": "outside", "dampens": "all_but_the_first", "dampening": 0.5},
    ),
    Form(
        "sgd",
        "Averaged",
        "lr=0.01, momentum=0.0",
        ("b",),
        ("b = momentum * b + (1 - momentum) * g", "w = w - lr * b"),
        {"learning_rate_place": "outside", "dampening": "momentum"},
    ),
    Form(
        "adagrad",
        "Duchi",
        "lr=0.001, eps=1e-7",
        ("s",),
        ("s = s + g**2", "w = w - lr * g / (np.sqrt(s) + eps)"),
        {"epsilon_place": "outside", "initial_accumulator_value": 0.0},
    ),
    Form(
        "adagrad",
        "Rootless",
        "lr=0.001, eps=1e-7",
        ("s",),
        ("s = s + g * g", "w = w - lr * g / np.sqrt(s + eps)"),
        {"initial_accumulator_value": 0.0},
    ),
    Form(
        "adadelta",
        "Zeiler",
        "rho=0.95, eps=1e-7",
        ("v", "s"),
        (
            "v = rho * v + (1 - rho) * g**2",
            "u = np.sqrt(s + eps) / np.sqrt(v + eps) * g",
            "s = rho * s + (1 - rho) * u**2",
            "w = w - u",
        ),
        {"learning_rate": 1.0},
    ),
    Form(
        "adadelta",
        "Rated",
        "lr=0.001, rho=0.95, eps=1e-7",
        ("v", "s"),
        (
            "v = rho * v + (1 - rho) * g**2",
            "u = np.sqrt(s + eps) * g / np.sqrt(v + eps)",
            "s = rho * s + (1 - rho) * u**2",
            "w = w - lr * u",
        ),
    ),
    Form(
        "lion",
        "Paper",
        "lr=0.001, beta1=0.9, beta2=0.99",
        ("m",),
        ("c = beta1 * m + (1 - beta1) * g", "w = w - lr * np.sign(c)", "m = beta2 * m + (1 - beta2) * g"),
    ),
    Form(
        "lion",
        "Signum",
        "lr=0.001, beta1=0.9, beta2=0.99",
        ("m",),
        ("m = beta2 * m + (1 - beta2) * g", "w = w - lr * np.sign(m)"),
        {"direction_of": "moment"},
    ),
)
_SHAPES = {
    "update": """
class {name}:
    def __init__(self, {takes}):
        {keep}
        self.state, self.t = {{}}, 0

    def update(self, params, grads):
        self.t += 1
        {numbers}
        for key in params:
            {slots}self.state.setdefault(key, [np.zeros_like(params[key]) for _ in range({count})])
            w, g = params[key], grads[key]
            {lines}
            self.state[key] = [{kept}]
            params[key] = w
        return params
""",
    "pure": """
class {name}:
    def __init__(self, {takes}):
        {keep}

    def init(self, params):
        return {{"t": 0, **{{key: [np.zeros_like(w) for _ in range({count})] for key, w in params.items()}}}}

    def step(self, params, grads, state):
        {numbers_pure}
        new, after = {{"t": t}}, {{}}
        for key in params:
            {slots}state[key]
            w, g = params[key], grads[key]
            {lines}
            new[key], after[key] = [{kept}], w
        return after, new
""",
    "tensors": """
class {name}:
    def __init__(self, params, {takes}):
        {keep}
        self.params, self.t = params, 0
        self.state = [[np.zeros_like(p) for _ in range({count})] for p in params]

    def step(self, grads):
        self.t += 1
        {numbers}
        for i, (p, g) in enumerate(zip(self.params, grads)):
            {slots}self.state[i]
            w = p
            {lines}
            self.state[i] = [{kept}]
            p[...] = w
""",
}


def written(form, shape):
    """Return a form's class in a shape, from its text."""
    names = [each.partition("=")[0].strip() for each in form.takes.split(",")]
    assigned = "; ".join(f"{name} = self.{name}" for name in names)
    text = _SHAPES[shape].format(
        name=f"{form.rule.capitalize()}{form.name}",
        takes=form.takes,
        keep="; ".join(f"self.{name} = {name}" for name in names),
        count=len(form.slots),
        slots=f"{', '.join(form.slots)}{',' if len(form.slots) == 1 else ''} = " if form.slots else "",
        kept=", ".join(form.slots),
        lines="\n            ".join(form.lines),
        numbers=f"t = self.t; {assigned}",
        numbers_pure=f"t = state['t'] + 1; {assigned}; lr = lr(t - 1) if callable(lr) else lr"
        if "lr" in names
        else f"t = state['t'] + 1; {assigned}",
    )
    space = {"np": np}
    exec(text, space)  # a class as a file would define it
    return space[f"{form.rule.capitalize()}{form.name}"]


STRANGERS = [(form, shape) for form in FORMS for shape in _SHAPES]
"""Every form in every shape: more than sixty classes."""
