"""One member of the family as an explanation: which switches and numbers, and how well it reproduces a trajectory."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from parity.bounds.numerics import Array, differs, format_of, ratios
from parity.bounds.rule import OnBounds, bound_around
from parity.case.rule import DEFAULT, Rule, find
from parity.diagnosis.observe import Observation
from parity.diagnosis.probes import BATCH_SIZE, Probe
from parity.judge.page import BoundedPage, Page, Start
from parity.reference.family import Family
from parity.reference.rmsprop import Update
from parity.reference.switches import BY_NAME, only_rounds

MAX_UNDECIDED = 0.2
CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")
"""Arguments of which one at most is set."""
Kind = TypeVar("Kind", bound=Family)


@dataclass(frozen=True, slots=True)
class Member:
    """Switches and numbers that differ from tf.keras' and from what the subject was given, both sorted by name."""

    switches: tuple[tuple[str, Any], ...] = ()
    numbers: tuple[tuple[str, Any], ...] = ()

    @property
    def size(self) -> int:
        """How many choices differ."""
        return len(self.switches) + len([name for name, _ in self.numbers if name != "batch_size"])

    def plus(self, **switches: Any) -> "Member":
        """Return the member with more switches turned."""
        return Member(tuple(sorted({**dict(self.switches), **switches}.items())), self.numbers)

    def minus(self, name: str) -> "Member":
        """Return the member with one switch turned back."""
        return Member(tuple(item for item in self.switches if item[0] != name), self.numbers)

    def having(self, **numbers: Any) -> "Member":
        """Return the member with other numbers, or with arguments that keep a value whatever is given."""
        return Member(self.switches, tuple(sorted({**dict(self.numbers), **numbers}.items())))

    @property
    def rounding(self) -> bool:
        """Whether it differs from tf.keras in no more than the last bits."""
        return not self.numbers and all(only_rounds(name, value) for name, value in self.switches)


def rule_for(member: Member, probe: Probe, kind: type[Kind]) -> Kind:
    """Return the family member as a subject with the probe's hyperparameters would be.

    A number replaces what was given: ``learning_rate`` also a schedule, ``learning_rate_factor`` and
    ``epsilon_factor`` multiply it, ``momentum`` counts where momentum was asked for and ``momentum_always`` everywhere.
    """
    arguments = {"batch_size": BATCH_SIZE, **probe.arguments, **dict(member.switches)}
    numbers: dict[str, Any] = dict(member.numbers)
    factor, always = numbers.pop("learning_rate_factor", None), numbers.pop("momentum_always", None)
    if "epsilon_factor" in numbers:
        arguments["epsilon"] = numbers.pop("epsilon_factor") * arguments["epsilon"]
    if factor is not None:
        rate = arguments["learning_rate"]
        arguments["learning_rate"] = (lambda step: factor * rate(step)) if callable(rate) else factor * rate
    if any(numbers.get(clip) is not None for clip in CLIPS):
        # Keras refuses two clips; whoever has one in the code knows of no other.
        arguments |= dict.fromkeys(CLIPS)
    if "momentum" in numbers and not probe.hyperparameters.momentum:
        numbers.pop("momentum")
    if always is not None:
        numbers["momentum"] = always
    return kind(**{**arguments, **numbers})


class _Bounded(Family, OnBounds):
    """The family on bounded arrays."""

    def rule(self, w: Any, g: Any, v: Any, m: Any, b: Any, rate: Any, count: int) -> Update:
        """Apply the rule to one tensor; see ``Family.rule``."""
        keep = self.rho if self.rho_role == "keep" else 1 - self.rho
        v = self.either_form(v, np.square(g), keep)
        m = None if m is None else self.either_form(m, g, keep)
        return super().rule(w, g, v, m, b, rate, count)


def _page(member: Member, seen: Observation) -> Page:
    """Return the member on the flat rows of a probe."""
    rule, layout = rule_for(member, seen.probe, Family), seen.probe.layout
    layout = replace(layout, by_name=layout.by_name or rule.mixes_elements)
    return Page(rule, _known(), layout, rule.step)


@cache
def _known() -> Rule:
    """Return what the page says of itself: a search asks for it ten thousand times."""
    return find(DEFAULT)


def _start(page: Page, seen: Observation) -> dict[str, Array]:
    return page.start(page.layout.split(seen.columns["parameter"][0]))


def _walk(member: Member, seen: Observation, free: bool) -> Iterator[tuple[int, dict[str, Array]]]:
    return _walked(_page(member, seen), seen, free)


def _walked(page: Page, seen: Observation, free: bool) -> Iterator[tuple[int, dict[str, Array]]]:
    """Yield (row, predicted columns), row 0 first: from its own state if free, else from the recorded one."""
    state = _start(page, seen)
    yield 0, state
    for step, gradient in enumerate(seen.probe.gradients):
        state = state if free else {slot: seen.columns[slot][step] for slot in state}
        state = page.step(Start({**state, "gradient": gradient}, step))
        yield step + 1, state


def predict(member: Member, probe: Probe) -> Array:
    """Return the parameters that the member reaches on a probe, ``[steps + 1, elements]``."""
    start = Observation(probe, {"parameter": probe.weights[None]})
    return np.stack([predicted["parameter"] for _, predicted in _walk(member, start, free=True)])


