"""A page of ``reference/`` comes in as text, what its classes say of themselves goes out: nothing of it is imported."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from parity.errors import SpecError
from parity.reference.arguments import Argument

REQUIRED: Final = object()
"""Stands where an argument has no default."""


class Parameter(NamedTuple):
    """An argument as a page has it: its name, what it may be, and the default."""

    name: str
    domain: str
    default: Any


@cache
def tree(page: Path) -> ast.Module:
    """Return the text of a page as statements.

    Raises:
        SpecError: it is no Python.
    """
    try:
        return ast.parse(page.read_text(encoding="utf-8"), page.name)
    except (SyntaxError, ValueError) as error:
        raise SpecError(f"rule: {page.name} is no Python: {error}.") from error


def classes(module: ast.Module, base: str) -> Iterator[ast.ClassDef]:
    """Yield the classes of a module that have this base, or those that have none."""
    for node in module.body:
        bases = [ast.unparse(each).rpartition(".")[2] for each in getattr(node, "bases", [])]
        if isinstance(node, ast.ClassDef) and (base in bases if base else not bases):
            yield node


def fields(node: ast.ClassDef) -> list[tuple[str, str, ast.expr | None]]:
    """Return the annotated names of a class: name, annotation and default."""
    found = [item for item in node.body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)]
    return [
        (item.target.id, ast.unparse(item.annotation), item.value)
        for item in found
        if isinstance(item.target, ast.Name)
    ]


def parameters(node: ast.ClassDef, known: Mapping[str, Argument]) -> list[Parameter]:
    """Return the arguments of a class; ``known`` says what each may be, else its annotation does."""
    return [
        Parameter(
            name,
            known[name].domain if name in known else _domain(annotation),
            REQUIRED if default is None else ast.literal_eval(default),
        )
        for name, annotation, default in fields(node)
        if "ClassVar" not in annotation and annotation != "KW_ONLY"
    ]


def _domain(annotation: str) -> str:
    """Return what an argument that no record describes may be, by its annotation."""
    words = annotation.replace(" ", "").split("|")
    return next((domain for word, domain in (("bool", "flag"), ("int", "integer")) if word in words), "number")
