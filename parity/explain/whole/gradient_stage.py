"""Gradients that part come in, what each is of the model's comes out: a multiple, without penalty, summed, turned."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from parity.bounds.bounded import Bounded
from parity.bounds.graph.interpreter import Unknown
from parity.bounds.numerics import Array
from parity.explain.whole.batches import Batch
from parity.explain.whole.factors import Factor, likely, scaled, told
from parity.explain.whole.quantity import Mistake, Outcome, Stage, agrees, held, worst
from parity.explain.whole.sides import Grant, Sides, combined
from parity.explain.whole.variants import wrong_ways

_ONE = Factor("one", 1.0)
_NONE = Factor("nothing", 0.0)
_LEFT = 0.1
"""What part of a difference a reason may leave: more than that is the bound's doing and not the reason's."""
_BEFORE = "summed before the activation's derivative is multiplied in"
_INSIDE = "times the activation's derivative, which a bias that is added after the activation has not in its own"


class Kind(NamedTuple):
    """What a gradient is of the model's: a factor of the loss's part and a share of the penalty's, or another shape.

    ``decay`` is what the weights are multiplied by and added: a penalty that the model does not have.
    """

    factor: Factor
    penalty: float = 1.0
    shape: str = ""
    decay: Factor = _NONE

    @property
    def right(self) -> bool:
        """Whether it is the model's gradient."""
        return self == _RIGHT


_RIGHT = Kind(_ONE)


def judged(sides: Sides, grant: Grant | None) -> tuple[list[Stage], list[Mistake]]:
    """Return how the gradients compare, tensor by tensor, where the predictions agree, and what explains it."""
    batches = [*sides.search, *sides.confirm]
    own = [sides.gradients(batch) for batch in batches]
    if any(each is None for each in own):
        said = next((s for batch in batches if (s := sides.said(batch, "grads"))), "")
        return [Stage("gradient", "", Outcome.UNSEEN, said or "the program has no call for it")], []
    if grant is None or not grant.factors:
        return [Stage("gradient", "", Outcome.UNSEEN, "follows from the prediction, which parts")], []
    stages, kinds = [], []
    for at, name in enumerate(sides.side.names):
        stage, kind = _tensor(sides, grant, at, name)
        stages.append(stage)
        kinds.append(kind)
    return stages, list(_mistakes(sides, grant, kinds))


def _tensor(sides: Sides, grant: Grant, at: int, name: str) -> tuple[Stage, Kind | None]:
    batches = [*sides.search, *sides.confirm]
    expected = [sides.gradient(batch, at, grant) for batch in batches]
    unknown = [each.operations for each in expected if isinstance(each, Unknown)]
    if unknown:
        note = f"the model uses what has no bound here: {', '.join(sorted(unknown[0]))}"
        return Stage("gradient", name, Outcome.UNDECIDED, note), None
    place = worst([held(_own(sides, batch, at), each) for batch, each in zip(batches, expected, strict=True)])
    stage = Stage("gradient", name, place.outcome, "", place)
    if place.outcome is not Outcome.DIVERGED:
        return stage, _RIGHT if place.outcome is Outcome.ROUNDING else None
    kind = next(_kinds(sides, grant, at), None)
    if kind is not None and not kind.shape and kind.penalty == 1.0:
        stage.factor = kind.factor.at(sides.search[0].size)
    return stage, kind


def _own(sides: Sides, batch: Batch, at: int) -> Array:
    found = sides.gradients(batch)
    assert found is not None
    return found[at]


def _kinds(sides: Sides, grant: Grant, at: int) -> Iterator[Kind]:
    """Yield what a gradient may be of the model's, the simplest first."""
    tried = [_NONE, *sides.factors()]
    penalised = sides.penalty_gradient(sides.search[0], at, grant) is not None
    shares = (1.0, 0.0, 0.5, 2.0) if penalised else (1.0,)
    for share in shares:
        for factor in [_ONE, *tried]:
            kind = Kind(factor, share)
            if not kind.right and _is(sides, grant, at, kind):
                yield kind
    yield from _penalties_fitted(sides, grant, at, penalised)
    for shape in (*_SHAPES, _BEFORE, _INSIDE):
        for factor in [_ONE, *sides.factors()]:
            kind = Kind(factor, 1.0, shape)
            if _is(sides, grant, at, kind):
                yield kind
    number = _ratio(sides, grant, at)
    if number is None:
        return
    for each in likely(number):
        if _is(sides, grant, at, Kind(Factor(told(each), each))):
            yield Kind(Factor(told(each), each))
            return


