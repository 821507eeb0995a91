"""Mutants: the reference with one mistake, by the names that cases give to what they probe."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

from parity.bounds.rule import absences, frozen, page
from parity.case.rule import DEFAULT, around
from parity.case.spec import Cell, Mlp
from parity.diagnosis import scale_mutants, tensor_mutants
from parity.diagnosis.choices import switches
from parity.diagnosis.family import family, slots_of
from parity.errors import AbsentArgumentError
from parity.problem.problems import Evaluation, Problem
from parity.reference.family import Family
from parity.reference.optimizer import Optimizer, as_float32
from parity.reference.rmsprop import Update
from parity.reference.switches import BY_NAME, Switch
from parity.subjects.adapter import EVERYTHING
from parity.subjects.binding.arguments import bind
from parity.subjects.binding.trials import Known, known_of
from parity.subjects.numpy_class import NumpySubject

Kind = Callable[..., Any]
"""Makes an optimizer from keyword arguments."""

Change = Callable[[dict[str, Any]], dict[str, Any]]


class Constructor(NamedTuple):
    """What a class can be told: ``around`` returns a kind with its arguments alone, from one that takes them all."""

    name: str
    around: Callable[[Kind, str], Kind]

    def supports(self, cell: Cell) -> bool:
        """Whether a class with this constructor can be run in a cell."""
        try:
            bind(self.around(dict, cell.rule), cell.hyperparameters)
        except AbsentArgumentError:
            return False
        return True

    def takes(self, name: str, rule: str = DEFAULT) -> bool:
        """Whether it has an argument."""
        found = inspect.signature(self.around(dict, rule)).parameters
        return name in found or any(each.kind is inspect.Parameter.VAR_KEYWORD for each in found.values())


def _keras(kind: Kind, rule: str) -> Kind:
    def construct(**given: Any) -> Any:
        return kind(**given)

    # It takes what the page takes; nothing is left to be told by a trial.
    construct.__signature__ = inspect.signature(page(rule))  # type: ignore[attr-defined]  # functions may have one
    return construct


def _three(kind: Kind, rule: str) -> Kind:
    def construct(learning_rate: Any = 0.001, rho: float = 0.9, epsilon: float = 1e-7) -> Any:
        return kind(learning_rate=learning_rate, rho=rho, epsilon=epsilon)

    return construct


def _none(kind: Kind, rule: str) -> Kind:
    return lambda: kind(learning_rate=0.001, rho=0.9, epsilon=1e-7)


KERAS = Constructor("Keras' arguments", _keras)
CONSTRUCTORS = (
    KERAS,
    Constructor("learning_rate, rho, epsilon", _three),
    Constructor("no arguments", _none),
)
"""What a mistake may stand behind. A class with fewer arguments has the same numbers, written where they are used."""


class Mutant(NamedTuple):
    """A mistake of that name.

    Attributes:
        mistake: the word of ``parity.case.words.MISTAKES``.
        variant: how it is made.
        kind: returns what makes it in a cell, from all arguments; None where it cannot be made.
        rounding: whether it differs in the last bits only: a case catches it when it is not IDENTICAL.
        needs: the argument, or the schedule, without which nobody can make it.
        handed: whether it shows only in the order and the identity of what is handed over.
        altered: what the problem is turned into, where the mistake is the program's.
        wraps: whether it is no optimizer by itself, but what stands around one.
        trains: whether it is handed gradients of frozen tensors too.
        of: the class that it is at heart, which says how it is driven.
        rule: the rule whose cases it is run in.
    """

    mistake: str
    variant: str
    kind: Callable[[Cell], Kind | None]
    rounding: bool = False
    needs: str = ""
    handed: bool = False
    altered: "type[_Altered] | None" = None
    of: type[Any] = Family
    rule: str = DEFAULT
    wraps: bool = False
    trains: bool = False

    def make(self, cell: Cell, constructor: Constructor = KERAS) -> NumpySubject | None:
        """Return the subject that makes it in a cell, behind a constructor; None where it cannot be made."""
        if cell.rule != self.rule:
            return None
        kind = self.kind(cell) if not self.needs or _sets(cell, self.needs) else None
        if kind is None:
            return None
        return _Planted(constructor.around(kind, self.rule), self.of, self.altered, self.trains)

    def fits(self, constructor: Constructor) -> bool:
        """Whether a class with this constructor can make the mistake in any cell."""
        needed = "learning_rate" if self.needs == "schedule" else self.needs
        return not self.needs or constructor.takes(needed, self.rule)


def _sets(cell: Cell, needed: str) -> bool:
    given = cell.hyperparameters
    return not isinstance(given.learning_rate, float | int) if needed == "schedule" else needed in given.departures()


def mutants(rule: str = DEFAULT) -> list[Mutant]:
    """Return every mutant of a rule: each value of each switch, then the mistakes that are no switch."""
    kind = family(rule).kind
    own = _numbers() if rule == DEFAULT else _numbers_of(rule)
    programs = _programs() if rule == DEFAULT else []  # no case of another rule trains a network
    found = [*_switched(rule), *own, *_arguments(kind), *_rules(kind), *programs]
    found += _scales(kind) if rule in scale_mutants.RULES else []
    found += _thaws(kind) if rule in tensor_mutants.FROZEN_RULES else []
    found += _constrains(kind) if rule in tensor_mutants.CONSTRAINED_RULES else []
    return [mutant._replace(rule=rule, of=kind if mutant.of is Family else mutant.of) for mutant in found]


def _switched(rule: str) -> list[Mutant]:
    return [
        Mutant(
            switch.name,
            str(value),
            _switch(switch, value, family(rule).kind),
            _rounds(switch, value, rule),
            switch.needs,
        )
        for switch in switches(rule).values()
        for value in switch.values[1:]
    ]


def _rounds(switch: Switch, value: Any, rule: str) -> bool:
    """Return whether a value of a switch moves no step of a rule by more than rounding.

    The step of Lamb and of Adafactor is a multiple of the norm of the weights: a decay before it is one after it.
    """
    of_norms = rule in ("adafactor", "lamb")
    return bool(switch.rounds) or (of_norms and (switch.name, value) == ("weight_decay_form", "after"))


def _switch(switch: Switch, value: Any, own: Kind = Family) -> Callable[[Cell], Kind | None]:
    name = switch.name

    def kind(cell: Cell) -> Kind | None:
        if name == "arithmetic" and value == cell.dtype:
            return None
        size = _batch_size(cell)
        if name == "gradient_reduction" and size == 1:
            return None
        return partial(own, **{name: value, "batch_size": size, **dict(switch.beside)})

    return kind


def _batch_size(cell: Cell) -> int:
    if isinstance(cell.problem, Mlp):
        return cell.problem.batch_size
    return cell.hyperparameters.gradient_accumulation_steps or 32


def _numbers() -> list[Mutant]:
    return [
        _argument("learning_rate", "1.001 times", _times("learning_rate", 1.001)),
        Mutant("learning_rate", "kept in double", _always(_double_rate(Family)), rounding=True),
        Mutant("one_minus_rho", "rho by way of float32", _always(_changed(_narrow_rho)), rounding=True),
        Mutant("second_moment_start", "a small number", _switch(BY_NAME["second_moment_start"], 1e-8)),
        _argument("rho", "0.99 times", _times("rho", 0.99)),
        _argument("epsilon", "ten times", _times("epsilon", 10.0)),
        _argument("momentum", "missing", lambda given: {**given, "momentum": 0.0}, "momentum"),
        _argument("momentum", "0.9 times", _times("momentum", 0.9), "momentum"),
        _argument("momentum", "ignored below a half", _unless("momentum", 0.5, 0.0), "momentum"),
        _argument("momentum", "added", lambda given: {"momentum": 0.5, **_without(given, "momentum")}),
        _argument("centered", "turned", lambda given: {**given, "centered": not given.get("centered", False)}),
    ]


def _numbers_of(rule: str) -> list[Mutant]:
    """Return the mutants of a page's own numbers: another value of each, and slots that start elsewhere."""
    own, outer = family(rule), {parameter.name for parameter in around()}
    found = [_argument("learning_rate", "1.001 times", _times("learning_rate", 1.001, own.kind), own=own.kind)]
    for name, domain, default in own.rule.parameters:
        if name in outer or default is None:
            continue
        if (rule, name) in _UNREAD:
            continue
        if domain == "flag":
            found.append(_argument(name, "turned", _turned(name, default), "momentum" * (name == "nesterov"), own.kind))
        elif domain == "steps":
            found.append(_argument(name, "one more", _more(name, own.kind), own=own.kind))
        elif domain == "patterns":
            found.append(_argument(name, "missing", _lacking(name), name, own.kind))
        elif default:
            factor = 0.99 if domain == "fraction" else 10.0
            times = _argument(name, f"{factor:g} times", _times(name, factor, own.kind), own=own.kind)
            found.append(times._replace(rounding=(rule, name) in _CANCELS))
        elif domain == "fraction":
            found.append(_argument(name, "missing", _lacking(name), name, own.kind))
            found.append(_argument(name, "0.9 times", _times(name, 0.9, own.kind), name, own.kind))
    starts = slots_of(own.kind())
    return found + [_argument("start", f"{slot} at 0.001", _starting(slot), own=own.kind) for slot in starts]


