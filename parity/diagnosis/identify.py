"""A subject in, which rule it is out: held against the rule that its words say, then against what its steps are like.

A rule is asked whole only where one of its members, with up to two choices or a usual number and one, makes the
subject's first steps to within a hundredth; once another rule explains the subject, within its bound, also where
weights are not zero. Whatever else explains it in as few words is told as a tie.
"""

import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from itertools import combinations
from typing import Any, Final

import numpy as np

from parity.bounds.rule import page
from parity.case.rule import DEFAULT, around, find, names
from parity.case.spec import Cell, hyperparameters
from parity.diagnosis.arguments import OTHERWISE
from parity.diagnosis.behaviour import Watched, run
from parity.diagnosis.choices import only_rounds, switches
from parity.diagnosis.diagnose import held_against, told_in_parts
from parity.diagnosis.family import family
from parity.diagnosis.findings import Diagnosis, Finding
from parity.diagnosis.member import Member, alternatives, begins_alike, starts_alike
from parity.diagnosis.observe import Make, Observation
from parity.diagnosis.probes import Probe, first_probe, probe
from parity.diagnosis.search import NEARLY, turned_by, within
from parity.diagnosis.words import cause
from parity.reference.families.switches import FAMILIES

_ALSO: Final = {"sgd": ("momentum", "nesterov", "descent", "heavyball")}
"""Other words for a rule, in the names that people give to a class."""
_ARGUMENTS: Final = (
    ("adam", ("beta1", "beta2")),
    ("adam", ("b1", "b2")),
    ("adam", ("betas",)),
    (DEFAULT, ("rho",)),
)
"""Arguments that only few rules have, for who is called nothing that says more."""
_AGREES: Final = (Finding.IDENTICAL, Finding.ROUNDING)
_SOUGHT: Final = (*_AGREES, Finding.EXPLAINED, Finding.OUTSIDE, Finding.UNEXPLAINED)
"""Findings of a subject that is a rule, or may be one."""


Shipped = Callable[[str], Sequence[Cell]]
"""Returns the cells of a rule, for ``shipped`` of ``diagnose``."""


def none_shipped(rule: str) -> Sequence[Cell]:
    """Return no cell of a rule."""
    return ()


def identified(make: Make, name: str, cells: Sequence[Cell] = (), shipped: Shipped = none_shipped) -> Diagnosis:
    """Return what a subject is, by the rule that explains it in the fewest choices; see ``diagnose``."""
    said, order = likely(make, name)
    held: dict[str, Diagnosis] = {}
    if said:
        held[said] = _held(make, name, cells, shipped, said)
        if held[said].finding not in _SOUGHT:
            return held[said]
    seen = {rule: _seen(make, name, first_probe(rule=rule)) for rule in order if rule not in held}
    for level in range(_MOST + 1):
        if _least(held, said) < level:
            break
        for rule in [each for each in order if each not in held]:
            if any(_is_told(rule, found, said) for found in held.values()):
                continue
            shown, beside = seen[rule], _beside(make, name, rule) if _least(held, said) < _UNKNOWN else None
            if shown is not None and _comes_near(rule, shown, level, beside):
                held[rule] = _held(make, name, cells, shipped, rule)
    if not held:
        return told_in_parts(make, _held(make, name, cells, shipped, DEFAULT))
    if _least(held, said) == _UNKNOWN and DEFAULT not in held and not (said and _explains_plain(held[said])):
        # A number of its own, such as a rho that nothing is passed, is estimated, not looked for above.
        plain = _held(make, name, cells, shipped, DEFAULT)
        held |= {DEFAULT: plain} if _size(plain, said) < _UNKNOWN else {}
    # What a subject takes and a rule does not have is not seen as that rule.
    ranks = {rule: (_size(found, said), len(_left(make, name, rule))) for rule, found in held.items()}
    best = min(held, key=lambda rule: (ranks[rule], order.index(rule)))
    rivals = [found for rule, found in held.items() if rule != best and ranks[rule] == ranks[best]]
    ties = map(_tie, rivals) if ranks[best][0] < _UNKNOWN else ()
    return told_in_parts(make, replace(held[best], evidence=(*held[best].evidence, *ties)))


_MOST: Final = 2
"""Choices beyond which a rule is not looked for that no word says."""


def likely(make: Make, name: str) -> tuple[str, list[str]]:
    """Return the rule that the subject's words say, empty where they say none, and all in the order to ask them in."""
    kind = None
    with suppress(Exception):  # a diagnosis says what it raises
        kind = getattr(make(), "kind", None)
    called = [name.rpartition(":")[2] or name, getattr(kind, "__name__", "")]
    words = "".join(called).replace("_", "").lower()
    spoken = [(rule, word) for rule in names() for word in (rule, *_ALSO.get(rule, ()))]
    said = [rule for rule, word in sorted(spoken, key=lambda pair: -len(pair[1])) if word in words]
    takes = {argument.replace("_", "").lower() for argument in _taken(kind)}
    said += [rule for rule, needed in _ARGUMENTS if takes.issuperset(needed)]
    return said[0] if said else "", list(dict.fromkeys([*said, DEFAULT, *FAMILIES, *names()]))


def _taken(kind: Any) -> list[str]:
    with suppress(TypeError, ValueError):
        return list(inspect.signature(kind).parameters) if kind is not None else []
    return []


def _held(make: Make, name: str, cells: Sequence[Cell], shipped: Shipped, rule: str) -> Diagnosis:
    return held_against(make, name, cells, shipped(rule), rule)


_UNKNOWN: Final = 1_000
"""Larger than any set of choices."""


