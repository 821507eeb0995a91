"""Estimating the numbers a subject really runs with, from nothing but the changes of its parameters.

Levenberg-Marquardt in float64 over log learning rate, log epsilon, logit rho and momentum; each residual is weighed by
what float32 can show of that change. Source: J. J. Moré, The Levenberg-Marquardt algorithm, 1978.
"""

import math
from copy import copy
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from parity.bounds.numerics import dtype_of, format_of
from parity.case.rule import DEFAULT
from parity.diagnosis.family import family
from parity.diagnosis.member import Member, rule_for
from parity.diagnosis.observe import Observation
from parity.diagnosis.probes import BATCH_SIZE
from parity.reference.arguments import ARGUMENTS
from parity.reference.arguments import BY_NAME as ARGUMENTS_BY_NAME
from parity.reference.family import Family
from parity.reference.rmsprop import SLOTS
from parity.trajectory.layout import Layout

Vector = NDArray[np.float64]
ALLOWED = {"rate" if a.name == "learning_rate" else a.name: a.limits for a in ARGUMENTS if a.limits}

BRIEF = 3
"""Steps that a first look is at: they refute almost every member, at a quarter of the cost."""
_GRID = [(e, r) for e in (1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2) for r in (0.5, 0.9, 0.99, 0.999)]
_EDGE, _TINY = 1e-4, 1e-14
"""What is given as zero or one has no place on a logarithm's scale: it is looked for from next to it on."""
_FITS = 4.0
_LOOSE = 0.05
"""An error beyond which a number is not determined."""
_NEAR = 4.0
"""The misfit, softened, from which a descent finds its way: a fifth of each change."""
_NEARER = 20.0
"""The misfit, hardly softened, from which what is left over may be rounding: a fiftieth of each change."""
_BALANCED = 1e-10
"""Share of the squares below which numbers make up for each other in a direction: differences show no more there."""
_SLOW = 0.99
"""A round that leaves more of the squares than this, twice in a row, has come to where it will stay."""
USUAL_EPSILONS = (1e-8, 1e-6, 1e-5, 1e-10, 1e-12)
"""What epsilon often is, for where it cannot be measured and yet turns a bit here and there."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Numbers with the standard error of their logarithm (momentum: of itself); ``misfit`` is near one for a fit."""

    values: dict[str, float]
    errors: dict[str, float]
    misfit: float

    @property
    def loose(self) -> list[str]:
        """The numbers that the data do not determine, as an epsilon that is small beside every second moment."""
        return [name for name, error in self.errors.items() if 5 * error > _LOOSE]

    @property
    def fits(self) -> bool:
        """Whether what is left over is rounding."""
        return self.misfit <= _FITS


class _Rows(Family):
    """The family on rows of the elements of all tensors, ``[points, elements]``."""

    lies: Layout

    def _fresh(self, g: Any) -> Any:
        if self.moment_of in ("element", "magnitude"):
            return super()._fresh(g)
        squares = np.square(g)
        total = np.add.reduceat(squares, self.lies.starts, axis=-1)
        return np.repeat(total / self.lies.sizes if self.moment_of == "mean" else total, self.lies.sizes, axis=-1)


