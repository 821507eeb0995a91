"""The shapes that an optimizer may have by the names in its signatures, in the order in which they are tried."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from parity.subjects.binding.bound import Bound
from parity.subjects.binding.candidates.calls import of_call
from parity.subjects.binding.candidates.looped import around, of_loop
from parity.subjects.binding.candidates.methods import methods_of, taken_by
from parity.subjects.binding.candidates.owners import of_given, of_possible
from parity.subjects.binding.candidates.rules import is_rule, of_rule
from parity.subjects.binding.candidates.stateful import of_constructed, of_functions, stateful
from parity.subjects.binding.changes import scales
from parity.subjects.binding.configs import config_of
from parity.subjects.binding.drivers.arrays import Singly
from parity.subjects.binding.drivers.loops import GRADIENTS, ITERATED
from parity.subjects.binding.drivers.shape import INSTANCE, Make, Shape
from parity.subjects.binding.drivers.states import Configured
from parity.subjects.binding.drivers.twos import of_owned_twos
from parity.subjects.binding.fitting import unheard
from parity.subjects.binding.roles import Parameter, parameters_of


def candidates(kind: Callable[..., Any], make: Make, bound: Bound) -> Iterator[Shape]:
    """Yield the shapes that somebody's optimizer may have; see ``recognise``."""
    config = config_of(kind)
    if config is not None:
        arrays = [name for name, value in config.items() if name not in bound.passed and np.shape(value) == (2,)]

        def first(w: Any) -> dict[str, Any]:
            return {**config, **{name: np.zeros_like(w) for name in arrays}}

        title = f"{getattr(kind, '__name__', 'f')}(w, dw, config) -> (w, config), a config for each tensor"
        yield Shape(title, Configured, {"first": first})
        return
    if is_rule(kind, bound):
        own = of_rule(kind, bound)
        called = _called("__call__", own, make, bound, kind, whose="")
        yield from around("__call__", kind, own, called, bound.spelled.get("learning_rate", ""))
        return
    holder: Any = kind
    if not inspect.isclass(kind):
        try:
            with unheard():
                holder = make()
        except Exception:  # it needs something that no candidate would give it either
            return
    if inspect.isroutine(holder):
        own = parameters_of(holder) or []
        called = of_call("__call__", own, "", holder=holder, whose="one made for each tensor")
        yield from around("__call__", holder, own, called)
        return
    if isinstance(holder, tuple) and len(holder) in (2, 3) and all(map(callable, holder)):
        yield from of_functions(holder)
    if inspect.isclass(kind) and hasattr(kind, ITERATED):
        own = [p for p in parameters_of(kind) or () if p.name not in bound.taken]
        if {p.role for p in own} & {"grads", *GRADIENTS}:
            yield from of_loop(ITERATED, kind, own)
    yield from stateful(holder)
    if (owners := _owners(kind, bound)) is not None:
        for method in methods_of(holder):
            yield from of_owned_twos(method, [p for p in taken_by(holder, method) if p.required], owners)
    for method in methods_of(holder):
        own = taken_by(holder, method)
        yield from around(method, getattr(holder, method), own, _called(method, own, make, bound, holder))
    if inspect.isclass(kind) and not bound.owns:
        yield from of_constructed(make)
        yield from of_given(kind)
        yield from of_possible(kind, bound)


def _owners(kind: Callable[..., Any], bound: Bound) -> tuple[str, str] | None:
    """Return the arguments of a constructor that take weights and biases, None where it has not one of each."""
    if not inspect.isclass(kind):
        return None
    own = [p for p in parameters_of(kind) or [] if p.name not in bound.taken]
    found = {role: [p.name for p in own if p.role == role] for role in ("params", "biases")}
    weights, biases = found.values()
    return (weights[0], biases[0]) if len(weights) == len(biases) == 1 else None


def _called(
    method: str, own: Sequence[Parameter], make: Make, bound: Bound, holder: Any, whose: str = INSTANCE
) -> Iterator[Shape]:
    """Yield the shapes that a method may have; where nothing else is the learning rate, `step` may be its length."""
    if bound.shaped:
        for shape in of_call(method, own, bound.owns, bound.takes_gradients, holder, whose):
            if shape.driver is Singly and not shape.more["shared"]:
                title = f"{shape.title}, made with its shape"
                yield shape._replace(title=title, more={**shape.more, "shaped": bound.shaped})
    rates = [p for p in own if p.role == "rate" and not p.required]
    if rates and inspect.isclass(holder) and "learning_rate" not in bound.spelled:
        # Who has no other learning rate is given it with each step, also where that has a default for it.
        given = [p._replace(required=True, by_name=True) if p in rates else p for p in own]
        yield from _called(method, given, make, bound, holder, whose)
    known = bound.has_rate or any(p.role == "rate" for p in own)
    if not known and any(p.role == "count" and p.required for p in own):
        lengths = [p._replace(role="rate") if p.role == "count" and p.required else p for p in own]
        for shape in of_call(method, lengths, bound.owns, bound.takes_gradients, holder, whose):
            if scales(shape, make, bound):
                yield shape
    yield from of_call(method, own, bound.owns, bound.takes_gradients, holder, whose)
