"""A program's steps held against a rule's page, step by step from its own weights, slots carried with bounds."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Final

import numpy as np

from parity.bounds.bounded import Bounded
from parity.bounds.functions import lifted
from parity.bounds.numerics import Array, Format
from parity.bounds.rule import bounded, bounded_step, page
from parity.case.rule import find, names
from parity.diagnosis.choices import switches as choices
from parity.diagnosis.family import family
from parity.diagnosis.words import cause
from parity.explain.whole import clipping
from parity.explain.whole.quantity import Held, Outcome, held, worst
from parity.subjects.keras import ROWS

_NUMBERS: Final = (0.0, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5, 1e-3, 0.5, 0.9, 0.95, 0.99, 0.999)
"""What people write for an epsilon, a momentum or a decay of a mean."""
_RATES: Final = (10.0, 0.1, 100.0, 0.01, 2.0, 0.5, 5.0, 0.2)


_ELEMENTS: Final = 300
"""Elements of each tensor on which a reason is looked for; it is held against all."""
_AROUND: Final = ("corrected", "restarts", "starts", "switches")
"""What is said of steps beside the page's arguments."""
_ELSEWHERE: Final = ("state_carried", "gradient_reduction")
"""Choices that have a name of their own here, or that the gradient shows."""
RESTARTS: Final = "the optimizer's state begins anew with each step: what it accumulates is that of one gradient"
_PLACE: Final = (
    "epsilon, {:g}, is added to the root of the corrected second moment, as in the paper; "
    "Keras adds it to that of the moment itself"
)
_PUT: Final = "take η·√(1 − β₂ᵗ) / (1 − β₁ᵗ) for the rate and add epsilon to √v"


def rule_of(kind: str) -> str:
    """Return the name of the rule that a class of ``keras.optimizers`` has, empty where it has no page."""
    return next((name for name, row in ROWS.items() if row.kind == kind), "")


def arguments_of(rule: str, config: Mapping[str, Any], rate: float) -> dict[str, Any]:
    """Return what an optimizer of Keras was made with, as the page takes it."""
    known = {parameter.name for parameter in find(rule).parameters}
    return {name: value for name, value in config.items() if name in known and value is not None} | {
        "learning_rate": rate
    }


def held_against(
    rule: str,
    arguments: Mapping[str, Any],
    steps: Sequence[Sequence[Sequence[Array]]],
    fmt: Format,
    corrected: bool = False,
    restarts: bool = False,
    starts: Mapping[str, float] | None = None,
    switches: Mapping[str, Any] | None = None,
) -> list[Held]:
    """Return how each tensor's steps compare, the worst step of each.

    Args:
        rule: the name of a page.
        arguments: what it is made with.
        steps: weights before each step, gradients and weights after it, a list of tensors each.
        fmt: the format in which the model computes.
        corrected: whether epsilon is added to the root of the corrected second moment, as in the paper on Adam; Keras
            adds it to that of the moment itself.
        restarts: whether slots and count begin anew with each step.
        starts: numbers that slots start at, instead of the page's.
        switches: choices of the rule's family that are not the page's.
    """
    found: list[list[Held]] = [[] for _ in steps[0][0]]
    for new, made in _made(rule, arguments, steps, fmt, corrected, restarts, starts, switches):
        for at, own in enumerate(new):
            found[at].append(held(own, made[str(at)]))
    return [worst(each) for each in found]


def _made(
    rule: str,
    arguments: Mapping[str, Any],
    steps: Sequence[Sequence[Sequence[Array]]],
    fmt: Format,
    corrected: bool,
    restarts: bool,
    starts: Mapping[str, float] | None,
    switches: Mapping[str, Any] | None,
) -> Iterator[tuple[Sequence[Array], Mapping[str, Bounded]]]:
    """Yield what each step ended in, and what the rule makes of what it started from."""
    before, gradients, after = steps[:3]
    keys = [str(at) for at in range(len(before[0]))]
    plain: Any = page(rule)
    kinds: Any = (family(rule).kind, family(rule).bounded) if switches else (plain, bounded(plain))
    made, runs = (kind(**arguments, **(switches or {})) for kind in kinds)
    epsilon = arguments.get("epsilon")
    zeros = {key: np.zeros(array.shape, fmt.dtype) for key, array in zip(keys, before[0], strict=True)}
    slots: dict[str, Any] = {slot: dict(tensors) for slot, tensors in made.slots(made.init(zeros)).items()}
    for slot, number in (starts or {}).items():
        slots[slot] = {key: np.full_like(array, number) for key, array in slots[slot].items()}
    first = slots
    for turn, (w, g, new) in enumerate(zip(before, gradients, after, strict=True)):
        number = 0 if restarts else turn
        start = {
            "parameter": {key: lifted(array, fmt) for key, array in zip(keys, w, strict=True)},
            "gradient": {key: lifted(array, fmt) for key, array in zip(keys, g, strict=True)},
        }
        if corrected:
            runs.epsilon = epsilon * (1 - arguments["beta_2"] ** (number + 1)) ** 0.5  # Adam's
        result = bounded_step(runs, start | slots, number)
        yield new, result["parameter"]
        slots = first if restarts else {slot: result[slot] for slot in slots}


