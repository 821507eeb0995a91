"""A loss that parts comes in, what the program computes in its place comes out."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from parity.bounds import functions as f
from parity.bounds.bounded import Bounded
from parity.bounds.functions import lifted
from parity.bounds.graph.interpreter import Unknown
from parity.bounds.graph.losses import log_softmax
from parity.explain.whole.batches import Batch
from parity.explain.whole.calls import LOSS
from parity.explain.whole.factors import Factor, fitting, multiple, scaled, told
from parity.explain.whole.grants import Grant, combined
from parity.explain.whole.quantity import Mistake, Outcome, Stage, agrees, held, nearest, worst
from parity.explain.whole.sides import LOSS_PLACE, Sides
from parity.explain.whole.traced import LAYER, Place

_CLIPS = (1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-6, 1e-5, 1e-4, 1e-3)
_EPSILON = float(np.finfo(np.float32).eps)
_SMOOTHED = (0.1, 0.05, 0.2, 0.01)
"""What labels are smoothed by."""
_IN_ONE = "clip in place of adding, or take the logarithm of the softmax in one piece"
_OTHER = "compile the model with this loss, or use the model's"
_NOT_DIVIDED = Factor("one", 1.0)
_PENALTIES = (
    (Factor("nothing", 0.0), "left out"),
    (Factor("half", 0.5), "halved"),
    (Factor("two", 2.0), "doubled"),
    (Factor("one over the batch", 1.0, -1), "divided by the batch's size"),
    (Factor("half over the batch", 0.5, -1), "halved and divided by the batch's size"),
    (Factor("the batch", 1.0, 1), "multiplied by the batch's size"),
)


class Explained(NamedTuple):
    """A mistake in the loss, and the number that it multiplies by, if it does."""

    mistake: Mistake
    factor: float | None


def judged(sides: Sides, grant: Grant | None) -> tuple[Stage, list[Explained]]:
    """Return how the losses compare where predictions agree, and the mistakes that explain a difference.

    Args:
        sides: both sides.
        grant: what explains the predictions; None where they part and nothing does.
    """
    batches = [*sides.search, *sides.confirm]
    own = [sides.loss(batch) for batch in batches]
    if any(each is None for each in own):
        return sides.unanswered(LOSS, "loss"), []
    if grant is None:
        return Stage("loss", "", Outcome.UNSEEN, "follows from the prediction, which parts for a reason not found"), []
    expected = [sides.followed(batch, LOSS, grant)[LOSS_PLACE] for batch in batches]
    unknown = [each.operations for each in expected if isinstance(each, Unknown)]
    if unknown:
        note = f"the model uses what has no bound here: {', '.join(sorted(unknown[0]))}"
        return Stage("loss", "", Outcome.UNDECIDED, note), []
    place = worst([held(value, each) for value, each in zip(own, expected, strict=True) if value is not None])
    stage = Stage("loss", "", place.outcome, "", place)
    found: list[Explained] = []
    if place.outcome is Outcome.DIVERGED:
        found = list(_reasons(sides, grant))
        if found:
            stage.note, stage.factor = found[0].mistake.sentence, found[0].factor
    return stage, found


def _reasons(sides: Sides, grant: Grant) -> Iterator[Explained]:
    scale = list(_scaled(sides, grant))
    yield from scale
    penalty = [] if scale else list(_penalised(sides, grant)) or list(_added(sides, grant))
    yield from penalty
    if scale or penalty:
        return
    fitting = [
        form
        for form in (*_broadcast(sides, grant), *_forms(sides, grant))
        if all(_same(sides, batch, form[-1]) for batch in sides.search) and _accounts(sides, grant, form[-1])
    ]
    near = nearest(fitting, lambda form: _left(sides, form[-1]))
    plain = [form for form in near if form[0] != "probability_shift"]
    for name, sentence, repair, made in plain or near[:1]:  # so little is added that the loss without it is as near
        confirmed = all(_same(sides, batch, made) for batch in sides.confirm)
        yield Explained(Mistake(name, "loss", sentence, "so computed, the losses agree", repair, confirmed), None)


def _left(sides: Sides, made: Callable[[Batch], Any]) -> float:
    """Return what part of the losses a reason that fits leaves."""
    pairs = [(np.float64(sides.loss(batch)), made(batch).value) for batch in sides.search]
    return float(sum(abs(own - value) for own, value in pairs) / sum(abs(own) for own, _ in pairs))


def _same(sides: Sides, batch: Batch, made: Callable[[Batch], Any]) -> bool:
    own, value = sides.loss(batch), made(batch)
    with np.errstate(all="ignore"):
        return own is not None and isinstance(value, Bounded) and agrees(own, value)


def _accounts(sides: Sides, grant: Grant, made: Callable[[Batch], Any]) -> bool:
    """Whether a reason leaves a tenth of the difference at most: what leaves more fits by the width of the bound."""
    left = before = 0.0
    for batch in sides.search:
        own, model, value = sides.loss(batch), sides.followed(batch, LOSS, grant)[LOSS_PLACE], made(batch)
        if own is None or not isinstance(model, Bounded) or not isinstance(value, Bounded):
            return False
        before += float(np.abs(own - model.value))
        left += float(np.abs(own - value.value))
    return left <= 0.1 * before


def _pairs(sides: Sides, grant: Grant, batches: list[Batch]) -> list[tuple[Any, Any, int]]:
    return [(sides.loss(batch), sides.followed(batch, LOSS, grant)[LOSS_PLACE], batch.size) for batch in batches]


def _scaled(sides: Sides, grant: Grant) -> Iterator[Explained]:
    for factor in fitting(_pairs(sides, grant, sides.search), sides.factors()):
        confirmed = all(
            agrees(own, scaled(expected, factor.at(n))) for own, expected, n in _pairs(sides, grant, sides.confirm)
        )
        fitted = factor.words == told(factor.scale)

        def made(batch: Batch, factor: Factor = factor) -> Any:
            return scaled(sides.followed(batch, LOSS, grant)[LOSS_PLACE], factor.at(batch.size))

        if fitted and not (confirmed and _accounts(sides, grant, made)):
            continue
        yield Explained(_scale_mistake(factor, confirmed), factor.scale if not factor.power else None)


def _scale_mistake(factor: Factor, confirmed: bool) -> Mistake:
    words = factor.words
    sentence = (
        "the loss is " + multiple(factor, "the model's")
        if factor.scale != -1 or factor.power
        else "the loss has the other sign"
    )
    summed = factor.power == 1 or ("number of outputs" in words and factor.scale > 1)
    repair = {
        True: "average over what is summed now: np.mean in place of np.sum, or divide by their number",
        False: "divide by how many there are once, and average over the outputs only where the model's loss does",
    }[summed]
    if factor.scale in (2.0, 0.5) and not factor.power:
        repair = "the model's loss has no factor of a half: take it out, or compile a loss of your own"
    if factor.scale == -1:
        repair = "put a minus before it"
    name = "loss_sign" if factor.scale == -1 and not factor.power else "loss_scale"
    return Mistake(
        name, "loss", sentence, f"the ratio is {told(factor.scale)}{_power(factor)} on every batch", repair, confirmed
    )


def _power(factor: Factor) -> str:
    return {1: " times the batch's size", -1: " over the batch's size"}.get(factor.power, "")


def _penalised(sides: Sides, grant: Grant) -> Iterator[Explained]:
    """Try another share of the penalty, beside the loss of the examples as it is or scaled."""
    if sides.data_loss(sides.search[0], grant)[1] is None:
        return
    fitted = _share(sides, grant)
    shares = [*_PENALTIES, (_NOT_DIVIDED, ""), (Factor("fitted", fitted), f"taken {fitted:g} times")]
    for share, words in shares:
        for factor in [Factor("one", 1.0), *sides.factors()]:

            def made(batch: Batch, factor: Factor = factor, share: Factor = share) -> Any:
                loss, penalty = sides.data_loss(batch, grant)
                return combined(loss, factor.at(batch.size), penalty, share.at(batch.size))

            if all(_same(sides, batch, made) for batch in sides.search):
                confirmed = all(_same(sides, batch, made) for batch in sides.confirm)
                if words:
                    sentence = f"the penalty on the weights is {words} in the loss"
                    repair = "add the model's penalty: l2 times the sum of squares, without a half, for each kernel"
                    evidence = (
                        f"with {told(share.scale)}{_power(share)} times the penalty the losses agree"
                        if share.scale
                        else "without the penalty the losses agree"
                    )
                    yield Explained(Mistake("penalty_in_loss", "loss", sentence, evidence, repair, confirmed), None)
                if factor.scale != 1 or factor.power:
                    yield Explained(_scale_mistake(factor, confirmed), None)
                return


def _share(sides: Sides, grant: Grant) -> float:
    """Return how often the penalty is in the loss of a batch, to six digits, if that is all that differs."""
    batch = sides.search[0]
    (loss, penalty), own = sides.data_loss(batch, grant), sides.loss(batch)
    if own is None or not isinstance(loss, Bounded) or not isinstance(penalty, Bounded) or not penalty.value.any():
        return 0.0
    return float(f"{float((own - loss.value) / penalty.value):.6g}")


def _added(sides: Sides, grant: Grant) -> Iterator[Explained]:
    """Try a multiple of the squares of the weights beside the model's loss: a penalty that the model does not have."""
    kernels = [at for at, shape in enumerate(sides.side.shapes) if len(shape) > 1]
    everything = list(range(len(sides.side.shapes)))
    ways = {"all weights and biases": everything, "the kernels": kernels}
    ways["the biases"] = [at for at in everything if at not in kernels]
    ways |= {f"{sides.side.names[at]}": [at] for at in kernels}
    for words, tensors in ways.items():

        def squares(batch: Batch, tensors: list[int] = tensors) -> float:
            return float(sum(np.sum(batch.weights[at].astype(np.float64) ** 2) for at in tensors))

        batch = sides.search[0]
        loss, own = sides.followed(batch, LOSS, grant)[LOSS_PLACE], sides.loss(batch)
        if own is None or not isinstance(loss, Bounded):
            return
        number = float(f"{float((own - loss.value) / squares(batch)):.6g}")
        for factor in (Factor("", number), Factor("", float(f"{number * batch.size:.6g}"), -1)):

            def made(batch: Batch, factor: Factor = factor, squares: Any = squares) -> Any:
                loss, added = sides.followed(batch, LOSS, grant)[LOSS_PLACE], squares(batch) * factor.at(batch.size)
                return Bounded(loss.value + added, loss.error + abs(added) * 8 * _EPSILON, loss.format)

            if number and all(_same(sides, batch, made) for batch in sides.search) and _accounts(sides, grant, made):
                over = _power(factor)
                left = factor.scale < 0
                sentence = f"{abs(factor.scale):g}{over} times the squares of {words} is "
                sentence += "left out, which the model adds" if left else "added, which the model does not"
                repair = f"leave it out, or give the model's layers keras.regularizers.L2({factor.scale:g})"
                repair = "add the model's penalty, or take it out there" if left else repair
                confirmed = all(_same(sides, batch, made) for batch in sides.confirm)
                if confirmed:
                    name = "penalty_in_loss" if left else "penalty_added"
                    evidence = f"with{'out' if left else ''} it the losses agree"
                    yield Explained(Mistake(name, "loss", sentence, evidence, repair, True), None)
                    return


