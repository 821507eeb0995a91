"""One member of the family as an explanation: which switches and numbers, and how well it reproduces a trajectory."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain, islice
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np

from parity.bounds.numerics import Array, differs, format_of, ratios
from parity.bounds.rule import Enclosures, OnBounds, bound_around
from parity.case.rule import DEFAULT
from parity.diagnosis.choices import moot, only_rounds, switches
from parity.diagnosis.family import STARTS, family
from parity.diagnosis.observe import Observation
from parity.diagnosis.probes import BATCH_SIZE, Probe
from parity.judge.page import BoundedPage, Page, Start
from parity.reference.arguments import CLIPS
from parity.reference.optimizer import Optimizer, constant
from parity.trajectory.layout import Layout, layout_of

MAX_UNDECIDED = 0.2
Kind = TypeVar("Kind", bound=Optimizer)


@dataclass(frozen=True, slots=True)
class Member:
    """Switches and numbers that differ from tf.keras' and from what the subject was given, both sorted by name.

    ``rule`` is the one of whose family it is a member.
    """

    switches: tuple[tuple[str, Any], ...] = ()
    numbers: tuple[tuple[str, Any], ...] = ()
    rule: str = DEFAULT

    @property
    def size(self) -> int:
        """How many choices differ."""
        return len(self.switches) + len([name for name, _ in self.numbers if name != "batch_size"])

    def plus(self, **switches: Any) -> "Member":
        """Return the member with more switches turned."""
        return replace(self, switches=tuple(sorted({**dict(self.switches), **switches}.items())))

    def minus(self, name: str) -> "Member":
        """Return the member with one switch turned back."""
        return replace(self, switches=tuple(item for item in self.switches if item[0] != name))

    def having(self, **numbers: Any) -> "Member":
        """Return the member with other numbers, or with arguments that keep a value whatever is given."""
        return replace(self, numbers=tuple(sorted({**dict(self.numbers), **numbers}.items())))

    def without(self, *names: str) -> "Member":
        """Return the member with some numbers as they are given."""
        return replace(self, numbers=tuple(item for item in self.numbers if item[0] not in names))

    @property
    def page(self) -> "Member":
        """The member that is tf.keras' own rule."""
        return Member(rule=self.rule)

    @property
    def idle(self) -> bool:
        """Whether a switch is turned without the other choice, or the number, beside which alone it shows.

        Or beside one with which it shows nothing.
        """
        known, turned = switches(self.rule), dict(self.switches)
        needed = (known[name].beside for name in turned if name in known)
        there = dict(self.numbers)
        if any(beside not in there and turned.get(beside) != value for each in needed for beside, value in each):
            return True
        hidden = moot(self.rule)
        return bool(hidden) and any(turned.get(by) == value for e in self.switches for by, value in hidden.get(e, ()))

    @property
    def rounding(self) -> bool:
        """Whether it differs from tf.keras in no more than the last bits."""
        return not self.numbers and all(only_rounds(name, value, self.rule) for name, value in self.switches)


def rule_for(member: Member, probe: Probe, kind: type[Kind]) -> Kind:
    """Return the family member as a subject with the probe's hyperparameters would be.

    A number replaces what was given: ``learning_rate`` also a schedule. What ends in ``_factor`` multiplies it: of the
    rate, epsilon, decay, or a clip. ``epsilon_if_zero`` counts where zero was given, ``momentum`` where momentum was
    asked for, and ``momentum_always`` everywhere.
    """
    arguments = {"batch_size": BATCH_SIZE, **probe.arguments, **dict(member.switches)}
    numbers: dict[str, Any] = dict(member.numbers)
    factor, always = numbers.pop("learning_rate_factor", None), numbers.pop("momentum_always", None)
    if "epsilon_if_zero" in numbers:
        arguments["epsilon"] = arguments["epsilon"] or numbers["epsilon_if_zero"]
        del numbers["epsilon_if_zero"]
    for name in ("epsilon", "weight_decay", *CLIPS):
        by = numbers.pop(f"{name}_factor", None)
        if by is not None and arguments[name] is not None:
            arguments[name] = by * arguments[name]
    if "state_of" in numbers:
        arguments["rotates"] = probe.rotates
    if member.rule != DEFAULT:
        starts = [name for name in numbers if name.endswith(STARTS)]
        arguments["starts"] = {name.removesuffix(STARTS): numbers.pop(name) for name in starts}
    if factor is not None:
        rate = arguments["learning_rate"]
        arguments["learning_rate"] = (lambda step: factor * rate(step)) if callable(rate) else factor * rate
    if any(numbers.get(clip) is not None for clip in CLIPS):
        # Keras refuses two clips; whoever has one in the code knows of no other.
        arguments |= dict.fromkeys(CLIPS)
    if "momentum" in numbers and not getattr(probe.hyperparameters, "momentum", None):
        numbers.pop("momentum")
    if always is not None:
        numbers["momentum"] = always
    return kind(**{**arguments, **numbers})