def _penalties_fitted(sides: Sides, grant: Grant, at: int, penalised: bool) -> Iterator[Kind]:
    """Yield the share of the model's penalty, else the penalty of its own, that a gradient has beside the model's."""
    batch = sides.search[0]
    whole, weights = sides.gradient(batch, at, grant), batch.weights[at]
    if penalised:
        penalty = sides.penalty_gradient(batch, at, grant)
        share = 1 + _multiple(_own(sides, batch, at) - whole.value, penalty.value)
        if _is(sides, grant, at, Kind(_ONE, share)):
            yield Kind(_ONE, share)
    number = _multiple(_own(sides, batch, at) - whole.value, weights)
    words = "the weights"
    for decay in (Factor(words, number), Factor(words, float(f"{number * batch.size:.6g}"), -1)):
        if number and _is(sides, grant, at, Kind(_ONE, decay=decay)):
            yield Kind(_ONE, decay=decay)


def _multiple(one: Array, other: Array) -> float:
    """Return what one array is of another, where that is largest, to six digits."""
    value = np.asarray(other, dtype=np.float64)
    place = np.unravel_index(int(np.argmax(np.abs(value))), value.shape)
    number = float(np.asarray(one)[place] / value[place]) if value[place] else 0.0
    return float(f"{number:.6g}") if np.isfinite(number) else 0.0


def _ratio(sides: Sides, grant: Grant, at: int) -> float | None:
    batch = sides.search[0]
    expected, own = sides.gradient(batch, at, grant), _own(sides, batch, at)
    value = np.asarray(expected.value, dtype=np.float64)
    place = np.unravel_index(int(np.argmax(np.abs(value))), value.shape)
    number = float(own[place] / value[place]) if value[place] else 0.0
    return number if number and np.isfinite(number) else None


def _is(sides: Sides, grant: Grant, at: int, kind: Kind, confirm: bool = False) -> bool:
    for batch in sides.confirm if confirm else sides.search:
        expected = _expected(sides, grant, at, kind, batch)
        own = _own(sides, batch, at)
        if expected is None or not agrees(own, expected):
            return False
        if not kind.right and not _accounts(own, expected, sides.gradient(batch, at, grant)):
            return False
    return True


def _accounts(own: Array, expected: Bounded, model: Bounded) -> bool:
    """Whether what is expected comes nearer than the model's gradient does, which a wide bound alone does not show."""
    with np.errstate(all="ignore"):
        left, before = (float(np.linalg.norm(np.float64(own - each.value))) for each in (expected, model))
    return left <= _LEFT * before or before == 0


def _expected(sides: Sides, grant: Grant, at: int, kind: Kind, batch: Batch) -> Bounded | None:
    whole, penalty = sides.gradient(batch, at, grant), sides.penalty_gradient(batch, at, grant)
    factor = kind.factor.at(batch.size)
    if isinstance(whole, Unknown):
        return None
    if kind.shape in (_BEFORE, _INSIDE):
        value = sides.of_bias(batch, at, grant, kind.shape == _INSIDE)
        return None if value is None else scaled(value, factor)
    # factor * (whole - penalty) + share * penalty
    value = (
        combined(whole, factor, penalty, kind.penalty - factor)
        if penalty is not None
        else combined(whole, factor, None, 0)
    )
    if kind.decay.scale:
        added = batch.weights[at].astype(np.float64) * kind.decay.at(batch.size)
        value = combined(value, 1.0, Bounded(added, np.abs(added) * np.finfo(sides.side.dtype).eps, value.format), 1.0)
    return _SHAPES[kind.shape](value) if kind.shape else value


def _transposed(g: Bounded) -> Bounded | None:
    return g._each(np.transpose) if g.ndim == 2 and g.shape[0] == g.shape[1] else None


def _total(g: Bounded) -> Bounded | None:
    """Return the sum over all units in every place, as ``np.sum(delta)`` without an axis yields."""
    if g.ndim != 1 or g.size == 1:
        return None
    summed = np.sum(g, axis=0)  # type: ignore[call-overload]  # the bounded array's own
    return Bounded(np.broadcast_to(summed.value, g.shape), np.broadcast_to(summed.error, g.shape), g.format)


def _reversed(g: Bounded) -> Bounded | None:
    return g._each(lambda a: a[::-1]) if g.ndim == 1 and g.size > 1 else None


