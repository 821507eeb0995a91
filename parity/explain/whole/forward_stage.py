"""A prediction that parts comes in, changes of the model's forward pass that make it agree come out."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

from parity.bounds.bounded import Bounded
from parity.bounds.graph.interpreter import Unknown
from parity.bounds.numerics import Array
from parity.explain.whole.batches import Batch
from parity.explain.whole.calls import PREDICT
from parity.explain.whole.factors import Factor, likely, told
from parity.explain.whole.grants import Grant
from parity.explain.whole.quantity import EXACT, Mistake, Outcome, Stage, agrees, held, nearest, worst
from parity.explain.whole.sides import Sides
from parity.explain.whole.variants import late_biases, variants, variants_of

_GRID: Final = np.concatenate([np.geomspace(1e-5, 1e5, 41), -np.geomspace(1e-3, 1e3, 7)])
_HALVINGS: Final = 60
_LATE: Final = "add the bias to the product before the activation is taken: f(x @ W + b)"


_CHANGES: Final = "the prediction changes from call to call, at the same weights and on the same batch"
_AGAIN: Final = "calls in a row differ by more than rounding"
_KEEP: Final = (
    "predict without what is drawn, such as dropout or noise, and without what a call keeps for the next: the model is "
    "asked as in inference"
)


class Explained(NamedTuple):
    """A change that was found: how the model is changed, and the mistake that it is.

    ``sides`` has another model where the change is one of it; else None. ``left`` is what part of the predictions it
    leaves.
    """

    grant: Grant
    mistake: Mistake
    factor: float | None
    sides: Sides | None = None
    left: float = 0.0


def judged(sides: Sides) -> tuple[Stage, Explained | None]:
    """Return how the predictions compare, and the change that explains it where they part."""
    name = "prediction"
    batches = [*sides.search, *sides.confirm]
    own = [sides.prediction(batch) for batch in batches]
    if any(each is None for each in own):
        return sides.unanswered(PREDICT, name), None
    expected = [sides.output(batch) for batch in batches]
    unknown = [each.operations for each in expected if isinstance(each, Unknown)]
    if unknown:
        return Stage(name, "", Outcome.UNDECIDED, _unruled(unknown[0])), None
    place = worst([held(array, each) for array, each in zip(own, expected, strict=True) if array is not None])
    stage = Stage(name, sides.side.layers[-1], place.outcome, "", place)
    if isinstance(expected[0], Bounded) and not sides.repeats(batches[0], expected[0]):
        stage.outcome, stage.note = Outcome.DIVERGED, _CHANGES
        return stage, Explained(Grant(()), Mistake("not_repeatable", name, _CHANGES, _AGAIN, _KEEP, True), None)
    if not place.outcome.parts or place.outcome is Outcome.NON_FINITE:
        return stage, None
    found = _change(sides)
    if found is not None:
        stage.note, stage.factor = found.mistake.sentence, found.factor
    return stage, found


def _unruled(operations: frozenset[str]) -> str:
    return f"the model uses what has no bound here: {', '.join(sorted(operations))}"


def change_of_layer(sides: Sides) -> Explained | None:
    """Return the change of one layer that makes its output agree, from the program's own output before it."""
    explained = _change(sides)
    if explained is not None:
        explained.mistake.stage = "layer"
    return explained


def _change(sides: Sides) -> Explained | None:
    """Return the change that makes the predictions agree; where others fit and come as near, they are said, too."""
    found: list[Explained] = []
    for search in (_known_factors, _turned, _rewritten, _other_activations, _late_biases, _fitted):
        if (search is _rewritten and sides.target is not None) or (search is _fitted and found):
            continue
        found += search(sides)
        if any(each.left <= EXACT for each in found):
            break  # all digits of float64 are the change's: none of the others comes nearer
    near = nearest(found, lambda each: each.left)
    for other in near[1:2]:
        near[0].mistake.sentence += f"; or {other.mistake.sentence}, which comes as near"
    return near[0] if near else None


def _layer(sides: Sides) -> str:
    """Return the one layer whose changes are tried, empty where those of all are."""
    if sides.target is not None:
        return sides.side.layers[sides.target]
    return sides.side.layers[-1] if sides.led else ""


def _tensors(sides: Sides) -> list[int]:
    layer = _layer(sides)
    return [at for at, name in enumerate(sides.side.names) if not layer or name.partition("/")[0] == layer]


def _fits(sides: Sides, grant: Grant, confirm: bool = False) -> bool:
    for batch in sides.confirm if confirm else sides.search:
        own = sides.prediction(batch)
        if own is None or not agrees(own, sides.output(batch, grant)):
            return False
    return True


