"""How a program's update compares: its steps beside those of the model's optimizer, and the choices they differ by."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from parity.bounds.functions import lifted
from parity.bounds.graph.interpreter import Unknown
from parity.bounds.numerics import format_of
from parity.errors import ParityError
from parity.explain.whole import clipping, gradient_stage, logged_steps, rule_steps
from parity.explain.whole.batches import Batch, batches
from parity.explain.whole.calls import GRADS, STEP
from parity.explain.whole.forms import Form
from parity.explain.whole.grants import Grant
from parity.explain.whole.made_steps import STEPS, Steps, made_by, near
from parity.explain.whole.quantity import EXACT, Held, Mistake, Outcome, Stage, held, nearest, worst
from parity.explain.whole.settling import CHANGES_NOTHING, changes_nothing, evaluated
from parity.explain.whole.sides import Sides
from parity.explain.whole.text import NO_REASON

_RATE: Final = np.float32
"""What Keras keeps the learning rate in, whatever the weights are: one kept in float64 is another to their bounds."""
_BETWEEN: Final = ("use_ema", "gradient_accumulation_steps")
"""What an optimizer of Keras does over several steps beside its rule."""
_AROUND: Final = (*clipping.ARGUMENTS, *_BETWEEN, "weight_decay", "loss_scale_factor")
"""What any optimizer of Keras may do around its rule; a log of some elements is judged by the rule alone."""


def judged(sides: Sides, grant: Grant | None) -> tuple[list[Stage], list[Mistake]]:
    """Return how the program's update compares, and the choices by which it differs from the model's optimizer."""
    if not sides.has_step:
        return _without_step(sides)
    kind, config = sides.side.optimizer
    made = made_by(sides, 3, sides.rate)
    if isinstance(made, str):
        return [Stage("update", "", Outcome.FAILED, made)], []
    curved = sides.curved(sides.search[0])
    if curved and GRADS not in sides.settled.calls:
        return _too_early(sides, curved)
    between = [name for name in _BETWEEN if config.get(name)]
    if between and GRADS not in sides.settled.calls:
        note = f"the program shows no gradients, and single steps do not show {' and '.join(between)}"
        return [Stage("update", "", Outcome.UNSEEN, note)], []
    if sides.by_steps:
        note = "plain descent, at the rate that it is given: a step at twice the rate takes twice as much"
        if kind == "SGD" and not config.get("momentum") and (own := sides.own_rate) is not None:
            return _at_its_own(sides, own)
        outcome = Outcome.ROUNDING if kind == "SGD" and not config.get("momentum") else Outcome.DIVERGED
        if outcome.parts:
            sentence = f"the program takes the rate times the gradient away; the model trains with {kind}"
            repair = f"write {kind}, or compile the model with SGD"
            return [Stage("update", "", outcome, sentence)], [
                Mistake("other_rule", "update", sentence, note, repair, True)
            ]
        return [Stage("update", "", outcome, note)], []
    if GRADS not in sides.settled.calls:
        return _whole_step(sides, grant, kind, config)
    stages, mistakes = _by_rule(sides, made, kind, config)
    if made.carried and not any(stage.outcome.parts for stage in stages):
        return stages, [*mistakes, _added_up(sides, made)]
    if made.carried:  # a step may set to zero what it adds up: then its gradients are those that nothing came before
        sides.settled.anew = True
        others = _by_rule(sides, made._replace(gradients=list(made.anew)), kind, config)
        if not any(stage.outcome.parts for stage in others[0]):
            return others
        sides.settled.anew = False
    return stages, mistakes


def _at_its_own(sides: Sides, own: float) -> tuple[list[Stage], list[Mistake]]:
    """Return how plain descent at a rate that the program holds compares."""
    if own == sides.rate:
        return [Stage("update", "", Outcome.ROUNDING, f"plain descent, at its own rate of {sides.rate:g}")], []
    sentence = f"the learning rate is {own:.6g}, the model's {sides.rate:.6g}"
    evidence = "a step at twice the rate takes twice as much, and one at its own takes that times its gradient"
    mistake = Mistake("learning_rate", "update", sentence, evidence, f"use {sides.rate:g}", True)
    return [Stage("update", "", Outcome.DIVERGED, sentence)], [mistake]


def _added_up(sides: Sides, made: Steps) -> Mistake:
    """Return what a step's gradient is where it depends on the steps before."""
    names = ", ".join(sides.side.names[at] for at in made.carried)
    if all(
        near(step[at], np.sum([s[at] for s in made.anew[: n + 1]], axis=0))
        for n, step in enumerate(made.gradients)
        for at in made.carried
    ):
        sentence = f"the gradient of {names} is added to that of the steps before: it is not set to zero between steps"
        evidence = f"on {len(made.anew)} steps it is the sum of what the program yields at the same weights at first"
        repair = "set the gradients to zero before each batch"
        return Mistake("gradient_accumulated", "state", sentence, evidence, repair, True)
    sentence = f"the gradient of {names} depends on the steps before, beside the weights"
    evidence = f"on {len(made.anew)} steps it is not what the program yields at the same weights at first"
    return Mistake(
        "gradient_carried", "state", sentence, evidence, "keep nothing of a step for the next gradient", True
    )


