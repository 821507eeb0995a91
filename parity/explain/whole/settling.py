"""How a program is asked: which of its calls, in which form it takes a batch, and which way round its weights lie.

What shapes leave open is settled by asking it and looking at what comes nearest to the model.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any, Final

import numpy as np

from parity.bounds.bounded import Bounded
from parity.bounds.numerics import Array
from parity.errors import SubjectError
from parity.explain.whole import forms
from parity.explain.whole.asked import Asked
from parity.explain.whole.batches import Batch, Data, batches, sizes_beside
from parity.explain.whole.calls import CALLS, EPOCH, GRADS, LOSS, METRIC, PREDICT, ROOT, STEP
from parity.explain.whole.forms import Form
from parity.explain.whole.keras_side import KerasSide
from parity.explain.whole.quantity import agrees
from parity.explain.whole.traced import GRADIENT, LAYER, Place

_MOST_WAYS: Final = 16
_ALONE: Final = {forms.ROWS: forms.ONE_ROW, forms.COLUMNS: forms.ONE_COLUMN}
LOSS_PLACE: Final = Place("loss", 0)
CHANGES_NOTHING: Final = "changes no weight"


@dataclass(slots=True)
class Settled:
    """How a program is asked.

    Attributes:
        places: paths to its weights, in the model's order.
        calls: an expression for each call that it has.
        form: how it takes inputs; ``labels`` by call say how it takes labels.
        output: which of the arrays that ``predict`` returns is the output.
        unseen: by call, why it is not there.
        metrics: expressions that may be its metric, and whether a person said so.
        others: other orders that the rows after flattened images may have, where no prediction told which.
        tried: expressions for each call, whether they work or not.
        idle: a step that a person bound and that changes no weight.
        alone: whether a step on a batch trains on its examples one after the other.
        anew: whether a step's gradients are those of a first call, since it sets to zero what it keeps.
        unlike: the calls that are not there because they yield text or complex numbers.
    """

    places: list[str]
    calls: dict[str, str]
    form: Form
    labels: dict[str, str]
    output: int
    unseen: dict[str, str]
    metrics: tuple[Sequence[str], bool] = ((), False)
    others: Sequence[list[str]] = ()
    tried: Mapping[str, Sequence[str]] = field(default_factory=dict)
    idle: str = ""
    alone: bool = False
    anew: bool = False
    unlike: set[str] = field(default_factory=set)

    def form_of(self, call: str) -> Form:
        """Return the form for one call."""
        return Form(self.form.layout, self.form.image, self.labels.get(call, "as given"))

    def words(self) -> dict[str, str]:
        """Return what a person may paste to have the program asked so again."""
        calls = {call: text.replace(ROOT, "self") for call, text in self.calls.items()}
        return {"weights": ",".join(self.places), **calls}


def settle(side: KerasSide, asked: Asked, data: Data, bound: Mapping[str, str]) -> Settled:
    """Return how a program is asked.

    Raises:
        SubjectError: it has no call that can be used.
    """
    opened = asked.opened
    calls = {call: [bound[call]] if call in bound else opened.calls[call] for call in CALLS}
    taken = {n for shape in side.shapes for n in shape} | set(side.inputs)
    many = batches(side, data, sizes_beside(sorted(taken), 1), 7)[0]
    one = batches(side, data, [1], 8)[0]
    settled = Settled([ways[0] for ways in opened.places], {}, Form(), {}, 0, {})
    batched = _settle_output(side, asked, settled, calls[PREDICT], (many, one))
    if batched is not None and any(
        not _works(side, asked, settled, call, calls[call], settled.form, one)
        and _works(side, asked, settled, call, calls[call], batched.form, many)
        for call in (GRADS, STEP)
        if calls[call]
    ):  # one example agrees, but it trains on many: a sum over them is then a mistake that one does not show
        settled.form, settled.places, settled.output = batched.form, batched.places, batched.output
    if _takes_one(side, asked, settled, calls, (many, one)):
        settled.form = Form(_ALONE[settled.form.layout], settled.form.image)
    for call in (LOSS, GRADS, STEP):
        _settle_labels(side, asked, settled, call, calls[call], (many, one), data.given)
    if _one_after_other(side, asked, settled, many):
        settled.form, settled.alone = Form(_ALONE[settled.form.layout], settled.form.image), True
    for call in (PREDICT, LOSS, GRADS, STEP):
        if call in bound and call in settled.unseen:
            _require_sense(side, asked, settled, call, bound[call], one if settled.form.single else many)
    settled.metrics, settled.tried = (calls[METRIC], METRIC in bound), calls
    if STEP in bound and STEP not in settled.calls and settled.unseen.get(STEP, "").endswith(CHANGES_NOTHING):
        settled.idle = bound[STEP]
    if calls[EPOCH] and STEP in settled.calls:
        settled.calls[EPOCH], settled.labels[EPOCH] = calls[EPOCH][0], settled.labels[STEP]
    if not settled.calls:
        why = "; ".join(f"{call}: {reason}" for call, reason in settled.unseen.items())
        raise SubjectError(
            f"no call of the program could be used. {why}. Say one with --bind, an expression over the program's "
            f"names, x, y and rate, such as --bind 'predict=forward(x, params)' or --bind 'step=net.train(x, y)'."
        )
    return settled


def _require_sense(side: KerasSide, asked: Asked, settled: Settled, call: str, text: str, batch: Batch) -> None:
    """Refuse an expression of a person's own that is itself what cannot be evaluated.

    Raises:
        SubjectError: it is.
    """
    answer = evaluated(side, asked, settled.places, {call: text}, settled.form_of(call), batch)[call]
    if answer.get("expression"):
        raise SubjectError(
            f"bind {call}: {text!r}: {answer['error']}. Allowed: an expression over the file's names, x, y and rate, "
            f"after statements that are parted by semicolons."
        )


def _takes_one(
    side: KerasSide, asked: Asked, settled: Settled, calls: Mapping[str, list[str]], both: tuple[Batch, Batch]
) -> bool:
    """Whether a program that computes with a whole batch trains with one example alone."""
    layout = settled.form.layout
    if PREDICT not in settled.calls or layout not in _ALONE:
        return False

    return any(
        not _works(side, asked, settled, call, calls[call], settled.form, both[0])
        and _works(side, asked, settled, call, calls[call], Form(_ALONE[layout], settled.form.image), both[1])
        for call in (GRADS, STEP)
        if calls[call]
    )


def _one_after_other(side: KerasSide, asked: Asked, settled: Settled, batch: Batch) -> bool:
    """Whether a step on two examples ends where a step on the first and then one on the second do."""
    if STEP not in settled.calls or settled.form.layout not in _ALONE:
        return False
    form, classes = settled.form_of(STEP), int(np.prod(side.classes))
    weights = [array.astype(np.float64) for array in batch.weights]

    def end(parts: list[slice]) -> list[Array]:
        pairs = [(form.inputs(batch.x[p]).astype(np.float64), form.targets(batch.y[p], classes)) for p in parts]
        pairs = [(x, y.astype(np.float64) if y.dtype.kind == "f" else y) for x, y in pairs]
        answer = asked.steps(settled.places, ("", settled.calls[STEP]), weights, pairs, 1.0)
        found: list[Array] = answer["after"][-1]
        return found

    try:
        both, each, turned = end([slice(0, 2)]), end([slice(0, 1), slice(1, 2)]), end([slice(1, 2), slice(0, 1)])
    except (SubjectError, KeyError, IndexError):
        return False
    # The order of two steps shows; where it does not, neither does whether they are two.
    return _same(both, each) and not _same(each, turned)


def _same(one: Sequence[Array], other: Sequence[Array]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def _works(
    side: KerasSide, asked: Asked, settled: Settled, call: str, expressions: list[str], form: Form, batch: Batch
) -> bool:
    """Whether a call raises nothing in one form, with labels in some."""
    shapes = forms.labels(batch.y, int(np.prod(side.classes)))
    tries = ((each, Form(form.layout, form.image, labels)) for each, labels in product(expressions, shapes))
    return any("error" not in evaluated(side, asked, settled.places, {call: e}, f, batch)[call] for e, f in tries)


@dataclass(frozen=True, slots=True)
class _Try:
    expression: str
    form: Form
    places: list[str]
    output: int
    away: float
    agrees: bool


def _settle_output(
    side: KerasSide, asked: Asked, settled: Settled, expressions: list[str], both: tuple[Batch, Batch]
) -> _Try | None:
    """Settle how the program is asked for its output; return the likeliest way for a batch where one example agrees."""
    tried: list[_Try] = []
    said = shapes = unlike = ""
    ways = _ways(side, _with_rows(side, asked.opened.places))
    for expression in expressions:
        for layout, image in product(forms.LAYOUTS, forms.images(both[0].x)):
            form = Form(layout, image)
            batch = both[1] if form.single else both[0]
            for places in ways:
                answer = evaluated(side, asked, places, {PREDICT: expression}, form, batch)[PREDICT]
                said = said or answer.get("error", "")
                unlike = unlike or (answer["error"] if answer.get("unlike") else "")
                if answer.get("arrays") and layout == forms.ROWS and not shapes:
                    got = " and ".join(str(array.shape) for array in answer["arrays"][:4])
                    shapes = f"{batch.size} examples yield shape {got}; the model's output is {side.classes} for each"
                tried += _tries(side, expression, form, places, batch, answer.get("arrays", []))
                if tried and tried[-1].agrees:
                    break
        if tried:  # the likeliest call that works
            break
    if not tried:
        settled.unlike |= {PREDICT} if unlike else set()
        settled.unseen[PREDICT] = unlike or shapes or said or "it has none that is known by name"
        return None
    best = min(
        tried, key=lambda each: (not each.agrees, each.form.layout not in (forms.ROWS, forms.COLUMNS), each.away)
    )
    if not best.agrees:
        best = min(tried, key=lambda each: (each.form.single, ways.index(each.places), each.away))
    settled.calls[PREDICT], settled.form, settled.places = best.expression, best.form, best.places
    settled.output = best.output
    if not best.agrees:
        settled.others = [way for way in ways if way != best.places and _plain(way) == _plain(best.places)]
    several = [each for each in tried if not each.form.single] if best.form.single else []
    return min(several, key=lambda each: (ways.index(each.places), each.away), default=None)


def _with_rows(side: KerasSide, places: list[list[str]]) -> list[list[str]]:
    """Return the ways to read each tensor, those after flattened images by channels first, too."""
    found = []
    for name, ways in zip(side.names, places, strict=True):
        image = side.flattened.get(name)
        rows = f".rows({image[2]},{image[0]},{image[1]})" if image else ""
        found.append([*ways, *(f"{way}{rows}" for way in ways if rows and not way.endswith(")"))])
    return found


def _plain(places: Sequence[str]) -> list[str]:
    return [place.partition(".rows(")[0] for place in places]


def _ways(side: KerasSide, places: list[list[str]]) -> list[list[str]]:
    """Return the ways to read all tensors, those first in which a program holds every matrix the same way round."""

    def mixed(way: tuple[str, ...]) -> int:
        turned = {".T" in place for place, shape in zip(way, side.shapes, strict=True) if len(shape) == 2}
        return len(turned)

    return [list(way) for way in sorted(islice(product(*places), _MOST_WAYS), key=mixed)]


def _tries(
    side: KerasSide, expression: str, form: Form, places: list[str], batch: Batch, arrays: list[Array]
) -> Iterator[_Try]:
    traced = side.traced(batch.x, batch.y)
    expected: Any = traced.bounded(batch.x, batch.y, side.whole(batch.weights))[Place(LAYER, len(side.layers) - 1)]
    for number, array in enumerate(arrays):
        own = forms.output(array, batch.size, side.classes, form.layout)
        if own is None:
            continue
        if not isinstance(expected, Bounded):
            yield _Try(expression, form, places, number, 0.0, False)
            continue
        with np.errstate(all="ignore"):
            away = float(np.linalg.norm(own - expected.value) / max(float(np.linalg.norm(expected.value)), 1e-300))
        yield _Try(expression, form, places, number, away if np.isfinite(away) else np.inf, agrees(own, expected))


def _settle_labels(
    side: KerasSide,
    asked: Asked,
    settled: Settled,
    call: str,
    expressions: list[str],
    both: tuple[Batch, Batch],
    data_given: bool,
) -> None:
    classes = int(np.prod(side.classes))
    said = unlike = ""
    works: list[tuple[bool, float, bool, int, str, Form, list[str]]] = []
    usual = next((settled.labels[each] for each in (GRADS, LOSS) if each in settled.labels), "")
    known = bool(settled.calls)
    layouts = [settled.form.layout] if known else forms.LAYOUTS
    images = [settled.form.image] if known else forms.images(both[0].x)
    ways = [settled.places] if known else _ways(side, _with_rows(side, asked.opened.places))
    for expression in expressions:
        for layout, image, labels, places in product(layouts, images, _labels(both[0].y, classes), ways):
            form = Form(layout, image, labels)
            if labels == forms.UPRIGHT and not form.single:
                continue
            batch = both[1] if form.single else both[0]
            answer = evaluated(side, asked, places, {call: expression}, form, batch)[call]
            if "error" in answer:
                said = said or answer["error"]
                unlike = unlike or (answer["error"] if answer.get("unlike") else "")
                continue
            if call == STEP and changes_nothing(batch, answer):
                said = said or f"{expression.replace(ROOT, 'self')} {CHANGES_NOTHING}"
                continue
            # Labels of a person's own go in as they are: what shape they have is part of his program.
            own = classes == 1 and data_given and labels == "as given"
            away = 0.0 if own else _away(side, batch, call, answer)
            # One example alone does not show what is summed over them: a batch is taken where it can be.
            works.append((form.single, away, labels != usual, len(works), expression, form, places))
        if works:
            break
    if not works:
        settled.unlike |= {call} if unlike else set()
        settled.unseen[call] = unlike or said or "it has none that is known by name"
        return
    *_, settled.calls[call], form, places = min(works, key=lambda each: each[:4])
    settled.labels[call] = form.labels
    if not known:
        settled.form, settled.places = Form(form.layout, form.image), places
    if call == GRADS:
        _settle_order(side, asked, settled, both[1] if form.single else both[0])


def _settle_order(side: KerasSide, asked: Asked, settled: Settled, batch: Batch) -> None:
    """Settle which gradient is whose where shapes leave that open: the order that is most like the model's."""
    expected = side.traced(batch.x, batch.y).bounded(batch.x, batch.y, side.whole(batch.weights))
    values: list[Any] = [expected[Place(GRADIENT, at)] for at in range(len(side.shapes))]
    calls, form = {GRADS: settled.calls[GRADS]}, settled.form_of(GRADS)
    best, chosen, order, orders = -1.0, 0, 0, 1
    while order < orders:
        asked.order = order
        answer = evaluated(side, asked, settled.places, calls, form, batch)[GRADS]
        orders = answer.get("orders", 1)
        if orders == 1 or not all(isinstance(value, Bounded) for value in values):
            break
        alike = [_alike(own, value.value) for own, value in zip(answer["arrays"], values, strict=True)]
        if float(np.mean(alike)) > best + 1e-9:
            best, chosen = float(np.mean(alike)), order
        order += 1
    asked.order = chosen