class _Problem:
    """The changes that a subject showed, what float32 hides of them, and the family's for a batch of numbers.

    ``steps`` are how many of the first are looked at.
    """

    def __init__(self, member: Member, seen: Observation, free: tuple[str, ...], steps: int) -> None:
        self.free, self.seen, self.steps = free, seen, min(steps, seen.probe.steps)
        rule = rule_for(member, seen.probe, _Rows)
        rule.lies = seen.probe.tensors
        self.rule: Any = rule
        self.given = {"rate": 1.0, "epsilon": rule.epsilon, "rho": rule.rho, "momentum": rule.momentum}
        self.rates = [rule._learning_rate_at(seen.number(at)) for at in range(self.steps)]
        self.scale = BATCH_SIZE if rule.gradient_reduction == "sum" else 1.0
        self.centered = bool(rule.centered)
        self._show(seen, member)

    def _show(self, seen: Observation, member: Member) -> None:
        """Take up what was shown, and what float32 hides of it."""
        rows = (seen.before("parameter"), seen.columns["parameter"][1:])
        before, after = (part[: self.steps].astype(np.float64) for part in rows)
        # What float32 shows is enough for a number's decimals; whether they fit is tried with all bits.
        held = (seen.columns["parameter"].dtype, np.dtype(np.float32), _arithmetic(member))
        unit = max(format_of(dtype).unit for dtype in held)
        with np.errstate(all="ignore"):
            self.change = after - before
            noise = unit * (np.abs(after) + np.abs(before)) + 16 * unit * np.abs(self.change)
        self.usable = np.isfinite(self.change)
        self.noise = np.where(self.usable, np.maximum(noise, 1e-30), 1.0)

    def guesses(self) -> list[dict[str, float]]:
        """Return usual numbers, those that are given first."""
        points = [dict(self.given, momentum=self.given["momentum"] or 0.5)]
        if "epsilon" in self.free or "rho" in self.free:
            momenta = (0.3, 0.6, 0.9) if "momentum" in self.free else (points[0]["momentum"],)
            points += [dict(points[0], epsilon=e, rho=r, momentum=mu) for e, r in _GRID for mu in momenta]
        return points

    def unpack(self, theta: Vector) -> dict[str, Any]:
        """Return numbers, each ``[points, 1]``, for parameters ``[points, k]``."""
        numbers: dict[str, Any] = dict(self.given)
        for column, name in enumerate(self.free):
            x = theta[:, column : column + 1]
            numbers[name] = x if name == "momentum" else 1 / (1 + np.exp(-x)) if name == "rho" else np.exp(x)
        return numbers

    def pack(self, numbers: dict[str, float]) -> list[float]:
        """Return the parameters of one point."""
        packed = []
        for name in self.free:
            value = numbers[name]
            if name == "rho":
                value = min(max(value, _EDGE), 1 - _EDGE)
                packed.append(math.log(value / (1 - value)))
            else:
                packed.append(value if name == "momentum" else math.log(max(value, _TINY)))
        return packed

    def changes(self, theta: Vector) -> Vector:
        """Return the family's changes ``[points, steps, elements]``."""
        numbers = self.unpack(theta)
        rule: Any = self.rule
        rule.rho, rule.epsilon, rule.momentum = numbers["rho"], numbers["epsilon"], numbers["momentum"]
        moving = "momentum" in self.free or bool(np.any(self.given["momentum"]))
        points = len(theta)
        w = np.repeat(self.seen.columns["parameter"][:1].astype(np.float64), points, axis=0)
        zero, first = np.zeros_like(w), w
        start = zero + (0.0 if isinstance(rule.second_moment_start, str) else float(rule.second_moment_start))
        v, m, b = start, zero if self.centered else None, zero if moving else None
        made = []
        for step, gradient in enumerate(self.seen.probe.gradients[: self.steps].astype(np.float64)):
            if self.seen.apart is not None:
                v, m, b = (self._recorded(slot, step, points) for slot in SLOTS)
                m, b = m if self.centered else None, b if moving else None
            if rule.state_carried is not True:
                v, m, b = start, zero if self.centered else None, zero if moving else None
            g = np.broadcast_to(gradient * self.scale, w.shape)
            rate, count = self.rates[step] * numbers["rate"], self.seen.number(step) + 1
            update = Family.rule(rule, w, g, v, m, b, rate, count)
            v, m, b = update.second_moment, update.first_moment, update.momentum_buffer
            made.append(update.parameter - w)
            w = first
        return np.stack(made, axis=1)

    def never(self, made: Vector) -> bool:
        """Return whether no numbers lead from changes ``[points, steps, elements]`` to those that were shown.

        Numbers are no cause of a change that is not finite, where one point has it and all others, too; nor of a sign
        where no momentum is.
        """
        lost = np.all(~np.isfinite(made), axis=0)
        if "momentum" not in self.free and not np.any(self.given["momentum"]):
            seen = np.abs(self.change) > 16 * self.noise
            lost |= seen & np.all(np.sign(made) == -np.sign(self.change), axis=0)
        return bool(np.any(lost & self.usable))

    def _recorded(self, slot: str, step: int, points: int) -> Any:
        """Return what a step started from, ``[points, elements]``, where it was seen."""
        apart = self.seen.apart or {}
        return np.repeat(apart[slot][step : step + 1].astype(np.float64), points, axis=0) if slot in apart else None

    def residuals(self, theta: Vector, softness: float) -> Vector:
        """Return weighed differences ``[points, values]``; a soft weight lets far-off numbers find their way."""
        weight = self.noise + softness * np.abs(np.where(self.usable, self.change, 0.0))
        made = self.changes(theta)
        off = np.where(self.usable, made - self.change, 0.0) / weight
        off = np.nan_to_num(np.clip(off, -1e8, 1e8), nan=1e8)
        return np.asarray(off.reshape(len(theta), -1))