def _by_rule(sides: Sides, made: Steps, kind: str, config: dict[str, Any]) -> tuple[list[Stage], list[Mistake]]:
    """Return how steps compare with the model's optimizer."""
    rule = rule_steps.rule_of(kind)
    if kind == "RMSprop" and not any(config.get(name) for name in _AROUND):
        found = logged_steps.judged(sides, made, config)
        if found[1] or not any(stage.outcome is Outcome.DIVERGED for stage in found[0]):
            return found
        otherwise = _by_steps(sides, made, rule, config)
        return otherwise if otherwise[1] else found
    if rule:
        return _by_steps(sides, made, rule, config)
    note = f"the model trains with {kind}, of which there is no page here"
    return [Stage("update", "", Outcome.UNDECIDED, note)], []


def _without_step(sides: Sides) -> tuple[list[Stage], list[Mistake]]:
    """Return what is said where no step works: one that changes nothing, or takes batches of one size alone."""
    said = sides.settled.unseen.get(STEP, "the program has no call for it")
    if sides.settled.idle:
        sentence = "no weight is updated: a step leaves every tensor as it was"
        evidence = f"{sides.settled.idle} raises nothing, and {CHANGES_NOTHING}, for labels in every form"
        repair = "look at what the gradients are made of: an output that is not kept, or a mask of zeros"
        mistake = Mistake("never_updated", "update", sentence, evidence, repair, True)
        return [Stage("update", "", Outcome.DIVERGED, sentence)], [mistake]
    size = next(_sizes_that_work(sides), None)
    if size is None:
        return [Stage("update", "", Outcome.UNSEEN, said)], []
    units = ", ".join(name for name, shape in zip(sides.side.names, sides.side.shapes, strict=True) if size in shape)
    sentence = (
        f"it trains on batches of {size} alone, a size that {units} has: a product over the examples is the wrong"
    )
    sentence += " way round"
    raises = " and ".join(str(batch.size) for batch in sides.search)
    evidence = f"with {size} examples a step raises nothing; with {raises} it {said}"
    repair = "multiply the inputs, transposed, by what comes back: inputs.T @ delta for examples in rows"
    mistake = Mistake("product_not_transposed", "update", sentence, evidence, repair, True)
    return [Stage("update", "", Outcome.FAILED, sentence)], [mistake]


def _sizes_that_work(sides: Sides) -> Iterator[int]:
    """Yield the sizes of a batch that are sizes of the model and that a step takes."""
    known = sorted({n for shape in sides.side.shapes for n in shape} - {1})
    form = Form(sides.settled.form.layout, sides.settled.form.image)
    for size in known if not form.single else []:
        batch = batches(sides.side, sides.data, [size], 5)[0]
        for expression in sides.settled.tried.get(STEP, ()):
            calls = {STEP: expression}
            answer = evaluated(sides.side, sides.asked, sides.settled.places, calls, form, batch)[STEP]
            if "error" not in answer and not changes_nothing(batch, answer):
                yield size


