"""The search: every set of up to three choices by equality of bits, then by bounds, then with other numbers.

Almost every wrong set is refuted by the first step of the first probe, which is what makes trying all of them cheap.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any, Final

import numpy as np

from parity.case.rule import DEFAULT, around
from parity.diagnosis.choices import modes, only_rounds, switches
from parity.diagnosis.estimate import ALLOWED, USUAL_EPSILONS, estimate, free_numbers, nearly_as_given, rounded
from parity.diagnosis.family import family
from parity.diagnosis.limits import limits_of_weights
from parity.diagnosis.member import (
    Member,
    alternatives,
    begins_alike,
    bound_ratio,
    equal_bits,
    share_equal,
    starts_alike,
    step_error,
    step_errors,
)
from parity.diagnosis.observe import Observation

LIMIT = 3
_DECAYS = (0.5, 2.0)
"""Decay as the derivative of a penalty whose half is missing, or is there twice."""
ALIKE = 1e-3
"""How far steps may be off to be called alike: far above rounding, far below any choice that matters."""
MOST_LEFT = 0.5
"""Share of the unequal bits that a likely rounding may leave unequal."""
_INTERCHANGED: Final = ("rho_role", "rho_from", "beta_weighs", "beta_roles", "gradient_reduction")
"""Switches whose choices are those of other numbers: where numbers are estimated they say nothing."""
_COARSE: Final = [("arithmetic", "float16"), ("arithmetic", "bfloat16")]
"""What moves steps by more than rounding in the weights' own dtype does."""
KERAS: Final = Member()
"""The member that is tf.keras' RMSprop."""
Fits = Callable[[Member, Observation], bool]
Choice = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """All members that fit every observation, smallest first; ``exact`` if their bits are equal."""

    members: list[Member]
    exact: bool


def within(member: Member, seen: Observation) -> bool:
    """Return whether every difference is inside the member's own bound; where no bit differs none is needed."""
    return equal_bits(member, seen) or bound_ratio(member, seen, limit=1.0) <= 1.0


def search(observations: list[Observation], joint: bool = True) -> Found | None:
    """Return the members that reproduce all observations, or None; the first observation is the one to search on.

    ``joint`` says that the first observation is plain, so that switches which need momentum, decay or a schedule can
    wait until the others are looked at; and that numbers are estimated, which show on a plain probe, if at all. Without
    it only those are tried that people write into the code.
    """
    later, base = _later(observations), _page_of(observations)
    first, rest = (_always(base.rule), later) if joint else ([*_always(base.rule), *later], [])
    found = _switched(observations, first, rest, base, near=True)
    if found is not None:
        return found
    if not joint:
        return _written(observations, base, 0)
    # Numbers that are others show in the bits of a plain run, but for a momentum, which is asked for in its mode.
    as_given = not family(base.rule).hides and _of_first(observations[0], tuple(first), equal_bits, base, near=True)
    return _nominal_but_momentum(observations, base) if as_given else written_or_numbers(observations, base)


def _page_of(observations: list[Observation]) -> Member:
    return Member(rule=observations[0].probe.rule)


def _always(rule: str) -> list[str]:
    """Return the switches that show on a plain probe, those that change the rule first."""
    return [*family(rule).structure, *family(rule).rounding]


def written_or_numbers(observations: list[Observation], base: Member | None = None) -> Found | None:
    """Return the members that compute with numbers of their own, None if there are none."""
    base = _page_of(observations) if base is None else base
    pairs = _pairs(base) if base.rule != DEFAULT else []
    alone = _written(observations, base, 0)
    # Two numbers that are written out are likelier than one and a choice that makes the same of it.
    alone = alone or (_written(observations, base, 0, pairs) if pairs else None) or _written(observations, base, 1)
    alone = alone or (_written(observations, base, 1, pairs) if pairs else None)
    return alone or with_numbers(observations, base) or _written(observations, base, 2)


Numbers = tuple[Choice, ...]