_USUAL: Final = {
    "momentum": (0.3, 0.6, 0.9),
    "epsilon": (1e-8, 1e-3),
    "rho": (0.8, 0.97),
    "beta_1": (0.6, 0.95),
    "beta_2": (0.9, 0.995),
    "initial_accumulator_value": (1e-6, 1e-2, 1.0),
}
"""From where numbers of a page are looked for, beside those that are given."""


class _OfPage(_Problem):
    """The same of a rule beside RMSprop, whose page is run point after point, with numbers of its own arguments."""

    def __init__(self, member: Member, seen: Observation, free: tuple[str, ...], steps: int) -> None:
        self.free, self.seen, self.steps = free, seen, min(steps, seen.probe.steps)
        # Numbers as they are: what Keras rounds to float32 has no derivative.
        rule: Any = rule_for(member.having(numbers="double"), seen.probe, family(member.rule).kind)
        self.rule = rule
        self.given = {"rate": 1.0, **{name: float(getattr(rule, name)) for name in free if name != "rate"}}
        self.rates = [rule._learning_rate_at(seen.number(at)) for at in range(self.steps)]
        self.scale = BATCH_SIZE if rule.gradient_reduction == "sum" else 1.0
        self._show(seen, member)

    def guesses(self) -> list[dict[str, float]]:
        """Return usual numbers, those that are given first."""
        grids = [_USUAL.get(name, (self.given[name],)) for name in self.free if name != "rate"]
        names = [name for name in self.free if name != "rate"]
        return [self.given, *({"rate": 1.0, **dict(zip(names, point, strict=True))} for point in product(*grids))]

    def unpack(self, theta: Vector) -> dict[str, Any]:
        """Return numbers, each ``[points, 1]``, for parameters ``[points, k]``."""
        turn = {"fraction": lambda x: 1 / (1 + np.exp(-x)), "momentum": lambda x: x}
        columns = {name: theta[:, column : column + 1] for column, name in enumerate(self.free)}
        return {**self.given, **{name: turn.get(_scale(name), np.exp)(x) for name, x in columns.items()}}

    def pack(self, numbers: dict[str, float]) -> list[float]:
        """Return the parameters of one point."""
        packed = []
        for name in self.free:
            scale, value = _scale(name), numbers[name]
            inside = min(max(value, _EDGE), 1 - _EDGE) if scale == "fraction" else max(value, _TINY)
            packed.append(math.log(inside / (1 - inside)) if scale == "fraction" else math.log(inside))
            packed[-1] = value if scale == "momentum" else packed[-1]
        return packed

    def changes(self, theta: Vector) -> Vector:
        """Return the page's changes ``[points, steps, elements]``."""
        numbers = self.unpack(theta)
        points = [
            {name: float(np.ravel(x)[min(i, np.size(x) - 1)]) for name, x in numbers.items()} for i in range(len(theta))
        ]
        return np.stack([self._changes(point) for point in points])

    def _changes(self, numbers: dict[str, float]) -> Vector:
        rule, rate = copy(self.rule), numbers["rate"]
        for name in self.free:
            if name != "rate":
                setattr(rule, name, numbers[name])
        w: Any = self.seen.columns["parameter"][0].astype(np.float64)
        slots, made = rule.start(w), []
        for step, gradient in enumerate(self.seen.probe.gradients[: self.steps].astype(np.float64)):
            if self.seen.apart is not None:
                slots = {slot: self.seen.apart[slot][step].astype(np.float64) for slot in slots}
            start, g = rule.start(w) if rule.state_carried is not True else slots, gradient * self.scale
            update = rule.update(w, g, start, self.rates[step] * rate, self.seen.number(step) + 1)
            slots = {slot: getattr(update, slot) for slot in slots}
            made.append(update.parameter - w)
            # Weights that stay where they are show each change in full precision.
        return np.stack(made)

    def never(self, made: Vector) -> bool:
        """Return whether no numbers lead from changes ``[points, steps, elements]`` to those that were shown."""
        lost = np.all(~np.isfinite(made), axis=0)
        return bool(np.any(lost & self.usable))


_BESIDE: Final = {
    DEFAULT: (("rate", "epsilon", "rho"), ("rate", "epsilon", "rho", "momentum")),
    "sgd": (("rate",), ("rate", "momentum")),
    "lion": (("rate",),),
}
"""By rule, the numbers that are estimated together; of a sign the rate alone shows by how much."""


