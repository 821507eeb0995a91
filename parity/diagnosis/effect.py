"""What a choice does to a training run: for how many steps its steps are another size, and by how much."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from parity.case.rule import DEFAULT
from parity.diagnosis.choices import modes as modes_of
from parity.diagnosis.choices import only_rounds
from parity.diagnosis.choices import switches as known
from parity.diagnosis.family import STARTS, family
from parity.reference.arguments import CLIPS

STEPS = 2000
HALVED = 1000
"""The step from which on a rate that changes is half of what it was."""
_MAGNITUDES = np.array([1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0])
_SEEN = 0.01
_CONSTANT: Final = (1.0,) * STEPS
"""Gradients of one sign: momentum never cancels."""
_CHANGING: Final = tuple(np.random.default_rng(0).normal(size=400).tolist())
"""Gradients that change in size and sign: what acts seldom, as on a sign, shows in hundreds of steps."""

_ELSEWHERE: Final = {
    "state_of": "two tensors have one shape",
    "weight_limit": "a weight would be beyond {:g}",
    "column_limit": "the norm of a matrix' column would be beyond {:g}",
    **{f"{clip}_factor": f"`{clip}` is given: its limit is {{:g}} times that" for clip in CLIPS},
}
"""Where numbers show that these steps, of few small weights and without a clip, do not."""


def _elsewhere(numbers: dict[str, Any]) -> list[str]:
    return [f"It shows where {said.format(numbers[name])}." for name, said in _ELSEWHERE.items() if name in numbers]


Rate = float | Callable[[int], float]


def effect(switches: dict[str, Any], numbers: dict[str, Any], modes: Sequence[str], rule: str = DEFAULT) -> str:
    """Return sentences from 2,000 steps on constant gradients of seven magnitudes, both sides given the same.

    Args:
        switches: the choices of the subject.
        numbers: what it computes with whatever it is given.
        modes: the modes of the optimizer that it was seen in; a number it has in no mode is there always.
    """
    defaults = _defaults(rule)
    ignored = {name for name, value in numbers.items() if name in defaults and value == defaults[name]}
    rest = {name: value for name, value in numbers.items() if name not in {*ignored, "epsilon_if_zero"}}
    what = ", ".join(f"`{name}`" for name in numbers if name in ignored)
    parts = [f"It shows wherever {what} is given another value than Keras' default."] if ignored else []
    parts += ["It shows wherever `epsilon` is given as zero."] if "epsilon_if_zero" in numbers else []
    parts += _elsewhere(rest)
    rest = {name: value for name, value in rest.items() if name not in _ELSEWHERE}
    if not rest and (not switches or (parts and all(only_rounds(*choice, rule) for choice in switches.items()))):
        return " ".join(parts)
    offers = _given(switches, rest, modes, rule)
    shown = next((said for given in offers if (said := _differing(given, switches, rest, 1e-3, rule))), "")
    if not shown:
        changing = _differing(offers[0], switches, rest, lambda step: 1e-3 if step < HALVED else 5e-4, rule)
        shown = f"It shows once the rate changes (halved at step {HALVED:,}): {changing}" if changing else ""
    if not shown:
        alike = f"On seven magnitudes of gradients from 1e-5 to 10{_with(offers[0])} its steps are tf.keras' within 1 %"
        but = ", as long as they stay the same; where gradients change from step to step they are others"
        changes = any(_off(given, switches, rest, 1e-3, rule, _CHANGING)[1].any() for given in offers)
        shown = f"{alike}{but if changes else ''}."
    return " ".join([shown, *parts])


def _defaults(rule: str) -> dict[str, Any]:
    return {name: default for name, _, default in family(rule).rule.parameters}


def _given(switches: dict[str, Any], numbers: dict[str, Any], modes: Sequence[str], rule: str) -> list[dict[str, Any]]:
    """Return the arguments without which a choice shows nothing, as both sides get them, the fewest first.

    They are those of modes that the subject was seen in: what it lacks cannot be set.
    """
    own = known(rule)
    # What is on by itself shows where nobody asks for it.
    moved = {name.removesuffix("_factor") for name, value in numbers.items() if value is not True}
    needed = {own[name].needs for name in switches} | moved & {*modes}
    usual = {name: value for arguments in modes_of(rule).values() for name, value in arguments.items()}
    needed &= {*usual}
    seen = [arguments for mode, arguments in modes_of(rule).items() if mode in modes]
    wanted = [needed] if needed <= {"weight_decay"} or rule == DEFAULT else []
    wanted += [{*arguments} | needed for arguments in seen if needed & {*arguments}]
    wanted = sorted(wanted or [needed], key=len)
    return [{name: value for name, value in usual.items() if name in some} for some in wanted]


def _with(given: dict[str, Any]) -> str:
    return "".join(f" with {name} {value}" for name, value in given.items())


def _off(
    given: dict[str, Any],
    switches: dict[str, Any],
    numbers: dict[str, Any],
    rate: Rate,
    rule: str,
    pattern: Sequence[float] = _CONSTANT,
) -> tuple[Any, Any]:
    """Return how many times those of tf.keras steps are, and where that is another size, ``[steps, magnitudes]``."""
    kept = dict(numbers)
    factor = kept.pop("learning_rate_factor", None)
    for name, value in (("epsilon", _defaults(rule).get("epsilon")), ("weight_decay", given.get("weight_decay"))):
        if f"{name}_factor" in kept:
            kept[name] = kept.pop(f"{name}_factor") * value
    theirs_rate = kept.pop("learning_rate", rate)
    if factor is not None:
        theirs_rate = (lambda step: factor * rate(step)) if callable(rate) else factor * rate
    with np.errstate(all="ignore"):
        kind = family(rule).kind
        theirs = _sizes(kind(**{**given, **switches, **_started(kept, rule), "learning_rate": theirs_rate}), pattern)
        ours = _sizes(kind(**{**given, "learning_rate": rate}), pattern)
        ratio = theirs / ours
    return ratio, ~((np.abs(ratio - 1) <= _SEEN) | (theirs == ours))


def _differing(given: dict[str, Any], switches: dict[str, Any], numbers: dict[str, Any], rate: Rate, rule: str) -> str:
    """Return where steps are of another size, an empty string if they are not."""
    ratio, off = _off(given, switches, numbers, rate, rule)
    if not off.any():
        return ""
    rows = np.flatnonzero(off.any(axis=1))
    first = f"At step {rows[0]:,}{_with(given)} its steps are {_span(ratio[rows[0]])} times those of tf.keras"
    if rows[-1] >= STEPS - 1:
        late = ratio[-200:]
        some = ", ".join(f"{m:g}" for m in _MAGNITUDES[off[-200:].any(axis=0)])
        return f"{first}; it does not fade: after {STEPS:,} steps, {_span(late)} times for gradients of size {some}."
    return f"{first}; within 1 % from step {rows[-1] + 1:,} on, so it cannot explain what only begins later."


def _span(ratios: Any) -> str:
    if np.isnan(ratios).all():
        return "no number of"
    low, high = f"{float(np.nanmin(ratios)):.3g}", f"{float(np.nanmax(ratios)):.3g}"
    return low if low == high else f"{low} to {high}"


def _started(numbers: dict[str, Any], rule: str) -> dict[str, Any]:
    """Return numbers as a family's class takes them: those that slots start at in a mapping of their own."""
    if rule == DEFAULT:
        return numbers
    starts = {name.removesuffix(STARTS): value for name, value in numbers.items() if name.endswith(STARTS)}
    return {**{name: value for name, value in numbers.items() if not name.endswith(STARTS)}, "starts": starts}


def _sizes(rule: Any, pattern: Sequence[float]) -> Any:
    """Return the changes ``[steps, magnitudes]`` in float64, of gradients times what a step has of a pattern."""
    params = {"w": np.ones(len(_MAGNITUDES))}
    state = rule.init(params)
    sizes = np.empty((len(pattern), len(_MAGNITUDES)))
    for step, by in enumerate(pattern):
        after, state = rule.step(params, {"w": by * _MAGNITUDES}, state)
        sizes[step] = params["w"] - after["w"]
        params = {"w": np.ones(len(_MAGNITUDES))}
    return sizes
