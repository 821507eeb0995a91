"""Gradients that part come in, what each is of the model's comes out: a multiple, without penalty, summed, turned."""

from collections.abc import Iterator, Sequence

import numpy as np

from parity.bounds.graph.interpreter import Unknown
from parity.bounds.numerics import Array
from parity.explain.whole import ways
from parity.explain.whole.batches import Batch
from parity.explain.whole.calls import GRADS
from parity.explain.whole.clipping import Clip, clip_of, seen
from parity.explain.whole.clipping import told as clip_told
from parity.explain.whole.factors import Factor, multiple, told
from parity.explain.whole.grants import Grant
from parity.explain.whole.kinds import BEFORE, INSIDE, NONE, ONE, RIGHT, Compared, Kind
from parity.explain.whole.quantity import Mistake, Outcome, Stage, agrees, held, worst
from parity.explain.whole.sides import Sides
from parity.explain.whole.text import NO_REASON


def judged(sides: Sides, grant: Grant | None) -> tuple[list[Stage], list[Mistake]]:
    """Return how the gradients compare, tensor by tensor, where the predictions agree, and what explains it."""
    batches = [*sides.search, *sides.confirm]
    own = [sides.gradients(batch) for batch in batches]
    if any(each is None for each in own):
        return [sides.unanswered(GRADS, "gradient")], []
    if grant is None or not grant.factors:
        return [Stage("gradient", "", Outcome.UNSEEN, "follows from the prediction, which parts")], []
    stages, kinds = [], []
    for at, name in enumerate(sides.side.names):
        stage, kind = _tensor(sides, grant, at, name)
        stages.append(stage)
        kinds.append(kind)
    found = ways.Found(sides, kinds)
    clipped = clips(sides, grant) if None in kinds else []
    if clipped:
        return _clipped(sides, grant, stages, clipped[0])
    if any(kind is None and stage.outcome.parts for kind, stage in zip(kinds, stages, strict=True)):
        found = ways.found(sides, grant)
    for at, stage in enumerate(stages):
        if stage.outcome.parts and found.kinds[at] is None:
            stage.note = NO_REASON
    return stages, list(_Reading(sides, grant, found).mistakes())


def clips(sides: Sides, grant: Grant | None) -> list[Clip | None]:
    """Return by what the program's gradients may be clipped, if at all, where every one is then the model's."""
    if grant is None or not grant.factors:
        return []
    tensors = range(len(sides.side.names))
    batches = (*sides.search, *sides.confirm)
    if any(isinstance(sides.gradient(batch, at, grant), Unknown) for batch in batches for at in tensors):
        return []
    own = [[_own(sides, batch, at) for at in tensors] for batch in sides.search]
    tried = [*([None] if sides.clip else []), *seen(own)]
    return [clip for clip in tried if all(_is_clipped(sides, grant, clip, batch) for batch in sides.search)]


def _is_clipped(sides: Sides, grant: Grant, clip: Clip | None, batch: Batch) -> bool:
    model = sides.with_clip(clip)
    pairs = ((_own(sides, batch, at), model.gradient(batch, at, grant)) for at in range(len(sides.side.names)))
    return all(agrees(own, expected) for own, expected in pairs)


def _clipped(sides: Sides, grant: Grant, stages: list[Stage], clip: Clip | None) -> tuple[list[Stage], list[Mistake]]:
    """Return how gradients compare that are clipped: as the model's optimizer clips its own, or otherwise."""
    confirmed = all(_is_clipped(sides, grant, clip, batch) for batch in sides.confirm)
    model = clip_of(sides.side.optimizer[1])
    if clip is not None and clip == model and confirmed:
        note = f"clipped already by {clip.name}={clip.number:g}, as the model's optimizer does it"
        return [Stage("gradient", stage.about, Outcome.ROUNDING, note) for stage in stages], []
    name, sentence, repair = clip_told(clip, model)
    for stage in stages:
        stage.note = sentence if stage.outcome.parts else ""
    evidence = f"{'clipped so' if clip else 'not clipped'}, every gradient of the model is the program's"
    return stages, [Mistake(name, "gradient", sentence, evidence, repair, confirmed)]


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
        return stage, RIGHT if place.outcome is Outcome.ROUNDING else None
    kind = next(iter(Compared(sides, grant, at).kinds), None)
    if kind is not None and not kind.shape and kind.penalty == 1.0:
        stage.factor = kind.factor.at(sides.search[-1].size)  # the batch of the program's own loss
    return stage, kind