def _pairs(base: Member) -> list[Numbers]:
    """Return two numbers of a rule's own, or one and a decay, that people write into the code."""
    own = family(base.rule)
    beside = {each.name for each in own.rule.parameters} - {each.name for each in around()} | {"weight_decay"}
    numbers = [each for each in own.written if each[0] in beside]
    return [pair for pair in combinations(numbers, 2) if pair[0][0] != pair[1][0]]


def switched_alone(
    observations: list[Observation], without: Collection[str], base: Member = KERAS, near: bool = False
) -> Found | None:
    """Return the members that reproduce observations of one run by their switches, or None.

    Args:
        observations: what to search on, the least of them, and what has to fit, too; all are in one mode.
        without: switches that they cannot show.
        base: what every member has.
        near: whether the first is of a probe, so that what changes the rule shows in its first steps.
    """
    names = [name for name in [*_always(base.rule), *_later(observations)] if name not in without]
    return _switched(observations, names, [], base, near)


def _switched(
    observations: list[Observation], first: list[str], rest: list[str], base: Member = KERAS, near: bool = False
) -> Found | None:
    """Return the members that fit by switches alone: by bits, else by bounds.

    ``near`` says that the first observation is of a probe: there what changes the rule shows in the first steps.
    """
    members = _sets(observations, first, rest, equal_bits, base, near)
    if members:
        return Found(_smallest_first([*members, *_smaller_with_numbers(observations, members, base)]), exact=True)
    known = switches(base.rule)
    nearly = (*NEARLY, *_IN_FLOAT64) if observations[0].probe.weights.dtype == np.float64 else NEARLY
    structure = [name for name in first if not known[name].rounds or name in nearly]
    bounded = _sets(observations, structure, rest, within, base, near)
    return Found(_smallest_first(bounded), exact=False) if bounded else None


NEARLY: Final = ("one_minus_rho", "one_minus_beta", "moment_form")
"""What rounds by more than its bound may excuse: 1 - rho in the dtype of the weights, or a mean that cancels."""


_IN_FLOAT64: Final = ("powers",)
"""What rounds to float32, which float64 weights do not excuse."""


def _written(
    observations: list[Observation], base: Member, beside: int, written: Sequence[Numbers] = ()
) -> Found | None:
    """Return the members that do, whatever they are given, what an argument is for, and as many choices beside."""
    first = observations[0]
    near = _written_near(first, base, beside, tuple(written))
    exact = [each for member in near for each in extended(_variants(member, first), observations, equal_bits)]
    if exact:
        return Found(_smallest_first(exact), exact=True)
    bounded = [each for m in near if within(m, first) for each in extended([m], observations, within)]
    return Found(_smallest_first(bounded), exact=False) if bounded else None


def _written_near(first: Observation, base: Member, beside: int, written: tuple[Numbers, ...]) -> tuple[Member, ...]:
    """Return what ``_written`` tries whose first steps are alike; asked again, as mode by mode, it is remembered."""
    key = (*_seen_as(first), base, beside, written)
    if key not in _known:
        _forget()
        _known[key] = tuple(_begin_near(first, base, beside, written))
    return _known[key]


def _begin_near(first: Observation, base: Member, beside: int, written: tuple[Numbers, ...]) -> Iterator[Member]:
    limits = limits_of_weights([first], inside=True)
    for choice in _combinations([*alternatives(family(base.rule).structure, rule=base.rule), *_COARSE], beside):
        if len(choice) < beside:
            continue
        numbers = [number for number in (*family(base.rule).written, *limits) if number[0] not in dict(choice)]
        turned = base.plus(**dict(choice))
        pairs = [turned.having(**dict(pair)) for pair in written if not {*dict(pair)} & {*dict(choice)}]
        for member in pairs if written else begins_alike(turned, first, numbers):
            if not member.idle and starts_alike(member, first):
                yield member