def bounded_rule_for(member: Member, probe: Probe) -> OnBounds:
    """Return what ``rule_for`` returns, on bounded arrays."""
    rule: OnBounds = rule_for(member, probe, family(member.rule).bounded)
    return rule


def _begun(member: Member, seen: Observation) -> tuple[Page, dict[str, Array]]:
    """Return the member on the flat rows of a probe, and the rows that it starts from."""
    own, probe = family(member.rule), seen.probe
    rule: Optimizer = rule_for(member, probe, own.kind)
    layout = _shaped(rule, probe) if own.shaped else probe.layout
    if rule.mixes_elements and not layout.by_name:
        layout = replace(layout, by_name=True)
    start = begin(rule, layout, seen)
    return Page(rule, own.rule, layout, rule.step, tuple(slot for slot in start if slot != "parameter")), start


def begin(rule: Optimizer, layout: Layout, seen: Observation) -> dict[str, Array]:
    """Return the flat rows that a rule starts from on a probe: what is shown of the weights, and every slot."""
    params = layout.unravel(seen.columns["parameter"][0])
    state = {"parameter": params, **rule.slots(rule.init(params))}
    return {slot: layout.of(slot).ravel(tensors) for slot, tensors in state.items()}


def _shaped(rule: Optimizer, probe: Probe) -> Layout:
    """Return how the tensors of a probe lie, and the slots that have shapes of their own."""
    params = probe.tensors.split(probe.weights)
    return layout_of(params, True, rule.slots(rule.init(params)))


def _run(page: Page, seen: Observation, state: dict[str, Array]) -> Iterator[dict[str, Array]]:
    """Yield the state before the first step, and after each, of the member's own run.

    Steps that were seen apart begin each at the recorded state, and nothing is predicted of a state that is no start.
    """
    yield state if seen.number(0) == 0 else {}
    for at, gradient in enumerate(seen.probe.gradients):
        if seen.apart is not None:
            state = {slot: seen.before(slot)[at] for slot in state}
        state = page.step(Start({**state, "gradient": gradient}, seen.number(at)))
        yield state


_BRIEF: Final = 4
"""States of a run that is remembered which refute almost every member before all its steps are made at once."""


class _Own:
    """A member's own run on a probe that every diagnosis asks for, made once and as far as somebody looked."""

    def __init__(self, member: Member, seen: Observation) -> None:
        self.page, start = _begun(member, seen)
        self._states, self._gradients = [start], seen.probe.gradients

    def __iter__(self) -> Iterator[dict[str, Array]]:
        for at in range(len(self._gradients) + 1):
            if at == len(self._states):
                start = Start({**self._states[-1], "gradient": self._gradients[at - 1]}, at - 1)
                self._states.append(self.page.step(start))
            yield self._states[at]


def _own(member: Member, seen: Observation) -> _Own | None:
    """Return the member's run on the probe of an observation, None where it is remembered by nobody."""
    probe = seen.probe
    if probe.runs is None or seen.apart is not None or seen.numbers or not _begins(seen):
        return None
    key = _as_key(member)
    if key not in probe.runs:
        probe.runs[key] = _Own(member, seen)
    own: _Own = probe.runs[key]
    return own


