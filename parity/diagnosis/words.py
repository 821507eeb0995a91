"""The sentence for each choice, and the formula of a member as lines that can be set beside tf.keras'."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from parity.case.rule import DEFAULT, find
from parity.diagnosis.choices import only_rounds
from parity.diagnosis.choices import switches as known
from parity.reference.switches import Choice
from parity.verdicts.cause import Line


@cache
def causes(rule: str = DEFAULT) -> dict[tuple[str, Any], str]:
    """Return the sentence of each choice of a rule's family."""
    return {
        (switch.name, choice.value): choice.cause for switch in known(rule).values() for choice in switch.choices[1:]
    }


CAUSES: Final = causes()
"""Those of RMSprop."""


@cache
def _defaults(rule: str) -> dict[str, Any]:
    return {name: default for name, _, default in find(rule).parameters}


_CLIPS: Final = {
    "clipvalue": "gradients are clipped by value at",
    "clipnorm": "each tensor's gradient is clipped by its norm at",
    "global_clipnorm": "gradients are clipped by the norm of all of them at",
}


def cause(switches: Mapping[str, Any], numbers: Mapping[str, Any], rule: str = DEFAULT) -> str:
    """Return one sentence that names every choice that changes the rule; "nothing differs" where there is none.

    What only rounds otherwise is named where there is nothing else, and is no cause beside what does more.
    """
    parts = [causes(rule)[choice] for choice in telling(switches, numbers, rule).items()]
    parts += [number(name, value, rule) for name, value in numbers.items()]
    return _sentence(parts) if parts else "Nothing differs."


def rounding(switches: Mapping[str, Any], numbers: Mapping[str, Any], rule: str = DEFAULT) -> str:
    """Return the sentence on what ``cause`` leaves out because it only rounds; empty where it leaves out nothing."""
    told = telling(switches, numbers, rule)
    left = [causes(rule)[choice] for choice in switches.items() if choice[0] not in told]
    return _sentence(left) if left else ""


def telling(switches: Mapping[str, Any], numbers: Mapping[str, Any], rule: str = DEFAULT) -> dict[str, Any]:
    """Return the switches that a cause names: those that change the rule, or all where nothing does."""
    told = {name: value for name, value in switches.items() if not only_rounds(name, value, rule)}
    return told if told or numbers else dict(switches)


def number(name: str, value: Any, rule: str = DEFAULT) -> str:
    """Return what a number that somebody computes with is, whatever is given, as a part of a sentence."""
    if name == "centered" and value:
        return "it is always centred"
    if name == "second_moment_start":
        return f"the second moment starts at {value:g} instead of zero"
    if name.endswith("_start"):
        return f"the {name.removesuffix('_start').replace('_', ' ')} starts at {value:g} instead of as the page's does"
    if name == "epsilon_if_zero":
        return f"an epsilon of zero counts as not given: it is {value!r} then"
    if name == "rate_decay":
        return f"the learning rate decays by itself: L / (1 + {value:g}·t)"
    if name == "rate_kept":
        return f"the learning rate decays by itself: each step multiplies it by {value!r}"
    if name == "rate_decay_kept":
        return f"the learning rate decays by itself, and keeps it: each step divides it by 1 + {value:g}·t"
    if name == "state_of":
        return "tensors of one shape share their state"
    if name == "weight_limit":
        return f"weights are clipped to [-{value:g}, {value:g}] after each step"
    if name == "column_limit":
        return f"the norm of each column of a matrix is limited to {value:g} after each step"
    if name in _CLIPS and value is not None:
        return f"{_CLIPS[name]} {value:g}, whatever it is given"
    if name.endswith("_factor") and name != "loss_scale_factor":
        return f"the {name.removesuffix('_factor').replace('_', ' ')} is {value!r} times the one it is given"
    if name == "weight_decay" and not value and _defaults(rule).get(name):
        return "there is no weight decay, whatever it is given"
    if value is None or value is False or (name in ("momentum", "centered", "weight_decay") and not value):
        return f"`{name}` is taken and ignored"
    if name in _defaults(rule) and value == _defaults(rule)[name]:
        return f"`{name}` is taken and ignored: it is {value!r} whatever it is given"
    if name in known(rule) and name not in _defaults(rule):
        return f"{name} is {value!r}, where tf.keras has none"
    return f"{name} is {value!r} whatever it is given"


