"""The choices of a rule's family, by name: plain data, so that saying what one is costs nothing."""

from functools import cache
from typing import Any, Final

from parity.case.rule import DEFAULT
from parity.reference.families.switches import FAMILIES, OTHERS
from parity.reference.switches import BY_NAME, Switch

MODES: Final[dict[str, dict[str, Any]]] = {
    "plain": {},
    "momentum": {"momentum": 0.9},
    "centered": {"centered": True},
    "both": {"momentum": 0.9, "centered": True},
    "weight_decay": {"weight_decay": 0.01},
}
"""The modes of RMSprop: what its probes set."""


@cache
def switches(rule: str = DEFAULT) -> dict[str, Switch]:
    """Return every choice of a rule's members, by name, in the order in which a member names them."""
    return BY_NAME if rule == DEFAULT else {switch.name: switch for switch in FAMILIES.get(rule, OTHERS).switches}


@cache
def moot(rule: str = DEFAULT) -> dict[tuple[str, Any], tuple[tuple[str, Any], ...]]:
    """Return the choices beside which a choice of a rule shows nothing, for each that has such."""
    return {(s.name, c.value): c.moot for s in switches(rule).values() for c in s.choices if c.moot}


@cache
def modes(rule: str = DEFAULT) -> dict[str, dict[str, Any]]:
    """Return the arguments that make each mode of a rule, by its name, the plain one first."""
    if rule == DEFAULT:
        return MODES
    own = {name: dict(given) for name, given in FAMILIES.get(rule, OTHERS).modes}
    return {"plain": {}, **own, "weight_decay": MODES["weight_decay"]}


def mode_of(rule: str, given: Any) -> str:
    """Return the mode that hyperparameters are in: the one that sets most of what they set."""
    own = {name: arguments for name, arguments in modes(rule).items() if name != "weight_decay"}
    fitting = [name for name, arguments in own.items() if all(getattr(given, each) for each in arguments)]
    found = max(fitting, key=lambda name: len(own[name]))
    return "weight_decay" if found == "plain" and given.weight_decay else found


def only_rounds(name: str, value: Any, rule: str = DEFAULT) -> bool:
    """Return whether a choice changes no more than last bits; arithmetic in 16 bits changes more than those."""
    return bool(switches(rule)[name].rounds) and value not in ("float16", "bfloat16")
