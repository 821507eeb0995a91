"""The sentence for each choice, and the formula of a member as lines that can be set beside tf.keras'."""

from typing import Any, Final

from parity.case.rule import DEFAULT, find
from parity.reference.switches import BY_NAME, SWITCHES

CAUSES: Final[dict[tuple[str, Any], str]] = {
    (switch.name, choice.value): choice.cause for switch in SWITCHES for choice in switch.choices[1:]
}

_DEFAULTS: Final = {name: default for name, _, default in find(DEFAULT).parameters}

_CLIPS: Final = {
    "clipvalue": "gradients are clipped by value at",
    "clipnorm": "each tensor's gradient is clipped by its norm at",
    "global_clipnorm": "gradients are clipped by the norm of all of them at",
}


def cause(switches: dict[str, Any], numbers: dict[str, float]) -> str:
    """Return one sentence that names every choice; "nothing differs" where there is none."""
    parts = [CAUSES[choice] for choice in switches.items() if not BY_NAME[choice[0]].rounds]
    for name, value in numbers.items():
        if name == "centered" and value:
            parts.append("it is always centred")
        elif name == "second_moment_start":
            parts.append(f"the second moment starts at {value:g} instead of zero")
        elif name == "rate_decay":
            parts.append(f"the learning rate decays by itself: L / (1 + {value:g}·t)")
        elif name in _CLIPS and value is not None:
            parts.append(f"{_CLIPS[name]} {value:g}, whatever it is given")
        elif name.endswith("_factor") and name != "loss_scale_factor":
            what = name.removesuffix("_factor").replace("_", " ")
            parts.append(f"the {what} is {value!r} times the one it is given")
        elif value in (None, False) or (name in ("momentum", "centered") and not value):
            parts.append(f"`{name}` is taken and ignored")
        elif name in _DEFAULTS and value == _DEFAULTS[name]:
            parts.append(f"`{name}` is taken and ignored: it is {value!r} whatever it is given")
        else:
            parts.append(f"{name} is {value!r} whatever it is given")
    parts += [CAUSES[choice] for choice in switches.items() if BY_NAME[choice[0]].rounds]
    sentence = ", and ".join(parts) or "nothing differs"
    return (sentence if sentence[0] == "`" else sentence[0].upper() + sentence[1:]) + "."


def formula(switches: dict[str, Any], momentum: bool = True) -> dict[str, str]:
    """Return the lines of the rule by the name of what they compute."""
    old = {False: "v0", "momentum_only": "v0"}.get(switches.get("state_carried", True), "v")
    keep, new = ("(1-rho)", "rho") if switches.get("rho_role") == "new" else ("rho", "(1-rho)")
    start = switches.get("second_moment_start", 0.0)
    lines = {"start": "v0 = g0²" if isinstance(start, str) else f"v0 = {float(start):g}", "gradient": "g"}
    if switches.get("gradient_reduction") == "sum":
        lines["gradient"] = "g = batch_size·g"
    form = {"lerp": f"v = {old} + (g² - {old})·{new}", "chained": f"v = {keep}·{old} + ({new}·g)·g"}
    lines["second moment"] = form.get(str(switches.get("moment_form")), f"v = {keep}·{old} + {new}·g²")
    if switches.get("moment_of"):
        lines["second moment"] = f"v = {keep}·{old} + {new}·{switches['moment_of']}(g²)"
    if switches.get("moment_carry"):
        whole = switches["moment_carry"] == "whole"
        lines["second moment"] = (
            f"v = {old} + g²" if whole else lines["second moment"].replace("v =", f"v = {old} +", 1)
        )
    if switches.get("epsilon_place") == "kept":
        lines["second moment"] += " + epsilon"
    lines["step"] = "u = " + _step(switches, outside=momentum and switches.get("learning_rate_place") == "outside")
    lines["weights"] = _weights(switches) if momentum else "w = w - u"
    if switches.get("step_sign") == "add":
        lines["weights"] = lines["weights"].replace("w = w -", "w = w +")
    lines["decay"] = {"coupled": "g = g + weight_decay·w", "unscaled": "w = w - w·weight_decay"}.get(
        str(switches.get("weight_decay_form")), "w = w - w·weight_decay·L"
    )
    lines["rate"] = "L = schedule(t + 1)" if switches.get("schedule_origin") else "L = schedule(t)"
    return lines


def _step(switches: dict[str, Any], outside: bool) -> str:
    v = "v_before" if switches.get("denominator_uses") == "previous" else "v"
    v = f"{v}/(1-rho^t)" if switches.get("bias_correction") else v
    place = switches.get("epsilon_place", "inside")
    under = f"{v} + epsilon" if place == "inside" else v
    root = under if switches.get("denominator_power") == 1.0 else f"√({under})" if len(under) > 1 else f"√{under}"
    root = f"max({root}, epsilon)" if place == "floor" else root
    denominator = f"({root} + epsilon)" if place == "outside" else f"({root})" if "√" not in root else root
    rate = "" if outside else "L·"
    if switches.get("division") == "rsqrt":
        return f"{rate}g·(1/{denominator})"
    return f"{rate}g / {denominator}"


def _weights(switches: dict[str, Any]) -> str:
    step = "(momentum·b + u)" if switches.get("nesterov") else "b"
    rate = "L·" if switches.get("learning_rate_place") == "outside" else ""
    return f"b = momentum·b + u;  w = w - {rate}{step}"
