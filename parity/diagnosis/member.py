"""One member of the family as an explanation: which switches and numbers, and how well it reproduces a trajectory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.bounds.bounded import exact
from parity.bounds.numerics import Array, differs
from parity.diagnosis.observe import Observation
from parity.diagnosis.probes import BATCH_SIZE, Probe
from parity.reference.family import Family
from parity.reference.switches import BY_NAME

MAX_UNDECIDED = 0.2
State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Member:
    """Switches and numbers that differ from tf.keras' and from what the subject was given, both sorted by name."""

    switches: tuple[tuple[str, Any], ...] = ()
    numbers: tuple[tuple[str, float], ...] = ()

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

    def having(self, **numbers: float) -> "Member":
        """Return the member with other numbers."""
        return Member(self.switches, tuple(sorted({**dict(self.numbers), **numbers}.items())))

    @property
    def rounding(self) -> bool:
        """Whether it differs from tf.keras in no more than the last bits."""
        narrow = ("float16", "bfloat16")
        return not self.numbers and all(BY_NAME[n].rounds and v not in narrow for n, v in self.switches)


def rule_for(member: Member, probe: Probe, kind: type[Family] = Family) -> Family:
    """Return the family member as a subject with the probe's hyperparameters would be.

    A number replaces what was given: ``learning_rate`` also a schedule, ``learning_rate_factor`` multiplies it,
    ``momentum`` counts where momentum was asked for and ``momentum_always`` everywhere.
    """
    arguments = {"batch_size": BATCH_SIZE, **probe.arguments, **dict(member.switches)}
    numbers = dict(member.numbers)
    factor, always = numbers.pop("learning_rate_factor", None), numbers.pop("momentum_always", None)
    if factor is not None:
        rate = arguments["learning_rate"]
        arguments["learning_rate"] = (lambda step: factor * rate(step)) if callable(rate) else factor * rate
    if "momentum" in numbers and not probe.hyperparameters.momentum:
        numbers.pop("momentum")
    if always is not None:
        numbers["momentum"] = always
    return kind(**{**arguments, **numbers})


class _Bounded(Family):
    """The family over arrays that carry their own error bound."""

    def _learning_rate_at(self, iterations: int) -> float:
        return float(np.float32(self.learning_rate(iterations) if callable(self.learning_rate) else self.learning_rate))


def _start(rule: Family, seen: Observation, free: bool) -> State:
    params = {"all": seen.columns["parameter"][0]}
    state = rule.init(params)
    if not free:
        state.update({slot: {"all": seen.columns[slot][0]} for slot in rule.slots(state)})
    return {"parameter": params, **state}


def _walk(member: Member, seen: Observation, free: bool) -> Iterator[tuple[int, dict[str, Array]]]:
    """Yield (row, predicted columns), row 0 first: from its own state if free, else from the recorded one."""
    rule = rule_for(member, seen.probe)
    state = _start(rule, seen, free=True)
    yield 0, {slot: tensors["all"] for slot, tensors in state.items() if slot != "iterations"}
    if not free:
        state = _start(rule, seen, free)
    params = state.pop("parameter")
    for step, gradient in enumerate(seen.probe.gradients):
        params, state = rule.step(params, {"all": gradient}, state)
        yield step + 1, {"parameter": params["all"], **{slot: t["all"] for slot, t in rule.slots(state).items()}}
        if not free:
            params = {"all": seen.columns["parameter"][step + 1]}
            state = {slot: {"all": seen.columns[slot][step + 1]} for slot in rule.slots(state)}
            state["iterations"] = step + 1


def predict(member: Member, probe: Probe) -> Array:
    """Return the parameters that the member reaches on a probe, ``[steps + 1, elements]``."""
    start = Observation(probe, {"parameter": probe.weights[None]})
    return np.stack([predicted["parameter"] for _, predicted in _walk(member, start, free=True)])


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
    rule = rule_for(member, seen.probe)
    return seen.lockstep(set(rule.slots(rule.init({"all": seen.columns["parameter"][0]}))))


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
    shown = seen.columns["parameter"].astype(np.float64)
    made = np.stack([values["parameter"] for _, values in _walk(member, seen, free=True)]).astype(np.float64)
    a, b = np.diff(shown, axis=0), np.diff(made, axis=0)
    scale = np.abs(a) + np.abs(b)
    with np.errstate(all="ignore"):
        error = np.where(scale == 0, 0.0, np.abs(a - b) / scale)
    return float(np.mean(np.where(np.isnan(error), (np.isnan(a) != np.isnan(b)).astype(float), error)))


def bound_ratio(member: Member, seen: Observation, limit: float = np.inf) -> float:
    """Return the largest |obtained - expected| / bound over all that is shown; stops once it is above the limit.

    The bound is the member's own (``parity.bounds.bounded``): local in lockstep, accumulated where slots are hidden.
    """
    if any(name == "arithmetic" for name, _ in member.switches):
        return 0.0 if equal_bits(member, seen) else np.inf
    rule = rule_for(member, seen.probe, _Bounded)
    narrow = _start(rule, seen, free=True)
    for slot, tensors in narrow.items():
        if slot in seen.columns and not np.array_equal(seen.columns[slot][0], tensors["all"]):
            return np.inf
    free = not seen.lockstep({slot for slot in narrow if slot != "iterations"})
    worst, undecided, total, state = 0.0, 0, 0, _lifted(narrow)
    params = state.pop("parameter")
    for step, gradient in enumerate(seen.probe.gradients):
        params, state = rule.step(params, {"all": exact(gradient)}, state)
        made = {"parameter": params, **rule.slots(state)}
        for slot, tensors in made.items():
            if slot in seen.columns:
                ratio, loose = _ratio(seen.columns[slot][step + 1], tensors["all"])
                worst, undecided, total = max(worst, ratio), undecided + loose, total + gradient.size
        if worst > limit:
            return worst
        if not free:
            state = _lifted({slot: {"all": seen.columns[slot][step + 1]} for slot in made})
            state["iterations"] = step + 1
            params = state.pop("parameter")
    # A bound that is infinite excuses anything, so it must be the exception.
    return worst if undecided <= MAX_UNDECIDED * total else np.inf


def _lifted(state: State) -> State:
    return {
        slot: tensors if slot == "iterations" else {"all": exact(tensors["all"])} for slot, tensors in state.items()
    }


def _ratio(shown: Array, bounded: Any) -> tuple[float, int]:
    """Return the largest ratio of difference to bound, and how many bounds are infinite."""
    wide = shown.astype(bounded.value.dtype)
    gap = np.abs(wide - bounded.value)
    loose = ~np.isfinite(bounded.error)
    same = (wide == bounded.value) | (np.isnan(wide) & np.isnan(bounded.value))
    ratio = gap / np.maximum(np.where(loose, 1.0, bounded.error), np.finfo(wide.dtype).tiny)
    ratio = np.where(same | (loose & np.isfinite(bounded.value)), 0.0, np.where(np.isnan(ratio), np.inf, ratio))
    return float(np.max(ratio)), int(np.sum(loose))


def alternatives(names: list[str], skip: tuple[Any, ...] = ()) -> list[tuple[str, Any]]:
    """Return every value of the named switches that is not tf.keras'."""
    return [(name, value) for name in names for value in BY_NAME[name].values[1:] if value not in skip]
