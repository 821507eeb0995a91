"""From a subject to a diagnosis: observe, refuse what is no function, search, separate, confirm."""

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import msgspec
import numpy as np

from parity.case.rule import DEFAULT
from parity.case.spec import Cell
from parity.diagnosis.alone import alone
from parity.diagnosis.apart import in_parts
from parity.diagnosis.arguments import (
    BEYOND,
    BITS,
    OTHER_DTYPE,
    OTHERWISE,
    RAISES,
    UNDECIDED,
    Checked,
    Move,
    checked,
    reproducing,
)
from parity.diagnosis.behaviour import (
    Watched,
    first_look,
    misbehaviour,
    run,
    unseen_first,
    wrote_into_inputs,
)
from parity.diagnosis.cases import on_cases, on_these
from parity.diagnosis.choices import modes as modes_of
from parity.diagnosis.choices import only_rounds
from parity.diagnosis.choices import switches as choices
from parity.diagnosis.driven import binding_of, places_of
from parity.diagnosis.equal_shapes import by_shape, of_equal_shapes
from parity.diagnosis.estimate import USUAL_EPSILONS
from parity.diagnosis.family import family
from parity.diagnosis.findings import Diagnosis, Explanation, Finding
from parity.diagnosis.long_run import in_the_long_run
from parity.diagnosis.member import Member, bound_ratio, equal_bits, step_error
from parity.diagnosis.observe import Make, Observation, other_dtypes
from parity.diagnosis.outside import Binds, another_rule
from parity.diagnosis.probes import (
    WITH_AXES,
    extent,
    first_probe,
    probe,
)
from parity.diagnosis.search import Found, extended, likely_rounding, nearest, search, within, written_or_numbers
from parity.diagnosis.wider import made_in_float64, numbers_in_float64
from parity.errors import AbsentArgumentError, NotInstalledError, UnsupportedError, one_line, raised

_HELD_BACK = (1, 2, 3, 4)
_MOST_TIES = 12


def diagnose(
    make: Make, name: str, cells: Sequence[Cell] = (), shipped: Sequence[Cell] = (), rule: str = DEFAULT
) -> Diagnosis:
    """Return what a subject is, held against the page of a rule.

    Args:
        make: returns a fresh adapter; for a class of a user, over the same class each time.
        name: the subject's name, for the record.
        cells: cases on which the answer is checked too, as far as their gradients are replayed.
        shipped: more of them, of which only those are kept that refute it; a dozen steps of each, all where it agrees.
        rule: the rule that it is said to be; cases of others are left out.
    """
    return told_in_parts(make, held_against(make, name, cells, shipped, rule))


def told_in_parts(make: Make, found: Diagnosis) -> Diagnosis:
    """Add what the parts of a subject are, where nothing explains the whole."""
    if found.finding is not Finding.UNEXPLAINED:
        return found
    with suppress(Exception), np.errstate(all="ignore"), warnings.catch_warnings():  # what it raises is told already
        warnings.simplefilter("ignore")
        watched = Watched(make, found.subject)
        observations, _ = observe_modes(watched, first_look(watched, found.rule)[0])
        parts = in_parts(observations, _held_back(watched, observations))
        return replace(found, evidence=(*found.evidence, *parts))
    return found


def held_against(
    make: Make, name: str, cells: Sequence[Cell] = (), shipped: Sequence[Cell] = (), rule: str = DEFAULT
) -> Diagnosis:
    """Return what a subject is as a whole; see ``diagnose``."""
    found = _diagnosed(make, name, rule)
    agrees = found.finding in (Finding.IDENTICAL, Finding.ROUNDING)
    short = shipped if agrees else [msgspec.structs.replace(cell, steps=min(cell.steps, 12)) for cell in shipped]
    found, outcomes = _zero_as_given(make, found, on_cases(make, found.explanations, short), short)
    found, outcomes = by_shape(make, found, outcomes, short)
    found = of_equal_shapes(make, found)
    against = {case: outcome for case, outcome in outcomes.items() if outcome in _AGAINST}
    binding, shown = binding_of(make, rule)
    found = replace(found, binding=binding, places=places_of(make), rule=rule)
    if shown and found.finding in _JUDGED:
        found = replace(found, evidence=(*found.evidence, *shown))
    found = on_these(found, {**against, **on_cases(make, found.explanations, cells)}, [*short, *cells])
    if found.finding not in (Finding.IDENTICAL, Finding.ROUNDING):
        return found
    otherwise, long = in_the_long_run(Watched(make, name), found)
    if otherwise:
        return replace(found, finding=otherwise[0], evidence=(*found.evidence, otherwise[1]))
    seen = [cell for cell in short if outcomes.get(cell.id, RAISES) not in (RAISES, OTHER_DTYPE)]
    return replace(found, extent=extent(seen, long)._asdict())