def _explained(sides: Sides, grant: Grant, mistake: Mistake, factor: float | None = None) -> Explained:
    mistake.confirmed = _fits(sides, grant, confirm=True)
    sizes = " and ".join(dict.fromkeys(str(batch.size) for batch in sides.confirm))
    if mistake.confirmed:
        mistake.evidence += f"; so it is on batches of {sizes} that were not searched on"
    return Explained(grant, mistake, factor, left=_left(sides, lambda batch: sides.output(batch, grant)))


def _left(sides: Sides, made: Callable[[Batch], Any]) -> float:
    """Return what part of the predictions a change leaves, on the batches of the search."""
    away = size = 0.0
    for batch in sides.search:
        own, value = sides.prediction(batch), made(batch)
        if own is None or not isinstance(value, Bounded):
            return np.inf
        away += float(np.sum(np.square(own - value.value)))
        size += float(np.sum(np.square(own)))
    return float(np.sqrt(away / size)) if size else 0.0


def _known_factors(sides: Sides) -> Iterator[Explained]:
    count = len(sides.side.shapes)
    sizes = {batch.size for batch in sides.search}
    known = [f for f in sides.factors() if not f.power or len(sizes) == 1]
    for at in _tensors(sides):
        for factor in [*known, Factor("nothing", 0.0)] if _drawn(sides, at) else known:
            grant = _only(count, at, factor.at(sides.search[0].size))
            if _fits(sides, grant):
                yield _explained(sides, grant, _of_tensor(sides, at, factor), factor.scale)
    biases = tuple(-1.0 if len(shape) == 1 else 1.0 for shape in sides.side.shapes)
    if biases.count(-1.0) > 1 and not _layer(sides) and _fits(sides, grant := Grant(biases)):
        sentence = "the biases are subtracted: their sign is the other one"
        evidence = "with the model's biases times minus one it agrees with the program"
        repair = "add them, or give the model their negatives: where they are learnt both are the same network"
        yield _explained(sides, grant, Mistake("biases_subtracted", "prediction", sentence, evidence, repair), -1.0)
    for factor in known if not sides.led and sides.target in (None, 0) else ():
        grant = Grant((1.0,) * count, inputs=factor.scale)
        if _fits(sides, grant):
            yield _explained(sides, grant, _of_inputs(sides, factor), factor.scale)


def _drawn(sides: Sides, at: int) -> bool:
    return bool(np.any(sides.search[0].weights[at]))


def _only(count: int, at: int, number: float) -> Grant:
    return Grant(tuple(number if i == at else 1.0 for i in range(count)))


def _of_tensor(sides: Sides, at: int, factor: Factor) -> Mistake:
    name = sides.side.names[at]
    layer = name.rpartition("/")[0] or name
    bias = len(sides.side.shapes[at]) == 1
    if factor.scale == 0:
        sentence = f"the forward pass leaves out the bias of {layer}" if bias else f"the forward pass leaves out {name}"
        return Mistake(
            "bias_left_out", "prediction", sentence, "without it the model agrees", f"add the bias of {layer}"
        )
    what = "bias" if bias else "product with its kernel"
    number = told(factor.scale)
    place = f"the last layer ({layer})" if layer == sides.side.layers[-1] else layer
    sentence = f"in {place} the {what} is multiplied by {number}{_words(factor, number)}"
    repair = f"take the factor {number} out of the forward pass of {layer}"
    evidence = f"with {name} times {number} the model agrees with the program"
    return Mistake("forward_scale", "prediction", sentence, evidence, repair)


def _of_inputs(sides: Sides, factor: Factor) -> Mistake:
    number = told(factor.scale)
    sentence = f"the inputs are multiplied by {number}{_words(factor, number)}"
    evidence = f"with its inputs times {number} the model agrees with the program"
    return Mistake(
        "input_scale", "prediction", sentence, evidence, f"take the factor {number} off the inputs, or give it to both"
    )


def _words(factor: Factor, number: str) -> str:
    return f", {factor.words}" if factor.words != number and not factor.words.replace(".", "").isdigit() else ""


def _turned(sides: Sides) -> Iterator[Explained]:
    """Try kernels the other way round: transposed where they are square, turned over where of a convolution."""
    ones = (1.0,) * len(sides.side.shapes)
    for at in _tensors(sides):
        shape = sides.side.shapes[at]
        ways: list[tuple[str, str, Callable[[Array], Array]]] = []
        if len(shape) == 2 and shape[0] == shape[1]:
            ways.append(("kernel_transposed", "transposed", np.transpose))
        if len(shape) == 4:
            ways.append(("kernel_flipped", "turned over in both directions (a convolution, not a correlation)", _flip))
        for name, words, turn in ways:
            grant = Grant(ones, turned={at: turn})
            if _fits(sides, grant):
                tensor = sides.side.names[at]
                sentence = f"{tensor} is used {words}"
                evidence = f"with {tensor} {words.partition(' (')[0]} the model agrees with the program"
                repair = (
                    f"use {tensor} as it is"
                    if name != "kernel_flipped"
                    else "do not turn the kernel over: Keras does not"
                )
                yield _explained(sides, grant, Mistake(name, "prediction", sentence, evidence, repair))


