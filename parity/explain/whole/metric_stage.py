"""What a program measures itself by on a batch comes in, whether it is what Keras would measure comes out."""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from parity.bounds.bounded import Bounded
from parity.bounds.numerics import Array
from parity.explain.whole import forms
from parity.explain.whole.batches import Batch
from parity.explain.whole.calls import METRIC
from parity.explain.whole.forms import Form
from parity.explain.whole.grants import Grant
from parity.explain.whole.quantity import Held, Mistake, Outcome, Stage
from parity.explain.whole.settling import evaluated
from parity.explain.whole.sides import Sides

NAME = "metric"
_BROADCAST = "every prediction is held beside every label: shapes (n, 1) and (n,) broadcast to (n, n)"
_SPREAD = "give both one shape before they are compared: y.reshape(-1), predictions.reshape(-1)"


def judged(sides: Sides, grant: Grant | None) -> tuple[Stage, list[Mistake]]:
    """Return how a program's metric compares on the batches of both sides.

    Args:
        sides: both sides.
        grant: what explains the predictions; None where they part and nothing does.
    """
    expressions, bound = sides.settled.metrics  # what a name alone suggests is not accused
    if not expressions:
        return Stage(NAME, "", Outcome.UNSEEN, "the program has no call for it"), []
    if grant is None or not grant.factors:
        return Stage(NAME, "", Outcome.UNSEEN, "follows from the prediction, which parts"), []
    batches = [batch for batch in (*sides.search, *sides.confirm) if batch.size > 1]
    outputs = [sides.output(batch, grant) for batch in batches]
    if not batches or not all(isinstance(output, Bounded) for output in outputs):
        return Stage(NAME, "", Outcome.UNSEEN, "no batch of several examples has a bound"), []
    shared = [_metrics(np.asarray(o.value), b) for o, b in zip(outputs, batches, strict=True) if isinstance(o, Bounded)]
    obtained = [each for each in _obtained(sides, expressions, batches) if each]
    for numbers, wrong in product(obtained, (False, True)):
        for kind in shared[0]:
            if kind[1] is wrong and all(_is(n, each[kind]) for n, each in zip(numbers, shared, strict=True)):
                if not wrong:
                    return Stage(NAME, "", Outcome.ROUNDING, f"{kind[0]}, as Keras has it"), []
                sentence = f"in its {kind[0]} {_BROADCAST}"
                place = Held(Outcome.DIVERGED, (), numbers[0], shared[0][kind[0], False], 0.0)
                mistake = Mistake("metric_broadcast", NAME, sentence, "so taken, it agrees", _SPREAD, len(batches) > 2)
                return Stage(NAME, "", Outcome.DIVERGED, sentence, place), [mistake]
    said = "it is no metric that is known here: accuracy, mean squared or absolute error"
    if bound and obtained:
        usual = "accuracy" if ("accuracy", False) in shared[0] else "mean squared error"
        place = Held(Outcome.DIVERGED, (), obtained[0][0], shared[0][usual, False], 0.0)
        return Stage(NAME, "", Outcome.DIVERGED, said, place), []
    return Stage(NAME, "", Outcome.UNSEEN, said), []


def _obtained(sides: Sides, expressions: Sequence[str], batches: list[Batch]) -> Iterator[list[float]]:
    """Yield what each call yields on the batches, with labels in each form that it can be passed."""
    classes = int(np.prod(sides.side.classes))
    settled = sides.settled
    for expression, labels in product(expressions, forms.labels(batches[0].y, classes)):
        form = Form(settled.form.layout, settled.form.image, labels)
        calls = {METRIC: expression}
        answers = [evaluated(sides.side, sides.asked, settled.places, calls, form, batch)[METRIC] for batch in batches]
        yield [] if any("error" in each for each in answers) else [each["number"] for each in answers]


def _metrics(output: Array, batch: Batch) -> dict[tuple[str, bool], float]:
    """Return metrics of predictions by name, and whether they are spread over every pair of examples."""
    y = batch.y
    if int(np.prod(output.shape[1:])) == 1:
        flat, labels = output.reshape(-1), np.asarray(y, dtype=np.float64).reshape(-1)
        found = {}
        for spread, (p, t) in ((False, (flat, labels)), (True, (flat[:, None], labels[None]))):
            found["mean squared error", spread] = float(np.mean((p - t) ** 2))
            found["mean absolute error", spread] = float(np.mean(np.abs(p - t)))
            if np.isin(labels, (0, 1)).all():
                found["accuracy", spread] = float(np.mean((p > 0.5) == (t > 0.5)))
        return found
    classes = y.argmax(-1) if y.ndim == output.ndim else y.reshape(len(y)).astype(int)
    guessed = output.argmax(-1)
    one, every = float(np.mean(guessed == classes)), float(np.mean(guessed[:, None] == classes[None]))
    return {("accuracy", False): one, ("accuracy", True): every}


def _is(number: float, expected: float) -> bool:
    """Whether a metric is this one, as a share or in per cent; errors come from predictions that agree to float32."""
    slack = 64 * float(np.finfo(np.float32).eps) * max(abs(expected), 1e-30)
    return abs(number - expected) <= slack or abs(number - 100 * expected) <= 100 * slack