def _broadcast(sides: Sides, grant: Grant) -> Iterator[tuple[str, str, str, Callable[[Batch], Any]]]:
    """Yield the loss of every prediction beside every label: (n, 1) against (n,) broadcasts to (n, n)."""
    if int(np.prod(sides.side.classes)) != 1 or sides.search[0].size == 1:
        return

    def made(batch: Batch) -> Any:
        total: Bounded | None = None
        for shift in range(batch.size):
            turned = Batch(batch.x, np.roll(batch.y, shift, axis=0), batch.weights)
            value = sides.fresh(turned, grant)[LOSS_PLACE]
            if isinstance(value, Unknown):
                return value
            total = value if total is None else combined(total, 1.0, value, 1.0)
        assert total is not None
        return scaled(total, 1 / batch.size)

    yield (
        "broadcast",
        "the loss takes every prediction beside every label: shapes (n, 1) and (n,) broadcast to (n, n)",
        "give both one shape: y.reshape(-1, 1), or predictions[:, 0]",
        made,
    )


def _forms(sides: Sides, grant: Grant) -> Iterator[tuple[str, str, str, Callable[[Batch], Any]]]:
    """Yield other losses of the model's output, and other ways to keep a logarithm finite."""
    last = Place(LAYER, len(sides.side.layers) - 1)
    classes = int(np.prod(sides.side.classes))

    def of(form: Callable[[Any, Any], Any]) -> Callable[[Batch], Any]:
        def made(batch: Batch) -> Any:
            p = sides.followed(batch, LOSS, grant)[last]
            return form(p, _labels(batch, classes, p)) if isinstance(p, Bounded) else p

        return made

    other = _OTHER
    yield "other_loss", "the loss is a mean of squares", other, of(lambda p, y: _all_mean(f.squared(p - y)))
    yield "other_loss", "the loss is a mean of magnitudes", other, of(lambda p, y: _all_mean(f.maximum(p - y, y - p)))
    yield (
        "other_loss",
        "the loss is a root of a mean of squares",
        other,
        of(lambda p, y: np.sqrt(_all_mean(f.squared(p - y)))),
    )
    if classes > 1:
        yield *_plain_cross_entropy(sides), of(lambda p, y: _mean(-f.log(p) * y))
        yield *_taken_of_output("softmax", sides), of(lambda p, y: _mean(-log_softmax(p) * y))
        yield (
            "other_loss",
            "the loss is a binary cross-entropy of each output",
            other,
            of(lambda p, y: _all_mean(_binary(p, y, 0))),
        )
        for share in _SMOOTHED:
            words = f"the labels are smoothed by {share:g} in the loss"
            repair = f"use the labels as they are, or compile the model's loss with label_smoothing={share:g}"
            yield "label_smoothing", words, repair, of(_of_smoothed(share, classes))
        for clip in _CLIPS:
            words = f"the logarithm is of the probability plus {clip:g}"
            yield "probability_shift", words, _IN_ONE, of(_shifted(clip))
        fitted = _shift(sides, grant)
        if fitted and fitted not in _CLIPS:
            words = f"the logarithm is of the probability plus {fitted:g}"
            yield "probability_shift", words, _IN_ONE, of(_shifted(fitted))
    else:
        yield "other_loss", "the loss is a binary cross-entropy", other, of(lambda p, y: _all_mean(_binary(p, y, 0)))
    yield *_taken_of_output("sigmoid", sides), of(lambda p, y: _all_mean(_binary(f.sigmoid(p), y, 0)))