def _flip(kernel: Array) -> Array:
    return kernel[::-1, ::-1]


def _fitted(sides: Sides) -> Iterator[Explained]:
    """Try any factor of one tensor or of the inputs: the nearest on a grid, then by thirds of what lies around it."""
    count = len(sides.side.shapes)
    for at in [*([-1] if not sides.led and sides.target in (None, 0) else []), *_tensors(sides)]:
        nearest = _nearest(sides, at, count)
        for number in likely(nearest) if nearest else ():
            grant = Grant((1.0,) * count, inputs=number) if at < 0 else _only(count, at, number)
            if abs(number - 1) <= 1e-9 or not _fits(sides, grant):
                continue
            factor = Factor(told(number), number)
            mistake = _of_inputs(sides, factor) if at < 0 else _of_tensor(sides, at, factor)
            yield _explained(sides, grant, mistake, number)
            break


def _nearest(sides: Sides, at: int, count: int) -> float:
    batch = sides.search[0]
    own = sides.prediction(batch)

    def away(number: float) -> float:
        grant = Grant((1.0,) * count, inputs=number) if at < 0 else _only(count, at, number)
        output = sides.output(batch, grant)
        assert isinstance(output, Bounded)
        with np.errstate(all="ignore"):
            return float(np.nan_to_num(np.linalg.norm(own - output.value), nan=np.inf))

    best = min(map(float, _GRID), key=away)
    low, high = sorted((best / 2, best * 2))
    for _ in range(_HALVINGS):
        one, two = low + (high - low) / 3, high - (high - low) / 3
        if away(one) < away(two):
            high = two
        else:
            low = one
    return (low + high) / 2


def _rewritten(sides: Sides) -> Iterator[Explained]:
    """Try what only changes the output: a softmax over the examples, one too many, none, or a sigmoid."""
    from parity.explain.whole.heads import heads

    for name, words, repair, head in heads(sides.side):
        if all(_same(sides, batch, head) for batch in sides.search):
            mistake = Mistake(
                name, "prediction", words, "so changed, the model's output agrees with the program's", repair
            )
            mistake.confirmed = all(_same(sides, batch, head) for batch in sides.confirm)
            yield Explained(Grant(()), mistake, None, left=_left(sides, partial(_headed, sides, head)))


def _headed(sides: Sides, head: Callable[[Bounded], Bounded], batch: Batch) -> Any:
    logits = _logits(sides, batch)
    return None if logits is None else head(logits)


def _other_activations(sides: Sides) -> Iterator[Explained]:
    batch = sides.search[0]
    own = sides.prediction(batch)
    assert own is not None
    one = variants_of(sides.side, _layer(sides)) if _layer(sides) else None
    for variant in one or variants(sides.side, batch.x, batch.weights, own):
        changed = sides.with_model(variant.side)
        if _fits(changed, changed.plain):
            names = ", ".join(variant.layers)
            where = "the output" if variant.layers == sides.side.layers[-1:] else names
            sentence = f"the activation of {where} is {variant.other}, the model's {variant.own}"
            evidence = f"with {variant.other} in {names} the model agrees with the program"
            repair = f"use {variant.own} in {names}, or {variant.other} in the model"
            mistake = Mistake("other_activation", "prediction", sentence, evidence, repair)
            yield _explained(changed, changed.plain, mistake)._replace(sides=changed)


def _late_biases(sides: Sides) -> Iterator[Explained]:
    for side, layers in late_biases(sides.side, _layer(sides)):
        changed = sides.with_model(side)
        if _fits(changed, changed.plain):
            sentence = f"the bias of {layers} is added after the activation, which the model takes of the sum with it"
            evidence = "so changed, the model agrees with the program"
            mistake = Mistake("bias_after_activation", "prediction", sentence, evidence, _LATE)
            yield _explained(changed, changed.plain, mistake)._replace(sides=changed)


def _same(sides: Sides, batch: Any, head: Callable[[Bounded], Bounded]) -> bool:
    own, logits = sides.prediction(batch), _logits(sides, batch)
    if own is None or logits is None:
        return False
    with np.errstate(all="ignore"):
        return agrees(own, head(logits))


def _logits(sides: Sides, batch: Any) -> Bounded | None:
    from parity.explain.whole.traced import LOGITS, Place

    value = sides.values(batch).get(Place(LOGITS, 0))
    return value if isinstance(value, Bounded) else None