def _too_early(sides: Sides, curved: list[int]) -> tuple[list[Stage], list[Mistake]]:
    """Return what is said where some tensors' steps are no multiple of the rate and others' are."""
    names = [sides.side.names[at] for at in curved]
    others = [name for name in sides.side.names if name not in names]
    sentence = (
        f"the gradient of {', '.join(names)} is taken from weights above it that the same step has changed already"
    )
    evidence = f"a step at twice the rate takes twice as much from {', '.join(others)}, and not from {', '.join(names)}"
    confirmed = all(sides.curved(batch) == curved for batch in (*sides.search, *sides.confirm))
    repair = "compute all gradients before any weight is changed"
    mistake = Mistake("already_updated", "update", sentence, evidence, repair, confirmed)
    return [
        Stage(
            "update", name, Outcome.DIVERGED if name in names else Outcome.ROUNDING, sentence if name in names else ""
        )
        for name in sides.side.names
    ], [mistake]


def carried(sides: Sides, updates: list[Stage], mistakes: list[Mistake]) -> Stage:
    """Return whether the optimizer's state goes on from step to step, as far as the updates show it."""
    kind, config = sides.side.optimizer
    known = ("state_restarts", "gradient_accumulated", "gradient_carried")
    said = next((each.sentence for each in mistakes if each.name in known), "")
    if said:
        return Stage("state", "", Outcome.DIVERGED, said)
    if any(stage.outcome.parts for stage in updates):
        return Stage("state", "", Outcome.UNSEEN, "follows from the update, which parts")
    if not all(stage.outcome is Outcome.ROUNDING for stage in updates):
        return Stage("state", "", Outcome.UNSEEN, "follows from the update, which was not seen")
    if kind == "SGD" and not config.get("momentum"):
        return Stage("state", "", Outcome.ALIKE, "plain descent keeps none")
    return Stage("state", "", Outcome.ROUNDING, f"goes on over {STEPS} steps as {kind}'s does")


def _by_steps(sides: Sides, made: Steps, rule: str, config: dict[str, Any]) -> tuple[list[Stage], list[Mistake]]:
    """Judge any rule that has a page, and say which number of it or which other rule makes the program's steps."""
    arguments = rule_steps.arguments_of(rule, config, sides.rate)
    fmt = format_of(_RATE)
    places = rule_steps.held_against(rule, arguments, made, fmt)
    kind = sides.side.optimizer[0]
    stages = [
        Stage(
            "update", name, place.outcome, "" if place.outcome.parts else f"{kind}, on {len(made.before)} steps", place
        )
        for name, place in zip(sides.side.names, places, strict=True)
    ]
    wrong = [stage for stage in stages if stage.outcome.parts]
    if not wrong:
        return stages, []
    parting = [at for at, stage in enumerate(stages) if stage.outcome.parts]
    still = [at for at in parting if _still(made, at)]
    if still:
        names = ", ".join(sides.side.names[at] for at in still)
        sentence = f"{names} is never updated"
        return stages, [Mistake("never_updated", "update", sentence, "it stays as it was", "update it, too", True)]
    found = _reason(sides, made, parting, rule, arguments)
    if found is None:
        return stages, []
    (name, sentence, repair, other, changed), confirmed = found
    # The others may be made so, too, where it does not show.
    whole = len(parting) == len(stages) or rule_steps.agree(other, changed, made, fmt)
    of = "" if whole else f"of {', '.join(sides.side.names[at] for at in parting)} "
    words = f"in the update {of}alone {sentence}" if of else sentence
    evidence = f"so made, {len(made.before)} steps {of}agree in every element"
    wrong[0].note = words
    return stages, [Mistake(name, "update", words, evidence, repair, confirmed)]


