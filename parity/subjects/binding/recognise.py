"""Which shape somebody's optimizer has: by the names in its signatures first, then by a trial on two small tensors."""

import inspect
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from parity.errors import SubjectError
from parity.subjects.binding.bound import Bound
from parity.subjects.binding.candidates.methods import methods_of, taken_by
from parity.subjects.binding.candidates.order import candidates
from parity.subjects.binding.candidates.rules import is_rule, of_rule
from parity.subjects.binding.changes import Method, Told, changing
from parity.subjects.binding.configs import config_of
from parity.subjects.binding.drivers.objects import Layers
from parity.subjects.binding.drivers.shape import Make, Shape
from parity.subjects.binding.drivers.states import Pure
from parity.subjects.binding.faults import Tried, broken
from parity.subjects.binding.fitting import APART, FITS, LOST, MIXED, RAISES, STILL, descends, trial, unheard
from parity.subjects.binding.refusal import refusal
from parity.subjects.binding.roles import parameters_of


def recognise(kind: Callable[..., Any], make: Make, bound: Bound, name: str) -> Shape:
    """Return the shape of a class, or of a function, that it is driven in.

    Args:
        kind: the class, a function that makes an optimizer, or one that is an update rule.
        make: makes an instance with Keras' hyperparameters; for an update rule, the rule with them.
        bound: what it is passed.
        name: the subject's name, for the error.

    Raises:
        SubjectError: it has no shape that is known, with what was found and a wrapper to paste.
    """
    if is_rule(kind, bound):
        bound = replace(bound, owns="", takes_gradients="")  # which are arguments of each call
    fitting: Shape | None = None
    tried: list[Tried] = []
    lost: list[Shape] = []
    outcomes: list[str] = []
    for shape in candidates(kind, make, bound):
        if shape.driver is Pure:
            return shape  # init and step say it all; whatever a step does, it does in the cases, which tell it
        if (shape.more.get("takes") or _is_guessed(shape)) and not descends(shape, make):
            continue
        raised: list[BaseException] = []
        outcome = trial(shape, make, raised)
        tried.append(Tried(shape, raised))
        outcomes.append(outcome)
        lost += [shape] if outcome == LOST else []
        if outcome == APART:
            return shape
        if outcome == FITS:
            shape = shape._replace(title=f"{shape.title}; {MIXED}")
        # Who raises what no wrong shape would make it raise is told so by the cases.
        fitting = fitting or (shape if outcome in (FITS, RAISES) else None)
    fitting = fitting or broken(kind, tried) or _in_range(make, tried, lost)
    errors = [error for each in tried for error in each.raised]
    told = Told(fitting) if fitting else changing(_calls(kind, make, bound), make, bound, errors)
    alike = len({shape.more["call"].name for shape in lost}) == 1 if all(map(_is_layered, lost)) else len(lost) == 1
    if told.shape is None and lost and alike:
        return lost[0]  # no other shape moves the weights: what is lost in this one is told by the cases
    if told.shape is None and _owned(tried) and set(outcomes) == {STILL}:
        return tried[0].shape  # it takes a layer or a model, and leaves that as it is whatever its names
    if told.shape is None:
        methods = methods_of(kind) if inspect.isclass(kind) else []
        raise SubjectError(refusal(kind, bound, name, methods, errors, told.why))
    return told.shape


def _owned(tried: Sequence[Tried]) -> bool:
    """Whether all that was tried is one call that is handed layers."""
    return len({each.method for each in tried}) == 1 and all(_is_layered(each.shape) for each in tried)


def _is_guessed(shape: Shape) -> bool:
    return bool(getattr(shape.more.get("call"), "guessed", False))


def _is_layered(shape: Shape) -> bool:
    return shape.driver is Layers


def _in_range(make: Make, tried: Sequence[Tried], lost: Sequence[Shape]) -> Shape | None:
    """Return the first shape, of those that raised nothing or lost the weights, that fits weights below one, or None.

    An optimizer may keep them in a range, which is no longer the weights that a trial usually starts from.
    """
    quiet = (each.shape for each in tried if not each.raised or each.shape in lost)
    return next((shape for shape in quiet if trial(shape, make, [], small=True) == APART), None)


def _calls(kind: Callable[..., Any], make: Make, bound: Bound) -> list[Method]:
    """Return what may be called once a step: an update rule itself, or the methods of what is made."""
    title = getattr(kind, "__name__", "__call__")
    if config_of(kind) is None and is_rule(kind, bound):
        return [Method("__call__", title, of_rule(kind, bound))]
    holder: Any = kind
    if not inspect.isclass(kind):
        with unheard(), suppress(Exception):
            holder = make()
    if inspect.isroutine(holder):
        return [Method("__call__", title, parameters_of(holder) or [])]
    return [Method(method, method, taken_by(holder, method)) for method in methods_of(holder)]