def _zero_as_given(
    make: Make, found: Diagnosis, outcomes: dict[str, str], cells: Sequence[Cell]
) -> tuple[Diagnosis, dict[str, str]]:
    """Return what explains ``epsilon or 1e-8`` too, a zero that counts as not given, and what became of cases.

    A case whose bits a zero reproduces refutes that: who hides NaN has the same steps where nothing is divided by it.
    """
    zeros = [cell for cell in cells if cell.id in outcomes and not getattr(cell.hyperparameters, "epsilon", 1)]
    before = [outcomes[cell.id] for cell in zeros]
    for epsilon in (family(zeros[0].rule).default("epsilon"), *USUAL_EPSILONS) if OTHERWISE in before else ():
        taken = tuple(replace(e, member=e.member.having(epsilon_if_zero=epsilon)) for e in found.explanations)
        again = on_cases(make, taken, zeros)
        lost = any(outcomes[case] == BITS and now != BITS for case, now in again.items())
        if OTHERWISE not in again.values() and not lost:
            agrees = found.finding in (Finding.IDENTICAL, Finding.ROUNDING)
            finding = Finding.EXPLAINED if agrees else found.finding
            return replace(found, finding=finding, explanations=taken), {**outcomes, **again}
    return found, outcomes


_AGAINST: Final = (OTHERWISE, BEYOND, UNDECIDED, RAISES, OTHER_DTYPE)
_JUDGED: Final = (Finding.IDENTICAL, Finding.ROUNDING, Finding.EXPLAINED, Finding.UNEXPLAINED, Finding.OUTSIDE)


def _diagnosed(make: Make, name: str, rule: str) -> Diagnosis:
    try:
        watched = Watched(make, name)
        first, without = first_look(watched, rule)
    except NotInstalledError as error:
        return Diagnosis(name, Finding.NOT_INSTALLED, evidence=(str(error),))
    except UnsupportedError as error:
        return Diagnosis(name, Finding.UNSUPPORTED, evidence=(str(error),))
    except Exception as error:  # whatever a subject raises is a finding about it
        finding = Finding.MUTATES_INPUTS if wrote_into_inputs(error) else Finding.FAILED
        return Diagnosis(name, finding, evidence=(raised(error),))
    try:
        wrong = misbehaviour(watched, first.probe, first)
        if wrong:
            return Diagnosis(name, wrong[0], evidence=(wrong[1],), shows=tuple(first.columns))
        observations, lacks = observe_modes(watched, first)
        found = diagnose_observed(watched, name, observations, lacks)
        found = _in_float64(watched, first) if first.strange else found
        if found.finding is Finding.UNEXPLAINED and not without:
            found = _with_axes(watched, first) or found
        unseen = unseen_first(watched, first.probe)
        found = replace(found, evidence=(*found.evidence, *([unseen] if unseen else [])))
    except UnsupportedError as error:  # a loop that ends by itself does so where its gradients are small
        return Diagnosis(name, Finding.UNSUPPORTED, evidence=(str(error),))
    return replace(found, lacks={**without, **found.lacks})


_OF_SCALARS: Final = (
    "no set of choices reproduces it for a tensor without dimensions (possible cause, not tested: what NumPy computes "
    "of one is a scalar, which += replaces and does not change)"
)


