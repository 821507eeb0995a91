"""The shapes of who is handed objects: parameters, layers or a model, in the constructor, before, or with each step."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from parity.subjects.binding.bound import Bound
from parity.subjects.binding.candidates.methods import STEPS, methods_of, needed_by, taken_by
from parity.subjects.binding.candidates.tensors import of_tensors
from parity.subjects.binding.companions import companions
from parity.subjects.binding.drivers.holders import HandsArrays, HandsInPlace, HandsObjects
from parity.subjects.binding.drivers.objects import Handed, Layers, Objects, OfModel, Shared
from parity.subjects.binding.drivers.shape import Call, Shape
from parity.subjects.binding.roles import PLURAL, role_of


def of_owner(method: str, owner: str, taker: str, holder: Any) -> Iterator[Shape]:
    """Yield the shapes of who is handed the parameters in its constructor, and steps by a method without arguments."""
    after = f"in the constructor, then {method}()"
    if taker:
        yield from filled(Call(method, ()), owner, taker)
    if role_of(owner) in ("layers", "model"):
        yield from layered(Call(method, ()), holder, owner)
        yield Shape(f"a model's params and grads {after}", OfModel, {"call": Call(method, ()), "owner": owner})
    where = f"in the constructor's {owner}, then {method}()" if not role_of(owner) else after
    for words, more in _OBJECTS.items():
        yield Shape(f"{words} {where}", Objects, {"method": method, "owner": owner, **more})
    for own in companions(holder, method):
        for words, nested in ((".data and .grad, all", True), (".data and .grad,", False)):
            title = f"a list of parameters with {words} of its own class {own.__name__} {where}"
            yield Shape(title, Objects, {"method": method, "owner": owner, "nested": nested, "of": own})
    if role_of(owner) in ("model", ""):
        yield from handed(Call(method, ()), where, {"owner": owner})
    if role_of(owner) == "params":
        yield mapped(layers_of(Call(method, ()), holder, owner))


def filled(call: Call, owner: str, taker: str) -> Iterator[Shape]:
    """Yield the shapes of who is handed arrays and their gradients in its constructor, and steps without either."""
    after = f"in the constructor, then {call}"
    words = {
        "list": f"lists of parameters and gradients {after}",
        "mapping": f"mappings of parameters and gradients {after}",
        "array": f"an array and its gradient {after}, an instance for each tensor",
    }
    for held in words if owner in PLURAL else reversed(words):
        yield Shape(words[held], Shared, {"call": call, "owner": owner, "taker": taker, "held": held})


_OBJECTS: Final[dict[str, dict[str, Any]]] = {
    "a list of parameters with .data and .grad": {"by_name": False},
    "a mapping of parameters with .data and .grad": {"by_name": True},
    "a list of parameters with .data and .grad.data": {"by_name": False, "nested": True},
    "a mapping of parameters with .data and .grad.data": {"by_name": True, "nested": True},
    "a list of mappings, each with a tensor and its gradient,": {"keyed": True},
    "a list of parameters with .data, .grad and, from zeros on, what a step keeps on them": {"blank": True},
}
_HANDED: Final = {
    "a model with parameters() and grads()": partial(HandsObjects, nested=False),
    "a model with parameters(), which have .data and .grad.data,": partial(HandsObjects, nested=True),
    "a model with parameters() and gradients(), arrays that change in place,": HandsInPlace,
    "a model with get_weights(), get_gradients() and set_weights(), for weights and for biases,": partial(
        HandsArrays, in_twos=True
    ),
    "a model with get_weights(), get_gradients() and set_weights(), a list each,": partial(HandsArrays, in_twos=False),
}
"""What goes into a constructor, or is handed over, in words, the likeliest first."""
_GIVERS: Final = frozenset(
    {"prepare", "setup", "set_model", "set_target", "set_network", "register", "attach", "bind", "link", "initialize"}
)
"""Names of methods that are given a model before the first step."""


def handed(call: Call, where: str, more: dict[str, Any]) -> Iterator[Shape]:
    """Yield the shapes of who is handed a model with methods, by whichever of its methods may be called."""
    for words, model in _HANDED.items():
        yield Shape(f"{words} {where}", Handed, {"call": call, "holder": model, **more})


def of_possible(holder: Any, bound: Bound) -> Iterator[Shape]:
    """Yield the shapes of a constructor that may take the parameters by an argument whose name does not say so."""
    for method in methods_of(holder) if bound.may_own else ():
        own = [p for p in taken_by(holder, method) if p.required]
        if method in STEPS and not own:
            yield from of_owner(method, bound.may_own, "", holder)
        elif method in STEPS and [p.role for p in own] == ["grads"]:
            yield from of_tensors(Call(method, ["grads"]), False, bound.may_own)


def of_given(holder: Any) -> Iterator[Shape]:
    """Yield the shapes of who is given a model once, by a method before the first step."""
    methods = methods_of(holder)
    for giver in methods:
        takes = [p for p in taken_by(holder, giver) if p.required] if giver in _GIVERS else []
        for method in methods if len(takes) == 1 else ():
            roles = [p.role for p in taken_by(holder, method) if p.required]
            if method in STEPS and roles in ([], ["model"]):
                call = Call(method, roles)
                yield from handed(call, f"by {giver}(), then {call}", {"giver": giver})
                for shape in layered(call, holder, ""):
                    yield shape._replace(title=f"by {giver}(), then {shape.title}", more={**shape.more, "giver": giver})


def layered(call: Call, holder: Any, owner: str) -> Iterator[Shape]:
    """Yield the shapes of layers: ours, those that take up a change, and those of its own class."""
    plain = layers_of(call, holder, owner)
    yield plain
    yield from taking(plain)
    yield Shape(f"{plain.title}, in pairs by parameters()", Layers, {**plain.more, "pairs": True})
    yield mapped(plain)
    for own in companions(holder, call.name):
        title = plain.title.replace("layers that own", f"layers of its own class {own.__name__} that own")
        yield Shape(title, Layers, {**plain.more, "of": own})


def layers_of(call: Call, holder: Any, owner: str) -> Shape:
    """Return the shape of who is handed layers, with the methods that are called before and after."""
    names = [name for name in dir(holder) if callable(getattr(holder, name, None)) and not needed_by(holder, name)]
    before = next((name for name in names if name.startswith("pre_")), "")
    after = next((name for name in names if name.startswith("post_")), "")
    around = "".join(f", {word} it {name}()" for word, name in (("before", before), ("after", after)) if name)
    title = f"{call} with layers that own weights, biases and their gradients{around}"
    return Shape(title, Layers, {"call": call, "before": before, "after": after, "owner": owner})


def mapped(shape: Shape) -> Shape:
    """Return the shape of layers that have a mapping of their tensors and one of the gradients, of any names."""
    return Shape(f"{shape.title}, in a mapping each", shape.driver, {**shape.more, "mapped": True})


def taking(shape: Shape) -> Iterator[Shape]:
    """Yield the shapes of layers that take up a change themselves, whose sign a trial must tell."""
    for sign, word in ((-1, "subtracts"), (1, "adds")):
        title = f"{shape.title}, and whose update(…) {word} a change of each, as the sign of a trial tells"
        yield Shape(title, shape.driver, {**shape.more, "takes": sign})
