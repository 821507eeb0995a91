"""An experiment in, its explanation out: configuration, ladder, shares of the gap, repairs, verdicts, effects."""

from collections.abc import Mapping, Sequence
from math import log10
from statistics import fmean
from typing import Any

import msgspec
from msgspec import Struct

from parity.errors import NotInstalledError, UsageError
from parity.explain import repair, verdicts
from parity.explain.attribution import SCALES, Attribution, Coalition, attribute, half_width
from parity.explain.experiment import Experiment
from parity.explain.factors import FACTORS, MEANING, show
from parity.explain.keras_program import refuse_unsupported
from parity.explain.ladder import Rung, climb, gradient_check
from parity.explain.measured import Record, Runs, reached, typical
from parity.explain.pool import Pool
from parity.explain.program import mnist
from parity.explain.repair import Alone, Change
from parity.explain.store import Task
from parity.explain.verdicts import Effect, Judged


class Row(Struct, frozen=True):
    """One factor of both sides; ``attributed`` is false where a difference is left out by the experiment's list."""

    factor: str
    a: str
    b: str
    differs: bool
    attributed: bool
    meaning: str


class Check(Struct, frozen=True):
    """The real program beside its description: what was compared and how far apart the two are."""

    side: str
    against: str
    compared: str
    obtained: float | str
    expected: float | str


class Corner(Struct, frozen=True):
    """One combination: which factors are switched from A to B, each seed's loss before training and at last."""

    switched: list[str]
    starts: list[float]
    losses: list[float]
    typical: float


class Explanation(Struct, frozen=True):
    """Everything that ``parity explain`` found; the JSON form has the same fields."""

    experiment: str
    summary: str
    sides: list[str]
    target: float
    epochs: int
    seeds: int
    configuration: list[Row]
    keras: dict[str, Any] | None
    ladder: list[Rung]
    gradient_check: dict[str, dict[str, float]]
    inert: list[str]
    conclusion: list[str]
    attribution: Attribution | None = None
    other_scales: list[Attribution] = []
    alone: list[Alone] = []
    repair: Change | None = None
    spoil: Change | None = None
    supposed: list[Judged] = []
    effects: list[Effect] = []
    checks: list[Check] = []
    corners: list[Corner] = []
    curves: dict[str, list[list[float]]] = {}


def configuration(experiment: Experiment) -> list[Row]:
    """Return both sides factor by factor, before any number is computed."""
    rows = []
    for name in FACTORS:
        a, b = getattr(experiment.a, name), getattr(experiment.b, name)
        rows.append(Row(name, show(a), show(b), a != b, name in experiment.active, MEANING[name]))
    return rows


def asked(experiment: Experiment, pool: Pool) -> dict[str, Any] | None:
    """Return what the real Keras says of its own configuration; None where no side is Keras, or it is missing."""
    for side in (experiment.a, experiment.b):
        if side.real == "keras":
            refuse_unsupported(side.program)
            task = Task(side.program, 0, 0, "keras-paired")
            try:
                resolved: dict[str, Any] = pool.run([task], "asking Keras")[task]["resolved"]
                return resolved
            except NotInstalledError:
                return None
    return None


def explain(experiment: Experiment, pool: Pool, seeds: int | None = None, epochs: int | None = None) -> Explanation:
    """Measure and attribute the gap between both sides.

    Raises:
        UsageError: side B does not reach the target, or both do and side A is the lower one.
    """
    runs = Runs(experiment, pool, seeds, epochs)
    a, b = experiment.programs
    rungs = climb(a, b, experiment.active, mnist(), 0)
    found: dict[str, Any] = {
        "experiment": experiment.experiment,
        "summary": experiment.summary,
        "sides": [experiment.a.name, experiment.b.name],
        "target": experiment.target,
        "epochs": runs.epochs,
        "seeds": len(runs.seeds),
        "configuration": configuration(experiment),
        "keras": None,
        "ladder": rungs,
        "gradient_check": {
            side.name: gradient_check(side.program, mnist(), 0) for side in (experiment.a, experiment.b)
        },
        "inert": [],
    }
    if not experiment.active:
        return Explanation(**found, conclusion=["The sides do not differ in any factor: there is nothing to explain."])
    ends = runs.ends()
    active, inert = runs.active()
    found["inert"] = inert
    if not active:
        text = f"The sides differ in {', '.join(inert)} only, and every trained weight is bit-identical: no gap."
        return Explanation(**found, conclusion=[text])
    between = _decades_between(runs, ends)
    if between and fmean(between) <= 0:
        return _without_gap(found, runs, active, ends, between)
    return _measured(found, runs, active, ends)