def _with_axes(watched: Watched, first: Observation) -> Diagnosis | None:
    """Return what a subject is that treats a tensor without dimensions otherwise; None where it does not, or is not."""
    before, watched.layout = watched.layout, WITH_AXES
    again = run(watched, first.probe)
    if any(again.columns[slot].tobytes() != shown.tobytes() for slot, shown in first.columns.items()):
        observations, lacks = observe_modes(watched, again)
        found = diagnose_observed(watched, watched.name, observations, lacks)
        if found.finding in (Finding.IDENTICAL, Finding.ROUNDING, Finding.EXPLAINED):
            explained = found.finding is Finding.EXPLAINED
            finding = Finding.EXPLAINED if explained else Finding.UNEXPLAINED
            return replace(found, finding=finding, evidence=(*found.evidence, _OF_SCALARS))
    watched.layout = before
    return None


def _in_float64(make: Watched, first: Observation) -> Diagnosis:
    """Return what a subject is whose values have another dtype than its weights, judged where both are float64."""
    evidence = [f"{other_dtypes(first)}; the weights are {first.probe.weights.dtype}"]
    evidence += filter(None, (made_in_float64(make.kind), numbers_in_float64(make, make.kind, first.probe)))
    wide = run(make, first_probe("float64", rule=first.probe.rule))
    if wide.strange:
        return Diagnosis(make.name, Finding.MIXED_DTYPES, evidence=tuple(evidence), shows=tuple(first.columns))
    observations, lacks = observe_modes(make, wide)
    found = diagnose_observed(make, make.name, observations, lacks)
    evidence.append(f"with float64 weights, where its rule can be judged, it {found.finding.value}")
    return replace(found, finding=Finding.MIXED_DTYPES, evidence=(*evidence, *found.evidence))


def observe_modes(make: Make, first: Observation) -> tuple[list[Observation], dict[str, Exception]]:
    """Return the observations in every mode that the subject has, and what it raised in the others."""
    observations: list[Observation] = [first]
    lacks: dict[str, Exception] = {}
    scheduled, dtype, rule = True, str(first.probe.weights.dtype.name), first.probe.rule
    for mode in modes_of(rule):
        try:
            observations.append(run(make, probe(mode, scheduled, dtype=dtype, rule=rule)))
            continue
        except Exception as error:  # a class that takes no callable raises where it multiplies by it
            lacks["schedule" if mode == "plain" else mode] = error
            if mode != "plain":
                continue
        scheduled = False
        observations.append(run(make, probe(mode, scheduled, dtype=dtype, rule=rule)))
    return observations, lacks