def _some(steps: Any) -> Any:
    """Return the steps of some elements of each tensor, which are enough to look for a reason."""
    picked = [
        np.unique(np.linspace(0, array.size - 1, min(array.size, _ELEMENTS)).astype(int)) for array in steps[0][0]
    ]
    return [
        [[array.ravel()[at] for array, at in zip(step, picked, strict=True)] for step in kind] for kind in tuple(steps)
    ]


def _chosen(rule: str, arguments: Mapping[str, Any], steps: Any, fmt: Format, count: int) -> Iterator["Reason"]:
    """Yield so many choices of the rule's family that make the steps together."""
    known = [
        (switch.name, value)
        for switch in choices(rule).values()
        for value in switch.values[1:]
        if not switch.rounds and (not switch.needs or arguments.get(switch.needs)) and switch.name not in _ELSEWHERE
    ]
    for pairs in combinations(known, count):
        turned = dict(pairs)
        other = {**arguments, "switches": turned}
        if len(turned) == count and agree(rule, other, steps, fmt):
            repair = f"write it as {ROWS[rule].kind if rule in ROWS else rule} does"
            yield "update_rule", cause(turned, {}, rule).rstrip("."), repair, rule, other


def _starts(rule: str, arguments: Mapping[str, Any], steps: Any, fmt: Format) -> Iterator[tuple[str, float]]:
    """Yield slots and the numbers that they may start at: what people write, and what the first step is linear in."""
    kind: Any = page(rule)
    made = kind(**arguments)
    first = {str(at): array.astype(fmt.wide) for at, array in enumerate(steps[0][0])}
    gradients = {str(at): array.astype(fmt.wide) for at, array in enumerate(steps[1][0])}
    state = made.init(first)
    with np.errstate(all="ignore"):
        plain, _ = made.step(first, gradients, state)
        for slot in made.slots(state):
            if any(np.shape(state[slot].get(key)) != array.shape for key, array in first.items()):
                continue
            ones = {key: np.ones_like(array) for key, array in first.items()}
            other, _ = made.step(first, gradients, {**state, slot: ones})
            moved = [(np.abs(other[k] - plain[k]).max(), k) for k in first]
            key = max(moved)[1]
            at = np.unravel_index(int(np.argmax(np.abs(other[key] - plain[key]))), first[key].shape)
            slope = float(other[key][at] - plain[key][at])
            linear = float(steps[2][0][int(key)][at] - plain[key][at]) / slope if slope else 0.0
            numbers = [float(f"{linear:.3g}"), 1.0, 0.1, 1e-8]
            yield from ((slot, number) for number in dict.fromkeys(numbers) if number and np.isfinite(number))


def agree(rule: str, arguments: Mapping[str, Any], steps: Any, fmt: Format) -> bool:
    """Whether all steps are the rule's; ``corrected`` among the arguments says where epsilon stands.

    ``restarts`` says that nothing is carried from step to step.
    """
    plain, around = _apart(arguments)
    try:
        found = held_against(rule, plain, steps, fmt, *around)
        return all(each.outcome is Outcome.ROUNDING for each in found)
    except (TypeError, ValueError):  # arguments that do not go together
        return False


def left(rule: str, arguments: Mapping[str, Any], steps: Any, fmt: Format) -> float:
    """Return what part of the weights that steps end in a reason leaves."""
    plain, around = _apart(arguments)
    away = size = 0.0
    for new, made in _made(rule, plain, steps, fmt, *around):
        for at, own in enumerate(new):
            away += float(np.sum(np.square(np.float64(own - made[str(at)].value))))
            size += float(np.sum(np.square(np.float64(own))))
    return float(np.sqrt(away / size)) if size else 0.0


def _apart(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[bool, bool, Any, Any]]:
    """Return the page's arguments, and what is said of steps beside them."""
    plain = {name: value for name, value in arguments.items() if name not in _AROUND}
    corrected, restarts = bool(arguments.get("corrected")), bool(arguments.get("restarts"))
    return plain, (corrected, restarts, arguments.get("starts"), arguments.get("switches"))


Reason = tuple[str, str, str, str, dict[str, Any]]


def reasons(rule: str, arguments: Mapping[str, Any], steps: Any, fmt: Format) -> Iterator[Iterator[Reason]]:
    """Yield what makes a program's steps, in groups, the likelier first: name, sentence, repair, rule and arguments."""
    mixes = family(rule).mixes or page(rule)(**arguments).mixes_elements
    whole, steps = steps, steps if mixes else _some(steps)
    yield _restarting(rule, arguments, steps, fmt)
    yield _single(rule, arguments, steps, fmt)
    yield _clipped(rule, arguments, whole, fmt)
    yield _chosen(rule, arguments, steps, fmt, 2)
    yield _others(rule, arguments, whole, fmt)