def _decades_between(runs: Runs, ends: tuple[list[Record], list[Record]]) -> list[float]:
    """Return how far side B gets below side A, a value a seed, if side A is at the target in all; else nothing."""
    a, b = (reached(records) for records in ends)
    if any(loss > runs.experiment.target for loss in a):
        return []
    return [log10(x) - log10(y) for x, y in zip(a, b, strict=True)]


def _without_gap(
    found: dict[str, Any],
    runs: Runs,
    active: list[str],
    ends: tuple[list[Record], list[Record]],
    between: Sequence[float],
) -> Explanation:
    """Say that there is nothing to share: both sides are at the target, and side B is not the lower one."""
    middle, spread = fmean(between), half_width(between)
    (a, b), target = found["sides"], runs.experiment.target
    if middle + spread < 0:
        raise UsageError(
            f"both sides reach the target {target:g} as they are, so nothing needs repair, and side B ({b}) gets no "
            f"lower than side A ({a}); swap [a] and [b] to share what is between them."
        )
    effects = [verdicts.effect(name, rows, target) for name, rows in zip((a, b), ends, strict=True)]
    result = Explanation(**found, repair=repair.repairs(runs, active), effects=effects, conclusion=[])
    last = (
        f"From {a} to {b} the loss falls by {middle:.2g} ± {spread:.2g} decades: no gap to share among "
        f"{', '.join(active)}."
    )
    return msgspec.structs.replace(result, conclusion=[*conclude(result), last])


def _measured(
    found: dict[str, Any],
    runs: Runs,
    active: list[str],
    ends: tuple[list[Record], list[Record]],
) -> Explanation:
    records = runs.combinations(active)
    losses = {chosen: reached(rows) for chosen, rows in records.items()}
    main, *others = _attributions(runs, active, losses)
    ranked = [share.factors[0] for share in main.factors]
    fixed, spoiled = repair.repairs(runs, ranked), repair.spoils(runs, ranked)
    checks, keras = _checks(runs)
    result = Explanation(
        **{**found, "keras": keras},
        attribution=main,
        other_scales=others,
        alone=repair.alone(runs, ranked),
        repair=fixed,
        spoil=spoiled,
        supposed=verdicts.judge(runs, main, found["inert"], fixed.factors if fixed else []),
        effects=_effects(runs, ranked, fixed, ends),
        checks=checks,
        corners=[_corner(sorted(key, key=active.index), rows) for key, rows in records.items()],
        curves={"a": [record["loss"] for record in ends[0]], "b": [record["loss"] for record in ends[1]]},
        conclusion=[],
    )
    return msgspec.structs.replace(result, conclusion=conclude(result))


def _corner(switched: list[str], records: Sequence[Record]) -> Corner:
    losses = reached(records)
    return Corner(switched, [record["loss"][0] for record in records], losses, typical(losses))


def conclude(found: Explanation) -> list[str]:
    """Return the answer in sentences, each with its figures; a loss is the geometric mean of the last epochs'."""
    a, b = found.sides
    first, second = found.effects[0], found.effects[-1]
    lines = [f"In {found.epochs} epochs {a} reaches {first.loss:.3g} and {b} {second.loss:.3g}."]
    lines += _repair_in_words(found)
    if found.spoil:
        losses = ", ".join(f"{loss:.2g}" for loss in found.spoil.confirmed_by)
        lines.append(
            f"Smallest change that spoils {b}: {' and '.join(found.spoil.factors)}; fresh seeds reach {losses}."
        )
    if found.attribution:
        lines += _shares_in_words(found.attribution)
    if found.inert:
        lines.append(f"No bit of the trained weights depends on {', '.join(found.inert)}.")
    return lines


