"""A rule's page comes in as text, its arguments, slots, stages and formulas go out: nothing of it is imported."""

import ast
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from parity.case.page import PAGES, REQUIRED, Parameter, classes, fields, parameters, tree
from parity.errors import SpecError, did_you_mean
from parity.reference.arguments import BY_NAME

DEFAULT = "rmsprop"
AROUND = {
    "average": "exponential moving average of the parameters (use_ema)",
    "accumulated_gradient": "sum of gradients that wait for their update (gradient_accumulation_steps)",
}
"""The slots that stand around every rule."""
FORMULAS_AROUND = {"loss": {"loss": "L(w)"}, "average": {"use_ema": "a ← β·a + (1−β)·w"}}


class Rule(NamedTuple):
    """What the page of a rule says of itself.

    Attributes:
        name: what a case calls it.
        page: the file.
        kind: the class in it.
        parameters: the learning rate, the rule's own arguments, then those that every rule has, as Keras orders them.
        slots: what each of its slots is, those around every rule last.
        stages: the stages of an update in the order of computation.
        formulas: the stages as a person writes them, by the argument that gives them that form.
    """

    name: str
    page: Path
    kind: str
    parameters: tuple[Parameter, ...]
    slots: dict[str, str]
    stages: tuple[str, ...]
    formulas: dict[str, dict[str, str]]


def names() -> list[str]:
    """Return the rules that are shipped: every page that holds a class of an optimizer."""
    return sorted(path.stem for path in PAGES.glob("*.py") if _class(tree(path)) is not None)


def find(name: str, folder: str = "") -> Rule:
    """Return a rule: one that is shipped, or ``page.py`` beside a case in ``folder``.

    Raises:
        SpecError: there is no such page, or it is none.
    """
    if not name.endswith(".py"):
        return _shipped(name)
    page = Path(folder, name)
    if not page.is_file():
        raise SpecError(f"rule: no file {name[:80]!r} beside the case; allowed: {', '.join(names())}, or a page.")
    return _read(name, page)


@cache
def _shipped(name: str) -> Rule:
    page = PAGES / f"{name}.py"
    if not name.isidentifier() or not page.is_file() or _class(tree(page)) is None:
        hint = did_you_mean(name, names())
        raise SpecError(f"rule: received {name[:80]!r}.{hint} Allowed: {', '.join(names())}, or a page, rule.py.")
    return _read(name, page)


def stages(rule: Rule) -> tuple[str, ...]:
    """Return everything that may part in a step, in the order of computation."""
    first, *others = rule.stages
    return ("loss", first, "accumulated_gradient", *others, "average")


@cache
def _read(name: str, page: Path) -> Rule:
    module, around = tree(page), _class(tree(PAGES / "optimizer.py"), base="")
    kind = _class(module)
    update = next((n for n in module.body if isinstance(n, ast.ClassDef) and n.name == "Update"), None)
    if kind is None or update is None or around is None:
        needed = "a class Update(NamedTuple) with the stages and a class of Optimizer"
        raise SpecError(f"rule: {name[:80]!r} is no page of a rule; it needs {needed}.")
    rate, *others = _parameters(around)
    own = {parameter.name: parameter for parameter in _parameters(kind)}
    rate = own.pop(rate.name, rate)
    stated = _literals(module)
    return Rule(
        name,
        page,
        kind.name,
        (rate, *own.values(), *others),
        {**stated.get("SLOTS", {}), **AROUND},
        tuple(field for field, _, _ in fields(update)),
        {"loss": FORMULAS_AROUND["loss"], **stated.get("FORMULAS", {}), "average": FORMULAS_AROUND["average"]},
    )


def _class(module: ast.Module, base: str = "Optimizer") -> ast.ClassDef | None:
    """Return the first class of a module that has this base, or none."""
    return next(classes(module, base), None)


def _parameters(node: ast.ClassDef) -> list[Parameter]:
    return [each for each in parameters(node, BY_NAME) if each.default is not REQUIRED]


def _literals(module: ast.Module) -> dict[str, Any]:
    """Return the plain data that a page states beside its rule."""
    found = {}
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in ("SLOTS", "FORMULAS"):
                found[name] = ast.literal_eval(node.value)
    return found