def _places(arguments: Mapping[str, Any]) -> list[bool]:
    return [False, True] if {"epsilon", "beta_2"} <= arguments.keys() else [False]


def _restarting(rule: str, arguments: Mapping[str, Any], steps: Any, fmt: Format) -> Iterator[Reason]:
    for corrected in _places(arguments):
        anew = {**arguments, "restarts": True, "corrected": corrected}
        if agree(rule, anew, steps, fmt):
            also = f", and {_PLACE.format(float(arguments.get('epsilon') or 0))}" if corrected else ""
            yield "state_restarts", RESTARTS + also, "make its state once, before the loop, and keep it", rule, anew
            return


def _single(rule: str, arguments: Mapping[str, Any], steps: Any, fmt: Format) -> Iterator[Reason]:
    """Yield another rate or place of epsilon, another choice, another start of a slot, another number."""
    yield from _rated(rule, arguments, steps, fmt, 1.0)
    yield from _chosen(rule, arguments, steps, fmt, 1)
    for factor in _RATES:
        yield from _rated(rule, arguments, steps, fmt, factor)
    for slot, number in _starts(rule, arguments, steps, fmt):
        other = {**arguments, "starts": {slot: number}}
        if agree(rule, other, steps, fmt):
            words = f"the {slot.replace('_', ' ')} starts at {number:g} instead of zero"
            yield "slot_start", words, "start it at zeros", rule, other
    for name, value in arguments.items():
        if (
            name == "learning_rate"
            or name in clipping.ARGUMENTS
            or isinstance(value, bool)
            or not isinstance(value, float)
        ):
            continue
        for number in _NUMBERS:
            other = {**arguments, name: number}
            if number != value and agree(rule, other, steps, fmt):
                yield "hyperparameter", f"{name} is {number:g}, the model's {value:g}", f"use {value:g}", rule, other


def _clipped(rule: str, arguments: Mapping[str, Any], steps: Any, fmt: Format) -> Iterator[Reason]:
    """Yield another way to clip the gradients: none, at what a plain step shows, or at what people write."""
    model = clipping.clip_of(arguments)
    plain = {name: value for name, value in arguments.items() if name not in clipping.ARGUMENTS}
    before, gradients, after = steps[:3]
    first = [kind[:1] for kind in steps[:3]]
    tried: list[clipping.Clip | None] = [None] if model else []
    if rule == "sgd":
        rate = float(arguments["learning_rate"])
        pairs = list(zip(before, after, strict=True))[: 1 if arguments.get("momentum") else None]
        taken = [[(w - new) / rate for w, new in zip(*pair, strict=True)] for pair in pairs]
        tried += clipping.changing(clipping.seen(taken), gradients)
    for clip in dict.fromkeys([*tried, *clipping.changing(clipping.usual(), gradients)]):
        other = plain if clip is None else {**plain, clip.name: clip.number}
        if clip != model and agree(rule, other, first, fmt) and agree(rule, other, steps, fmt):
            yield *clipping.told(clip, model), rule, other


def _rated(rule: str, arguments: Mapping[str, Any], steps: Any, fmt: Format, factor: float) -> Iterator[Reason]:
    rate = float(arguments["learning_rate"])
    for corrected in _places(arguments):
        own = arguments.get("epsilon")
        for epsilon in dict.fromkeys((own, 1e-8, 1e-7)) if corrected else [own]:
            other = {**arguments, "learning_rate": rate * factor, "corrected": corrected}
            other |= {} if epsilon is None else {"epsilon": epsilon}
            parts = [] if factor == 1 else [f"the learning rate is {rate * factor:.6g}, the model's {rate:.6g}"]
            parts += [_PLACE.format(float(epsilon or 0))] if corrected else []
            if parts and agree(rule, other, steps, fmt):
                name = "epsilon_place" if factor == 1 else "learning_rate"
                repair = " and ".join(([f"use {rate:g}"] if factor != 1 else []) + ([_PUT] if corrected else []))
                yield name, ", and ".join(parts), repair, rule, other


def _others(rule: str, arguments: Mapping[str, Any], steps: Any, fmt: Format) -> Iterator[Reason]:
    for other_rule in names():
        other = {"learning_rate": float(arguments["learning_rate"])}
        if other_rule != rule and agree(other_rule, other, steps, fmt):
            title = ROWS[other_rule].kind if other_rule in ROWS else other_rule
            sentence = f"its steps are those of {title}; the model trains with {ROWS[rule].kind}"
            repair = f"write {ROWS[rule].kind}, or compile the model with {title}"
            yield "other_rule", sentence, repair, other_rule, other