def _repair_in_words(found: Explanation) -> list[str]:
    a, lines = found.sides[0], []
    fresh = ", ".join(f"{loss:.2g}" for loss in found.repair.confirmed_by) if found.repair else ""
    if found.repair and not found.repair.factors:
        return [f"{a} reaches the target {found.target:g} as it is: nothing needs repair; fresh seeds reach {fresh}."]
    # The effects begin with side A, and side A with each factor alone.
    if not any(one.seeds_at_target == found.seeds for one in found.effects[: 1 + len(found.alone)]):
        tries = ", ".join(f"{one.factor} {one.repaired_to:.3g}" for one in found.alone)
        lines.append(f"No single change repairs {a} (target {found.target:g} in every seed): {tries}.")
    if found.repair:
        lines.append(f"Smallest repair: {' and '.join(found.repair.factors)}; fresh seeds reach {fresh}.")
    return lines


_CLEAR = 10.0
"""Percent of the gap from which on an interaction is worth a sentence."""


def _shares_in_words(found: Attribution) -> list[str]:
    lines = []
    if found.pairs and found.interactions[0].percent > max(found.interactions[0].uncertainty, _CLEAR):
        pair, beyond = found.pairs[0], found.interactions[0]
        lines.append(
            f"{' × '.join(pair.factors)} hold {pair.percent:.1f} ± {pair.uncertainty:.1f} % of the gap; "
            f"{beyond.percent:.1f} ± {beyond.uncertainty:.1f} % is what they do only together."
        )
    rest = [f"{one.factors[0]} {one.percent:.2f} ± {one.uncertainty:.2f} %" for one in found.factors]
    return [*lines, f"Shares, interactions included: {', '.join(rest)}."]


def _attributions(runs: Runs, active: Sequence[str], losses: Mapping[Coalition, list[float]]) -> list[Attribution]:
    """Return the shares on every scale; the first counts down to the target, unless side A reaches it too."""
    target = runs.experiment.target
    scales = list(SCALES)
    if all(loss <= target for loss in losses[frozenset()]):
        scales = [scale for scale in scales if scale != "to_target"]
    return [attribute(active, losses, target, scale) for scale in scales]


def _effects(
    runs: Runs, ranked: Sequence[str], fixed: Change | None, ends: tuple[list[Record], list[Record]]
) -> list[Effect]:
    """Return what each change does to the curve: A, A with each factor alone, A repaired, A with all, B."""
    repaired = [fixed.factors] if fixed and len(fixed.factors) > 1 else []
    sets = [[], *([name] for name in ranked), *repaired, list(ranked)]
    names = [runs.experiment.a.name + "".join(f" + {name}" for name in chosen) for chosen in sets]
    names[-1] = f"{runs.experiment.a.name} + every factor"
    rows = runs.records([runs.toward_b(chosen) for chosen in sets], "effects")
    target = runs.experiment.target
    measured = [verdicts.effect(name, row, target) for name, row in zip(names, rows, strict=True)]
    return [*measured, verdicts.effect(runs.experiment.b.name, ends[1], target)]


def _checks(runs: Runs) -> tuple[list[Check], dict[str, Any] | None]:
    """Run the real programs beside their descriptions, one epoch, from the same weights and in the same order."""
    checks: list[Check] = []
    keras = None
    for side in (runs.experiment.a, runs.experiment.b):
        if side.real is None:
            continue
        engine = "keras-paired" if side.real == "keras" else "posted"
        if side.real == "keras":
            refuse_unsupported(side.program)
        tasks = [Task(side.program, runs.seeds[0], 1, engine), Task(side.program, runs.seeds[0], 1)]
        try:
            real, described = runs.pool.run(tasks, f"the real {side.real}").values()
        except NotInstalledError as error:
            checks.append(Check(side.name, side.real, "not compared", str(error), ""))
            continue
        checks += _compared(side.name, side.real, described, real)
        keras = real.get("resolved") or keras
    return checks, keras


def _compared(name: str, real: str, described: Record, record: Record) -> list[Check]:
    checks = [Check(name, real, "printed loss, epoch 1", described["printed"][0], record["printed"][0])]
    if "loss" in record:
        checks.append(Check(name, real, "loss after epoch 1", described["loss"][-1], record["loss"][-1]))
    same = described["digest"] == record["digest"]
    return [*checks, Check(name, real, "every bit of the weights after epoch 1", "equal" if same else "not equal", "")]