def _plain_cross_entropy(sides: Sides) -> tuple[str, str, str]:
    smoothed = float(getattr(sides.side.model.loss, "label_smoothing", 0.0) or 0.0)
    if not smoothed:
        return "other_loss", "the loss is a cross-entropy of the labels as they are", _OTHER
    sentence = f"the labels are used as they are; the model's loss smooths them by {smoothed:g}"
    return "label_smoothing", sentence, f"smooth the labels by {smoothed:g}, or compile the model without it"


def _taken_of_output(activation: str, sides: Sides) -> tuple[str, str, str]:
    """Return the mistake of a loss that takes a softmax or a sigmoid of the model's output, in words."""
    own = sides.side.activation
    if own == activation:
        sentence = f"a {activation} is taken of what is a {activation} already"
        return f"{activation}_twice", sentence, "take the logarithm of the output itself"
    sentence = f"the loss takes a {activation} of the output; the model's takes its {own} output as probabilities"
    return "from_logits", sentence, f"compile the model's loss with from_logits=True, or end both with a {activation}"


def _shift(sides: Sides, grant: Grant) -> float:
    """Return what added to the probabilities makes the loss of a batch, to three digits; zero where nothing does."""
    batch = sides.search[0]
    p, own = sides.followed(batch, LOSS, grant)[Place(LAYER, len(sides.side.layers) - 1)], sides.loss(batch)
    if own is None or not isinstance(p, Bounded):
        return 0.0
    chosen = np.sum(p.value * _labels(batch, p.shape[-1], p).value, axis=-1)
    low, high = -20.0, 0.0  # of its logarithm to base ten; the loss falls with it
    if not np.mean(-np.log(chosen + 10**low)) > own > np.mean(-np.log(chosen + 10**high)):
        return 0.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if np.mean(-np.log(chosen + 10**middle)) > own else (low, middle)
    return float(f"{10**high:.3g}")


def _binary(p: Bounded, y: Bounded, shift: float) -> Any:
    one = lifted(1.0, p.format)
    return -(f.log(p) * y + f.log(one - p) * (one - y))


def _shifted(clip: float) -> Callable[[Any, Any], Any]:
    return lambda p, y: _mean(-f.log(p + lifted(clip, p.format)) * y)


def _of_smoothed(share: float, classes: int) -> Callable[[Any, Any], Any]:
    return lambda p, y: _mean(-f.log(p) * lifted(y.value * (1 - share) + share / classes, p.format))


def _all_mean(each: Any) -> Any:
    return np.mean(each)


def _mean(each: Any) -> Any:
    """Return the mean over the examples of the sum over the classes."""
    return np.mean(np.sum(each, axis=-1))


def _labels(batch: Batch, classes: int, p: Bounded) -> Bounded:
    y = batch.y
    if classes > 1 and y.ndim < p.ndim:
        y = np.eye(classes)[y.astype(int)]
    return lifted(np.reshape(y, p.shape), p.format)