def _as_key(member: Member) -> tuple[Any, ...]:
    """Return what tells a member from others in a mapping: a number may be a list."""
    return member.rule, member.switches, repr(member.numbers)


def _begins(seen: Observation) -> bool:
    """Return whether what is shown begins with the weights of the probe, to the bit."""
    return bool(seen.columns["parameter"][0].tobytes() == seen.probe.weights.tobytes())


def _changes(page: Page, seen: Observation, begun: dict[str, Array]) -> Iterator[tuple[Array, Array]]:
    """Yield how each step changed the parameters, and how the page would, ``[elements]`` in float64."""
    own = None
    for at, state in enumerate(islice(_run(page, seen, begun), 1, None)):
        start, after = seen.before("parameter")[at].astype(np.float64), state["parameter"].astype(np.float64)
        made = after - (start if own is None or seen.apart is not None else own)
        yield seen.columns["parameter"][at + 1].astype(np.float64) - start, made
        own = after


def changes(member: Member, seen: Observation) -> Iterator[tuple[Array, Array]]:
    """Yield how each step changed the parameters, and how the member's own would, ``[elements]`` in float64."""
    page, begun = _begun(member, seen)
    return _changes(page, seen, begun)


class _Stretch(NamedTuple):
    """Some steps, each from the state that was recorded before it, rows ``[steps, elements]`` by slot."""

    start: Start
    shown: dict[str, Array]
    made: dict[str, Array]


def _stretches(page: Page, seen: Observation, slots: Collection[str]) -> Iterator[_Stretch]:
    """Yield all steps from recorded states: at once where each does the same, else one after the other."""
    steps = seen.probe.steps
    length = steps if page.rule.steps_alike and not page.layout.by_name else 1
    for first in range(0, steps, length):
        last = first + length
        rows = {slot: seen.before(slot)[first:last] for slot in slots}
        start = Start({**rows, "gradient": seen.probe.gradients[first:last]}, seen.number(first))
        shown = {slot: seen.columns[slot][first + 1 : last + 1] for slot in slots}
        yield _Stretch(start, shown, page.step(start))


def predict(member: Member, probe: Probe) -> Array:
    """Return the parameters that the member reaches on a probe, ``[steps + 1, elements]``."""
    start = Observation(probe, {"parameter": probe.weights[None]})
    page, begun = _begun(member, start)
    return np.stack([predicted["parameter"] for predicted in _run(page, start, begun)])


def starts_alike(member: Member, seen: Observation, steps: int = 4) -> bool:
    """Return whether the first changes of the parameters are the member's to within a hundredth: a cheap first look."""
    page, begun = _begun(member, seen)
    if not seen.reaches(set(page.slots)):
        return False
    unit = 8 * format_of(seen.columns["parameter"].dtype).unit
    with np.errstate(all="ignore"):
        for shown, after, made in chain(_first_change(page, seen, begun), _first_changes(page, seen, begun, steps)):
            if not np.all(_close(shown, after, made, unit)):
                return False
    return True


def _first_change(page: Page, seen: Observation, begun: dict[str, Array]) -> Iterator[tuple[Array, Array, Array]]:
    """Yield the first change from the stages of one update alone, if that is what a step is: it refutes nearly all."""
    rule = page.rule
    around = rule.use_ema or rule.gradient_accumulation_steps or rule.constraints
    if around or seen.apart is not None or seen.numbers or type(rule).step is not Optimizer.step:
        return
    named = {slot: page.layout.of(slot).unravel(row) for slot, row in begun.items()}
    params, grads = named.pop("parameter"), page.layout.unravel(seen.probe.gradients[0])
    updates = rule.stages(params, grads, {"iterations": 0, **named})
    assert updates is not None
    made = page.layout.ravel({name: update.parameter for name, update in updates.items()}).astype(np.float64)
    before, after = (seen.columns["parameter"][row].astype(np.float64) for row in (0, 1))
    yield after - before, after, made - begun["parameter"].astype(np.float64)