def nearest(observations: list[Observation]) -> tuple[Member, float, float] | None:
    """Return the member whose steps are least far off on average, how far (0 to 1), and the share that is alike.

    None if it has not even half of the steps: then it is no neighbour, and what it differs in is no cause.
    """
    first = observations[0]
    base = _page_of(observations)
    choices = alternatives(family(base.rule).structure, rule=base.rule)
    candidates = list(_members(choices, base, 2))
    ranked = sorted(candidates, key=lambda member: (step_error(member, first), member.size))[:3]
    scored = [(sum(step_error(m, seen) for seen in observations) / len(observations), m) for m in ranked]
    error, member = min(scored, key=lambda pair: (pair[0], pair[1].size))
    alike = float(np.mean(np.concatenate([(step_errors(member, s) <= ALIKE).ravel() for s in observations])))
    return (member, error, alike) if alike >= 0.5 else None


def with_numbers(observations: list[Observation], base: Member = KERAS, limit: int = 2) -> Found | None:
    """Return the members with other numbers than the subject was given, and up to two switches."""
    only = _nominal_but_momentum(observations, base)
    if only is not None:
        return only
    first = observations[0]
    if within(base, first) and _as_given(base, first):
        return None
    if _stands_still(base, first):
        return None
    for free in free_numbers(base.rule):
        ahead = ["nesterov"] if "momentum" in free and base.rule == DEFAULT else []
        names = [*_numbered_beside(base.rule), "gradient_reduction", *ahead]
        exact: list[Member] = []
        bounded: list[Member] = []
        for choice in _combinations(
            [*alternatives(names, rule=base.rule), *_COARSE], limit if base.rule == DEFAULT else 1
        ):
            for member in _numbered(base.plus(**dict(choice)), first, free):
                good = extended(_variants(member, first), observations, equal_bits)
                exact += good
                if not good and not exact and within(member, first):
                    bounded += extended([member], observations, within)
            if exact and len(choice) > min(len(m.switches) for m in exact):
                break
        if exact or bounded:
            return Found(_smallest_first(exact or bounded), bool(exact))
    return None


def _stands_still(base: Member, first: Observation) -> bool:
    """Return whether an observation is what the page computes where its second moment never moves, and no closer one.

    Then nothing divides that changes: it is plain descent, and so are all members beside, each with numbers that the
    data do not determine.
    """
    free = free_numbers(base.rule)[-1] if base.rule == DEFAULT else ()
    found = estimate(base, first, free) if free else None
    return found is not None and found.fits and found.values["rho"] > ALLOWED["rho"][1]


def _as_given(member: Member, first: Observation) -> bool:
    """Return whether the numbers that an observation shows of a member are those that were given, each of them.

    One that it hardly shows may be any other.
    """
    free = next(iter(free_numbers(member.rule)), ())
    found = estimate(member, first, free) if free else None
    return found is not None and found.fits and not found.loose and rounded(found, _given(first, free)) == {}


def _given(first: Observation, free: tuple[str, ...]) -> dict[str, float]:
    """Return the numbers that were given; a rate is one, for it is that as a multiple of itself."""
    asked = first.probe.hyperparameters
    return {"rate": 1.0, **{name: getattr(asked, name) for name in free if name != "rate"}}


def _sets(
    observations: list[Observation],
    first: list[str],
    rest: list[str],
    fits: Fits,
    base: Member = KERAS,
    near: bool = False,
) -> list[Member]:
    return extended(_of_first(observations[0], tuple(first), fits, base, near), observations, fits, rest)


_known: dict[tuple[Any, ...], tuple[Member, ...]] = {}
"""What was asked of one observation, with all that an answer depends on, to the answer."""


def _forget() -> None:
    """Keep what is remembered from growing."""
    if len(_known) > 100:
        _known.clear()


def _seen_as(seen: Observation) -> tuple[Any, ...]:
    """Return what an answer depends on of an observation."""
    shown = tuple((slot, rows.tobytes()) for part in (seen.columns, seen.apart or {}) for slot, rows in part.items())
    probe, lies = seen.probe, seen.probe.tensors
    given = (repr(probe.hyperparameters), probe.gradients.tobytes(), probe.weights.dtype.name, seen.numbers)
    return (*given, lies.names, lies.shapes, lies.by_name, shown)