def diagnose_observed(make: Make, name: str, observations: list[Observation], lacks: dict[str, Exception]) -> Diagnosis:
    """Search, separate and confirm; mode by mode where no single set explains all modes."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy warns of a median over nothing but NaN
        modes = tuple(dict.fromkeys(seen.probe.mode for seen in observations))
        shows = tuple(dict.fromkeys(slot for seen in observations for slot in seen.columns))
        absent = tuple(dict.fromkeys(e.argument for e in lacks.values() if isinstance(e, AbsentArgumentError)))
        others = {mode: _raised(e) for mode, e in lacks.items() if not isinstance(e, AbsentArgumentError)}
        rule = observations[0].probe.rule
        base = Diagnosis(name, Finding.UNEXPLAINED, shows=shows, modes=modes, lacks=others, absent=absent, rule=rule)
        held = _held_back(make, observations)
        result = _explained(make, base, observations, held)
        if len(base.shows) > 1 and (result is None or result.evidence):
            bare = _without_slots(make, base, observations, held)
            result = bare if result is None or (bare and len(bare.evidence) == 1) else result
        if result is not None:
            return result
        # Held against the page of another rule, a subject is told what it is by who asked for it.
        other = another_rule(_binds(make), [*observations, *held]) if rule == DEFAULT else None
        if other is not None:
            return replace(base, finding=Finding.OUTSIDE, evidence=(str(other),))
        near = nearest(observations)
        if near is None:
            return base
        member, error, alike = near
        ratio = max(bound_ratio(member, seen, limit=1e6) for seen in observations)
        return replace(base, explanations=(Explanation(member, modes, error, ratio, False, alike=alike),))


def _explained(
    make: Make, base: Diagnosis, observations: list[Observation], held: list[Observation]
) -> Diagnosis | None:
    found = search(observations)
    result = _settled(make, base, observations, held, found) if found is not None else None
    if found is not None and not found.exact and (result is None or _refuted(result)):
        # What only stays inside a bound may be what a number that is not given looks like where it hardly shows.
        others = written_or_numbers(observations)
        rival = _settled(make, base, observations, held, others) if others is not None else None
        better = rival is not None and (result is None or _refuted(rival) < _refuted(result))
        result = rival if better else result
    return result or _mode_by_mode(make, base, observations, held)


def _refuted(result: Diagnosis) -> int:
    """Return in how many moves of the arguments nothing reproduces the subject."""
    return list(result.moved.values()).count(OTHERWISE)


def _without_slots(
    make: Make, base: Diagnosis, observations: list[Observation], held: list[Observation]
) -> Diagnosis | None:
    """Explain the parameters alone: what a subject shows as a slot may not be what it computes with."""
    bare, bare_held = ([seen.bare() for seen in group] for group in (observations, held))
    result = _explained(lambda: _Bare(make), base, bare, bare_held)
    if result is None:
        return None
    member = result.explanations[0].member
    wrong = [slot for slot in base.shows if slot != "parameter" and not _follows(member, observations, slot)]
    said = f"the parameters follow this, what slots() shows as {', '.join(wrong) or 'its slots'} does not"
    return replace(result, finding=Finding.EXPLAINED, evidence=(said, *result.evidence))


def _binds(make: Make) -> Binds | None:
    """Return what tells what a person's class or function is passed, None where it is no such subject."""
    return make.bound if isinstance(make, Watched) and make.kind is not None else None


def _follows(member: Member, observations: list[Observation], slot: str) -> bool:
    shown = [
        Observation(s.probe, {k: s.columns[k] for k in ("parameter", slot) if k in s.columns}) for s in observations
    ]
    return all(within(member, seen) for seen in shown)


class _Bare:
    """An adapter that shows the parameters only."""

    def __init__(self, make: Make) -> None:
        self._adapter = make()
        self.resolved, self.circumstances = self._adapter.resolved, self._adapter.circumstances
        self.open, self.step, self.close = self._adapter.open, self._adapter.step, self._adapter.close

    def read(self) -> dict[str, Any]:
        """Return the parameters."""
        return {"parameter": self._adapter.read()["parameter"]}


def _settled(
    make: Make, base: Diagnosis, observations: list[Observation], held: list[Observation], found: Found
) -> Diagnosis | None:
    """Confirm on probes that the search did not use; None if nothing that it found holds there."""
    members = _holding(found, held)
    if not members and found.exact:  # a number may be held wider than the weights, which turns a bit here and there
        found = Found(found.members, exact=False)
        members = _holding(found, held)
    if not members:
        return None
    fitted = [*observations, *held]
    moved = checked(make, members, found.exact, base.modes, _raised, _dtype(observations), fitted)
    if waiting := _waiting(found, members, held, moved):
        moved = checked(make, [*members, *waiting], found.exact, base.modes, _raised, _dtype(observations), fitted)
    members, exact = moved.members, found.exact and moved.exact
    smallest = min(member.size for member in members)
    chosen = [member for member in members if member.size == smallest][:4]
    everything = [*observations, *held, *moved.seen]
    explanations = tuple(_explanation(m, everything, base.modes, exact) for m in chosen)
    ties = tuple(member for member in members if member not in chosen)
    if _never_divides(chosen[0]):
        other = another_rule(_binds(make), [*observations, *held])
        said = str(other or "its steps are the learning rate times the gradient: plain descent")
        unnamed = tuple(replace(explanation, confirmed=False) for explanation in explanations)
        return replace(base, finding=Finding.OUTSIDE, explanations=unnamed, ties=ties, evidence=(said,))
    finding = _finding(chosen[0], everything, exact)
    result = replace(base, finding=finding, explanations=explanations, ties=ties, probe=moved.missing)
    return _with_moves(result, [moved])