def _turned_over(g: Bounded) -> Bounded | None:
    return g._each(lambda a: a[::-1, ::-1]) if g.ndim == 4 and max(g.shape[:2]) > 1 else None


_SHAPES: dict[str, Any] = {
    "transposed": _transposed,
    "summed over all axes": _total,
    "in the other order": _reversed,
    "turned over": _turned_over,
}


def _mistakes(sides: Sides, grant: Grant, kinds: list[Kind | None]) -> Iterator[Mistake]:
    wrong = [at for at, kind in enumerate(kinds) if kind != _RIGHT]
    if not wrong:
        return
    if any(kinds[at] is None for at in wrong):
        found = list(_unexplained(sides, grant))
        yield from found
        if found:  # each reproduces every gradient
            return
        wrong = [at for at in wrong if kinds[at] is not None]
    yield from _penalties(sides, grant, [at for at in wrong if _share(kinds[at]) != 1.0], kinds)
    known = {at: kind for at in wrong if (kind := kinds[at]) is not None}
    for decay in dict.fromkeys(kind.decay for kind in known.values() if kind.decay.scale):
        yield _added(sides, grant, [at for at, kind in known.items() if kind.decay == decay], decay, kinds)
    scaled = {at: kind for at, kind in known.items() if not kind.shape and kind.factor != _ONE}
    for kind in dict.fromkeys(Kind(each.factor) for each in scaled.values()):
        group = [at for at, each in scaled.items() if each.factor == kind.factor]
        yield _scale(sides, grant, group, kind, kinds)
    shaped = {at: kind for at, kind in known.items() if kind.shape}
    for kind in dict.fromkeys(shaped.values()):
        yield _shape(sides, grant, [at for at, each in shaped.items() if each == kind], kind)


def _share(kind: Kind | None) -> float:
    return 1.0 if kind is None else kind.penalty


def _confirmed(sides: Sides, grant: Grant, group: list[int], kinds: list[Kind | None]) -> bool:
    return all(kind is not None and _is(sides, grant, at, kind, confirm=True) for at in group for kind in [kinds[at]])


def _scale(sides: Sides, grant: Grant, group: list[int], kind: Kind, kinds: list[Kind | None]) -> Mistake:
    names = [sides.side.names[at] for at in group]
    factor, shapes = kind.factor, sides.side.shapes
    biases = [at for at, shape in enumerate(shapes) if len(shape) == 1]
    everything = [
        at for at in range(len(shapes)) if np.any(np.asarray(sides.gradient(sides.search[0], at, grant).value))
    ]
    confirmed = _confirmed(sides, grant, group, kinds)
    number = factor.words if factor.power else told(factor.scale)
    times = f"{factor.words} times" if factor.words != told(factor.scale) else f"{number} times"
    evidence = f"the ratio of {', '.join(names)} is {number}, alike in every element and on every batch"
    if factor == _NONE:
        return Mistake(
            "no_gradient", "gradient", f"the gradient of {', '.join(names)} is zero", evidence, "compute it", confirmed
        )
    if factor.scale == -1 and not factor.power:
        sentence, repair = (
            f"the gradient of {', '.join(names)} has the other sign",
            "turn the sign of the first derivative, that of the loss",
        )
        return Mistake("gradient_sign", "gradient", sentence, evidence, repair, confirmed)
    divides = factor.power < 0 or (not factor.power and abs(factor.scale) < 1)
    if set(group) == set(everything) and len(everything) > 1:
        sentence = f"every gradient is {times} the model's"
        repair = (
            "do not divide by it a second time" if divides else "divide by it once, where the loss is differentiated"
        )
        return Mistake("gradient_scale", "gradient", sentence, evidence, repair, confirmed)
    if set(group) <= set(biases):
        sentence = f"the gradient of the bias ({', '.join(names)}) is {times} the model's, that of its kernel is not"
        repair = "sum over the examples what the kernel's product takes, with its factor: np.sum(delta, axis=0)"
        return Mistake("bias_gradient_scale", "gradient", sentence, evidence, repair, confirmed)
    layers = list(dict.fromkeys(sides.side.names[at].rpartition("/")[0] for at in group))
    whole = group == list(range(max(group) + 1))
    place = f"from {layers[-1]} down" if whole else f"of {', '.join(names)}"
    sentence = f"the gradient {place} is {times} the model's"
    repair = f"the factor enters on the way back through {layers[-1]}: take it out there"
    return Mistake("gradient_scale_from", "gradient", sentence, evidence, repair, confirmed)


