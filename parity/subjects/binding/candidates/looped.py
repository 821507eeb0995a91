"""The shapes of who owns the loop, by the names of its parameters."""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any, Final

from parity.subjects.binding.companions import own_gradient
from parity.subjects.binding.drivers.loops import GRADIENTS, ITERATED, Argument, Generators, Loops
from parity.subjects.binding.drivers.shape import Shape
from parity.subjects.binding.roles import PLURAL, Parameter

_LOOPS: Final = frozenset({"steps", "callback", "objective", "tolerance", *GRADIENTS})
"""Roles of what only an optimizer is given that goes from step to step by itself."""
_OFFERED: Final = frozenset({"steps", "callback", "tolerance"})
"""Those of them that it is given although it has a default for them."""
_DATA: Final = frozenset({"data", "dataset", "batch", "args"})
"""Names of what a loop only hands on to who computes its gradients, which is nothing here."""
_IN_A_LOOP: Final = {"count": "steps", "loss": "objective"}
"""What a role means of a parameter of a whole loop."""


def around(
    method: str, function: Any, parameters: Sequence[Parameter], called: Iterator[Shape], rate: str = ""
) -> Iterator[Shape]:
    """Yield the shapes of who owns the loop, and those of who is called once a step: what the names say comes first.

    ``rate`` is a function's own name of its learning rate, which its loop may ask step by step.
    """
    loops = list(of_loop(method, function, parameters))
    loops += [asking(shape, rate) for shape in loops if rate and shape.driver is Loops]
    yields = inspect.isgeneratorfunction(function)
    first = yields or bool(_LOOPS & {p.role for p in parameters})
    yield from loops if first else ()
    yield from () if yields else called
    yield from () if first else loops


def asking(shape: Shape, rate: str) -> Shape:
    """Return the shape of a loop that asks for its learning rate at each step."""
    more = {**shape.more, "arguments": (*shape.more["arguments"], Argument(rate, "rate"))}
    return Shape(f"{shape.title}, which calls {rate}(step)", shape.driver, more)


def of_loop(method: str, function: Any, parameters: Sequence[Parameter]) -> Iterator[Shape]:
    """Yield the shapes of a generator, or of a function that calls for its gradients, by names of its parameters."""
    arguments: dict[str, Argument] = {}
    for p in parameters:
        role = _IN_A_LOOP.get(p.role, p.role) or ("data" if p.name in _DATA else "")
        known = role in {"params", "grads", "data", *_LOOPS} and role not in arguments
        if known and (p.required or role in _OFFERED):
            arguments[role] = Argument(p.name, role)
        elif p.required:
            return
    yields = method == ITERATED or inspect.isgeneratorfunction(function)
    asks = bool(arguments.keys() & {"grads", *GRADIENTS})
    beside = own_gradient(function) if method == "__call__" and not (yields or asks) else ""
    if "params" not in arguments or not (yields or asks or beside):
        return
    names = ", ".join(argument.name for argument in arguments.values())
    call = f"{getattr(function, '__name__', method)}({names})"
    what = "a generator that is served gradients" if asks else "a generator that is sent gradients"
    what = what if yields else "a loop of its own that is served gradients call by call"
    what += f" of {beside}()" if beside else ""
    more: dict[str, Any] = {"method": method, "arguments": tuple(arguments.values())}
    more |= {"beside": beside} if beside else {}
    held = {
        "array": "one run a tensor",
        "mapping": "over a mapping of all tensors",
        "list": "over a list of all tensors",
    }
    plural = arguments["params"].name in PLURAL
    for word in ("mapping", "list", "array") if plural else ("array", "mapping", "list"):
        yield Shape(f"{call}, {what}, {held[word]}", Generators if yields else Loops, {**more, "held": word})
    for word in () if yields else ("mapping", "list", "array") if plural else ("array", "mapping", "list"):
        title = f"{call}, {what}, each twice, {held[word]}"
        yield Shape(title, Loops, {**more, "held": word, "asks": 2})