def _first_changes(
    page: Page, seen: Observation, begun: dict[str, Array], steps: int
) -> Iterator[tuple[Array, Array, Array]]:
    """Yield the first changes, the parameters after each, and the page's."""
    for row, (shown, made) in enumerate(islice(_changes(page, seen, begun), steps), 1):
        yield shown, seen.columns["parameter"][row].astype(np.float64), made


def _close(shown: Array, after: Array, made: Array, unit: float) -> Array:
    """Return where changes are those that were shown to within a hundredth, or to what the weights hold of them."""
    allowed = 0.01 * np.abs(made) + unit * np.abs(after)
    return np.asarray((np.abs(shown - made) <= allowed) | (shown == made) | (np.isnan(shown) & np.isnan(made)))


def begins_alike(member: Member, seen: Observation, numbers: Sequence[tuple[str, Any]]) -> list[Member]:
    """Return the members with one of some numbers each that ``starts_alike`` does not refute by the first step.

    A start of the second moment is another row to start from, a clip another gradient, and a decay of the rate nothing
    yet: where the rule takes every element alone, one step of many rows is that of all of them, to the bit.
    """
    page, begun = _begun(member, seen)
    rule: Any = page.rule
    apart = rule.mixes_elements or page.layout.by_name or seen.numbers or seen.apart is not None
    start = {**begun, "gradient": seen.probe.gradients[0]}
    rows = [{} if apart else _first_rows(page, seen, start, *number) for number in numbers]
    at = [place for place, row in enumerate(rows) if row]
    if not at:
        return [member.having(**dict([number])) for number in numbers]
    stacked = {slot: np.stack([rows[place][slot] for place in at]) for slot in rows[at[0]]}
    before, after = (seen.columns["parameter"][row].astype(np.float64) for row in (0, 1))
    with np.errstate(all="ignore"):
        made = page.step(Start(stacked, 0))["parameter"].astype(np.float64) - before
        alike = np.all(_close(after - before, after, made, 8 * format_of(seen.columns["parameter"].dtype).unit), axis=1)
    refuted = {place for place, is_alike in zip(at, alike, strict=True) if not is_alike}
    return [member.having(**dict([number])) for place, number in enumerate(numbers) if place not in refuted]


def _first_rows(page: Page, seen: Observation, rows: dict[str, Array], name: str, value: Any) -> dict[str, Array]:
    """Return what the first step of a page with one more number starts from, nothing where it is another step."""
    gradient, tensors, rule = rows["gradient"], seen.probe.tensors, page.rule
    if name == "second_moment_start" and getattr(rule, "state_carried", True) is True:
        return {**rows, "second_moment": np.full_like(gradient, constant(gradient, value))}
    if name in CLIPS and rule.clipvalue is None and rule._unscaled({"": gradient})[""] is gradient:
        return {**rows, "gradient": tensors.join(Optimizer(**{name: value})._clipped(tensors.split(gradient)))}
    return rows if name.startswith("rate_") else {}


def equal_bits(member: Member, seen: Observation) -> bool:
    """Return whether every bit of everything shown is equal; stops at the first that is not."""
    own = _own(member, seen)
    page, start = _begun(member, seen) if own is None else (own.page, next(iter(own)))
    if not seen.reaches(set(page.slots)) or not _starts_equal(start, seen):
        return False
    if seen.lockstep(set(start)):
        if own is not None and not all(_shows(seen, row, state) for row, state in enumerate(islice(own, _BRIEF))):
            return False
        # Where every slot is shown, a run of its own is equal just where each of its steps is.
        stretches = _stretches(page, seen, start)
        return all(_equal(each.shown[slot], each.made[slot]) for each in stretches for slot in start)
    run = _run(page, seen, start) if own is None else own
    return all(_shows(seen, row, state) for row, state in enumerate(run))


def _shows(seen: Observation, row: int, state: dict[str, Array]) -> bool:
    """Return whether what is shown after a step is a state, as far as it is shown; row 0 is before the first."""
    return not row or all(_equal(seen.columns[slot][row], state[slot]) for slot in state if slot in seen.columns)


