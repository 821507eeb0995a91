"""Mutants: the reference with one mistake, by the names that cases give to what they probe."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from parity.case.spec import Cell, Mlp
from parity.problem.problems import Evaluation, Problem
from parity.reference.family import Family
from parity.reference.optimizer import as_float32
from parity.reference.rmsprop import Update
from parity.reference.switches import SWITCHES
from parity.subjects.numpy_class import NumpySubject


class Mutant(NamedTuple):
    """A mistake of that name; ``make`` returns the subject that makes it in a cell, or None where it cannot be made.

    ``rounding`` mutants differ in the last bits only: a case catches them when it is not IDENTICAL.
    """

    mistake: str
    variant: str
    make: Callable[[Cell], NumpySubject | None]
    rounding: bool = False


Change = Callable[[dict[str, Any]], dict[str, Any]]


def mutants() -> list[Mutant]:
    """Return every mutant: each value of each switch, then the mistakes that are no switch."""
    return [*_switched(), *_numbers(), *_arguments(), *_rules(), *_programs()]


def _switched() -> list[Mutant]:
    found = []
    for switch in SWITCHES:
        for value in switch.values[1:]:
            found.append(Mutant(switch.name, str(value), _switch(switch.name, value), bool(switch.rounds)))
    return found


def _switch(name: str, value: Any) -> Callable[[Cell], NumpySubject | None]:
    def make(cell: Cell) -> NumpySubject | None:
        if name == "arithmetic" and value == cell.dtype:
            return None
        size = _batch_size(cell)
        if name == "gradient_reduction" and size == 1:
            return None
        return _subject(lambda **given: Family(**{**given, name: value, "batch_size": size}))

    return make


def _batch_size(cell: Cell) -> int:
    if isinstance(cell.problem, Mlp):
        return cell.problem.batch_size
    return cell.hyperparameters.gradient_accumulation_steps or 32


def _numbers() -> list[Mutant]:
    return [
        Mutant("learning_rate", "1.001 times", _argument(_times("learning_rate", 1.001))),
        Mutant("learning_rate", "kept in double", _argument(lambda given: given, _DoubleRate), rounding=True),
        Mutant("one_minus_rho", "rho by way of float32", _argument(_narrow_rho), rounding=True),
        Mutant("rho", "0.99 times", _argument(_times("rho", 0.99))),
        Mutant("epsilon", "ten times", _argument(_times("epsilon", 10.0))),
        Mutant("momentum", "missing", _argument(lambda given: {**given, "momentum": 0.0}, needs="momentum")),
        Mutant("momentum", "0.9 times", _argument(_times("momentum", 0.9), needs="momentum")),
        Mutant("momentum", "added", _argument(lambda given: {"momentum": 0.5, **_without(given, "momentum")})),
        Mutant("centered", "turned", _argument(lambda given: {**given, "centered": not given.get("centered", False)})),
    ]


def _arguments() -> list[Mutant]:
    dropped = {
        "weight_decay": ("weight_decay",),
        "loss_scale": ("loss_scale_factor",),
        "gradient_accumulation": ("gradient_accumulation_steps",),
        "clipping": ("clipnorm", "clipvalue", "global_clipnorm"),
        "use_ema": ("use_ema",),
    }
    changed: list[tuple[str, str, Change, str]] = [
        ("clipping", "over all tensors", _renamed("clipnorm", "global_clipnorm"), "clipnorm"),
        ("clipping", "of each tensor", _renamed("global_clipnorm", "clipnorm"), "global_clipnorm"),
        ("weight_decay", "everywhere", _of("exclude_from_weight_decay", []), "exclude_from_weight_decay"),
        ("weight_decay", "twice", _times("weight_decay", 2.0), "weight_decay"),
        ("use_ema", "other momentum", _times("ema_momentum", 0.9, 0.99), "use_ema"),
        ("use_ema", "never overwrites", _of("ema_overwrite_frequency", None), "ema_overwrite_frequency"),
        ("gradient_accumulation", "one more", _one_more, "gradient_accumulation_steps"),
    ]
    lost = [
        Mutant(mistake, f"{n} missing", _argument(_lacking(n), needs=n))
        for mistake, names in dropped.items()
        for n in names
    ]
    schedules = [
        Mutant("schedule", "held at its start", _scheduled(lambda rate, step: rate(0))),
        Mutant("schedule", "twice as fast", _scheduled(lambda rate, step: rate(2 * step))),
    ]
    return [*lost, *(Mutant(a, b, _argument(change, needs=needs)) for a, b, change, needs in changed), *schedules]


def _rules() -> list[Mutant]:
    return [
        Mutant("sign", "lost", _kind(_SignLost)),
        Mutant("sign", "turned", _kind(_SignTurned)),
        Mutant("zero_gradient", "leaves the state", _kind(_ZeroSkips)),
        Mutant("zero_gradient", "divides by zero", _switch("epsilon_place", "none")),
        Mutant("tensor_mixup", "state of the next", _kind(_Mixed)),
    ]


def _programs() -> list[Mutant]:
    return [
        Mutant("data_order", "one batch late", lambda cell: _program(cell, _Late)),
        Mutant("network", "no gradient of the last tensor", lambda cell: _program(cell, _Partial)),
    ]


def _subject(kind: Callable[..., Any]) -> NumpySubject:
    return NumpySubject(kind, "mutant")


def _argument(change: Change, kind: type[Family] = Family, needs: str = "") -> Callable[[Cell], NumpySubject | None]:
    def make(cell: Cell) -> NumpySubject | None:
        if needs and needs not in cell.hyperparameters.departures():
            return None
        return _subject(lambda **given: kind(**change(given)))

    return make


def _kind(kind: type[Family]) -> Callable[[Cell], NumpySubject | None]:
    return _argument(lambda given: given, kind)


def _times(name: str, factor: float, default: float | None = None) -> Change:
    def change(given: dict[str, Any]) -> dict[str, Any]:
        value = given.get(name, default if default is not None else inspect.signature(Family).parameters[name].default)
        return {**given, name: (lambda step: factor * value(step)) if callable(value) else factor * value}

    return change


def _renamed(old: str, new: str) -> Change:
    return lambda given: {**_without(given, old), new: given[old]}


def _of(name: str, value: Any) -> Change:
    return lambda given: {**given, name: value}


def _lacking(name: str) -> Change:
    return lambda given: _without(given, name)


def _one_more(given: dict[str, Any]) -> dict[str, Any]:
    return {**given, "gradient_accumulation_steps": given["gradient_accumulation_steps"] + 1}


def _without(given: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key != name}


def _narrow_rho(given: dict[str, Any]) -> dict[str, Any]:
    # Keras 2's legacy class holds rho in float32 whatever the variables are.
    return {**given, "rho": as_float32(given.get("rho", 0.9))}


def _scheduled(rate_at: Callable[[Callable[[int], float], int], float]) -> Callable[[Cell], NumpySubject | None]:
    def change(given: dict[str, Any]) -> dict[str, Any]:
        rate = given["learning_rate"]
        return {**given, "learning_rate": lambda step: rate_at(rate, step)}

    def make(cell: Cell) -> NumpySubject | None:
        if isinstance(cell.hyperparameters.learning_rate, float | int):
            return None
        return _subject(lambda **given: Family(**change(given)))

    return make


class _DoubleRate(Family):
    def _learning_rate_at(self, iterations: int) -> float:
        return float(self.learning_rate(iterations) if callable(self.learning_rate) else self.learning_rate)


class _SignLost(Family):
    def rule(self, w: Any, g: Any, v: Any, m: Any, b: Any, rate: Any, count: int) -> Update:
        return super().rule(w, np.abs(g), v, m, b, rate, count)


class _SignTurned(Family):
    def rule(self, w: Any, g: Any, v: Any, m: Any, b: Any, rate: Any, count: int) -> Update:
        return super().rule(w, -g, v, m, b, rate, count)


class _ZeroSkips(Family):
    def rule(self, w: Any, g: Any, v: Any, m: Any, b: Any, rate: Any, count: int) -> Update:
        update = super().rule(w, g, v, m, b, rate, count)
        old = Update(g, v, m, update.denominator, update.step, b, w)
        kept = (None if new is None else np.where(g == 0, o, new) for o, new in zip(old, update, strict=True))
        return Update(*kept)


class _Mixed(Family):
    def stages(self, params: Any, grads: Any, state: Any) -> Any:
        names = list(params)
        others = dict(zip(names, [*names[1:], names[0]], strict=True))
        moment = {n: np.resize(state["second_moment"][others[n]], params[n].shape) for n in names}
        return super().stages(params, grads, {**state, "second_moment": moment})


class _Altered:
    """A problem whose evaluation has a mistake; everything else is the real one's."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem

    def __getattr__(self, name: str) -> Any:
        return getattr(self._problem, name)


class _Late(_Altered):
    def evaluate(self, params: Mapping[str, Any], step: int) -> Evaluation:
        return self._problem.evaluate(params, step + 1)


class _Partial(_Altered):
    def evaluate(self, params: Mapping[str, Any], step: int) -> Evaluation:
        found = self._problem.evaluate(params, step)
        last = list(found.gradients)[-1]
        return Evaluation(found.loss, {**found.gradients, last: np.zeros_like(found.gradients[last])}, found.hidden)


class _ProgramSubject(NumpySubject):
    def __init__(self, altered: type[_Altered]) -> None:
        super().__init__(Family, "mutant")
        self._altered = altered

    def open(self, problem: Problem) -> None:
        """Open with a problem that evaluates otherwise."""
        super().open(self._altered(problem))  # type: ignore[arg-type]  # it forwards what it does not alter


def _program(cell: Cell, altered: type[_Altered]) -> NumpySubject | None:
    ordered = altered is _Partial or isinstance(cell.problem, Mlp)
    return _ProgramSubject(altered) if cell.gradients == "computed" and ordered else None
