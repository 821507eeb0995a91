"""A program and a model in, the answer out: every stage in order, each from the same inputs, and what explains it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from parity.explain.whole import (
    consistency,
    epoch_stage,
    forward_stage,
    gradient_stage,
    layer_stage,
    loss_stage,
    metric_stage,
    start_stage,
    update_stage,
)
from parity.explain.whole.asked import Asked
from parity.explain.whole.batches import data_for, loss_name
from parity.explain.whole.curves import curves
from parity.explain.whole.grants import Grant
from parity.explain.whole.keras_side import load
from parity.explain.whole.quantity import Answer, Mistake, Outcome, Stage
from parity.explain.whole.repairing import repaired
from parity.explain.whole.settling import settle
from parity.explain.whole.sides import Sides
from parity.explain.whole.surprises import surprises
from parity.explain.whole.suspicions import answered


def answer(
    path: Path,
    name: str,
    keras: tuple[Path, str],
    data: str,
    bound: Mapping[str, str],
    seconds: float,
    drawn: bool = False,
) -> Answer:
    """Return how a program compares with a model.

    Args:
        path: the program's file.
        name: what in it holds the weights, or an empty text.
        keras: the model's file, and the function in it that returns the model.
        data: an NPZ file, ``FILE.py:function``, ``mnist``, or an empty text.
        bound: what a person bound by hand.
        seconds: what a question to the program may take.
        drawn: whether both sides train, for the curves.

    Raises:
        ParityError: what cannot be loaded, found or asked; the text says how to go on.
    """
    side = load(*keras)
    given = data_for(side, data)
    asked = Asked(path, name, dict(bound), side.shapes, seconds)
    try:
        settled = settle(side, asked, given, bound)
        sides = Sides(side, asked, settled, given)
        source = changed = path.read_text(encoding="utf-8", errors="replace")
        title = f"{path.name}:{name}" if name else path.name
        found = Answer(title, side.name, given.source, bound_by=settled.words())
        with np.errstate(all="ignore"):
            _judge(found, sides)
        if any(stage.outcome.parts for stage in found.stages):
            changes, changed = repaired(sides, found, source)
            found.repairs = [change.document() for change in changes]
        if drawn:
            differ = any(mistake.name == "initial_weights" for mistake in found.mistakes)
            found.curves = curves(sides, source, changed, differ)
        found.beside += [*surprises(sides), *answered(source, found.stages, loss_name(side))]
        if settled.alone:
            found.beside.append(
                "a step on a batch trains on its examples one after the other, and is given one at a time"
            )
        found.beside += [*side.unseen, *(f"left out of the file: {each}" for each in asked.opened.left)]
        return found
    finally:
        asked.close()


def _judge(found: Answer, sides: Sides) -> None:
    stages, mistakes = start_stage.judged(sides)
    found.stages += [*stages, _data(sides)]
    found.mistakes += mistakes
    prediction, explained = _predicted(sides)
    layers = layer_stage.judged(sides)
    grant: Grant | None = sides.plain
    if explained is None:
        sides, grant, mistakes = _layers(sides, layers)
        found.mistakes += mistakes
        if sides.led:
            prediction, explained = _from_layers(sides)
    found.stages += [*layers, prediction]
    if explained is not None:
        found.mistakes.append(explained.mistake)
        sides = explained.sides or sides
        grant = grant.with_(explained.grant) if grant is not None and explained.grant.factors else None
    elif prediction.outcome.parts:
        grant = None
    loss, reasons = loss_stage.judged(sides, grant)
    found.stages.append(loss)
    found.mistakes += [reason.mistake for reason in reasons]
    own, found.slopes = consistency.judged(sides, grant)
    found.stages += own
    gradients, mistakes = gradient_stage.judged(sides, grant)
    found.stages += gradients
    found.mistakes += mistakes
    if prediction.outcome.parts and all(stage.outcome is Outcome.ROUNDING for stage in (loss, *gradients)):
        found.beside.append("the predictions part, yet loss and gradients agree: both train alike")
    updates, mistakes = update_stage.judged(sides, grant)
    found.stages += [*updates, update_stage.carried(sides, updates, mistakes)]
    found.mistakes += mistakes
    epoch, mistakes = epoch_stage.judged(sides)
    found.stages += epoch
    found.mistakes += mistakes
    metric, mistakes = metric_stage.judged(sides, grant)
    found.stages.append(metric)
    found.mistakes += mistakes


def _layers(sides: Sides, stages: list[Stage]) -> tuple[Sides, Grant, list[Mistake]]:
    """Go through the layers that part; return both sides with what explains them granted."""
    sides, grant = sides.at(None), sides.plain
    mistakes: list[Mistake] = []
    for number in layer_stage.located(sides, stages):
        explained = forward_stage.change_of_layer(sides.at(number))
        if explained is not None:
            stages[number].note, stages[number].factor = explained.mistake.sentence, explained.factor
            mistakes.append(explained.mistake)
            grant = grant.with_(explained.grant)
            if explained.sides is not None:
                sides.change(explained.sides.side)
        sides.leading(number)
    return sides, grant, mistakes


def _from_layers(sides: Sides) -> tuple[Stage, forward_stage.Explained | None]:
    """Judge the prediction from the program's own layers before it."""
    prediction, explained = forward_stage.judged(sides)
    if not prediction.outcome.parts:
        layers = " and ".join(sides.side.layers[number] for number in sides.led)
        prediction.note = f"from the program's own output of {layers}"
    return prediction, explained


def _predicted(sides: Sides) -> tuple[Stage, forward_stage.Explained | None]:
    """Judge the prediction; where nothing explains it, the rows after flattened images may stand in another order."""
    prediction, explained = forward_stage.judged(sides)
    before = sides.settled.places
    for places in sides.settled.others:
        if explained is not None or not prediction.outcome.parts:
            return prediction, explained
        sides.read_from(places)
        prediction, explained = forward_stage.judged(sides)
    if explained is None and prediction.outcome.parts:
        sides.read_from(before)
    return prediction, explained


def _data(sides: Sides) -> Stage:
    return Stage("data", "", Outcome.ALIKE, f"the same batches go into both: {sides.data.source}")