def _of_first(
    seen: Observation, names: tuple[str, ...], fits: Fits, base: Member, near: bool = False
) -> tuple[Member, ...]:
    """Return every set of choices that fits one observation; asked again, as mode by mode, it is remembered."""
    key = (*_seen_as(seen), names, fits, base, near)
    if key not in _known:
        _forget()
        choices = alternatives(list(names), _own([seen]), base.rule)
        members = _alike(choices, seen, base) if near else _members(choices, base)
        _known[key] = tuple(member for member in members if fits(member, seen))
    return _known[key]


def _members(choices: list[Choice], base: Member, limit: int = LIMIT) -> Iterator[Member]:
    """Yield the members with up to some more choices, each of which may show."""
    members = (base.plus(**dict(choice)) for choice in _combinations(choices, limit))
    return (member for member in members if not member.idle)


def turned_by(names: list[str], member: Member) -> Iterator[Member]:
    """Yield a member with some of its rule's switches turned, and first as it is."""
    return _members(alternatives(names, rule=member.rule), member, len(names))


def _alike(choices: list[Choice], seen: Observation, base: Member) -> Iterator[Member]:
    """Yield the members whose first steps are no plainly others, looked at without what only rounds.

    What only rounds moves no step by a hundredth; in 16 bits it may.
    """
    rounding = [choice for choice in choices if only_rounds(*choice, base.rule)]
    for member in _members([choice for choice in choices if choice not in rounding], base):
        coarse = "arithmetic" in dict(member.switches)
        if coarse or starts_alike(member, seen):
            finer = [choice for choice in rounding if not coarse or choice[0] != "arithmetic"]
            yield from _members(finer, member, LIMIT - len(member.switches) + len(base.switches))


def extended(
    members: Iterable[Member], observations: list[Observation], fits: Fits, names: list[str] | None = None
) -> list[Member]:
    """Return what fits all observations, with the switches turned that only the later ones can show."""
    rule, asked = observations[0].probe.rule, _later(observations) if names is None else names
    known = alternatives(asked, _own(observations), rule)
    pins = _pins(observations) if names is None or names else []
    ignored = list(_combinations(pins, len(pins)))
    found, rest = [], list(observations[1:])
    for member in members:
        later = [*known, *alternatives(_on_by_itself(member, asked), _own(observations), rule)]
        room = max(LIMIT - len(member.switches), 1 if member.numbers else 0)
        for reading in _readings(member, observations):
            for choice, pinned in product(_combinations(later, room), ignored):
                candidate = _turned(reading, choice, dict(pinned))
                if candidate is None:
                    continue
                refuting = next((seen for seen in rest if not fits(candidate, seen)), None)
                if refuting is None:
                    found.append(candidate)
                else:  # what refutes one candidate refutes most of the next ones, too
                    rest.sort(key=lambda seen: seen is not refuting)
    return found


def _on_by_itself(member: Member, asked: list[str]) -> list[str]:
    """Return the switches that need what a member has although none is asked for, such as a momentum."""
    if member.rule == DEFAULT:
        return []
    there = {name.removesuffix("_always") for name, value in member.numbers if value}
    known = {*asked, *dict(member.switches)}
    return [each.name for each in switches(member.rule).values() if each.needs in there and each.name not in known]


def _pins(observations: list[Observation]) -> list[Choice]:
    """Return what may be taken and ignored: a mode's arguments, with which it is plain, or as multiples, and a rate."""
    own = family(observations[0].probe.rule)
    asked = dict.fromkeys(name for given in modes(own.rule.name).values() for name in given)
    pins: list[Choice] = [(name, own.off(name)) for name in asked]
    pins += [("weight_decay_factor", factor) for factor in _DECAYS]
    shown = [(name, value) for name, value in pins if _asked(observations, name.removesuffix("_factor"))]
    rate = _rate(observations[0])
    shown += limits_of_weights(observations)
    # What is ignored at the value that the first probe gives shows where the rate changes.
    scheduled = rate is not None and any(seen.probe.scheduled for seen in observations)
    return [*shown, ("learning_rate", rate)] if scheduled else shown


