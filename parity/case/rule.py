"""A rule's page comes in as text, its arguments, slots, stages and formulas go out: nothing of it is imported."""

import ast
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from parity.case.page import REQUIRED, Parameter, classes, fields, parameters, tree
from parity.case.places import PAGES
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
    return list(_names())


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in PAGES.glob("*.py") if _kind(path) is not None))


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
    if not name.isidentifier() or not page.is_file() or _kind(page) is None:
        hint = did_you_mean(name, names())
        raise SpecError(f"rule: received {name[:80]!r}.{hint} Allowed: {', '.join(names())}, or a page, rule.py.")
    return _read(name, page)


def around() -> tuple[Parameter, ...]:
    """Return the arguments that stand around every rule, the learning rate first."""
    found = _class(tree(PAGES / "optimizer.py"), base="")
    return tuple(_parameters(found)) if found is not None else ()


def stages(rule: Rule, scales: bool = False) -> tuple[str, ...]:
    """Return everything that may part in a step, in the order of computation; ``scales``: behind a loss scale too."""
    first, *others = rule.stages
    return ("loss", first, "accumulated_gradient", *others, "average", *(scaled() if scales else ()))


@cache
def scaled() -> dict[str, str]:
    """Return what each slot of a loss scale that moves is, as its page has them."""
    found: dict[str, str] = _literals(tree(PAGES / "loss_scale.py"))["SLOTS"]
    return found


@cache
def _read(name: str, page: Path) -> Rule:
    pages, around = _lineage(page), _class(tree(PAGES / "optimizer.py"), base="")
    kind = _kind(page)
    last = tree(pages[-1]).body
    update = next((n for n in last if isinstance(n, ast.ClassDef) and n.name == "Update"), None)
    if kind is None or update is None or around is None:
        needed = "a class Update(NamedTuple) with the stages and a class of Optimizer"
        raise SpecError(f"rule: {name[:80]!r} is no page of a rule; it needs {needed}.")
    own: dict[str, Parameter] = {}
    stated: dict[str, Any] = {}
    for each in reversed(pages):
        own |= {parameter.name: parameter for parameter in _parameters(_kind(each) or kind)}
        stated |= _literals(tree(each))
    # A rule has a default of its own for some that all have.
    rate, *others = (own.pop(parameter.name, parameter) for parameter in _parameters(around))
    return Rule(
        name,
        page,
        kind.name,
        (rate, *own.values(), *others),
        {**stated.get("SLOTS", {}), **AROUND},
        tuple(field for field, _, _ in fields(update)),
        {"loss": FORMULAS_AROUND["loss"], **stated.get("FORMULAS", {}), "average": FORMULAS_AROUND["average"]},
    )


@cache
def _lineage(page: Path) -> tuple[Path, ...]:
    """Return a page, then that from which it takes its formulas, if it builds on another, and so on."""
    for node in tree(page).body:
        if isinstance(node, ast.ImportFrom) and any(each.name == "FORMULAS" for each in node.names):
            module = (node.module or "").rpartition(".")[2]
            beside = page.with_name(f"{module}.py") if node.level else PAGES / f"{module}.py"
            if beside != page and beside.is_file():
                return (page, *_lineage(beside))
    return (page,)


@cache
def _kind(page: Path) -> ast.ClassDef | None:
    """Return the class of a rule on a page: one of Optimizer, or of the page on which it builds; else None."""
    before = _lineage(page)[1:]
    above = _kind(before[0]) if before else None
    return _class(tree(page), "Optimizer" if above is None else above.name)


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