_UNREAD: Final = frozenset({("adafactor", "relative_step")})
"""Arguments of a page that Keras takes and never reads: without one nothing is mistaken."""

_CANCELS: Final = frozenset({("schedule_free_adamw", "beta_1")})
"""Arguments of a page that cancel in what it computes, as the page says: another value changes last bits alone."""


def _turned(name: str, default: bool) -> Change:
    return lambda given: {**given, name: not given.get(name, default)}


def _starting(slot: str) -> Change:
    return lambda given: {**given, "starts": {slot: 1e-3}}


def _arguments(own: type[Any]) -> list[Mutant]:
    dropped = {
        "weight_decay": ("weight_decay",),
        "loss_scale": ("loss_scale_factor",),
        "gradient_accumulation": ("gradient_accumulation_steps",),
        "clipping": ("clipnorm", "clipvalue", "global_clipnorm"),
        "use_ema": ("use_ema",),
    }
    ignored = _unless("weight_decay", 1e-3, None)
    return [
        *(_argument(mistake, f"{n} missing", _lacking(n), n, own) for mistake, names in dropped.items() for n in names),
        _argument("clipping", "over all tensors", _renamed("clipnorm", "global_clipnorm"), "clipnorm", own),
        _argument("clipping", "of each tensor", _renamed("global_clipnorm", "clipnorm"), "global_clipnorm", own),
        _argument("weight_decay", "everywhere", _of("exclude_from_weight_decay", []), "exclude_from_weight_decay", own),
        _argument("weight_decay", "twice", _times("weight_decay", 2.0, own), "weight_decay", own),
        _argument("weight_decay", "half", _times("weight_decay", 0.5, own), "weight_decay", own),
        *([_argument("weight_decay", "ignored below a thousandth", ignored, "weight_decay")] if own is Family else []),
        _argument("use_ema", "other momentum", _times("ema_momentum", 0.9, own), "use_ema", own),
        _argument("use_ema", "never overwrites", _of("ema_overwrite_frequency", None), "ema_overwrite_frequency", own),
        _argument("gradient_accumulation", "one more", _one_more, "gradient_accumulation_steps", own),
        _argument("schedule", "held at its start", _rates(lambda rate, step: rate(0)), "schedule", own),
        _argument("schedule", "twice as fast", _rates(lambda rate, step: rate(2 * step)), "schedule", own),
    ]