def _turned(member: Member, choice: tuple[Choice, ...], pins: dict[str, Any]) -> Member | None:
    """Return the member with switches turned and arguments pinned; None where a switch needs what is pinned."""
    turned, known = dict(choice), switches(member.rule)
    if {"weight_decay", "weight_decay_factor"} <= {*pins, *dict(member.numbers)}:
        return None
    if pins and any(known[name].needs in pins for name in (*turned, *dict(member.switches))):
        return None
    if {*pins, *turned} & {*dict(member.numbers)}:
        return None
    found = member.plus(**turned).having(**pins)
    return None if found.idle else found


def _readings(member: Member, observations: list[Observation]) -> list[Member]:
    """A learning rate that differs may replace a schedule, or multiply it."""
    numbers = dict(member.numbers)
    rate = _rate(observations[0])
    if "learning_rate" not in numbers or not rate or not any(seen.probe.scheduled for seen in observations):
        return [member]
    factor = float(f"{numbers['learning_rate'] / rate:.12g}")
    return [member, member.without("learning_rate").having(learning_rate_factor=factor)]


def _numbered(member: Member, first: Observation, free: tuple[str, ...]) -> list[Member]:
    if member.idle:
        return []
    turned = dict(member.switches)
    # Then the denominator never changes and only learning_rate / denominator shows: that is plain descent.
    if turned.get("denominator_uses") == "previous" and turned.get("state_carried") is False:
        return []
    found = estimate(member, first, free)
    blind = found is not None and found.loose == ["epsilon"]
    if blind:
        free = tuple(name for name in free if name != "epsilon")
        found = estimate(member, first, free)
    if found is None or not found.fits:
        return []
    if found.loose and len(free) > 1:
        # Of numbers that stand for each other, as rate and rho where no moment is carried, one is as it is given.
        others = [tuple(name for name in free if name != loose) for loose in found.loose]
        return list(dict.fromkeys(each for some in others for each in _numbered(member, first, some)))
    given = _given(first, free)
    numbers = rounded(found, given)
    if numbers is None:
        return []
    offers = [nearly_as_given(numbers, given), numbers]
    offers += [{**numbers, "epsilon": usual} for usual in USUAL_EPSILONS if blind]
    return list(dict.fromkeys(member.having(**_named(offer, _rate(first))) for offer in offers))


def _rate(first: Observation) -> float | None:
    """Return the learning rate that the first probe gives, None where it changes."""
    rate = first.probe.hyperparameters.learning_rate
    return float(rate) if isinstance(rate, int | float) else None


def _named(numbers: dict[str, float], rate: float | None) -> dict[str, float]:
    names = {"rate": "learning_rate" if rate is not None else "learning_rate_factor", "momentum": "momentum_always"}
    whole = 1.0 if rate is None else rate
    values = {**numbers, **({"rate": float(f"{numbers['rate'] * whole:.12g}")} if "rate" in numbers else {})}
    return {names.get(name, name): value for name, value in values.items()}


def _variants(member: Member, first: Observation) -> list[Member]:
    """Return the member with the rounding switches turned, one or two at a time, that give equal bits."""
    choices = alternatives(family(member.rule).rounding, ("float16", "bfloat16", *_own([first])), member.rule)
    choices = [choice for choice in choices if choice[0] not in dict(member.switches)]
    return [variant for variant in _members(choices, member, 2) if equal_bits(variant, first)]


def _smaller_with_numbers(observations: list[Observation], members: list[Member], base: Member = KERAS) -> list[Member]:
    """Return members that need fewer choices, or as few, because a number differs instead of a switch.

    What only rounds is no choice that a number would make: who needs that has none of these bits without it.
    """
    smallest = min(member.size - len(_rounding_of(member)) for member in members)
    if smallest == 0:
        return []
    found = []
    for turned in _members(alternatives(_numbered_beside(base.rule), rule=base.rule), base, smallest - 1):
        for member in _numbered(turned, observations[0], free_numbers(base.rule)[0]):
            if member.numbers and member.size <= smallest and equal_bits(member, observations[0]):
                found += extended([member], observations, equal_bits)
    return found


def _rounding_of(member: Member) -> list[str]:
    return [name for name, value in member.switches if only_rounds(name, value, member.rule)]