def _own(sides: Sides, batch: Batch, at: int) -> Array:
    found = sides.gradients(batch)
    assert found is not None
    return found[at]


class _Reading:
    """What was found of gradients, in words."""

    def __init__(self, sides: Sides, grant: Grant, found: ways.Found) -> None:
        self._names, self._shapes = sides.side.names, sides.side.shapes
        self._said, self._shown, self._kinds = found.said, found.shown, found.kinds
        self._compared = [Compared(found.sides, grant, at, sides) for at in range(len(self._names))]
        self._drawn = [
            at
            for at in range(len(self._names))
            if np.any(np.asarray(found.sides.gradient(sides.search[0], at, grant).value))
        ]
        self._whose = "the model's with that way back" if found.said else "the model's"

    def mistakes(self) -> Iterator[Mistake]:
        """Yield the mistakes: those of the way back, then those of single tensors."""
        for way in self._said:
            everything = len(self._shown) == len(self._names)
            what = "every gradient of the program" if everything else f"the gradient of {self._of(self._shown)}"
            beside = " and what is said below" if any(self._wrong()) else ""
            evidence = f"with this change of the way back{beside} {what} is reproduced"
            yield Mistake(way.name, "gradient", way.sentence, evidence, way.repair, self._confirmed(self._shown))
        known = self._wrong()
        yield from self._penalties([at for at, kind in known.items() if kind.penalty != 1.0])
        for decay in dict.fromkeys(kind.decay for kind in known.values() if kind.decay.scale):
            yield self._added([at for at, kind in known.items() if kind.decay == decay], decay)
        scaled = {at: kind for at, kind in known.items() if not kind.shape and kind.factor != ONE}
        for factor in dict.fromkeys(each.factor for each in scaled.values()):
            yield self._scale([at for at, each in scaled.items() if each.factor == factor], factor)
        shaped = {at: kind for at, kind in known.items() if kind.shape}
        for kind in dict.fromkeys(shaped.values()):
            yield self._shape([at for at, each in shaped.items() if each == kind], kind)

    def _wrong(self) -> dict[int, Kind]:
        return {at: kind for at, kind in enumerate(self._kinds) if kind is not None and not kind.right}

    def _of(self, group: Sequence[int]) -> str:
        return ", ".join(self._names[at] for at in group)

    def _confirmed(self, group: Sequence[int]) -> bool:
        """Whether gradients are of their kinds on batches that the search did not use."""
        kinds = [(at, self._kinds[at]) for at in group]
        return all(kind is not None and self._compared[at].holds(kind, confirm=True) for at, kind in kinds)

    def _scale(self, group: list[int], factor: Factor) -> Mistake:
        names, whose = self._of(group), self._whose
        biases = [at for at, shape in enumerate(self._shapes) if len(shape) == 1]
        confirmed = self._confirmed(group)
        number = factor.words if factor.power else told(factor.scale)
        to = " to that" if self._said else ""
        evidence = f"the ratio of {names}{to} is {number}, alike in every element and on every batch"
        if factor == NONE:
            return Mistake(
                "no_gradient", "gradient", f"the gradient of {names} is zero", evidence, "compute it", confirmed
            )
        if factor.scale == -1 and not factor.power:
            sentence, repair = (
                f"the gradient of {names} has the other sign",
                "turn the sign of the first derivative, that of the loss",
            )
            return Mistake("gradient_sign", "gradient", sentence, evidence, repair, confirmed)
        divides = factor.power < 0 or (not factor.power and abs(factor.scale) < 1)
        times = multiple(factor, whose)
        if {*group} == {*self._drawn} and len(group) > 1:
            sentence = f"every gradient is {times}"
            repair = (
                "do not divide by it a second time"
                if divides
                else "divide by it once, where the loss is differentiated"
            )
            return Mistake("gradient_scale", "gradient", sentence, evidence, repair, confirmed)
        if set(group) <= set(biases):
            sentence = f"the gradient of the bias ({names}) is {times}, that of its kernel is not"
            repair = "sum over the examples what the kernel's product takes, with its factor: np.sum(delta, axis=0)"
            return Mistake("bias_gradient_scale", "gradient", sentence, evidence, repair, confirmed)
        if not any(at in biases or at + 1 in group or at + 1 not in biases for at in group):
            sentence = f"the gradient of the kernel ({names}) is {times}, that of its bias is not"
            repair = "give the kernel's product the factor that the bias has: inputs.T @ delta of the same delta"
            return Mistake("kernel_gradient_scale", "gradient", sentence, evidence, repair, confirmed)
        layers = list(dict.fromkeys(self._names[at].rpartition("/")[0] for at in group))
        whole = group == list(range(max(group) + 1))
        place = f"from {layers[-1]} down" if whole else f"of {names}"
        sentence = f"the gradient {place} is {times}"
        repair = f"the factor enters on the way back through {layers[-1]}: take it out there"
        return Mistake("gradient_scale_from", "gradient", sentence, evidence, repair, confirmed)

    def _penalties(self, group: list[int]) -> Iterator[Mistake]:
        known = self._wrong()
        for share in dict.fromkeys(known[at].penalty for at in group):
            these = [at for at in group if known[at].penalty == share]
            names = self._of(these)
            words = {0.0: "left out", 0.5: "halved", 2.0: "doubled"}.get(share, f"taken {share:g} times")
            sentence = f"the penalty is {words} in the gradient of {names}"
            evidence = f"with {told(share) if share else 'none'} of the penalty's gradient the gradients agree"
            repair = "add 2·l2·W, the derivative of l2·W², to the gradient of each kernel that has the penalty"
            yield Mistake("penalty_in_gradient", "gradient", sentence, evidence, repair, self._confirmed(these))

    def _added(self, group: list[int], decay: Factor) -> Mistake:
        names = self._of(group)
        over = " over the batch's size" if decay.power else ""
        sentence = (
            f"{decay.scale:g}{over} times the weights is added to the gradient of {names}, which the model does not"
        )
        evidence = f"with {decay.scale:g}{over} times the weights the gradients agree"
        repair = f"leave it out, or give the model's layers keras.regularizers.L2({decay.scale / 2:g})"
        if decay.power:
            repair = (
                "leave it out, or give the model's layers a regularizer: L2(l) adds l·W² whatever the batch's size is"
            )
        return Mistake("penalty_added", "gradient", sentence, evidence, repair, self._confirmed(group))

    def _shape(self, group: list[int], kind: Kind) -> Mistake:
        whose = "" if kind.shape in (BEFORE, INSIDE) else f"{self._whose} "
        sentence = f"the gradient of {self._of(group)} is {whose}{kind.shape}"
        if kind.factor != ONE:
            sentence += f", times {kind.factor.words}"
        repair = {
            "summed over all axes": "sum over the examples alone: np.sum(delta, axis=0), where they are columns axis=1",
            "transposed": "turn the product round: inputs.T @ delta",
            "in the other order": "keep the order of the units",
            "turned over": "correlate the inputs with what comes back as they are: turn neither over",
            BEFORE: "sum what comes back times the derivative, as its kernel's product takes it",
            INSIDE: "sum what comes back to the layer's output, or add the bias before the activation",
        }[kind.shape]
        known = {
            "summed over all axes": "bias_gradient_axis",
            BEFORE: "bias_before_derivative",
            INSIDE: "bias_as_inside",
        }
        name = known.get(kind.shape, f"gradient_{kind.shape.replace(' ', '_')}")
        return Mistake(name, "gradient", sentence, "so taken, every element agrees", repair, self._confirmed(group))