@cache
def free_numbers(rule: str) -> tuple[tuple[str, ...], ...]:
    """Return the numbers of a rule that are estimated together, the fewest first; none where elements are mixed."""
    if rule in _BESIDE or family(rule).mixes:
        return _BESIDE.get(rule, ())
    own = [each.name for each in family(rule).rule.parameters if each.name in ALLOWED and each.name != "momentum"]
    fractions = [name for name in own if _scale(name) == "fraction"]
    few = ("rate", *(name for name in own if name not in fractions))
    return (few, (*few, *fractions)) if fractions else (few,)


def _scale(name: str) -> str:
    """Return on which scale a number is looked for: as it is, by its logit, or by its logarithm."""
    domain = ARGUMENTS_BY_NAME[name].domain if name in ARGUMENTS_BY_NAME else ""
    return "momentum" if name == "momentum" else "fraction" if domain == "fraction" else "log"


def _arithmetic(member: Member) -> Any:
    """Return the dtype that a member computes in, float64 where it does not say so: that hides nothing."""
    own = dict(member.switches).get("arithmetic")
    return dtype_of(own if own in ("float16", "bfloat16") else "float64")


_known: dict[tuple[Any, ...], "Estimate | None"] = {}


def estimate(member: Member, seen: Observation, free: tuple[str, ...] = ("rate", "epsilon", "rho")) -> Estimate | None:
    """Return the numbers with which the member comes closest to what was shown, or None if it never comes near."""
    key = (member, seen.probe.name, seen.columns["parameter"].tobytes(), free)
    if key not in _known:
        if len(_known) > 1000:
            _known.clear()
        _known[key] = _estimated(member, seen, free)
    return _known[key]


def _estimated(member: Member, seen: Observation, free: tuple[str, ...]) -> Estimate | None:
    if dict(member.switches).get("epsilon_place") == "none":
        free = tuple(name for name in free if name != "epsilon")
    if seen.apart is not None and not seen.lockstep(_needed(member, seen, free)):
        return None
    kind = _Problem if member.rule == DEFAULT else _OfPage
    problem = kind(member, seen, free, seen.probe.steps)
    if not problem.usable.any():
        return None
    with np.errstate(all="ignore"):
        if problem.steps > BRIEF and _near(kind(member, seen, free, BRIEF), no_nearer=True) is None:
            return None
        theta = _near(problem)
        if theta is None:
            return None
        theta, r, _ = _descend(problem, theta, 1e-3, 8, goal=_NEARER)
        if np.mean(r**2) > _NEARER**2:
            return None
        theta, r, jacobian = _descend(problem, theta, 0.0, 8)
        misfit = float(np.sqrt(np.mean(r**2)))
        errors = _errors(jacobian) * max(misfit, 0.1)
        values = {name: float(np.ravel(x)[0]) for name, x in problem.unpack(theta[None]).items() if name in free}
    logit = {name: value * (1 - value) for name, value in values.items() if _scale(name) == "fraction"}
    scaled = {n: float(e) * logit.get(n, 1.0) for n, e in zip(free, errors, strict=True)}
    return Estimate(values, scaled, misfit)


def _near(problem: _Problem, no_nearer: bool = False) -> Vector | None:
    """Return parameters with which the family comes near, None if it never does; ``no_nearer`` than that if asked."""
    theta = _first_guess(problem)
    if theta is None:
        return None
    theta, r, _ = _descend(problem, theta, 0.05, 14, goal=_NEAR, enough=no_nearer)
    return theta if np.mean(r**2) <= _NEAR**2 else None


def _needed(member: Member, seen: Observation, free: tuple[str, ...]) -> set[str]:
    """Return the slots that the member keeps with numbers that are free."""
    rule: Any = rule_for(member, seen.probe, family(member.rule).kind)
    if member.rule != DEFAULT:
        return set(rule.start(np.zeros(())))
    needed = {
        "second_moment": True,
        "first_moment": rule.centered,
        "momentum_buffer": rule.momentum > 0 or "momentum" in free,
    }
    return {slot for slot, is_used in needed.items() if is_used}


def _errors(jacobian: Vector) -> Vector:
    """Return standard errors; a number that nothing depends on gets a very large one, and so do those of a balance."""
    sizes = np.sqrt(np.sum(jacobian**2, axis=0)) + 1e-9
    scaled = jacobian / sizes
    values, directions = np.linalg.eigh(scaled.T @ scaled)
    spread = directions**2 @ (1 / np.maximum(values, _BALANCED))
    balanced = np.any((values < _BALANCED) & (directions**2 > _BALANCED**0.5), axis=1)
    return np.asarray(np.where(balanced, np.inf, np.sqrt(spread) / sizes))