def _numbered_beside(rule: str) -> list[str]:
    """Return the switches beside which numbers are estimated."""
    return [name for name in family(rule).structure if name not in _INTERCHANGED]


def _nominal_but_momentum(observations: list[Observation], base: Member = KERAS) -> Found | None:
    """Return members whose only number beside the base's is the momentum that they use where it is asked for."""
    with_momentum = [seen for seen in observations if seen.probe.mode == "momentum" and base.rule == DEFAULT]
    if not with_momentum or "momentum" in dict(base.numbers):
        return None
    sets = _sets(observations[:1], _always(base.rule), [], equal_bits, base)
    plain = [member for member in sets if member.size - base.size <= 2][:8]
    exact: list[Member] = []
    for member in plain:
        later = alternatives(_later(observations), _own(observations), base.rule)
        for choice in _combinations(later, 1):
            candidate = member.plus(**dict(choice))
            found = estimate(candidate, with_momentum[0], ("momentum",))
            given = {"momentum": with_momentum[0].probe.hyperparameters.momentum}
            numbers = rounded(found, given) if found and found.fits else None
            if numbers:
                exact += extended([member.having(**numbers)], observations, equal_bits)
                break
    return Found(_smallest_first(exact), exact=True) if exact else None


def likely_rounding(member: Member, observations: list[Observation]) -> tuple[Member, float, float]:
    """Turn the rounding switches that make clearly more bits equal than their absence and than any other choice.

    Who computes wider than his weights are has the roundings of none of them, and some of the bits of many.
    Returns the member and the shares of equal bits before and after; such switches are likely, never proved.
    """
    own = family(member.rule).rounding
    names = [name for name in own if name != "arithmetic" and name not in dict(member.switches)]
    choices = alternatives(names, _own(observations), member.rule)
    variants = [*_members(choices, member, len(names)), *_wider(member, observations)]
    scores = [(_unequal(variant, observations), variant.size, i) for i, variant in enumerate(variants)]
    before, (fewest, _, best) = scores[0][0], min(scores)
    total = sum(share_equal(member, seen)[1] for seen in observations)
    # Three standard deviations of a count; and what is left unexplained must be the exception, or it is no cause.
    clear = before - fewest > 3 * before**0.5 and fewest <= MOST_LEFT * before
    chosen, left = (variants[best], fewest) if clear else (member, before)
    return chosen, 1 - before / total, 1 - left / total


def _wider(member: Member, observations: list[Observation]) -> list[Member]:
    """Return the member computed in float64, where that is wider than the weights, of Keras' numbers or Python's."""
    known = "arithmetic" in dict(member.switches) or "float64" in _own(observations)
    wide = member.plus(arithmetic="float64")
    return [] if known else [wide, wide.having(numbers="double")]


def _unequal(member: Member, observations: list[Observation]) -> int:
    counts = [share_equal(member, seen) for seen in observations]
    return sum(total - equal for equal, total in counts)


def _later(observations: list[Observation]) -> list[str]:
    """Return the switches that these observations can show beyond those of a plain constant run."""

    def shown(needed: str) -> bool:
        if needed == "schedule":
            return any(seen.probe.scheduled for seen in observations)
        return _asked(observations, needed)

    rule = observations[0].probe.rule
    always = _always(rule)
    return [each.name for each in switches(rule).values() if each.name not in always and shown(each.needs)]


def _asked(observations: list[Observation], name: str) -> bool:
    """Return whether some observation is of an optimizer with this argument."""
    return any(getattr(seen.probe.hyperparameters, name) for seen in observations)


def _own(observations: list[Observation]) -> tuple[Any, ...]:
    return (observations[0].probe.weights.dtype.name,)


def _combinations(choices: list[Choice], limit: int) -> Iterator[tuple[Choice, ...]]:
    for size in range(limit + 1):
        for combination in combinations(choices, size):
            if len({name for name, _ in combination}) == size:
                yield combination


def _smallest_first(members: list[Member]) -> list[Member]:
    return sorted(dict.fromkeys(members), key=lambda member: (member.size, repr(member)))
