"""Wrappers of classes: of an instance for each tensor, of who is handed objects, and of who is no instance."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import product
from typing import Any, Final

from parity.subjects.binding.asked import HYPERPARAMETERS, signature
from parity.subjects.binding.bound import Bound
from parity.subjects.binding.parts import NONE
from parity.subjects.binding.roles import Parameter, parameters_of, role_of
from parity.subjects.binding.standin import Asked, AskedTensor, part_of, stands_for
from parity.subjects.binding.wrappers.calls import HOLDERS, SHAPES, bodies, called_in
from parity.subjects.binding.wrappers.text import class_of, keras_word, keywords, title

_AT_FIRST: Final = {"params": ("[w]", '{"w": w}', "w"), "grads": ("[w]", '{"w": w}'), "count": ("1",), "index": ("0",)}
"""What a constructor may take beside its hyperparameters."""


def of_class(kind: Any, bound: Bound, methods: Sequence[str]) -> Iterator[str]:
    """Yield wrappers of a class, of which each tensor has an instance, by each of its methods."""
    all_of_it = parameters_of(kind) or []
    needed = [p for p in all_of_it if p.required and p.name not in bound.taken]
    # Behind what goes by name, all else does, too.
    by_name = needed != all_of_it[: len(needed)]
    # What people call so, and another argument is taken for, is off.
    off = {p.name: ("0.0",) for p in needed if p.name in HYPERPARAMETERS}
    for values in product(*(off.get(p.name, ()) + _AT_FIRST.get(p.role, SHAPES) for p in needed)):
        given = [f"{p.name}={word}" if by_name else word for p, word in zip(needed, values, strict=True)]
        made = f"{title(kind)}({', '.join([*given, *keywords(bound, '')])})"
        for method in methods:
            own = (parameters_of(getattr(kind, method)) or [])[1:]
            callee = "self.inner" if method == "__call__" else f"self.inner.{method}"
            for lines in called_in(callee, own):
                if needed:
                    first = "self.inner = self.make(w) if self.inner is None else self.inner"
                    yield class_of(bound, {"make": f"lambda w: {made}", "inner": "None"}, [first, *lines])
                else:
                    yield class_of(bound, {"inner": made}, lines)


def of_class_itself(kind: Any, bound: Bound) -> Iterator[str]:
    """Yield wrappers of a class that nobody makes an instance of: of a class of its own for each tensor.

    What it holds begins as it stands there, its numbers under the names of Keras; one method may set them.
    """
    own = [name for each in reversed(kind.__mro__[:-1]) for name, held in vars(each).items() if _is_of_class(held)]
    public = [name for name in dict.fromkeys(own) if not name.startswith("_")]
    setters = [name for name in public if not {"params", "grads"} & {p.role for p in _needed_by(kind, name)}]
    held = {name: value for name, value in vars(kind).items() if not name.startswith("__")}
    parts = [f'"{name}": {keras_word(name) or repr(value)}' for name, value in held.items() if _is_written(value)]
    for method, setter in product((name for name in public if name not in setters), ("", *setters)):
        first = ["if self.inner is None:", f'    self.inner = type("Own", ({title(kind)},), {{{", ".join(parts)}}})']
        set_up = ", ".join([*_handed(_needed_by(kind, setter)), *_given(getattr(kind, setter))]) if setter else ""
        first += [f"    self.inner.{setter}({set_up})"] if setter else []
        given = _given(getattr(kind, method))
        for lines in called_in(f"self.inner.{method}", _needed_by(kind, method), given):
            yield class_of(bound, {"inner": "None"}, [*first, *lines])


def _is_of_class(held: Any) -> bool:
    return isinstance(held, classmethod | staticmethod)


def _is_written(value: Any) -> bool:
    """Whether what a class holds can be written down: a number, nothing, or an empty list or mapping."""
    return isinstance(value, bool | int | float | str | None) or value in ([], {})


def _needed_by(kind: Any, method: str) -> list[Parameter]:
    """Return what a method of a class itself must be given."""
    return [p for p in parameters_of(getattr(kind, method)) or [] if p.required]


def _handed(needed: Sequence[Parameter]) -> list[str]:
    """Return the numbers that must be given, each by its name."""
    return [f"{p.name}={keras_word(p.name) or 'None'}" for p in needed]


def _given(function: Callable[..., Any]) -> list[str]:
    """Return the numbers that a call may be given and has defaults for, each by its name."""
    found = signature(function)
    return [f"{name}={keras_word(name)}" for name, p in found.items() if p.default is not NONE and keras_word(name)]


def of_asked(kind: Any, bound: Bound, methods: Sequence[str]) -> Iterator[str]:
    """Yield wrappers of who is handed an object, made of what it asked of that."""
    yield from _given_before(kind, bound, methods)
    yield from _standing_in(kind, bound, methods)
    yield from _of_tensor(kind, bound, methods)


def _given_before(kind: Any, bound: Bound, methods: Sequence[str]) -> Iterator[str]:
    """Yield wrappers of a class that one method gives an array to keep, and another one gradients."""
    if any(p.required and p.name not in bound.taken for p in parameters_of(kind) or []):
        return
    taken = {
        method: [p.role for p in (parameters_of(getattr(kind, method)) or [])[1:] if p.required] for method in methods
    }
    givers = [method for method, roles in taken.items() if roles == ["params"]]
    steps = [method for method, roles in taken.items() if roles == ["grads"]]
    made = f"{title(kind)}({', '.join(keywords(bound, 'self.'))})"
    for giver, step, (held, _), (into, _) in product(givers, steps, HOLDERS[:3], HOLDERS[:3]):
        first = ["if self.inner is None:", f"    self.inner, self.p = {made}, w.copy()"]
        first.append(f"    self.inner.{giver}({held.format('self.p')})")
        lines = ["self.p[...] = w", f"self.inner.{step}({into.format('g')})", "return self.p.copy()"]
        yield class_of(bound, {"inner": "None", "p": "None"}, [*first, *lines])


def _of_tensor(kind: Any, bound: Bound, methods: Sequence[str]) -> Iterator[str]:
    """Yield wrappers of a class with a method that takes one tensor with its gradient, an object of any names."""
    needed = [p.name for p in parameters_of(kind) or [] if p.required and p.name not in bound.taken]
    for method in methods:
        if len([p for p in (parameters_of(getattr(kind, method)) or [])[1:] if p.required]) != 1:
            continue
        for plain in (True, False):
            asked = AskedTensor(plain)
            with suppress(Exception):  # what it asked for until then is known
                getattr(kind(**dict.fromkeys(needed), **bound.passed), method)(asked)
            # Of who sets anything on it, only what it asked for first is known.
            held = {name: part_of(name) for name in asked.asked if not plain or role_of(name) in ("params", "grads")}
            weights = next((name for name, word in held.items() if word == "w"), "")
            if not weights or "g" not in held.values():
                continue
            made = f"{title(kind)}({', '.join([*(f'{name}=None' for name in needed), *keywords(bound, '')])})"
            parts = ", ".join(f"{name}={word}" for name, word in held.items())
            lines = [f"vars(self.p).update({parts})", f"self.inner.{method}(self.p)", f"return self.p.{weights}"]
            yield class_of(bound, {"inner": made, "p": 'type("Tensor", (), {})()'}, lines)


def _standing_in(kind: Any, bound: Bound, methods: Sequence[str]) -> Iterator[str]:
    """Yield wrappers of a class whose constructor takes one thing that it asks for the gradient, and for the start.

    What stands in for that has the attributes that it was asked for, each by what its name speaks of.
    """
    needed = [p for p in parameters_of(kind) or [] if p.required and p.name not in bound.taken]
    for method in methods if len(needed) == 1 else ():
        if any(p.required for p in (parameters_of(getattr(kind, method)) or [])[1:]):
            continue
        asked = Asked()
        with suppress(Exception):  # what it asked for until then is known
            getattr(kind(**{needed[0].name: asked}, **bound.passed), method)()
        held = ", ".join(f"{name}={stands_for(name)}" for name in asked.__dict__)
        made = f"{title(kind)}({', '.join([needed[0].name, *keywords(bound, '')])})"
        for lines in bodies(f"self.inner.{method}()", "") if "self.g" in held else ():
            first = ["self.g = g", "if self.inner is None:", f"    self.inner = self.make(SimpleNamespace({held}))"]
            text = class_of(bound, {"make": f"lambda {needed[0].name}: {made}", "inner": "None"}, [*first, *lines])
            yield f"from types import SimpleNamespace\n{text}"