def starts_alike(member: Member, seen: Observation, rows: int = 4) -> bool:
    """Return whether the first changes of the parameters are the member's to within a hundredth: a cheap first look."""
    shown = seen.columns["parameter"][: rows + 1].astype(np.float64)
    predicted = np.stack([each["parameter"] for _, each in islice(_walk(member, seen, free=True), rows + 1)])
    a, b = np.diff(shown, axis=0), np.diff(predicted.astype(np.float64), axis=0)
    unit = 8 * format_of(seen.columns["parameter"].dtype).unit * np.abs(shown[1:])
    with np.errstate(all="ignore"):
        return bool(np.all((np.abs(a - b) <= 0.01 * np.abs(b) + unit) | (np.isnan(a) & np.isnan(b))))


def equal_bits(member: Member, seen: Observation) -> bool:
    """Return whether every bit of everything shown is equal; stops at the first that is not."""
    for row, predicted in _walk(member, seen, free=True):
        for slot, values in predicted.items():
            if slot in seen.columns:
                shown = seen.columns[slot][row]
                if row == 0 and slot != "parameter" and np.array_equal(shown, values):
                    continue  # 0 * w makes zeros of either sign, which nothing after them remembers
                if values.tobytes() != shown.tobytes() and differs(shown, values).any():
                    return False
    return True


def _can_lockstep(member: Member, seen: Observation) -> bool:
    return seen.lockstep(set(_page(member, seen).slots))


def share_equal(member: Member, seen: Observation) -> tuple[int, int]:
    """Return how many of the compared values have equal bits, in lockstep where the slots are visible."""
    equal = total = 0
    for row, predicted in _walk(member, seen, free=not _can_lockstep(member, seen)):
        for slot, values in predicted.items():
            if row and slot in seen.columns:
                equal += int(np.sum(~differs(seen.columns[slot][row], values)))
                total += values.size
    return equal, total


def step_error(member: Member, seen: Observation) -> float:
    """Return how far the changes of the parameters are off, 0 (equal) to 1 (unrelated), as a mean over all of them."""
    return float(np.mean(step_errors(member, seen)))


def step_errors(member: Member, seen: Observation) -> Array:
    """Return how far each change of a parameter is off ``[steps, elements]``, from 0 (equal) to 1 (unrelated)."""
    return page_errors(_page(member, seen), seen)


def page_errors(page: Page, seen: Observation) -> Array:
    """Return what ``step_errors`` does, for the page of any rule on the rows of a probe."""
    shown = seen.columns["parameter"].astype(np.float64)
    made = np.stack([values["parameter"] for _, values in _walked(page, seen, free=True)]).astype(np.float64)
    a, b = np.diff(shown, axis=0), np.diff(made, axis=0)
    scale = np.abs(a) + np.abs(b)
    with np.errstate(all="ignore"):
        error = np.where(scale == 0, 0.0, np.abs(a - b) / scale)
    return np.asarray(np.where(np.isnan(error), (np.isnan(a) != np.isnan(b)).astype(float), error))


def bound_ratio(
    member: Member, seen: Observation, limit: float = np.inf, most_undecided: float = MAX_UNDECIDED
) -> float:
    """Return the largest |obtained - expected| / bound over all that is shown; stops once it is above the limit.

    It is infinite where more than a share of the bounds is.

    The bound is the member's own, as a judge's is the page's: local in lockstep, accumulated where slots are hidden.
    """
    if any(name == "arithmetic" for name, _ in member.switches):
        return 0.0 if equal_bits(member, seen) else np.inf
    page = _page(member, seen)
    format = format_of(seen.columns["parameter"].dtype)
    bounded = BoundedPage(rule_for(member, seen.probe, _Bounded), page.layout, format)
    own = _start(page, seen)
    for slot, row in own.items():
        if slot in seen.columns and not np.array_equal(seen.columns[slot][0], row):
            return np.inf
    free = not seen.lockstep(set(own))
    worst, undecided, total = 0.0, 0, 0
    errors: dict[str, Array] = {}
    for step, gradient in enumerate(seen.probe.gradients):
        start = Start({**own, "gradient": gradient}, step)
        enclosures, own = bounded.enclose(start.rows, errors, step), page.step(start)
        bounds = {slot: bound_around(own[slot], *enclosures[slot]) for slot in own}
        for slot, bound in bounds.items():
            if slot in seen.columns:
                ratio, loose = _ratio(seen.columns[slot][step + 1], own[slot], bound)
                worst, undecided, total = max(worst, ratio), undecided + loose, total + gradient.size
        if worst > limit:
            return worst
        errors = bounds if free else {}
        if not free:
            own = {slot: seen.columns[slot][step + 1] for slot in own}
    # A bound that is infinite excuses anything, so it must be the exception.
    return worst if undecided <= most_undecided * total else np.inf


def _ratio(shown: Array, own: Array, bound: Array) -> tuple[float, int]:
    """Return the largest ratio of difference to bound, and how many bounds are infinite."""
    wide = format_of(own.dtype).wide
    gap = np.abs(shown.astype(wide) - own.astype(wide))
    ratio = ratios(np.where(differs(shown, own), gap, 0.0), bound)
    loose = ~np.isfinite(bound)
    return float(np.max(np.where(loose, 0.0, ratio))), int(np.sum(loose))


def alternatives(names: list[str], skip: tuple[Any, ...] = ()) -> list[tuple[str, Any]]:
    """Return every value of the named switches that is not tf.keras'."""
    return [(name, value) for name in names for value in BY_NAME[name].values[1:] if value not in skip]