def _starts_equal(start: dict[str, Array], seen: Observation) -> bool:
    """Return whether what is shown before the first step is what a member starts from.

    0 * w makes zeros of either sign, which nothing after them remembers.
    """
    if seen.number(0) != 0:
        return True
    pairs = [(seen.columns[slot][0], row) for slot, row in start.items() if slot in seen.columns]
    return all(np.array_equal(shown, row) or _equal(shown, row) for shown, row in pairs)


def _equal(shown: Array, made: Array) -> bool:
    return shown.tobytes() == made.tobytes() or not differs(shown, made).any()


def share_equal(member: Member, seen: Observation) -> tuple[int, int]:
    """Return how many of the compared values have equal bits, in lockstep where the slots are visible."""
    page, start = _begun(member, seen)
    equal = total = 0
    if seen.lockstep(set(start)):
        pairs = ((each.shown[slot], each.made[slot]) for each in _stretches(page, seen, start) for slot in start)
    else:
        pairs = (
            (seen.columns[slot][row], values)
            for row, state in enumerate(_run(page, seen, start))
            for slot, values in state.items()
            if row and slot in seen.columns
        )
    for shown, made in pairs:
        equal += int(np.sum(~differs(shown, made)))
        total += made.size
    return equal, total


def step_error(member: Member, seen: Observation) -> float:
    """Return how far the changes of the parameters are off, 0 (equal) to 1 (unrelated), as a mean over all of them."""
    return float(np.mean(step_errors(member, seen)))


def step_errors(member: Member, seen: Observation) -> Array:
    """Return how far each change of a parameter is off ``[steps, elements]``, from 0 (equal) to 1 (unrelated)."""
    return page_errors(*_begun(member, seen), seen)


def page_errors(page: Page, begun: dict[str, Array], seen: Observation) -> Array:
    """Return what ``step_errors`` does, for the page of any rule and the rows of a probe that it begins at."""
    if seen.apart is not None and not seen.reaches(set(page.slots)):
        return np.ones(seen.probe.gradients.shape, dtype=np.float64)
    a, b = map(np.stack, zip(*_changes(page, seen, begun), strict=True))
    scale = np.abs(a) + np.abs(b)
    with np.errstate(all="ignore"):
        error = np.where(scale == 0, 0.0, np.abs(a - b) / scale)
    return np.asarray(np.where(np.isnan(error), (np.isnan(a) != np.isnan(b)).astype(float), error))


def bound_ratio(
    member: Member, seen: Observation, limit: float = np.inf, most_undecided: float = MAX_UNDECIDED
) -> float:
    """Return the ratio of ``measured`` alone."""
    return measured(member, seen, limit, most_undecided)[0]


def measured(
    member: Member, seen: Observation, limit: float = np.inf, most_undecided: float = MAX_UNDECIDED
) -> tuple[float, bool]:
    """Return the largest |obtained - expected| / bound over all that is shown; stops once it is above the limit.

    Beside it, whether something differs whose bound is infinite.

    It is infinite where more than a share of the bounds is: an infinite bound excuses anything, so it must be the
    exception. Where any share may be, only what differs is bounded.

    The bound is the member's own, as a judge's is the page's: local in lockstep, accumulated where slots are hidden.
    What stays below the limit is asked for again by who tells it, and remembered.
    """
    key = (*_as_key(member), most_undecided)
    found = seen.measured.get(key)
    if found is None:
        found = _measured(member, seen, limit, most_undecided)
        if found[0] <= limit:
            seen.measured[key] = found
    return found


def _measured(member: Member, seen: Observation, limit: float, most_undecided: float) -> tuple[float, bool]:
    if any(name == "arithmetic" for name, _ in member.switches):
        return (0.0 if equal_bits(member, seen) else np.inf), False
    page, start = _begun(member, seen)
    if not seen.reaches(set(page.slots)) or not _starts_equal(start, seen):
        return np.inf, False
    format = format_of(seen.columns["parameter"].dtype)
    bounded = BoundedPage(bounded_rule_for(member, seen.probe), page.layout, format)
    bounds = _bounds_alone if seen.lockstep(set(start)) else _bounds_of_run
    worst, undecided, total, open_ = 0.0, 0, 0, False
    for shown, made, bound in bounds(page, bounded, seen, start, most_undecided < 1):
        ratio, loose = _ratio(shown, made, bound)
        worst, undecided, total = max(worst, ratio), undecided + int(np.sum(loose)), total + made.size
        if worst > limit:
            return worst, open_
        open_ = open_ or bool(loose.any() and differs(shown[loose], made[loose]).any())
    return (worst if undecided <= most_undecided * total else np.inf), open_