def _with_moves(result: Diagnosis, moved: Sequence[Checked]) -> Diagnosis:
    """Add what became of the arguments; what nothing reproduces is said, and acquits nobody."""
    otherwise = [label for each in moved for label in each.otherwise]
    said = [f"no set of choices reproduces it with {' | '.join(otherwise)}"] if otherwise else []
    said += [line for each in moved for line in _by_themselves(each)]
    agrees = result.finding in (Finding.IDENTICAL, Finding.ROUNDING)
    finding = Finding.UNEXPLAINED if otherwise and agrees else result.finding
    outcomes = {label: outcome for each in moved for label, outcome in each.outcomes.items()}
    lacks = {label: reason for each in moved for label, reason in each.lacks.items()}
    absent = tuple(dict.fromkeys([*result.absent, *(name for each in moved for name in each.absent)]))
    return replace(
        result,
        finding=finding,
        evidence=(*result.evidence, *said),
        moved=outcomes,
        lacks={**result.lacks, **lacks},
        absent=absent,
    )


def _by_themselves(moved: Checked) -> list[str]:
    """Return what a subject is in moves that nothing reproduces beside the others, by the arguments that they set."""
    groups: dict[tuple[str, ...], list[tuple[Move, Observation]]] = {}
    for move, seen in moved.refuting.values():
        if not move.dtype:
            groups.setdefault(tuple(move.given), []).append((move, seen))
    found: dict[str, list[str]] = {}
    for group in groups.values():
        said = alone(moved.members[0], [seen for _, seen in group], group[0][0].given)
        if said:
            found.setdefault(said, []).extend(move.label for move, _ in group)
    return [f"with {' | '.join(labels)}, by itself: {said}" for said, labels in found.items()]


def _never_divides(member: Member) -> bool:
    """A denominator that is one at every step: what the family then computes has a name of its own."""
    switches = dict(member.switches) if member.rule == DEFAULT else {}
    lost = switches.get("state_carried", True) is not True
    return lost and switches.get("denominator_uses") == "previous" and bool(switches.get("second_moment_start"))


def _finding(member: Member, observations: Sequence[Observation], exact: bool) -> Finding:
    if not member.size:
        return Finding.IDENTICAL if exact else Finding.ROUNDING
    harmless = all(choices(member.rule)[name].rounds == "order" for name, _ in member.switches)
    if member.rounding and (harmless or all(within(member.page, seen) for seen in observations)):
        return Finding.ROUNDING
    return Finding.EXPLAINED


def _explanation(member: Member, observations: list[Observation], modes: tuple[str, ...], exact: bool) -> Explanation:
    if exact:
        return Explanation(member, modes, 0.0, 0.0, confirmed=True)
    ratio = max(0.0 if equal_bits(member, seen) else bound_ratio(member, seen) for seen in observations)
    residual = float(np.mean([step_error(member, seen) for seen in observations]))
    fine = [seen for seen in observations if seen.probe.name.startswith("defaults")] or observations
    return Explanation(member, modes, residual, ratio, True, *likely_rounding_of(member, fine))


def likely_rounding_of(
    member: Member, observations: list[Observation]
) -> tuple[tuple[tuple[str, Any], ...], tuple[float, float]]:
    """Return the roundings that a member most likely has, too, and the shares of equal bits without and with them."""
    likely, before, after = likely_rounding(member, observations)
    return tuple(item for item in likely.switches if item not in member.switches), (before, after)


def _dtype(observations: Sequence[Observation]) -> str:
    return str(observations[0].probe.weights.dtype.name)


def _held_back(make: Make, observations: list[Observation]) -> list[Observation]:
    kinds = dict.fromkeys((seen.probe.mode, seen.probe.scheduled) for seen in observations[1:])
    dtype, rule = _dtype(observations), observations[0].probe.rule
    others = [run(make, probe(mode, scheduled, seed, dtype, rule)) for seed in _HELD_BACK for mode, scheduled in kinds]
    return [*others, *(run(make, first_probe(dtype, seed, rule)) for seed in _HELD_BACK)]


