"""The schedules of a learning rate: what their page says of each, so that no one else states which there are."""

import ast
from functools import cache
from typing import NamedTuple

from parity.case.page import Parameter, classes, parameters, tree
from parity.case.places import PAGES
from parity.reference.arguments import OF_SCHEDULES


class Schedule(NamedTuple):
    """What the page says of one schedule.

    Attributes:
        name: Keras' name, which a case gives as ``schedule``.
        sentence: what it is.
        parameters: its arguments; without a default, one that a case has to give.
        functions: what it asks of its arithmetic beside numbers: ``power``, ``cosine``, ``logarithm``.
    """

    name: str
    sentence: str
    parameters: tuple[Parameter, ...]
    functions: frozenset[str]


@cache
def schedules() -> dict[str, Schedule]:
    """Return every schedule by its name, in the order of the page."""
    return {node.name: _read(node) for node in classes(tree(PAGES / "schedules.py"), base="Schedule")}


def _read(node: ast.ClassDef) -> Schedule:
    own = {name.removeprefix(f"{node.name}."): argument for name, argument in OF_SCHEDULES.items()}
    asked = {
        each.attr
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == "a"
    }
    sentence = (ast.get_docstring(node) or "").partition("\n")[0]
    return Schedule(node.name, sentence, tuple(parameters(node, own)), frozenset(asked - {"number"}))
