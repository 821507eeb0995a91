"""A log that diverges in, the choices that reproduce every step of it out; that nothing confirms them is said."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np

from parity.bounds.numerics import Array, Indices
from parity.case.rule import DEFAULT, find
from parity.diagnosis.diagnose import likely_rounding_of
from parity.diagnosis.findings import Diagnosis, Explanation, Finding
from parity.diagnosis.member import Member, bounded_rule_for, rule_for, step_error
from parity.diagnosis.observe import Observation
from parity.diagnosis.probes import MOST_VALUES, Probe, mode_of
from parity.diagnosis.search import KERAS, Found, nearest, switched_alone, written_or_numbers
from parity.judge.evidence import Evidence
from parity.judge.logged import Judged, LogProblem, held_against
from parity.judge.page import BoundedPage, Page, Reference, reference
from parity.reference.family import Family
from parity.reference.optimizer import as_float32
from parity.trajectory.layout import Layout, layout_of
from parity.trajectory.log.names import PARAMETER
from parity.verdicts.verdict import Verdict

SEARCHED: Final = (48, 12)
"""Elements and steps that are searched on: every set of choices is tried on them, and numbers are estimated."""
CHECKED: Final = 2_000
"""Elements that a set has to fit next, over as many steps as are cheap."""
MOST_WHOLE: Final = 20_000
"""Elements of a log that are searched whole, where a step mixes those of a tensor."""
_MOST: Final = 8
_OF_BATCH: Final = "gradient_reduction"
"""A log holds the gradients that went into the optimizer: how they were reduced is settled by then."""


def diagnose_log(judged: Judged) -> Diagnosis:
    """Return which choices reproduce every step of a log that was judged.

    The search is that of any diagnosis, on some elements of some steps; what it finds is held against every element of
    every judged step, by the judge itself with the choices in place of the page.
    """
    problem, where = judged.problem, judged.problem.log.where
    base = Diagnosis(where, Finding.UNEXPLAINED, shows=tuple(problem.log.before), modes=(mode_of(problem.cell),))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy warns of a median over nothing but NaN
        refuted: list[str] = []
        for found, observations in _searches(judged):
            fitting = []
            for member in found.members[:_MOST]:
                seen = held_against(problem, _stretches(judged), _in_place_of_the_page(member, problem))
                if _agrees(seen, member):
                    fitting.append((member, seen))
                elif seen.divergence is not None:
                    refuted.append(f"a set that fits the steps searched on parts at step {seen.divergence.step}")
            if fitting:
                return _explained(base, fitting, observations, len(judged.places))
        near = nearest([observation]) if (observation := _sample(judged, *SEARCHED)) is not None else None
        if near is None:
            return replace(base, evidence=tuple(refuted[:1]))
        member, error, alike = near
        explanation = Explanation(member, base.modes, error, np.inf, False, alike=alike)
        return replace(base, explanations=(explanation,), evidence=tuple(refuted[:1]))


def _explained(
    base: Diagnosis, fitting: list[tuple[Member, Evidence]], observations: list[Observation], steps: int
) -> Diagnosis:
    smallest = min(member.size for member, _ in fitting)
    explanations = []
    for member, seen in fitting:
        if member.size == smallest:
            exact = seen.verdict is Verdict.IDENTICAL
            ratio = 0.0 if exact or seen.worst is None else float(seen.worst.ratio)
            residual = 0.0 if exact else step_error(member, observations[-1])
            turned, shares = ((), (1.0, 1.0)) if exact else likely_rounding_of(member, observations)
            explanations.append(Explanation(member, base.modes, residual, ratio, False, turned, shares))
    said = (
        f"fits the log on all {steps} steps that were judged" if steps > 1 else "fits the one step that was judged",
        "not confirmed on other inputs: a log cannot be run",
    )
    # What has all choices of a smaller set, and more, says no more than that its steps do not show the others.
    least = [{*each.member.switches, *each.member.numbers} for each in explanations]
    ties = tuple(
        member
        for member, _ in fitting
        if member.size > smallest and not any(choices < {*member.switches, *member.numbers} for choices in least)
    )
    return replace(base, finding=Finding.EXPLAINED, explanations=tuple(explanations), ties=ties, evidence=said)


def _agrees(seen: Evidence, member: Member) -> bool:
    if any(name == "arithmetic" for name, _ in member.switches):
        return seen.verdict is Verdict.IDENTICAL
    return seen.verdict in (Verdict.IDENTICAL, Verdict.ROUNDING)


def _searches(judged: Judged) -> Iterator[tuple[Found, list[Observation]]]:
    """Yield what each search finds: with what was given, with an argument ignored, with one moment for a tensor."""
    small, large = _sample(judged, *SEARCHED), _sample(judged, CHECKED, MOST_VALUES // CHECKED)
    if small is None or large is None:
        return
    observations = [small, large]
    sampled = large.probe.gradients.shape[1] < judged.problem.log.layout.size
    without = {_OF_BATCH, *(["moment_of"] if sampled else []), *_not_shown(judged)}
    bases = list(_bases(judged.problem))
    for base in bases:
        if (found := switched_alone(observations, without, base)) is not None:
            yield found, observations
    whole = _sample(judged, judged.problem.log.layout.size, 2) if sampled else None
    if whole is not None:
        members = [KERAS.plus(moment_of=value) for value in ("sum", "mean")]
        yield Found(members, exact=False), [whole]
    # To estimate numbers takes longer than all else.
    for base in bases:
        if (found := written_or_numbers(observations, base)) is not None:
            yield found, observations


def _not_shown(judged: Judged) -> list[str]:
    log = judged.problem.log
    # A log that says the rate of each step says the one that was used, whichever number the schedule was asked for.
    return [
        *(["schedule_origin"] if log.rates is not None else []),
        *(["second_moment_start"] if log.numbers[0] != 0 else []),
    ]


def _bases(problem: LogProblem) -> Iterator[Member]:
    """Yield what all members of a search have: an argument that is given may be ignored, a number kept as a double."""
    given, double = problem.cell.hyperparameters, []
    held = [given.learning_rate, given.weight_decay]
    if problem.dtype == np.float64 and any(isinstance(n, float) and as_float32(n) != n for n in held):
        double = [KERAS.having(numbers="double")]
    yield from [*double, KERAS]
    for name, off in (("momentum", 0.0), ("centered", False), ("weight_decay", None)):
        if getattr(given, name):
            yield from (member.having(**{name: off}) for member in [*double, KERAS])


def _in_place_of_the_page(member: Member, problem: LogProblem) -> Reference:
    """Return what a log is held against where a member stands for the page."""
    page, probe = reference(problem), _probe(problem, problem.log.layout, np.zeros((0, 0), dtype=problem.dtype))
    rule = rule_for(member, probe, Family)
    layout = replace(page.layout, by_name=page.layout.by_name or rule.mixes_elements)
    return replace(
        page,
        page=Page(rule, find(DEFAULT), layout, rule.step, tuple(rule.slots(rule.init(problem.params)))),
        bounded=BoundedPage(bounded_rule_for(member, probe), layout, page.format),
        layout=layout,
        forms=page.forms._replace(step=rule.step, bounds=lambda step, rows, errors: None),
        mixes=rule.mixes_elements,
    )


def _stretches(judged: Judged) -> list[range]:
    chosen = set(judged.places)
    return [stretch for stretch in judged.problem.log.stretches() if stretch.start in chosen]


def _sample(judged: Judged, elements: int, steps: int) -> Observation | None:
    """Return some elements of some judged steps; None where a step mixes elements and has too many of them.

    Steps that follow each other from the first one on are an observation like any other, of their beginning; otherwise
    they are seen apart, evenly spread.
    """
    problem, log = judged.problem, judged.problem.log
    size = log.layout.size
    if reference(problem).mixes:
        if size > MOST_WHOLE:
            return None
        elements, steps = size, max(1, min(steps, MOST_VALUES // max(size, 1)))
    follows = log.numbers[0] == 0 and len(_stretches(judged)) == 1 and len(judged.places) == len(_stretches(judged)[0])
    count = min(steps, len(judged.places))
    places = judged.places[:count] if follows else _spread(judged.places, count)
    at = _telling(log.gradients[list(places)], log.layout, elements)
    rows = np.array(places, dtype=np.int64)
    cut, first = np.ix_(rows, at), np.ix_(rows[:1], at)
    columns = {field: np.concatenate([log.before[field][first], log.after[field][cut]]) for field in log.before}
    apart = None if follows else {field: log.before[field][cut] for field in log.before}
    layout = _part_of(log.layout, at) if len(at) < size else log.layout
    probe = _probe(problem, layout, log.gradients[cut], columns[PARAMETER][0])
    return Observation(probe, columns, apart=apart, numbers=tuple(log.numbers[place] for place in places))


def _spread(places: tuple[int, ...], count: int) -> tuple[int, ...]:
    chosen = np.unique(np.linspace(0, len(places) - 1, count).round().astype(np.int64))
    return tuple(places[i] for i in chosen)


def _telling(gradients: Array, layout: Layout, most: int) -> Indices:
    """Return positions of at most so many elements: of every magnitude that gradients have, and evenly spread ones."""
    size = layout.size
    if size <= most:
        return np.arange(size, dtype=np.int64)
    largest = np.max(np.abs(gradients.astype(np.float64)), axis=0)
    moving = np.flatnonzero(np.nan_to_num(largest, nan=0.0) > 0)
    by_size = moving[np.argsort(largest[moving], kind="stable")]
    share = min(len(by_size), most * 3 // 4)
    picked = by_size[np.linspace(0, len(by_size) - 1, share).astype(np.int64)] if share else by_size
    even = np.linspace(0, size - 1, most - len(picked)).astype(np.int64)
    return np.unique(np.concatenate([picked, even]))


def _part_of(layout: Layout, at: Indices) -> Layout:
    """Return the layout of some elements, by the tensors that they are of."""
    tensors = layout.tensor_of(at)
    return layout_of({name: np.zeros(int(np.sum(tensors == i))) for i, name in enumerate(layout.names)})


def _probe(problem: LogProblem, layout: Layout, gradients: Array, weights: Any = None) -> Probe:
    first = np.zeros(0, dtype=problem.dtype) if weights is None else weights
    return Probe("log", mode_of(problem.cell), problem.cell.hyperparameters, first, gradients, layout)