def _holding(found: Found, held: Sequence[Observation]) -> list[Member]:
    """Return the smallest members, as many as are told apart, that hold where the search did not look.

    What only rounds otherwise than one that stays inside its bound does so, too, and waits until that one is refuted.
    """
    kept: list[Member] = []
    for member in found.members:
        waits = not found.exact and any(_rounds_more(member, other) for other in kept)
        if not waits and _holds(member, held, found.exact):
            kept.append(member)
        if len(kept) == _MOST_TIES:
            break
    return kept


def _rounds_more(member: Member, other: Member) -> bool:
    """Return whether a member is another one beside choices that only round."""
    more = {*member.switches} - {*other.switches}
    smaller = {*other.switches} < {*member.switches} and member.numbers == other.numbers
    return smaller and all(only_rounds(name, value, member.rule) for name, value in more)


def _waiting(found: Found, members: Sequence[Member], held: Sequence[Observation], moved: Checked) -> list[Member]:
    """Return what only rounds otherwise than members that a move refuted, and reproduces such a move."""
    refuting = [seen for _, seen in moved.refuting.values()] if not found.exact else []
    waiting = (each for each in found.members if refuting and any(_rounds_more(each, member) for member in members))
    return [
        each for each in waiting if any(reproducing([each], seen)[0] for seen in refuting) and _holds(each, held, False)
    ]


def _holds(member: Member, observations: Sequence[Observation], exact: bool) -> bool:
    return all(equal_bits(member, seen) if exact else within(member, seen) for seen in observations)


def _mode_by_mode(
    make: Make, base: Diagnosis, observations: list[Observation], held: list[Observation]
) -> Diagnosis | None:
    """Return one explanation for each group of modes; None unless the plain mode has one."""
    results: dict[tuple[Member, bool], list[str]] = {}
    lost = []
    for mode in base.modes:
        known = list(results)
        found = _in_mode(mode, observations, held, known[0] if known else None)
        if found is None and mode == "plain":
            return None
        if found is None:
            lost.append(mode)
        else:
            results.setdefault(next((k for k in known if k in found), found[0]), []).append(mode)
    explanations, moves = [], []
    for (member, exact), modes in results.items():
        own = [seen for seen in [*observations, *held] if seen.probe.mode in modes]
        moved = checked(make, [member], exact, modes, _raised, _dtype(observations), own)
        used = [seen for seen in [*observations, *held, *moved.seen] if seen.probe.mode in modes]
        explanations.append(_explanation(moved.members[0], used, tuple(modes), exact and moved.exact))
        moves.append(moved)
    evidence = (f"no set of choices reproduces it with {', '.join(lost)}",) if lost else ()
    agree = all(
        _finding(each.member, [seen for seen in [*observations, *held] if seen.probe.mode in each.modes], exact=False)
        is Finding.ROUNDING
        for each in explanations
    )
    # Who agrees in all modes but one differs by nothing that has a name.
    finding = Finding.EXPLAINED if not agree else Finding.UNEXPLAINED if lost else Finding.ROUNDING
    return _with_moves(replace(base, finding=finding, explanations=tuple(explanations), evidence=evidence), moves)


def _in_mode(
    mode: str, observations: list[Observation], held: list[Observation], known: tuple[Member, bool] | None
) -> list[tuple[Member, bool]] | None:
    """Return the members, each with whether its bits are equal, that fit all observations of one mode."""
    seen = [item for item in observations if item.probe.mode == mode]
    later = [item for item in held if item.probe.mode == mode]
    if known is not None:
        fits = equal_bits if known[1] else within
        same = extended([known[0]], [observations[0], *seen, *later], fits)
        if same:
            return [(min(same, key=lambda member: member.size), known[1])]
    found = search(seen, joint=mode == "plain")
    good = [member for member in found.members if _holds(member, later, found.exact)] if found else []
    return [(member, found.exact) for member in good] if found and good else None


def _raised(error: Exception) -> str:
    return str(error) if isinstance(error, UnsupportedError) else f"raised {one_line(error)}"
