"""Who returns a change, not the weights: whether its caller adds or subtracts it is told by the sign of a trial."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from parity.subjects.binding.asked import HYPERPARAMETERS
from parity.subjects.binding.bound import Bound
from parity.subjects.binding.drivers.arrays import Singly, Together
from parity.subjects.binding.drivers.shape import INSTANCE, Call, Make, Shape, one_array
from parity.subjects.binding.drivers.states import STATES
from parity.subjects.binding.fitting import APART, MIXED, trial, way
from parity.subjects.binding.roles import PLURAL, Parameter

_TAKEN: Final = frozenset({"params", "grads", "name", "index", "state", "count", "rate", "loss"})
_OWN_STEP: Final = frozenset({"layer", "layers", "model", "pairs", "pairs back"})
"""Roles of what a step takes that returns no change; who has such a step is driven by it, or not at all."""
_SLOW, _FAST = 0.1, 0.2
_CLOSE: Final = 0.05


class Method(NamedTuple):
    """A method, or a function, that may return a change: what it is called in words, and what it takes."""

    name: str
    word: str
    parameters: Sequence[Parameter]

    @property
    def roles(self) -> set[str]:
        """What its parameters are for, as far as their names say so."""
        return {p.role for p in self.parameters}


class Told(NamedTuple):
    """The shape of the one method that returns a change, or why there is none."""

    shape: Shape | None
    why: str = ""


def changing(methods: Iterable[Method], make: Make, bound: Bound, raised: list[BaseException]) -> Told:
    """Return the shape of the method that returns a change of the weights.

    It must be the only one, its learning rate must scale what it returns, and all elements must go one way along their
    gradients; else what its caller does with it is not told.

    Args:
        methods: the public methods, or the function, in the order in which they are tried.
        make: makes an instance.
        bound: what it is passed.
        raised: what a trial raises is added to it.
    """
    known = [method for method in methods if _roles(method, bound)]
    if bound.owns or any(method.roles & _OWN_STEP for method in methods):
        return Told(None)
    # Who has a method that takes weights too makes its steps with it.
    chosen = [method for method in known if "params" in method.roles] or known
    found = {method.word: _told(method, make, bound, raised) for method in chosen}
    shapes = {word: told.shape for word, told in found.items() if told.shape is not None}
    if len(shapes) > 1:
        return Told(None, f"{' and '.join(shapes)} each return a change: which of them makes the step is not told.")
    why = next((told.why for told in found.values() if told.why), "")
    return Told(next(iter(shapes.values()), None), "" if shapes else why)


def _told(method: Method, make: Make, bound: Bound, raised: list[BaseException]) -> Told:
    for shape in _shapes(method, bound):
        gone = way(shape, make, raised)
        if gone is None:
            continue
        if not scales(shape, make, bound):
            why = f"{shape.more['call']} returns what no learning rate scales: whether its caller does is not told."
            return Told(None, why)
        down = bool(np.all(gone > 0))
        if not down and not np.all(gone < 0):
            why = f"{shape.more['call']} returns what goes up some gradients and down others: to add or to subtract"
            return Told(None, f"{why} is not told.")
        what = "added to" if down else "subtracted from"
        title = f"{shape.title}; what it returns is {what} the weights, as the sign of a trial tells"
        signed = Shape(title, shape.driver, {**shape.more, "change": 1 if down else -1})
        mixed = f"; {MIXED}"
        return Told(signed if trial(signed, make, raised) == APART else signed._replace(title=title + mixed))
    return Told(None)


def scales(shape: Shape, make: Make, bound: Bound) -> bool:
    """Whether twice the learning rate makes steps of twice the length: the one that it is handed, or is made with."""
    own = "" if shape.serves_rate else bound.spelled.get("learning_rate", "")
    if not own and not shape.serves_rate:
        return False
    kept = dict(bound.values)
    gone = []
    try:
        for rate in (_SLOW, _FAST):
            bound.values.update({own: rate} if own else {})
            gone.append(way(shape, make, [], rate))
    finally:
        bound.values.clear()
        bound.values.update(kept)
    if any(each is None for each in gone):
        return False
    ratio = np.asarray(gone[1], dtype=np.float64) / gone[0]
    return bool(np.all(np.abs(ratio - _FAST / _SLOW) < _CLOSE))


def _roles(method: Method, bound: Bound) -> list[str]:
    """Return what the parameters are for, an empty list where that is not told; one unknown may be the gradient."""
    used = _used(method)
    roles = [p.role for p in used]
    unknown = [p.name for p in used if not p.role]
    if any(name in HYPERPARAMETERS for name in unknown) or len(unknown) > ("grads" not in roles):
        return []
    roles = [role or "grads" for role in roles]
    if not bound.has_rate and "rate" not in roles:
        roles = ["rate" if role == "count" else role for role in roles]  # `step` is a length, then, not a number
    told = set(roles) <= _TAKEN and "grads" in roles and all(roles.count(role) == 1 for role in roles)
    return roles if told else []


def _used(method: Method) -> list[Parameter]:
    return [p for p in method.parameters if p.required or p.role in ("params", "grads", "state")]


def _shapes(method: Method, bound: Bound) -> Iterator[Shape]:
    used, roles = _used(method), _roles(method, bound)
    by_name = {role: p.name for role, p in zip(roles, used, strict=True) if p.by_name}
    call = Call(method.name, roles, by_name, method.word)
    told = bool({"name", "index"} & set(roles))
    more: list[tuple[str, Any, dict[str, Any]]] = [
        ("a mapping of all tensors", Together, {"as_list": False}),
        ("a list of all tensors", Together, {"as_list": True}),
    ]
    whose = "" if method.name == "__call__" and method.word != "__call__" else INSTANCE
    single = (one_array(call, whose), Singly, {"shared": told})
    many = [(f"{call} over {words}", driver, given) for words, driver, given in more]
    plural = any(p.name in PLURAL for p in used) and not told
    for words, driver, given in (*many, single) if plural else (single, *many):
        for state in STATES if "state" in roles else (None,):
            yield Shape(words, driver, {"call": call, **given, "state": state, "change": 1})