def _rules(own: type[Any]) -> list[Mutant]:
    found = [Mutant("sign", "lost", _always(_with_gradient(own, np.abs)))]
    found.append(Mutant("sign", "turned", _always(_with_gradient(own, np.negative))))
    keeps = slots_of(own()) or "momentum" in inspect.signature(own).parameters
    found += _in_cells("absent_gradient", tensor_mutants.absent(own), absences)
    decays = own is Family or _moves_at_zero(own)
    found += [Mutant("zero_gradient", "leaves the state", _always(_zero_skips(own)))] if decays else []
    if own is Family:
        found.append(Mutant("zero_gradient", "divides by zero", _switch(BY_NAME["epsilon_place"], "none")))
        found.append(Mutant("late", "from step 100 on", _always(_TurnsLate)))
        found += [Mutant("shape", name, _always(_shaped(where))) for name, where in _SHAPES.items()]
    if keeps:
        found.append(Mutant("tensor_mixup", "state of the next", _always(_mixed(own))))
        found.append(
            Mutant("tensor_mixup", "state under the shape", _always(lambda **given: own(**given, state_of="shape")))
        )
    if own is Family:  # how tensors are handed over has nothing to do with the rule
        found.append(Mutant("tensor_mixup", "state under the position", _always(_ByPosition), handed=True))
        found.append(Mutant("tensor_mixup", "state under the id of the array", _always(_ById), handed=True, of=_ById))
    return found


def _moves_at_zero(own: type[Any]) -> bool:
    """Return whether a gradient of zero changes weights or state: a sum of squares stays what it is."""
    usual = {"momentum": 0.5} if "momentum" in inspect.signature(own).parameters else {}
    rule, params, zero = own(**usual), {"w": np.ones((2, 3))}, {"w": np.zeros((2, 3))}
    _, state = rule.step(params, params, rule.init(params))
    after, later = rule.step(params, zero, state)
    shown = [{"parameter": params, **rule.slots(state)}, {"parameter": after, **rule.slots(later)}]
    return any(not np.array_equal(shown[0][s][n], shown[1][s][n]) for s in shown[0] for n in shown[0][s])


