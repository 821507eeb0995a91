"""The shapes that a method or a function may have, by the roles of its parameters."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from parity.subjects.binding.asked import HYPERPARAMETERS
from parity.subjects.binding.candidates.methods import STEPS, spoken
from parity.subjects.binding.candidates.owners import filled, handed, layered, layers_of, of_owner
from parity.subjects.binding.candidates.tensors import ALONE, BESIDE, PAIRS, of_tensors
from parity.subjects.binding.drivers.objects import OfModel
from parity.subjects.binding.drivers.shape import GUESSED, INSTANCE, Call, Shape, numbered
from parity.subjects.binding.drivers.twos import BOTH, of_twos
from parity.subjects.binding.roles import PLURAL, Parameter

_OF_FILLED: Final = frozenset({"rate", "count", "loss"})
"""Roles of what a step may take whose weights and gradients the constructor has."""


def of_call(
    method: str,
    parameters: Sequence[Parameter],
    owner: str,
    taker: str = "",
    holder: Any = None,
    whose: str = INSTANCE,
) -> Iterator[Shape]:
    """Yield the shapes that a method may have, by the roles of its parameters.

    ``whose`` says what there is of it for each tensor, empty where it is a function that keeps nothing.
    """
    used = [p for p in parameters if p.required or p.role in ALONE or p.role in ("state", "layer", "layers", "model")]
    used = [p._replace(role=role) for p, role in zip(used, numbered([p.role for p in used]), strict=True)]
    if {p.role for p in used} >= BOTH and not owner:
        yield from of_twos(method, spoken(method, holder), used, HYPERPARAMETERS, whose)
        return
    # A layer without biases may be allowed: whoever takes their gradient is given it.
    of_layer = [p.role for p in parameters if p in used or p.role == "bias_grads"]
    if sorted(of_layer) == ["bias_grads", "grads", "layer"]:
        yield layers_of(Call(method, of_layer), holder, "")
        return
    used = _without_biases(used)
    for roles in _roles(used, bool(owner)):
        by_name = {role: p.name for role, p in zip(roles, used, strict=True) if p.by_name}
        guessed = "grads" in roles and not any(p.role in ("grads", *PAIRS) for p in used)
        call, kinds = Call(method, roles, by_name, spoken(method, holder), guessed), set(roles)
        plural = any(p.name in PLURAL for p in used)
        if kinds & {"layer", "layers"}:
            yield from layered(call, holder, "")
        elif kinds >= {"model", "grads"}:
            # Some call the mapping of weights their model.
            yield from of_tensors(Call(method, ["params" if role == "model" else role for role in roles]), True, owner)
            yield Shape(f"{call} with a model's params", OfModel, {"call": call})
        elif "model" in kinds:
            yield Shape(f"{call} with a model's params and grads", OfModel, {"call": call})
            yield from layered(call, holder, "")
            yield from handed(call, f"in {call}", {})
        elif owner and taker and kinds and kinds <= _OF_FILLED:
            yield from filled(call, owner, taker)
        elif {"params", "grads"} <= kinds or (owner and kinds and kinds <= {"grads", *BESIDE}) or kinds & PAIRS:
            yield from of_tensors(call, plural, owner, whose)
        elif owner and not kinds and method in STEPS:
            yield from of_owner(method, owner, taker, holder)


def _without_biases(used: Sequence[Parameter]) -> list[Parameter]:
    """Return parameters whose names speak of a bias as what else they may be: of one tensor, or of nothing known."""
    words = {"biases": "", "bias_grads": "grads"}
    return [p._replace(role=words.get(p.role, p.role)) for p in used]


def _roles(used: Sequence[Parameter], owned: bool) -> Iterator[list[str]]:
    """Yield what the parameters may be for; two whose names say nothing may be weights and gradients."""
    roles = [p.role for p in used]
    unknown = [number for number, role in enumerate(roles) if not role]
    if any(roles.count(role) > 1 for role in ("params", "grads")):
        return  # several tensors in a call: which belongs to which is not told
    if any(used[number].name in HYPERPARAMETERS for number in unknown):
        return  # a number that only the caller of each step knows
    if not unknown:
        yield roles
    elif len(unknown) == 1 and {"params", "grads"} <= set(roles):
        yield [role or GUESSED for role in roles]
    elif len(unknown) == 1 and ({"params", "grads"} & set(roles) or owned):
        missing = "params" if "grads" in roles else "grads"
        yield [role or missing for role in roles]
    elif len(unknown) == 2 and not {"params", "grads"} & set(roles):
        for pair in (("params", "grads"), ("grads", "params")):
            yield [role or pair[unknown.index(number)] for number, role in enumerate(roles)]