_Bounds = Iterator[tuple[Array, Array, Array]]
"""What is shown of a slot, what the member makes, and how far any right evaluation may be from that."""


def _bounds_alone(
    page: Page, bounded: BoundedPage, seen: Observation, start: dict[str, Array], everything: bool
) -> _Bounds:
    """Yield the bounds of steps that are made from recorded states."""
    for each in _stretches(page, seen, start):
        rows, shown, made = each.start.rows, each.shown, each.made
        if not everything:
            apart = reduce(np.logical_or, [differs(shown[slot], made[slot]) for slot in start])
            if not apart.any():
                continue
            if not page.layout.by_name:
                rows, shown, made = (
                    {slot: row[apart] for slot, row in columns.items()} for columns in (rows, shown, made)
                )
        flat = {slot: row.reshape(-1) for slot, row in rows.items()}

        def enclose(piece: slice, flat: dict[str, Array] = flat, step: int = each.start.iterations) -> Enclosures:
            return bounded.enclose({slot: row[piece] for slot, row in flat.items()}, {}, step)

        enclosures = bounded.in_pieces(enclose, flat["parameter"].size)
        for slot in start:
            own = made[slot].reshape(-1)
            yield shown[slot].reshape(-1), own, bound_around(own, *enclosures[slot])


def _bounds_of_run(
    page: Page, bounded: BoundedPage, seen: Observation, start: dict[str, Array], everything: bool
) -> _Bounds:
    """Yield the bounds of a run from the member's own state, which grow from step to step."""
    run: Iterator[dict[str, Array]] = chain([start], islice(_run(page, seen, start), 1, None))
    slots = [slot for slot in start if slot in seen.columns]
    at: Any = slice(None)
    if not everything:
        states = list(run)
        made = {slot: np.stack([state[slot] for state in states]) for slot in slots}
        apart = reduce(np.logical_or, [differs(seen.columns[slot], made[slot]).any(axis=0) for slot in slots])
        if not apart.any():
            return
        at, run = at if page.layout.by_name else np.flatnonzero(apart), iter(states)
    before, errors = next(run), dict[str, Array]()
    for step, (gradient, after) in enumerate(zip(seen.probe.gradients, run, strict=True)):
        rows = {slot: row[at] for slot, row in {**before, "gradient": gradient}.items()}
        enclosures = bounded.enclose(rows, errors, seen.number(step))
        errors = {slot: bound_around(after[slot][at], *enclosures[slot]) for slot in after}
        yield from ((seen.columns[slot][step + 1][at], after[slot][at], errors[slot]) for slot in slots)
        before = after


def _ratio(shown: Array, own: Array, bound: Array) -> tuple[float, Array]:
    """Return the largest ratio of difference to bound, and which bounds are infinite."""
    wide = format_of(own.dtype).wide
    gap = np.abs(shown.astype(wide) - own.astype(wide))
    ratio = ratios(np.where(differs(shown, own), gap, 0.0), bound)
    # What is no number on both sides needs no bound, and excuses nothing.
    lost = np.isnan(shown) & np.isnan(own)
    loose = ~np.isfinite(bound) & ~lost
    return float(np.max(np.where(loose | lost, 0.0, ratio))), loose


def alternatives(names: list[str], skip: tuple[Any, ...] = (), rule: str = DEFAULT) -> list[tuple[str, Any]]:
    """Return every value of the named switches of a rule that is not tf.keras'."""
    known = switches(rule)
    return [(name, value) for name in names for value in known[name].values[1:] if value not in skip]