def _thaws(own: type[Any]) -> list[Mutant]:
    found = _in_cells("frozen_tensor", tensor_mutants.thawed(own), frozen)
    (trained,) = _in_cells("frozen_tensor", {"trained all the same": (own, "")}, frozen)
    return [*found, trained._replace(trains=True)]


def _constrains(own: type[Any]) -> list[Mutant]:
    return _in_cells("constraint", tensor_mutants.constrained(own), lambda cell: cell.constraints)


def _in_cells(mistake: str, found: tensor_mutants.Variants, concerned: Callable[[Cell], Any]) -> list[Mutant]:
    """Return mutants that can be made in the cells that they concern."""

    def where(kind: Kind) -> Callable[[Cell], Kind | None]:
        return lambda cell: kind if concerned(cell) else None

    return [Mutant(mistake, name, where(kind), needs=needs) for name, (kind, needs) in found.items()]


def _scales(own: type[Any]) -> list[Mutant]:
    return [
        Mutant("dynamic_loss_scale", name, partial(scale_mutants.kind_in, page=page, own=own), needs=needs, wraps=True)
        for name, (page, needs) in scale_mutants.variants().items()
    ]


def _programs() -> list[Mutant]:
    return [
        Mutant("data_order", "one batch late", _computed(in_order=True), altered=_Late),
        Mutant("network", "no gradient of the last tensor", _computed(), altered=_Partial),
    ]


def _argument(mistake: str, variant: str, change: Change, needs: str = "", own: type[Any] = Family) -> Mutant:
    return Mutant(mistake, variant, _always(_changed(change, own)), needs=needs)


def _always(kind: Kind) -> Callable[[Cell], Kind | None]:
    return lambda cell: kind


def _changed(change: Change, own: type[Any] = Family) -> Kind:
    return lambda **given: own(**change(given))


def _computed(in_order: bool = False) -> Callable[[Cell], Kind | None]:
    def kind(cell: Cell) -> Kind | None:
        possible = isinstance(cell.problem, Mlp) or not in_order
        return Family if cell.gradients == "computed" and possible else None

    return kind


def _times(name: str, factor: float, own: type[Any] = Family) -> Change:
    def change(given: dict[str, Any]) -> dict[str, Any]:
        value = given.get(name, inspect.signature(own).parameters[name].default)
        return {**given, name: (lambda step: factor * value(step)) if callable(value) else factor * value}

    return change


def _more(name: str, own: type[Any]) -> Change:
    return lambda given: {**given, name: given.get(name, inspect.signature(own).parameters[name].default) + 1}


def _renamed(old: str, new: str) -> Change:
    return lambda given: {**_without(given, old), new: given[old]}


def _of(name: str, value: Any) -> Change:
    return lambda given: {**given, name: value}


def _unless(name: str, least: float, value: float | None) -> Change:
    return lambda given: given if given[name] >= least else {**given, name: value}


def _lacking(name: str) -> Change:
    return lambda given: _without(given, name)


def _one_more(given: dict[str, Any]) -> dict[str, Any]:
    return {**given, "gradient_accumulation_steps": given["gradient_accumulation_steps"] + 1}


def _without(given: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key != name}


def _narrow_rho(given: dict[str, Any]) -> dict[str, Any]:
    # Keras 2's legacy class holds rho in float32 whatever the variables are.
    return {**given, "rho": as_float32(given.get("rho", 0.9))}


def _rates(rate_at: Callable[[Callable[[int], float], int], float]) -> Change:
    def change(given: dict[str, Any]) -> dict[str, Any]:
        rate = given["learning_rate"]
        return {**given, "learning_rate": lambda step: rate_at(rate, step)}

    return change


def _double_rate(own: type[Any]) -> type[Any]:
    class DoubleRate(own):  # type: ignore[misc]  # of any rule
        def _learning_rate_at(self, iterations: int) -> float:
            return float(self.learning_rate(iterations) if callable(self.learning_rate) else self.learning_rate)

    return DoubleRate


def _with_gradient(own: type[Any], change: Callable[[Any], Any]) -> type[Any]:
    class WithGradient(own):  # type: ignore[misc]  # of any rule
        def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Any:
            return super().update(w, change(g), slots, learning_rate, count)

    return WithGradient


def _zero_skips(own: type[Any]) -> type[Any]:
    class ZeroSkips(own):  # type: ignore[misc]  # of any rule
        def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Any:
            update = super().update(w, g, slots, learning_rate, count)
            old = {**slots, "parameter": w}
            kept = {name: np.where(g == 0, array, getattr(update, name)) for name, array in old.items()}
            return update._replace(**kept)

    return ZeroSkips