def _penalties(sides: Sides, grant: Grant, group: list[int], kinds: list[Kind | None]) -> Iterator[Mistake]:
    for share in dict.fromkeys(_share(kinds[at]) for at in group):
        these = [at for at in group if _share(kinds[at]) == share]
        names = ", ".join(sides.side.names[at] for at in these)
        words = {0.0: "left out", 0.5: "halved", 2.0: "doubled"}.get(share, f"taken {share:g} times")
        sentence = f"the penalty is {words} in the gradient of {names}"
        evidence = f"with {told(share) if share else 'none'} of the penalty's gradient the gradients agree"
        repair = "add 2·l2·W, the derivative of l2·W², to the gradient of each kernel that has the penalty"
        yield Mistake(
            "penalty_in_gradient", "gradient", sentence, evidence, repair, _confirmed(sides, grant, these, kinds)
        )


def _added(sides: Sides, grant: Grant, group: list[int], decay: Factor, kinds: list[Kind | None]) -> Mistake:
    names = ", ".join(sides.side.names[at] for at in group)
    over = " over the batch's size" if decay.power else ""
    sentence = f"{decay.scale:g}{over} times the weights is added to the gradient of {names}, which the model does not"
    evidence = f"with {decay.scale:g}{over} times the weights the gradients agree"
    repair = f"leave it out, or give the model's layers keras.regularizers.L2({decay.scale / 2:g})"
    if decay.power:
        repair = "leave it out, or give the model's layers a regularizer: L2(l) adds l·W² whatever the batch's size is"
    confirmed = _confirmed(sides, grant, group, kinds)
    return Mistake("penalty_added", "gradient", sentence, evidence, repair, confirmed)


def _shape(sides: Sides, grant: Grant, group: list[int], kind: Kind) -> Mistake:
    name = ", ".join(sides.side.names[at] for at in group)
    confirmed = all(_is(sides, grant, at, kind, confirm=True) for at in group)
    sentence = (
        f"the gradient of {name} is {'' if kind.shape in (_BEFORE, _INSIDE) else 'that of the model '}{kind.shape}"
    )
    if kind.factor != _ONE:
        sentence += f", times {kind.factor.words}"
    repair = {
        "summed over all axes": "sum over the examples alone: np.sum(delta, axis=0), where they are columns axis=1",
        "transposed": "turn the product round: inputs.T @ delta",
        "in the other order": "keep the order of the units",
        "turned over": "correlate the inputs with what comes back as they are: turn neither over",
        _BEFORE: "sum what comes back times the derivative, as its kernel's product takes it",
        _INSIDE: "sum what comes back to the layer's output, or add the bias before the activation",
    }[kind.shape]
    known = {"summed over all axes": "bias_gradient_axis", _BEFORE: "bias_before_derivative", _INSIDE: "bias_as_inside"}
    name = known.get(kind.shape, f"gradient_{kind.shape.replace(' ', '_')}")
    return Mistake(name, "gradient", sentence, "so taken, every element agrees", repair, confirmed)


def _unexplained(sides: Sides, grant: Grant) -> Iterator[Mistake]:
    from parity.explain.whole.derivatives import mistakes

    found = list(mistakes(sides, grant))
    yield from found or _wrong_ways(sides, grant)


def _wrong_ways(sides: Sides, grant: Grant) -> Iterator[Mistake]:
    """Yield the mistakes of a layer's derivative that reproduce every gradient, in models of any layers."""
    for wrong in wrong_ways(sides.side):
        changed = sides.with_model(wrong.side)
        count = range(len(sides.side.names))
        fits = (each for each in [_ONE, *sides.factors()] if _all(changed, grant, count, Kind(each)))
        factor = next(fits, None)
        if factor is not None:
            confirmed = _all(changed, grant, count, Kind(factor), confirm=True)
            words = "" if factor == _ONE else f", and every gradient is {factor.words} times it"
            evidence = "with this change of the way back every gradient of the program is reproduced"
            yield Mistake(wrong.name, "gradient", wrong.sentence + words, evidence, wrong.repair, confirmed)
            return


def _all(sides: Sides, grant: Grant, tensors: range, kind: Kind, confirm: bool = False) -> bool:
    return all(_is(sides, grant, at, kind, confirm) for at in tensors)
