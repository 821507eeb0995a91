"""The shapes of who hands its state in and out, and of functions that are made."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Final

from parity.subjects.binding.candidates.calls import of_call
from parity.subjects.binding.candidates.methods import taken_by
from parity.subjects.binding.drivers.shape import Shape
from parity.subjects.binding.drivers.states import Functions, Pure, Transformation
from parity.subjects.binding.roles import parameters_of

_OF_FUNCTIONS: Final = {"index": "count"}


def of_functions(made: tuple[Any, ...]) -> Iterator[Shape]:
    """Yield the shapes of two or three functions: one makes a state, one makes a step, one may tell the parameters."""
    usual = ["count", "grads", "state"] if len(made) == 3 else ["grads", "state", "params"]
    roles = [_OF_FUNCTIONS.get(p.role, p.role) for p in parameters_of(made[1]) or []]
    missing = [role for role in usual if role not in roles]
    if len(missing) == 1 and roles.count("") == 1:
        roles[roles.index("")] = missing[0]
    if not set(roles) <= {"grads", "state", "params", "count"} or "grads" not in roles:
        if len(made) == 2:
            return
        roles = usual
    more = {"order": tuple(roles)}
    if len(made) == 3:
        yield Shape("(init, update, get_params), a state for each tensor", Functions, more)
        return
    for adds, what in ((False, "(params, state)"), (True, "(updates, state)")):
        title = f"(init, update), update({', '.join(roles)}) -> {what}, a state for each tensor"
        yield Shape(title, Functions, {**more, "adds": adds})


def of_constructed(make: Callable[[], Any]) -> Iterator[Shape]:
    """Yield the shapes of functions that a constructor makes and keeps: closures over its arguments."""
    try:
        made = vars(make())
    except Exception:  # no instance without more than is known here, or one without a mapping of attributes
        return
    for name, function in made.items():
        if inspect.isfunction(function) and not name.startswith("_"):
            yield from of_call(name, parameters_of(function) or [], "")


def stateful(holder: Any) -> Iterator[Shape]:
    """Yield the shapes whose state is handed in and out."""
    if not callable(getattr(holder, "init", None)):
        return
    for method in ("step", "update"):
        own = taken_by(holder, method) if callable(getattr(holder, method, None)) else []
        if len([p for p in own if p.required]) < 2 or len(own) < 3:
            continue
        if own[0].role == "grads" or own[1].role == "state":
            title = f"init(params), {method}(grads, state, params) -> (updates, state)"
            yield Shape(title, Transformation, {"method": method})
        else:
            title = f"init(params), {method}(params, grads, state) -> (params, state)"
            yield Shape(title, Pure, {"method": method})
