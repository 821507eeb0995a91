"""The shapes of a call that takes arrays: one a call, or all in a mapping or a list."""

from collections.abc import Iterator
from typing import Final

from parity.subjects.binding.drivers.arrays import Singly, Together
from parity.subjects.binding.drivers.shape import FURTHER, INSTANCE, KEPT, Call, Shape, one_array
from parity.subjects.binding.drivers.states import STATES

PAIRS: Final = frozenset({"pairs", "pairs back"})
ALONE: Final = frozenset({"params", "grads", *PAIRS})
BESIDE: Final = frozenset({"name", "index", "loss", "rate", "count", "state", *FURTHER})


def of_tensors(call: Call, plural: bool, owner: str, whose: str = INSTANCE) -> Iterator[Shape]:
    """Yield the shapes of a call with arrays; ``plural`` is whether its names speak of many."""
    states = STATES if KEPT & set(call.roles) else (None,)
    more = {"call": call, "owner": owner}
    mapping = [
        Shape(f"{call} over a mapping of all tensors", Together, {**more, "as_list": False, "state": state})
        for state in states
    ]
    listed = [
        Shape(f"{call} over a list of all tensors", Together, {**more, "as_list": True, "state": state})
        for state in states
    ]
    numbered = [
        Shape(
            f"{call} over a mapping with keys W{first}, b{first}, ... and dW{first}, db{first}, ...",
            Together,
            {**more, "as_list": False, "numbered": True, "first": first, "state": state},
        )
        for first in (1, 0)
        for state in states
    ]
    if PAIRS & set(call.roles):
        yield from listed
        return
    layered = Shape(
        f"{call} over a list of mappings with W and b",
        Together,
        {**more, "as_list": False, "layered": True, "state": None},
    )
    if owner:
        each = f"{call} on one array in the constructor, an instance for each tensor"
        lone = [Shape(each, Singly, {"call": call, "shared": False, "owner": owner})] if states == (None,) else []
        yield from (*mapping, *listed, *numbered, layered, *lone)
        return
    told = bool({"name", "index"} & set(call.roles))
    title = one_array(call, whose)
    single = [Shape(title, Singly, {"call": call, "shared": told, "state": state}) for state in states]
    yield from (*mapping, *listed, *single) if plural and not told else (*single, *mapping, *listed)
    yield from (*numbered, layered) if plural else ()
    if call.name != "__call__" and not told:
        yield Shape(f"{call}, one array a call, one instance for all", Singly, {"call": call, "shared": True})
