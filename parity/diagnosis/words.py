"""The sentence for each choice, and the formula of a member as lines that can be set beside tf.keras'."""

from typing import Any, Final

from parity.diagnosis.member import ROUNDING_ONLY

CAUSES: Final[dict[tuple[str, Any], str]] = {
    ("epsilon_place", "outside"): "epsilon is added after the root instead of under it",
    ("epsilon_place", "none"): "there is no epsilon",
    ("second_moment_start", 1.0): "the second moment starts at one instead of zero",
    (
        "learning_rate_place",
        "outside",
    ): "the learning rate multiplies the momentum buffer, not what is added to it",
    ("nesterov", True): "the momentum looks ahead (Nesterov)",
    ("bias_correction", True): "the moments are divided by 1 - rho^t, as in Adam",
    ("weight_decay_form", "coupled"): "weight decay is added to the gradient instead of taken from the weights",
    ("weight_decay_form", "unscaled"): "weight decay is not multiplied by the learning rate",
    ("one_minus_rho", "variable_dtype"): "1 - rho is formed in the variable's dtype instead of in double",
    ("moment_form", "lerp"): "the moment is v + (g² - v)·(1 - rho), which rounds otherwise",
    ("moment_form", "chained"): "the moment multiplies (1 - rho)·g by g, which rounds otherwise",
    ("division", "rsqrt"): "the gradient is multiplied by a reciprocal root instead of divided by the root",
    ("increment_order", "quotient_first"): "the learning rate multiplies the quotient, which rounds otherwise",
    ("increment_order", "rate_over_root"): "the learning rate is divided by the root first, which rounds otherwise",
    ("denominator_uses", "previous"): "the denominator uses the second moment from before this step",
    ("denominator_power", 1.0): "the root of the second moment is missing",
    ("rho_role", "new"): "rho weighs the new gradient instead of the old moment",
    ("schedule_origin", 1): "the schedule is asked for step 1 at the first step instead of step 0",
    ("state_carried", False): "the state is created anew at every step",
    ("state_carried", "momentum_only"): "the second moment is created anew at every step",
    ("gradient_reduction", "sum"): "gradients are summed over the batch instead of averaged",
    ("arithmetic", "float16"): "the update is computed in float16",
    ("arithmetic", "bfloat16"): "the update is computed in bfloat16",
    ("arithmetic", "float32"): "the update is computed in float32",
    ("arithmetic", "float64"): "the update is computed in float64",
}


def cause(switches: dict[str, Any], numbers: dict[str, float]) -> str:
    """Return one sentence that names every choice; "nothing differs" where there is none."""
    ordered = sorted(switches.items(), key=lambda choice: choice[0] in ROUNDING_ONLY)
    parts = [CAUSES[choice] for choice in ordered]
    for name, value in numbers.items():
        if name == "learning_rate_factor":
            parts.append(f"the learning rate is {value!r} times the one it is given")
        else:
            parts.append(f"{name} is {value!r} whatever it is given")
    sentence = ", and ".join(parts) or "nothing differs"
    return sentence[0].upper() + sentence[1:] + "."


def formula(switches: dict[str, Any], momentum: bool = True) -> dict[str, str]:
    """Return the lines of the rule by the name of what they compute."""
    old = {False: "v0", "momentum_only": "v0"}.get(switches.get("state_carried", True), "v")
    keep, new = ("(1-rho)", "rho") if switches.get("rho_role") == "new" else ("rho", "(1-rho)")
    lines = {"start": f"v0 = {float(switches.get('second_moment_start', 0.0)):g}", "gradient": "g"}
    if switches.get("gradient_reduction") == "sum":
        lines["gradient"] = "g = batch_size·g"
    form = {"lerp": f"v = {old} + (g² - {old})·{new}", "chained": f"v = {keep}·{old} + ({new}·g)·g"}
    lines["second moment"] = form.get(str(switches.get("moment_form")), f"v = {keep}·{old} + {new}·g²")
    lines["step"] = "u = " + _step(switches, outside=momentum and switches.get("learning_rate_place") == "outside")
    lines["weights"] = _weights(switches) if momentum else "w = w - u"
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
    denominator = f"({root} + epsilon)" if place == "outside" else f"({root})" if "√" not in root else root
    rate = "" if outside else "L·"
    if switches.get("division") == "rsqrt":
        return f"{rate}g·(1/{denominator})"
    return f"{rate}g / {denominator}"


def _weights(switches: dict[str, Any]) -> str:
    step = "(momentum·b + u)" if switches.get("nesterov") else "b"
    rate = "L·" if switches.get("learning_rate_place") == "outside" else ""
    return f"b = momentum·b + u;  w = w - {rate}{step}"