def _first_guess(problem: _Problem) -> Vector | None:
    """Return the best of some usual numbers, None where no numbers whatever lead to what was shown."""
    points = problem.guesses()
    theta = np.array([problem.pack(point) for point in points])
    made = problem.changes(theta)
    if problem.never(made):
        return None
    if "rate" in problem.free:
        ratio = np.abs(problem.change) / np.abs(made)
        ratio = np.where(np.isfinite(ratio) & (ratio > 0), ratio, np.nan)
        shift = _medians(np.log(ratio).reshape(len(points), -1))
        theta[:, problem.free.index("rate")] += np.nan_to_num(np.clip(shift, -15, 15))
    errors = np.mean(np.minimum(problem.residuals(theta, 0.05) ** 2, 400.0), axis=1)
    return np.asarray(theta[int(np.argmin(errors))])


def _medians(rows: Vector) -> Vector:
    """Return the median of the numbers in each row, NaN where there is none."""
    ordered, count = np.sort(rows, axis=1), np.sum(~np.isnan(rows), axis=1)
    middle = [np.take_along_axis(ordered, np.maximum(at, 0)[:, None], axis=1) for at in ((count - 1) // 2, count // 2)]
    return np.asarray((middle[0] + middle[1])[:, 0] / 2)


def _descend(
    problem: _Problem, theta: Vector, softness: float, rounds: int, goal: float = np.inf, enough: bool = False
) -> tuple[Vector, Vector, Vector]:
    """Return parameters, residuals and Jacobian after some rounds, fewer where the misfit will not reach a goal.

    ``enough`` says that none are needed once it has.
    """
    size, damping, slow = len(theta), 1e-3, 0
    steps = np.vstack([np.zeros(size), 1e-6 * np.eye(size)])
    batch = problem.residuals(theta + steps, softness)
    for done in range(rounds):
        r, jacobian = batch[0], (batch[1:] - batch[0]).T / 1e-6
        before = np.sum(r**2)
        far = before > goal**2 * r.size
        if (enough and not far) or (far and (slow > 1 or (done == 5 and before > (10 * goal) ** 2 * r.size))):
            break
        normal = jacobian.T @ jacobian
        move = np.linalg.lstsq(normal + damping * np.diag(np.diag(normal) + 1e-12), -jacobian.T @ r, rcond=None)[0]
        trial = theta + np.clip(move, -2, 2)
        tried = problem.residuals(trial + steps, softness)
        after = np.sum(tried[0] ** 2)
        if after < before:
            theta, batch, damping = trial, tried, damping / 10
            slow = slow + 1 if after > _SLOW * before else 0
            if np.max(np.abs(move)) < 1e-10:
                break
        else:
            damping *= 30
            if damping > 1e9:
                break
    return theta, batch[0], (batch[1:] - batch[0]).T / 1e-6


def rounded(found: Estimate, given: dict[str, float]) -> dict[str, float] | None:
    """Return the numbers that differ from the given ones, as the shortest decimals that the data allow.

    None if one of them is not determined by the data, or lies where the rule turns into another one.
    """
    result: dict[str, float] = {}
    for name, value in found.values.items():
        error = 5 * found.errors[name] + 3e-7
        linear = _scale(name) != "log" or not given[name]
        near = abs(value - given[name]) if linear else abs(math.log(value / given[name]))
        if near <= error:
            continue
        low, high = ALLOWED[name]
        if not low <= value <= high or error > _LOOSE:
            return None
        result[name] = _shortest(name, value, error, given[name])
    return result


def nearly_as_given(numbers: dict[str, float], given: dict[str, float]) -> dict[str, float]:
    """Return the numbers without those that are within a twentieth of what is given.

    They may be just that: roundings that go on from step to step, as in a momentum buffer, do not average out, and the
    standard error knows nothing of it.
    """
    return {name: value for name, value in numbers.items() if abs(value - given[name]) > _LOOSE * abs(given[name])}


def _shortest(name: str, value: float, error: float, nominal: float) -> float:
    size = error if _scale(name) != "log" else error * value
    decimals = [float(f"{value:.{digits}g}") for digits in range(1, 12)]
    first = next((d for d in decimals if abs(d - value) <= size), decimals[-1])
    if _scale(name) == "log" and nominal and first == next((d for d in decimals[3:] if abs(d - value) <= size), None):
        doubled = nominal * 2.0 ** round(math.log2(value / nominal))
        return doubled if abs(doubled - value) <= size else first
    return first