def _mixed(own: type[Any]) -> type[Any]:
    """Return a class in which the second moment of each tensor, or its first slot, is that of the next one."""

    class Mixed(own):  # type: ignore[misc]  # of any rule
        def stages(self, params: Any, grads: Any, state: Any) -> Any:
            names, slots = list(params), self._own_slots(state)
            if not slots:
                return super().stages(params, grads, state)
            others = dict(zip(names, [*names[1:], names[0]], strict=True))
            chosen = "second_moment" if "second_moment" in slots else slots[0]
            first = state[chosen]
            moved = {n: np.resize(first[others[n]], np.shape(first[n])) for n in names if {n, others[n]} <= {*first}}
            return super().stages(params, grads, {**state, chosen: {**first, **moved}})

    return Mixed


class _TurnsLate(Family):
    def rule(self, w: Any, g: Any, v: Any, m: Any, b: Any, rate: Any, count: int) -> Update:
        return super().rule(w, g, v, m, b, rate if count < 100 else 1.1 * rate, count)


_SHAPES: Final[dict[str, Callable[[Any], bool]]] = {
    "no dimensions": lambda w: w.ndim == 0,
    "one dimension": lambda w: w.ndim == 1,
    "two dimensions": lambda w: w.ndim == 2,
    "three dimensions": lambda w: w.ndim == 3,
    "more dimensions": lambda w: w.ndim > 3,
    "five dimensions": lambda w: w.ndim == 5,
    "a single element": lambda w: w.size == 1,
    "a square": lambda w: w.ndim == 2 and w.shape[0] == w.shape[1],
    "thousands of elements": lambda w: w.size > 5000,
}
"""Tensors that a mistake is made for, by what they are."""


def _shaped(where: Callable[[Any], bool]) -> Kind:
    class Shaped(Family):
        def rule(self, w: Any, g: Any, v: Any, m: Any, b: Any, rate: Any, count: int) -> Update:
            return super().rule(w, g, v, m, b, 1.1 * rate if where(w) else rate, count)

    return Shaped


class _ByPosition(Family):
    """The state of the n-th tensor as they came at first is that of the n-th as they come now."""

    def step(self, params: Any, grads: Any, state: Any) -> Any:
        now_to_first = dict(zip(params, state["second_moment"], strict=True))
        moved = {slot: {n: state[slot][first] for n, first in now_to_first.items()} for slot in self._own_slots(state)}
        params, new = super().step(params, grads, {**state, **moved})
        back = {slot: {first: new[slot][n] for n, first in now_to_first.items()} for slot in moved}
        return params, {**new, **{slot: {n: tensors[n] for n in state[slot]} for slot, tensors in back.items()}}


class _ById:
    """A tutorial's ``update`` that finds its state by the ``id`` of the array it changes; unknown, it starts anew."""

    def __init__(self, **given: Any) -> None:
        self._rule = Family(**given)
        self._around: dict[str, Any] = {}
        self._known: dict[int, tuple[Any, dict[str, Any]]] = {}

    def update(self, params: Any, grads: Any) -> None:
        state = {**self._rule.init(params), **self._around}
        slots = self._rule._own_slots(state)
        for name, w in params.items():
            for slot, array in self._known.get(id(w), (w, {}))[1].items():
                state[slot][name] = array
        new, state = self._rule.step(params, grads, state)
        for name, w in params.items():
            w[...] = new[name]
            # Whoever holds the array keeps its id from others.
            self._known[id(w)] = w, {slot: state[slot][name] for slot in slots if name in state[slot]}
        self._around = {key: value for key, value in state.items() if key not in slots}


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


class _Planted(NumpySubject):
    """A mutant, driven in the shape of its class, also where nothing is set that the mistake needs."""

    def __init__(self, kind: Kind, of: type[Any], altered: type[_Altered] | None, trains: bool) -> None:
        super().__init__(kind, "mutant")
        self._of, self._altered, self._trains = of, altered, trains

    @property
    def knows(self) -> frozenset[str]:
        """What may stand around an update."""
        return EVERYTHING if issubclass(self._of, Optimizer) else frozenset()

    def known(self) -> Known:
        """Return what is known of the class."""
        return known_of(self._of, "mutant")

    def open(self, problem: Problem) -> None:
        """Open with the problem, or with one that evaluates otherwise."""
        super().open(self._altered(problem) if self._altered else problem)  # type: ignore[arg-type]  # it forwards all else

    def _left_out(self, number: int) -> frozenset[str]:
        return self._problem.absent(number) if self._trains else super()._left_out(number)

    def _takes_schedules(self, known: Known) -> bool:
        return True