def _size(found: Diagnosis, said: str) -> float:
    """Return how many choices a diagnosis needs to explain all that was tried.

    Choices that make another rule of it explain nobody whose words say another one than the first.
    """
    if found.rule != (said or DEFAULT) and any(_becomes_another(each.member) for each in found.explanations):
        return _UNKNOWN
    if found.finding in _AGREES:
        return 0
    # In 16 bits, and in float64, a right rule may differ by how it holds its numbers.
    lost = [label for label, outcome in found.moved.items() if outcome == OTHERWISE and "weights" not in label]
    lost += [case for case, outcome in found.cases.items() if outcome == OTHERWISE and "[float64" not in case]
    shown = {mode for each in found.explanations if each.confirmed for mode in each.modes}
    if lost or not shown.issuperset(found.modes) or found.finding not in (Finding.EXPLAINED, Finding.UNEXPLAINED):
        return _UNKNOWN
    return sum(_told(each.member) for each in {each.modes: each for each in reversed(found.explanations)}.values())


def _explains_plain(found: Diagnosis) -> bool:
    """Return whether a subject is explained where nothing is asked for beside the rule itself."""
    return any(each.confirmed and "plain" in each.modes for each in found.explanations)


def _is_told(rule: str, found: Diagnosis, said: str) -> bool:
    """Return whether a diagnosis tells a rule's, too: both have one page, and nothing of what it says parts them.

    They differ in what an argument is where nobody gives it.
    """
    one, other = ((kind.start, kind.update) for kind in (page(rule), page(found.rule)))
    mine, its = ({each.name: each.default for each in find(name).parameters} for name in (rule, found.rule))
    if one != other or mine.keys() != its.keys():
        return False
    apart = {name for name in mine if mine[name] != its[name]}
    if _size(found, said) == _UNKNOWN:  # what is off unless it is given was looked at with it and without
        return all(its[name] is None for name in apart)
    written = {name.removesuffix("_factor") for each in found.explanations for name, _ in each.member.numbers}
    return not apart & written


def _becomes_another(member: Member) -> bool:
    own = switches(member.rule)
    return any(
        choice.becomes
        for name, value in member.switches
        for choice in own[name].choices
        if choice.value == value and type(choice.value) is type(value)
    )


def _least(held: dict[str, Diagnosis], said: str) -> float:
    return min((_size(found, said) for found in held.values()), default=_UNKNOWN)


_ROUNDS: Final = 0.5
"""What only rounds is more than nothing, and less than any choice that changes a rule."""


def _told(member: Member) -> float:
    """Return how many choices of a member change the rule."""
    turned = [name for name, value in member.switches if not only_rounds(name, value, member.rule)]
    changed = len(turned) + len(member.without("batch_size", "numbers").numbers)
    return changed or (_ROUNDS if member.size else 0)


def _seen(make: Make, name: str, probe: Probe) -> Observation | None:
    """Return the steps that a subject makes where it is passed what a rule has, None where it cannot be driven so."""
    try:
        return run(Watched(make, name), probe).bare()
    except Exception:  # a diagnosis as that rule would say what it raises
        return None


def _beside(make: Make, name: str, rule: str) -> Callable[[], Observation | None]:
    """Return what makes the same steps from weights that are not zero, on which a decay acts, once."""
    return cache(lambda: _seen(make, name, probe("plain", scheduled=False, rule=rule)))


def _left(make: Make, name: str, rule: str) -> list[str]:
    """Return the arguments of a subject that are none of a rule's."""
    with suppress(Exception):  # who is no person's class tells none
        return list(Watched(make, name).bound(hyperparameters(rule)()).left)
    return []


def _comes_near(rule: str, seen: Observation, level: int, beside: Callable[[], Observation | None] | None) -> bool:
    """Return whether a member of a rule with so many choices makes a subject's first steps.

    ``beside`` makes more of them, and asks for bounds on all.
    """
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if level == 0:
            return _keeps(Member(rule=rule), seen, beside)
        near = (member for member in _members(rule, level, seen) if starts_alike(member, seen))
        return any(beside is None or _keeps(member, seen, beside) for member in near)


def _keeps(member: Member, seen: Observation, beside: Callable[[], Observation | None] | None) -> bool:
    """Return whether a member keeps its bound, also where it rounds by more than that excuses."""
    rounding: list[str] = [name for name in NEARLY if name in family(member.rule).rounding]
    shown = (seen, beside() if beside is not None else None)
    turned = list(turned_by(rounding, member))
    return all(any(within(each, rows) for each in turned) for rows in shown if rows is not None)


def _members(rule: str, level: int, seen: Observation) -> Iterator[Member]:
    """Yield the members of a rule with one choice, or with two, as far as the first step does not refute a number."""
    page, own = Member(rule=rule), family(rule)
    choices = alternatives(own.structure, rule=rule)
    if level == 1:
        yield page
        yield from (page.plus(**{name: value}) for name, value in choices)
        yield from begins_alike(page, seen, own.written)
        return
    pairs = combinations(choices, 2)
    yield from (page.plus(**dict(pair)) for pair in pairs if len(dict(pair)) == len(pair))
    beside = {parameter.name for parameter in own.rule.parameters} - {parameter.name for parameter in around()}
    numbers = [number for number in own.written if number[0] in beside]
    for choice in choices:
        yield from begins_alike(page.plus(**dict([choice])), seen, numbers)


def _tie(found: Diagnosis) -> str:
    """Return that another rule explains a subject as well."""
    kind, explained = find(found.rule).kind, found.explanations
    if found.finding in _AGREES or not explained:
        return f"it is tf.keras' {kind} as well: what it takes does not tell them apart"
    member = explained[0].member
    said = cause(dict(member.switches), dict(member.numbers), found.rule).rstrip(".")
    return f"as {kind} it is explained as well: {said[0].lower()}{said[1:]}"
