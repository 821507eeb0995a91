"""Rules that are no RMSprop: which page of another rule reproduces a subject that no set of choices does."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from parity.bounds.rule import page
from parity.case.rule import DEFAULT, Rule, find, names
from parity.case.spec import Hyperparameters
from parity.diagnosis.estimate import USUAL_EPSILONS
from parity.diagnosis.member import begin, page_errors
from parity.diagnosis.observe import Observation
from parity.diagnosis.search import ALIKE
from parity.judge.page import Page
from parity.reference.arguments import BY_NAME
from parity.subjects.binding.bound import Bound
from parity.trajectory.layout import layout_of


class Another(NamedTuple):
    """Another rule: its page, and the numbers with which it reproduces a subject that are not what it was given."""

    rule: Rule
    numbers: dict[str, Any]

    def __str__(self) -> str:
        """Return what it is, in words."""
        shown = ", ".join(f"{name} {value!r}" for name, value in self.numbers.items())
        what = f"{self.rule.kind}{f' with {shown}' if shown else ''}"
        return f"it is {what}: its page, {self.rule.name}, makes the same steps within {ALIKE:.1%}"


Binds = Callable[[Hyperparameters], Bound]
"""Tells what a subject is passed of a case's hyperparameters."""


def another_rule(
    binds: Binds | None, observations: Sequence[Observation], pages: Sequence[Rule] = ()
) -> Another | None:
    """Return the rule whose page makes the steps of a subject, on every probe that starts at zero.

    Args:
        binds: of a person's class or function, whose own defaults count where it was passed nothing; None where
            unknown.
        observations: what was shown; the modes of RMSprop are arguments that another rule need not have.
        pages: rules; unless given, all that are shipped but RMSprop.
    """
    # Beside a weight that is not small, rounding hides a small step; and what a page calls its slots says nothing of
    # what another program calls its own.
    plain = [seen.bare() for seen in observations if seen.probe.mode == "plain" and not seen.probe.weights.any()]
    for rule in pages or [find(name) for name in names() if name != DEFAULT]:
        for numbers in _offers(rule, _bound(binds, plain[0])):
            if all(_reproduces(rule, numbers, seen) for seen in plain):
                return Another(rule, numbers)
    return None


def _bound(binds: Binds | None, seen: Observation) -> Bound | None:
    with suppress(Exception):  # it was driven before, however odd its signature is
        return binds(seen.probe.hyperparameters) if binds is not None else None
    return None


def _offers(rule: Rule, bound: Bound | None) -> Iterator[dict[str, Any]]:
    """Yield what a subject may compute with instead of what it was given: its own defaults, or a usual epsilon."""
    own = _defaults(rule, bound)
    yield own
    taken = bound is not None and "epsilon" in bound.spelled
    if not taken and any(parameter.name == "epsilon" for parameter in rule.parameters):
        yield from ({**own, "epsilon": usual} for usual in USUAL_EPSILONS if own.get("epsilon") != usual)


def _defaults(rule: Rule, bound: Bound | None) -> dict[str, Any]:
    """Return a subject's own defaults under the names of a page's arguments, where they are not the page's."""
    if bound is None:
        return {}
    left = {_plain(name): value for name, value in bound.left.items()}
    found = {}
    for parameter in rule.parameters:
        spellings = (parameter.name, *(BY_NAME[parameter.name].aliases if parameter.name in BY_NAME else ()))
        own = next((left[_plain(each)] for each in spellings if _plain(each) in left), parameter.default)
        if own != parameter.default:
            found[parameter.name] = own
    return found


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _reproduces(rule: Rule, numbers: dict[str, Any], seen: Observation) -> bool:
    known = {parameter.name for parameter in rule.parameters}
    given = {name: value for name, value in seen.probe.arguments.items() if name in known} | numbers
    kind: Any = page(rule.name, str(rule.page.parent))
    try:
        own = kind(**given)
        params = seen.probe.layout.split(seen.probe.weights)
        slots = own.slots(own.init(params))
        layout = layout_of(params, seen.probe.layout.by_name or own.mixes_elements, slots)
        with np.errstate(all="ignore"):
            made = Page(own, rule, layout, own.step, tuple(slots))
            return bool(np.all(page_errors(made, begin(own, layout, seen), seen) <= ALIKE))
    except (ValueError, TypeError):  # numbers that the page refuses
        return False