def _alike(own: Array, expected: Array) -> float:
    """Return the cosine between two gradients, whatever their scale and sign."""
    with np.errstate(all="ignore"):
        lengths = float(np.linalg.norm(own)) * float(np.linalg.norm(expected))
        cosine = abs(float(np.sum(own * expected))) / lengths
    return cosine if np.isfinite(cosine) else 0.0


def _labels(y: Array, classes: int) -> list[str]:
    known = forms.labels(y, classes)
    return [*known, forms.UPRIGHT] if "one-hot" in known else known


def changes_nothing(batch: Batch, answer: Mapping[str, Any]) -> bool:
    """Return whether a step leaves every weight as it was."""
    return all(np.array_equal(own, array) for own, array in zip(answer["steps"][0], batch.weights, strict=True))


def _away(side: KerasSide, batch: Batch, call: str, answer: Mapping[str, Any]) -> float:
    """Return in what share of it an answer is not what the model yields, which settles how labels are taken."""
    expected = side.traced(batch.x, batch.y).bounded(batch.x, batch.y, side.whole(batch.weights))
    if call == LOSS:
        return float(not agrees(np.asarray(answer["number"]), expected[LOSS_PLACE]))
    if call == GRADS:
        return float(np.mean([not agrees(g, expected[Place(GRADIENT, t)]) for t, g in enumerate(answer["arrays"])]))
    return 1.0


def evaluated(
    side: KerasSide,
    asked: Asked,
    places: list[str],
    calls: dict[str, str],
    form: Form,
    batch: Batch,
    *,
    wide: bool = False,
    rate: float = 1.0,
    kept: bool = False,
) -> dict[str, Any]:
    """Return what calls yield on a batch in one form, at its weights, in float64."""
    x, y = taken(side, form, batch)
    weights = [array.astype(np.float64) for array in batch.weights]
    return asked.evaluate(places, calls, weights, x, y, wide=wide, rate=rate, kept=kept)


def taken(side: KerasSide, form: Form, batch: Batch) -> tuple[Array, Array]:
    """Return inputs and labels as the program takes them, in float64."""
    y = form.targets(batch.y, int(np.prod(side.classes)))
    return form.inputs(batch.x).astype(np.float64), y.astype(np.float64) if y.dtype.kind == "f" else y
