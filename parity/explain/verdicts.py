"""Supposed reasons in, a verdict and a figure for each out; what each factor does to the curve beside it."""

from collections.abc import Sequence
from statistics import median

from msgspec import Struct

from parity.errors import SpecError
from parity.explain.attribution import Attribution
from parity.explain.experiment import Supposed, what_if
from parity.explain.factors import Program, show, switched
from parity.explain.measured import Record, Runs, epochs_to, reached, typical

TRIALS = 2
"""Seeds on which a supposed value is tried: enough to see that it does not repair, and some of them are slow."""
NEGLIGIBLE = 2.0
"""Percent of the gap below which a factor is said to have no effect on it."""


class Judged(Struct, frozen=True):
    """One supposed reason: ``refuted`` if the programs do not differ in it, ``no effect`` if the gap does not."""

    label: str
    claim: str
    verdict: str
    figure: str


class Effect(Struct, frozen=True):
    """What one program reaches: the typical loss (see ``reached``), its range over the seeds, and when.

    ``last`` is the loss after the last epoch alone, ``epochs_to_target`` the first epoch after which it is low enough.
    """

    program: str
    loss: float
    lowest: float
    highest: float
    last: float
    accuracy: float
    epochs_to_target: float | None
    seeds_at_target: int
    seeds: int


def effect(name: str, records: Sequence[Record], target: float) -> Effect:
    """Summarise the runs of one program over its seeds; the epochs are None unless most seeds get there."""
    losses = reached(records)
    epochs = [found for record in records if (found := epochs_to(record, target)) is not None]
    most = len(epochs) > len(records) / 2
    return Effect(
        program=name,
        loss=typical(losses),
        lowest=min(losses),
        highest=max(losses),
        last=typical([record["loss"][-1] for record in records]),
        accuracy=sum(record["accuracy"][-1] for record in records) / len(records),
        epochs_to_target=median(epochs) if most else None,
        seeds_at_target=sum(loss <= target for loss in losses),
        seeds=len(losses),
    )


def judge(runs: Runs, attribution: Attribution, inert: Sequence[str], partners: Sequence[str]) -> list[Judged]:
    """Return a verdict for each supposed reason; ``partners`` are the factors of the smallest repair."""
    supposed = runs.experiment.supposed
    tried = [_supposing(runs, reason) for reason in supposed if reason.what_if]
    # All at once, so that the slow ones share the cores.
    runs.records(tried, "supposed reasons", runs.seeds[:TRIALS])
    return [_judge(runs, reason, attribution, inert, partners) for reason in supposed]


def _supposing(runs: Runs, reason: Supposed) -> Program:
    """Return side A as it would be if the supposition were true of it."""
    return what_if(
        runs.experiment.programs[0], reason.what_if, lambda text, _: SpecError(f"supposed {reason.label!r}: {text}")
    )


def _judge(
    runs: Runs, reason: Supposed, attribution: Attribution, inert: Sequence[str], partners: Sequence[str]
) -> Judged:
    a, b = runs.experiment.programs
    differ = [name for name in reason.factors if getattr(a, name) != getattr(b, name)]
    moving = [name for name in differ if name not in inert]
    if not differ:
        same = ", ".join(f"{name} {show(getattr(a, name))}" for name in reason.factors)
        return Judged(reason.label, reason.claim, "refuted", f"same on both sides: {same}{_tried(runs, reason)}")
    if not moving:
        text = f"{_values(runs, differ)}: every trained weight is bit-identical either way{_printed(runs, differ)}"
        return Judged(reason.label, reason.claim, "no effect", text + _tried(runs, reason))
    shares = [share for share in attribution.factors if share.factors[0] in moving]
    percent, spread = sum(share.percent for share in shares), sum(share.uncertainty for share in shares)
    text = f"{_values(runs, moving)}: {percent:.1f} ± {spread:.1f} % of the gap"
    verdict = "confirmed" if percent >= NEGLIGIBLE else "no effect"
    others = [name for name in partners if name not in moving]
    if verdict == "confirmed" and others:
        text += f"; alone it reaches {_ends(runs, moving)}, so it takes {' and '.join(others)} as well"
    return Judged(reason.label, reason.claim, verdict, text + _tried(runs, reason))


def _values(runs: Runs, names: Sequence[str]) -> str:
    a, b = runs.experiment.programs
    return ", ".join(f"{name} {show(getattr(a, name))} against {show(getattr(b, name))}" for name in names)


def _ends(runs: Runs, names: Sequence[str]) -> str:
    return f"{typical(reached(runs.records([runs.toward_b(names)], 'supposed reasons')[0])):.3g}"


def _tried(runs: Runs, reason: Supposed) -> str:
    """Return what {name} reaches when the supposition is made true of it."""
    if not reason.what_if:
        return ""
    changed, name = _supposing(runs, reason), runs.experiment.a.name
    plain, tried = runs.records([runs.a, changed], "supposed reasons", runs.seeds[:TRIALS])
    settings = ", ".join(f"{factor} {show(value)}" for factor, value in reason.what_if.items())
    if all(one["digest"] == other["digest"] for one, other in zip(plain, tried, strict=True)):
        return f"; {settings} leaves every bit of {name} as it is"
    there = sum(loss <= runs.experiment.target for loss in reached(tried))
    return (
        f"; with {settings} {name} reaches {typical(reached(tried)):.3g} instead of {typical(reached(plain)):.3g}, "
        f"and is there in {there} of {len(tried)} seeds"
    )


def _printed(runs: Runs, names: Sequence[str]) -> str:
    """Return how much the printed loss moves: bookkeeping that leaves the weights alone."""
    changed = switched(runs.a, runs.experiment.programs[1], tuple(names))
    one, other = runs.records([runs.a, changed], "supposed reasons", [runs.seeds[0]])
    pairs = list(zip(one[0]["printed"], other[0]["printed"], strict=True))
    if all(x == y for x, y in pairs):
        return ", and so is every printed loss"
    epoch, (x, y) = max(enumerate(pairs, 1), key=lambda row: abs(row[1][0] - row[1][1]))
    if abs(x - y) <= 1e-6 * abs(x):
        return f"; the printed loss moves by at most {abs(x - y):.1g}"
    return f"; the printed loss moves, most at epoch {epoch}: {x:.4g} or {y:.4g}"
