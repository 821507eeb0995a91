"""A program's steps as a log: judged by RMSprop's page and diagnosed like any log."""

from typing import Any, Final

import msgspec
import numpy as np

from parity.bounds.numerics import Array
from parity.case.rule import find
from parity.case.spec import hyperparameters
from parity.diagnosis.findings import Diagnosis, Finding
from parity.diagnosis.findings import hyperparameters as numbers_of
from parity.diagnosis.logged import diagnose_log
from parity.diagnosis.member import Member
from parity.diagnosis.text import formulas
from parity.diagnosis.words import cause, telling
from parity.explain.whole.made_steps import Steps, made_by
from parity.explain.whole.quantity import Held, Mistake, Outcome, Stage
from parity.explain.whole.sides import Sides
from parity.judge.logged import Judged, judge
from parity.trajectory.layout import layout_of
from parity.trajectory.log.names import PARAMETER
from parity.trajectory.log.reading import Log
from parity.verdicts.verdict import Verdict

_ELEMENTS: Final = 300
"""Elements of each tensor that are looked at."""


_ARGUMENTS: Final = ("learning_rate", "rho", "momentum", "epsilon", "centered")


def judged(sides: Sides, made: Steps, config: dict[str, Any]) -> tuple[list[Stage], list[Mistake]]:
    """Judge RMSprop by its page, and diagnose what diverges as a log is diagnosed."""
    first = _judged(sides, made, config)
    if first.evidence is None:
        return [Stage("update", "", Outcome.UNDECIDED, "; ".join(first.unseen))], []
    if not first.evidence.verdict.fails:
        return [Stage("update", "", Outcome.ROUNDING, f"RMSprop, on {len(made.before)} steps of its own gradients")], []
    place = first.evidence.comparison(first.problem.cell, "the program", "lockstep").first_divergence
    where = (
        Held(Outcome.DIVERGED, (), float(place.obtained), float(place.expected), float(place.bound)) if place else None
    )
    if first.evidence.verdict is not Verdict.DIVERGED:
        return [Stage("update", "", Outcome.NON_FINITE, "", where)], []
    diagnosis = diagnose_log(first)
    if diagnosis.finding is not Finding.EXPLAINED:
        note = "no known set of choices reproduces its steps"
        return [Stage("update", "", Outcome.DIVERGED, note, where)], []
    member = diagnosis.explanations[0].member
    switches, numbers = _choices(member)
    if not telling(switches, numbers) and not numbers:
        return [Stage("update", "", Outcome.ROUNDING, "RMSprop, but for how numbers are rounded")], []
    sentence = cause(switches, numbers).rstrip(".")
    stage = Stage("update", f"step {place.step}" if place else "", Outcome.DIVERGED, sentence, where)
    return [stage], [_of_rule(sides, diagnosis, sentence, config)]


def _of_rule(sides: Sides, diagnosis: Diagnosis, sentence: str, config: dict[str, Any]) -> Mistake:
    """Return the mistake in a rule; steps from other weights and batches confirm it where the same choices fit them."""
    member = diagnosis.explanations[0].member
    again = made_by(sides, 4, sides.rate)
    confirmed = False
    if not isinstance(again, str):
        second = _judged(sides, again, config)
        other = diagnose_log(second) if second.evidence is not None else None
        confirmed = other is not None and any(each.member == member for each in other.explanations)
    switches, numbers = _choices(member)
    lines = formulas(telling(switches, numbers), numbers)
    repair = "; ".join(f"{line.obtained} → {line.expected}" for line in lines)
    evidence = f"with nothing else of the rule changed it {diagnosis.evidence[0]}" if diagnosis.evidence else ""
    if confirmed:
        evidence += ", and on steps from other weights and batches"
    name = "state_restarts" if switches.get("state_carried") is False else "update_rule"
    return Mistake(name, "update", sentence, evidence, repair or "use the model's choice", confirmed)


def _choices(member: Member) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the choices that change more than how numbers are rounded: a program keeps them in float64."""
    return dict(member.switches), {name: value for name, value in numbers_of(member).items() if name != "numbers"}


def _judged(sides: Sides, made: Steps, config: dict[str, Any]) -> Judged:
    """Return a program's steps judged as a log."""
    names = sides.side.names
    picked = [_picked(array.size) for array in made.before[0]]
    layout = layout_of({name: np.zeros(len(at)) for name, at in zip(names, picked, strict=True)})

    def rows(steps: list[list[Array]]) -> Array:
        return np.stack([np.concatenate([a.ravel()[at] for a, at in zip(s, picked, strict=True)]) for s in steps])

    before, after = rows(made.before).astype(np.float64), rows(made.after).astype(np.float64)
    gradients = rows(made.gradients).astype(np.float64)
    rule = find("rmsprop")
    given = msgspec.convert(
        {name: config[name] for name in _ARGUMENTS if config.get(name) is not None} | {"learning_rate": sides.rate},
        hyperparameters(rule.name),
    )
    log = Log(
        "the program",
        layout,
        tuple(range(len(before))),
        {PARAMETER: before},
        {PARAMETER: after},
        gradients,
        None,
        {},
        "rmsprop",
    )
    return judge(log, rule, given)


def _picked(size: int) -> Array:
    return np.unique(np.linspace(0, size - 1, min(size, _ELEMENTS)).astype(np.int64))