def _reason(
    sides: Sides, made: Steps, tensors: list[int], rule: str, arguments: dict[str, Any]
) -> tuple[rule_steps.Reason, bool] | None:
    """Return what makes the steps of some tensors, and whether it makes others, too; the nearest of what fits."""
    fmt, steps = format_of(_RATE), _of(made, tensors)
    again = made_by(sides, 4, sides.rate)
    fitting: list[rule_steps.Reason] = []
    unsure: rule_steps.Reason | None = None
    for group in rule_steps.reasons(rule, arguments, steps, fmt):
        for reason in group:
            *_, other, changed = reason
            if isinstance(again, str) or not rule_steps.agree(other, changed, _of(again, tensors), fmt):
                unsure = unsure or reason
                continue
            fitting.append(reason)
            if rule_steps.left(other, changed, steps, fmt) <= EXACT:
                break  # all digits of float64 are its: none of the others comes nearer
        if fitting:
            near = nearest(fitting, lambda reason: rule_steps.left(reason[-2], reason[-1], steps, fmt))
            name, sentence, repair, other, changed = near[0]
            others = [each[1][:1].lower() + each[1][1:] for each in near[1:3]]
            sentence += f" (these steps do not tell it from this: {'; or '.join(others)})" if others else ""
            return (name, sentence, repair, other, changed), True
    return None if unsure is None else (unsure, False)


def _of(made: Steps, tensors: list[int]) -> Steps:
    """Return the steps of some tensors."""
    return Steps(*([[step[at] for at in tensors] for step in kind] for kind in made))


def _still(made: Steps, at: int) -> bool:
    """Whether a tensor stays as it is although it has a gradient."""
    return all(
        np.array_equal(before[at], after[at]) for before, after in zip(made.before, made.after, strict=True)
    ) and any(np.any(gradient[at]) for gradient in made.gradients)


def _whole_step(
    sides: Sides, grant: Grant | None, kind: str, config: dict[str, Any]
) -> tuple[list[Stage], list[Mistake]]:
    """Judge a step whose gradient is not shown: by the model's own gradient, where its optimizer is plain descent."""
    if kind != "SGD" or config.get("momentum"):
        note = f"the program shows no gradients, and a step of {kind} from them alone is not judged"
        return [Stage("update", "", Outcome.UNSEEN, note)], []
    if grant is None or not grant.factors:
        return [Stage("update", "", Outcome.UNSEEN, "follows from the prediction, which parts")], []
    rate = sides.rate
    stages = []
    for at, name in enumerate(sides.side.names):
        places = [_one_step(sides, grant, batch, at, rate) for batch in sides.search]
        found = [place for place in places if place is not None]
        if len(found) < len(places):
            stages.append(Stage("update", name, Outcome.UNDECIDED, "the model uses what has no bound here"))
            continue
        place = worst(found)
        stages.append(Stage("update", name, place.outcome, "one step by the model's own gradient", place))
    return stages, list(_of_steps(sides, grant, rate)) if any(stage.outcome.parts for stage in stages) else []


def _of_steps(sides: Sides, grant: Grant, rate: float) -> Iterator[Mistake]:
    """Yield the mistakes by which steps part, read as gradients at the model's rate, where they explain every step.

    A factor that goes with the batch's size is the gradient's; another may be the rate's.
    """
    stages, mistakes = gradient_stage.judged(sides.per_rate(rate), grant)
    if any(stage.outcome.parts and stage.note == NO_REASON for stage in stages):
        return
    for mistake in mistakes:
        mistake.stage = "update"
        mistake.evidence += f" (of what a step takes, over the model's rate of {rate:g})"
        if mistake.name == "gradient_scale" and "batch" not in mistake.sentence:
            mistake.sentence += ", or its rate is"
            mistake.repair += f"; or use the rate of {rate:g}"
        yield mistake


def _one_step(sides: Sides, grant: Grant, batch: Batch, at: int, rate: float) -> Held | None:
    gradient = sides.gradient(batch, at, grant)
    if isinstance(gradient, Unknown):
        return None
    calls = {STEP: sides.settled.calls[STEP]}
    answer = evaluated(
        sides.side, sides.asked, sides.settled.places, calls, sides.settled.form_of(STEP), batch, rate=rate
    )
    if "error" in answer[STEP]:
        raise ParityError(str(answer[STEP]["error"]))
    weights = lifted(batch.weights[at].astype(np.float64), format_of(_RATE))
    return held(answer[STEP]["steps"][0][at], weights - gradient * weights.dtype.type(rate))