def _sentence(parts: Sequence[str]) -> str:
    sentence = ", and ".join(parts)
    return (sentence if sentence[0] == "`" else sentence[0].upper() + sentence[1:]) + "."


def formula(
    switches: Mapping[str, Any], momentum: bool = True, numbers: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """Return the lines of the rule by the name of what they compute; an argument that is not as given has its own."""
    old = {False: "v0", "momentum_only": "v0"}.get(switches.get("state_carried", True), "v")
    keep, new = {"rate": ("L", "(1-L)"), "rate_in_rest": ("rho", "(1-L)")}.get(
        switches.get("rho_from", ""), ("rho", "(1-rho)")
    )
    keep, new = (new, keep) if switches.get("rho_role") == "new" else (keep, new)
    start = switches.get("second_moment_start", 0.0)
    lines = {"start": "v0 = g0²" if isinstance(start, str) else f"v0 = {float(start):g}"}
    lines["gradient"] = _AROUND["gradient"]
    form = {"lerp": f"v = {old} + (g² - {old})·{new}", "chained": f"v = {keep}·{old} + ({new}·g)·g"}
    lines["second moment"] = form.get(str(switches.get("moment_form")), f"v = {keep}·{old} + {new}·g²")
    if switches.get("moment_of"):
        of = "|g|" if switches["moment_of"] == "magnitude" else f"{switches['moment_of']}(g²)"
        lines["second moment"] = f"v = {keep}·{old} + {new}·{of}"
    if switches.get("moment_carry"):
        whole = switches["moment_carry"] == "whole"
        lines["second moment"] = (
            f"v = {old} + g²" if whole else lines["second moment"].replace("v =", f"v = {old} +", 1)
        )
    if switches.get("epsilon_place") == "kept":
        lines["second moment"] += " + epsilon"
    if switches.get("moment_kept"):
        lines["second moment"] += ";  v = v/(1-rho^t), kept"
    outside = momentum and switches.get("learning_rate_place") == "outside"
    lines["step"], lines["weights"] = _step(switches, outside), "w = w - u"
    if momentum:
        lines |= _buffered(switches, outside)
    if switches.get("step_sign") == "add":
        lines["weights"] = lines["weights"].replace("w = w -", "w = w +")
    lines |= {stage: line for stage, line in _AROUND.items() if stage not in lines}
    lines |= dict(choice.line for name, value in switches.items() for choice in _of(name, value) if choice.line[0])
    for name, value in (numbers or {}).items():
        _write(lines, name, value)
    return lines


_AROUND: Final = {"gradient": "g = gradient", "decay": "w = w - w·weight_decay·L", "rate": "L = schedule(t)"}
"""What stands around every rule, as tf.keras has it."""


def differing(switches: Mapping[str, Any], numbers: Mapping[str, Any], rule: str) -> list[Line]:
    """Return the lines that choices of a rule beside RMSprop change, each beside that of its page."""
    lines = []
    for name, value in switches.items():
        for stage, line in (choice.line for choice in _of(name, value, rule) if choice.line[0]):
            own = find(rule).formulas.get(stage, {}) if stage not in _AROUND else {}
            lines.append(Line(line, _AROUND.get(stage) or own.get("") or next(iter(own.values()), "")))
    known_lines = {**_AROUND, "weights": "w = w - u"}
    written = dict(known_lines)
    for name, value in numbers.items():
        _write(written, name, value)
    changed = [(name, line) for name, line in written.items() if line != known_lines.get(name)]
    return [*lines, *(Line(line, known_lines.get(name) or _its(name, rule)) for name, line in changed)]


def _its(name: str, rule: str) -> str:
    """Return the line of tf.keras for an argument that somebody else sets by himself, or that it has not."""
    return f"no {name}" if name in known(rule) and name not in _defaults(rule) else as_given(name)


def _of(name: str, value: Any, rule: str = DEFAULT) -> Iterator[Choice]:
    """Yield the record of a value of a switch; a number that a switch may be has none."""
    return (each for each in known(rule)[name].choices if each.value == value and type(each.value) is type(value))


_STATE: Final = "v = state[tensor]"


def as_given(name: str) -> str:
    """Return the line of tf.keras for an argument that somebody else sets by himself."""
    return _STATE if name == "state" else f"{name} = what it is given"


def _write(lines: dict[str, str], name: str, value: Any) -> None:
    """Put what an argument is, whatever is given, into the line that it changes, or into one of its own."""
    if name in _CLIPS and value is not None:
        norm = {"clipnorm": "‖gradient‖", "global_clipnorm": "‖all gradients‖"}.get(name)
        clipped = f"gradient·min(1, {value:g}/{norm})" if norm else f"clip(gradient, -{value:g}, {value:g})"
        lines["gradient"] = f"g = {clipped}"
    elif name == "epsilon_if_zero":
        lines["epsilon"] = f"epsilon = what it is given, or {value!r}"
    elif name == "rate_decay":
        lines["rate"] += f" / (1 + {value:g}·t)"
    elif name == "rate_kept":
        lines["rate"] += f"·{value!r}^t"
    elif name == "rate_decay_kept":
        lines["rate"] = f"L = L / (1 + {value:g}·t)"
    elif name == "state_of":
        lines["state"] = _STATE.replace("tensor", "shape")
    elif name == "weight_limit":
        lines["weights"] += f";  w = clip(w, -{value:g}, {value:g})"
    elif name == "column_limit":
        lines["weights"] += f";  w = w·min(1, {value:g}/‖column of w‖)"
    elif name.endswith("_factor") and name != "loss_scale_factor":
        own = name.removesuffix("_factor")
        lines[own] = f"{own} = {value!r}·(what it is given)"
    else:
        lines[name] = f"{name} = {value!r}"


def _step(switches: Mapping[str, Any], outside: bool, of: str = "g") -> str:
    v = "v_before" if switches.get("denominator_uses") == "previous" else "v"
    v = f"{v}/(1-rho^t)" if switches.get("bias_correction") else v
    place = switches.get("epsilon_place", "inside")
    under = f"{v} + epsilon" if place == "inside" else v
    root = under if switches.get("denominator_power") == 1.0 else f"√({under})" if len(under) > 1 else f"√{under}"
    root = f"max({root}, epsilon)" if place == "floor" else root
    denominator = f"({root} + epsilon)" if place == "outside" else f"({root})" if "√" not in root else root
    rate = "" if outside else "L·"
    if switches.get("division") == "rsqrt":
        return f"u = {rate}{of}·(1/{denominator})"
    return f"u = {rate}{of} / {denominator}"


def _buffered(switches: Mapping[str, Any], outside: bool) -> dict[str, str]:
    """Return the lines of the step and of the weights where there is a momentum buffer."""
    of_gradients = switches.get("buffer_of") == "gradients"
    new = ("g" if outside else "L·g") if of_gradients else "u"
    entering = f"(1-momentum)·{new}" if switches.get("dampening") else new
    ahead = f"(momentum·b + {entering})" if switches.get("nesterov") else "b"
    buffer, rate = f"b = momentum·b + {entering}", "L·" if outside else ""
    if of_gradients:
        return {"step": _step(switches, not outside, ahead), "weights": f"{buffer};  w = w - u"}
    return {"weights": f"{buffer};  w = w - {rate}{ahead}"}
