"""What nothing explains as a whole is looked at in parts: whether weights move at all, each tensor by itself, and
whether each counts its steps by itself, or a number that goes by the step multiplies them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, islice
from typing import Final

import numpy as np

from parity.bounds.numerics import format_of
from parity.diagnosis.family import family
from parity.diagnosis.member import Member, alternatives, changes, starts_alike
from parity.diagnosis.observe import Observation
from parity.diagnosis.probes import Probe
from parity.diagnosis.search import ALIKE, switched_alone, within
from parity.diagnosis.words import cause
from parity.trajectory.layout import layout_of

NOTHING = "no set of choices reproduces it"


def in_parts(observations: Sequence[Observation], held: Sequence[Observation]) -> tuple[str, ...]:
    """Return in words what the parts of a subject are that no set of choices explains, nothing where they say no more.

    Args:
        observations: what was searched on, the plain one first.
        held: what was not, on which an explanation of a tensor must hold, too.
    """
    still = _standing(observations[0])
    if still:
        return (still,)
    mode = observations[0].probe.mode
    plain, later = ([seen for seen in group if seen.probe.mode == mode] for group in (observations, held))
    counted = _by_count(plain, later) or _by_step(plain, later)
    if counted:
        return (counted,)
    found = _by_tensor(plain, later)
    tensors: dict[str, list[str]] = {}
    for name, said in found.items():
        tensors.setdefault(said, []).append(name)
    if len(tensors) < 2:
        return ()
    parts = [f"{' and '.join(names)}: {said}" for said, names in tensors.items()]
    return (f"each tensor by itself: {'; '.join(parts)}",)


def _standing(seen: Observation) -> str:
    """Return that the weights stay where they are, in all steps or in all but the first, empty where they move."""
    rows = seen.columns["parameter"]
    moves = np.any(rows[1:] != rows[:-1], axis=1) & np.any(seen.probe.gradients != 0, axis=1)
    if not np.any(moves):
        return "no step moves the weights"
    return "only the first step moves the weights" if moves[0] and not np.any(moves[1:]) else ""


def _by_tensor(observations: Sequence[Observation], held: Sequence[Observation]) -> dict[str, str]:
    """Return each tensor with its cause, which holds on the probes that were held back, too."""
    found = {}
    for name in observations[0].probe.tensors.names:
        own = [of_tensor(seen, name) for seen in observations]
        members = switched_alone(own, (), Member(rule=own[0].probe.rule), near=True)
        later = [of_tensor(seen, name) for seen in held] if members else []
        fitting = (each for each in (members.members if members else ()) if all(within(each, seen) for seen in later))
        first = next(fitting, None)
        found[name] = _said(first) if first else NOTHING
    return found


_CALLS: Final = (
    (2, "with every two tensors, as with every layer"),
    (1, "with every tensor"),
)
"""How many tensors a call has that counts itself, and that in words."""


def _by_count(observations: Sequence[Observation], held: Sequence[Observation]) -> str:
    """Return that the number of a step moves on within the step, and what a subject is then; empty if it does not.

    Each tensor is then one of its own rule whose steps are numbered otherwise, all of the same member.
    """
    rule = observations[0].probe.rule
    if not family(rule).kind.counts:
        return ""
    # A rate that changes goes by the steps themselves.
    seen = [each for each in (*observations, *held) if not each.probe.scheduled]
    names = seen[0].probe.tensors.names
    for (together, word), rotates in ((call, turn) for call in _CALLS for turn in {False, seen[0].probe.rotates}):
        parts = [_counted(each, name, together, rotates) for name in reversed(names) for each in seen]
        first = parts[0]
        near = (member for member in _upto(rule, 2) if starts_alike(member, first))
        found = next((member for member in near if all(within(member, part) for part in parts)), None)
        if found is not None:
            return f"the number of a step moves on {word}, not with every step; so counted, {_said(found)}"
    return ""


def _by_step(observations: Sequence[Observation], held: Sequence[Observation]) -> str:
    """Return by how much each step is multiplied, where that is a number that goes by the step alone; else nothing."""
    seen = [each for each in (*observations, *held) if not (each.probe.scheduled or each.numbers or each.apart)]
    for member in _upto(seen[0].probe.rule, 1) if seen else ():
        factors: dict[int, float] = {}
        if all(_multiplied(member, each, factors) for each in seen):
            if len(_runs(factors)) < 2:  # what differs is seen elsewhere, and other members times numbers make of it
                return ""
            but = _said(member) if member.size else ""
            told = f"; beside that, {but}" if but else ""
            return f"its steps are tf.keras' times a number that goes by the step alone: {_listed(factors)}{told}"
    return ""


_MOST: Final = 6
"""Factors beyond which a list of them helps nobody."""


def _multiplied(member: Member, seen: Observation, factors: dict[int, float]) -> bool:
    """Return whether each step is that of a member times one number, the same wherever that step was seen before."""
    unit = 8 * format_of(seen.columns["parameter"].dtype).unit
    for at, (shown, made) in enumerate(changes(member, seen)):
        after = np.abs(seen.columns["parameter"][at + 1].astype(np.float64))
        clear = int(np.argmax(np.abs(made) / (after + np.finfo(np.float64).tiny)))
        if not np.any(made):
            continue
        factor = factors.setdefault(at, float(f"{shown[clear] / made[clear]:.6g}"))
        due = factor * made
        if not np.all(np.abs(shown - due) <= ALIKE * np.abs(due) + unit * (after + np.abs(due))):
            return False
    return True


def _runs(factors: Mapping[int, float]) -> list[tuple[float, int, int]]:
    """Return numbers that hold from one step to another, in their order."""
    found: list[tuple[float, int, int]] = []
    for at, factor in sorted(factors.items()):
        same = bool(found) and abs(found[-1][0] - factor) <= ALIKE * abs(factor)
        found[-1:] = [(found[-1][0], found[-1][1], at)] if same else [*found[-1:], (factor, at, at)]
    return found


def _listed(factors: Mapping[int, float]) -> str:
    """Return which number multiplies which steps, in words."""
    runs = _runs(factors)
    words = [
        f"{factor:.3g} at step {first}" if first == last else f"{factor:.3g} from step {first} to {last}"
        for factor, first, last in runs[:_MOST]
    ]
    return f"{', '.join(words)}{', and so on' if len(runs) > _MOST else ''}{_formula(factors)}"


_FORMULAS: Final[tuple[tuple[str, Callable[[float], float], Callable[[float, int], float]], ...]] = (
    ("1 / (1 + {:g}·t), with t from 1", lambda f: 1 / f - 1, lambda d, t: 1 / (1 + d * (t + 1))),
    ("{:g}^t, with t from 1", lambda f: f, lambda d, t: d ** (t + 1)),
    ("1 - {:g}·t, with t from 1", lambda f: 1 - f, lambda d, t: 1 - d * (t + 1)),
    ("1 / √t, with t from 1", lambda f: 1.0, lambda d, t: (t + 1) ** -0.5),
    ("min(1, {:g}·t), with t from 1", lambda f: f, lambda d, t: min(1.0, d * (t + 1))),
)
"""Rates that people write, their number from the factor of the first step, and the factor of a zero-based step."""


def _makes(made: Callable[[float, int], float], number: float, factors: Mapping[int, float]) -> bool:
    return all(abs(made(number, at) - factor) <= ALIKE * abs(factor) for at, factor in factors.items())


def _formula(factors: Mapping[int, float]) -> str:
    """Return what one formula alone, of those that people write, makes of all factors; else nothing."""
    first = factors.get(0)
    if first is None or first <= 0:
        return ""
    fitting = []
    for words, of, made in _FORMULAS:
        # With the fewest digits: what is written is short.
        shortened = (float(f"{of(first):.{digits}g}") for digits in range(1, 5))
        good = (number for number in shortened if _makes(made, number, factors))
        fitting += [words.format(number) for number in islice(good, 1)]
    return f", which is {fitting[0]}" if len(fitting) == 1 else ""


def _counted(seen: Observation, name: str, together: int, rotates: bool) -> Observation:
    """Return one tensor whose steps are numbered by calls of so many tensors each, in their order or a rotating one."""
    names = seen.probe.tensors.names
    calls, place = -(-len(names) // together), names.index(name)
    turns = range(seen.probe.steps)
    numbers = tuple(step * calls + ((place - step * rotates) % len(names)) // together for step in turns)
    return replace(of_tensor(seen, name), numbers=numbers)


def _upto(rule: str, most: int) -> Iterator[Member]:
    """Yield the members of a rule with up to so many choices that change it."""
    choices, page = alternatives(family(rule).structure, rule=rule), Member(rule=rule)
    for size in range(most + 1):
        for some in combinations(choices, size):
            if len(dict(some)) == size:
                yield page.plus(**dict(some))


def _said(member: Member) -> str:
    """Return what a member does otherwise, as a part of a sentence."""
    told = member.page if member.rounding else member
    said = cause(dict(told.switches), dict(told.numbers), told.rule).rstrip(".")
    return said[:1].lower() + said[1:]


def of_tensor(seen: Observation, name: str) -> Observation:
    """Return what was seen of the parameters of one tensor."""
    probe = seen.probe
    at = probe.tensors.split(np.arange(probe.tensors.size))[name].reshape(-1)
    layout = layout_of({name: np.zeros(probe.tensors.tensors[name], dtype=probe.weights.dtype)})
    part = Probe(
        f"{probe.name}, {name}",
        probe.mode,
        probe.hyperparameters,
        probe.weights[at],
        probe.gradients[:, at],
        layout,
        probe.rule,
        probe.rotates,
    )
    return replace(seen.bare(), probe=part, columns={"parameter": seen.columns["parameter"][:, at]})
