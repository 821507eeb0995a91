"""Both sides on the same batch: what the program yields and what the model does, as it is or with a change granted."""

import copy
import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from parity.bounds.bounded import Bounded
from parity.bounds.functions import lifted
from parity.bounds.graph.interpreter import Unknown
from parity.bounds.numerics import Array, format_of
from parity.explain.whole import forms
from parity.explain.whole.anchoring import anchored, is_copy, rounded
from parity.explain.whole.asked import Asked
from parity.explain.whole.batches import Batch, Data, batches, sizes_beside
from parity.explain.whole.calls import GRADS, LOSS, PREDICT, STEP
from parity.explain.whole.clipping import Clip, clip_of, clipped
from parity.explain.whole.factors import Factor, factors
from parity.explain.whole.grants import Grant, combined, less
from parity.explain.whole.keras_side import KerasSide
from parity.explain.whole.quantity import Outcome, Stage
from parity.explain.whole.settling import Settled, evaluated, taken
from parity.explain.whole.step_rates import Rates, is_narrow
from parity.explain.whole.traced import (
    BACK,
    GRADIENT,
    KINDS,
    LAYER,
    PENALTY,
    PENALTY_GRADIENT,
    SUM_BACK,
    Place,
    layers_of,
)

Values = dict[Place, Any]
LOSS_PLACE = Place("loss", 0)
_LAYERS: Final = frozenset({LAYER})
_LIKELY: Final = 8
"""How many arrays are tried as the output of a layer that was not found."""


@dataclass(frozen=True, slots=True)
class Back:
    """Another way back than the model's: the gradients, and what comes back to each layer's output and its sums."""

    gradients: list[Bounded]
    ups: list[Bounded]
    deltas: list[Bounded]


class Sides:
    """A program and a model, asked on the same batches."""

    def __init__(self, side: KerasSide, asked: Asked, settled: Settled, data: Data) -> None:
        self.side, self.asked, self.settled, self.data = side, asked, settled, data
        taken = sorted({n for shape in side.shapes for n in shape} | set(side.inputs) | {int(np.prod(side.classes))})
        sizes = [1, 1, 1, 1] if settled.form.single else sizes_beside(taken, 4)
        self.search, self.confirm = batches(side, data, sizes[:2], 1), batches(side, data, sizes[2:], 2)
        self._own: dict[int, dict[str, Any]] = {}
        self._values: dict[Any, Values] = {}
        self._followed: dict[Any, Values] = {}
        self._per: float | None = None
        self._back: Callable[[Batch], Back] | None = None
        self.clip = None if GRADS in settled.calls else clip_of(side.optimizer[1])
        """By what the model's gradients are clipped where they are held against the program's: what steps take is."""
        self.led: tuple[int, ...] = ()
        """Layers that were seen to part: what comes after them is judged from the program's own output of them."""
        self.target: int | None = None
        """The layer of which the output is looked at as the prediction; unless given, the last."""

    def factors(self) -> list[Factor]:
        """Return the factors that are looked for; one example alone does not tell those of a batch's size from one."""
        alone = all(batch.size == 1 for batch in (*self.search, *self.confirm))
        return [factor for factor in factors(self.side) if not (alone and factor.power)]

    def afresh(self) -> "Sides":
        """Return the same without what the program answered: it was taken anew."""
        other = copy.copy(self)
        other._own, other._followed = {}, {}
        return other

    def read_from(self, places: list[str]) -> None:
        """Read and write the program's weights by other paths."""
        self.settled.places = places
        self._own.clear()
        self._followed.clear()

    def with_model(self, side: KerasSide) -> "Sides":
        """Return the same program and batches beside another model."""
        other = copy.copy(self)
        other.side, other._values, other._followed = side, {}, {}
        return other

    def with_back(self, back: Callable[[Batch], Back]) -> "Sides":
        """Return the same where gradients are those of another way back."""
        other = copy.copy(self)
        kept: dict[int, Back] = {}

        def once(batch: Batch) -> Back:
            if id(batch) not in kept:
                kept[id(batch)] = back(batch)
            return kept[id(batch)]

        other._back = once
        return other

    def with_clip(self, clip: Clip | None) -> "Sides":
        """Return the same where the model's gradients are clipped so."""
        other = copy.copy(self)
        other.clip = clip
        return other

    @property
    def plain(self) -> Grant:
        """The model as it is."""
        return Grant((1.0,) * len(self.side.shapes))

    def own(self, batch: Batch) -> dict[str, Any]:
        """Return what the program's calls yield on a batch, each from the same state."""
        if id(batch) not in self._own:
            found: dict[str, Any] = {}
            for call in (PREDICT, LOSS, GRADS):
                if call in self.settled.calls:
                    calls = {call: self.settled.calls[call]}
                    form = self.settled.form_of(call)
                    found |= evaluated(self.side, self.asked, self.settled.places, calls, form, batch)
            self._own[id(batch)] = found
        return self._own[id(batch)]

    def prediction(self, batch: Batch) -> Array | None:
        """Return the program's output as the model has it."""
        if self.target is not None:
            return self.used(batch, PREDICT, self.target)
        answer = self.own(batch).get(PREDICT, {"error": ""})
        arrays = answer.get("arrays", [])
        if "error" in answer or len(arrays) <= self.settled.output:
            return None
        array = arrays[self.settled.output]
        return forms.output(array, batch.size, self.side.classes, self.settled.form.layout)

    def repeats(self, batch: Batch, expected: Bounded) -> bool:
        """Return whether the program predicts the same when it is asked again, up to the largest bound there."""
        call = PREDICT
        form, places = self.settled.form_of(call), self.settled.places
        x, y = taken(self.side, form, batch)
        weights = [array.astype(np.float64) for array in batch.weights]
        answers = self.asked.again(places, {call: self.settled.calls[call]}, weights, x, y)[call]
        reach = float(np.max(expected.error, initial=0.0))
        arrays = [np.asarray(each["arrays"][self.settled.output], dtype=np.float64) for each in answers]
        with np.errstate(all="ignore"):
            return all(
                array.shape == arrays[0].shape and not (np.abs(array - arrays[0]) > reach).any() for array in arrays
            )

    def kept(self, batch: Batch, call: str) -> list[Array]:
        """Return the arrays that a call of the program returns, passes through or leaves behind."""
        key = f"kept by {call}"
        if key not in self.own(batch):
            found: list[Array] = []
            if call in self.settled.calls:
                calls, form = {call: self.settled.calls[call]}, self.settled.form_of(call)
                answer = evaluated(self.side, self.asked, self.settled.places, calls, form, batch, kept=True)[call]
                found = answer.get("kept", [])
            self.own(batch)[key] = found
        kept: list[Array] = self.own(batch)[key]
        return kept

    def followed(self, batch: Batch, call: str, grant: Grant | None = None, kinds: Container[str] = KINDS) -> Values:
        """Return what the model's graph yields where each layer goes on from the program's own output before it.

        That is so for the outputs, and for what comes back to them, that are found among the arrays of a call: each
        quantity shows its own difference and its own bound. Where an array is not found, what is computed goes on.
        """
        granted = grant or self.plain
        kept = self.kept(batch, call)
        if not kept:
            return self.fresh(batch, granted, kinds) if kinds != KINDS else self.values(batch, grant)
        key = id(batch), granted.factors, granted.inputs, tuple(granted.turned), call
        if kinds == KINDS and key in self._followed:
            return self._followed[key]

        led = {number: self._of_call(batch, call, number) for number in self.led}
        found = self._follow(batch, granted, kinds, self._anchor(batch, call, led))
        if kinds == KINDS:
            self._followed[key] = found
        return found

    def at(self, layer: int | None) -> "Sides":
        """Return the same where a layer's output stands for the prediction, the last layer's unless one is given."""
        other = copy.copy(self)
        other.target, other._followed = layer, {}
        return other

    def change(self, side: KerasSide) -> None:
        """Take another model."""
        self.side, self._values, self._followed = side, {}, {}

    def leading(self, layer: int) -> None:
        """Judge what comes after a layer from the program's own output of it."""
        self.led = (*self.led, layer)
        self._followed.clear()

    def used(self, batch: Batch, call: str, layer: int) -> Array | None:
        """Return the array that the layer after one is computed from, None where none is.

        With it in the layer's place, the next layer's output is among what the program passes through.
        """
        key = f"{call} uses for {layer}"
        if key not in self.own(batch):
            self.own(batch)[key] = self._search(batch, call, layer)
        found: Array | None = self.own(batch)[key]
        return found

    def _of_call(self, batch: Batch, call: str, layer: int) -> Array | None:
        """Return what a call uses for a layer, else what the program predicts with."""
        found = self.used(batch, call, layer)
        return self.used(batch, PREDICT, layer) if found is None else found

    def _anchor(self, batch: Batch, call: str, led: Mapping[int, Array | None]) -> Callable[[Place, Bounded], Bounded]:
        """Return what puts the program's arrays in place of what is computed; ``led`` has those that stand anyhow."""

        def anchor(place: Place, value: Bounded) -> Bounded:
            array = led.get(place.number) if place.kind == LAYER else None
            if array is not None:
                return rounded(array, value)
            return anchored(value, self.shaped(batch, call, value.shape[1:]))

        return anchor

    def _search(self, batch: Batch, call: str, layer: int) -> Array | None:
        before = {number: self._of_call(batch, call, number) for number in self.led if number < layer}

        def outputs(array: Array | None) -> Values:
            return self._follow(batch, self.plain, _LAYERS, self._anchor(batch, call, {**before, layer: array}))

        def is_there(value: Any) -> bool:
            arrays = self.shaped(batch, call, value.shape[1:]) if isinstance(value, Bounded) else []
            return isinstance(value, Bounded) and anchored(value, arrays) is not value

        def leads_on(array: Array) -> bool:
            """Whether the next layer that computes anything of an array is among what the program passes through."""
            found = outputs(array)
            after = (found[Place(LAYER, number)] for number in range(layer + 1, len(self.side.layers)))
            computed = (each for each in after if not is_copy(each, array))
            return is_there(next(computed, None))

        plain = outputs(None)
        output, after = plain[Place(LAYER, layer)], plain[Place(LAYER, layer + 1)]
        if not isinstance(output, Bounded) or is_there(output) or is_there(after):
            return None
        arrays = self.shaped(batch, call, output.shape[1:])
        with np.errstate(all="ignore"):
            away = [float(np.nan_to_num(np.linalg.norm(each - output.value), nan=np.inf)) for each in arrays]
        likely = [arrays[at] for at in np.argsort(away)[:_LIKELY]]
        return next((each for each in likely if leads_on(each)), None)

    def shaped(self, batch: Batch, call: str, shape: tuple[int, ...]) -> list[Array]:
        """Return the arrays of a call that may be a quantity of such a shape for each example, as the model has it."""
        key = f"{call} of {shape}"
        if key not in self.own(batch):
            form = self.settled.form
            arrays = (forms.passed(each, batch.size, shape, form) for each in self.kept(batch, call))
            self.own(batch)[key] = [each for each in arrays if each is not None]
        found: list[Array] = self.own(batch)[key]
        return found

    def _follow(
        self, batch: Batch, grant: Grant, kinds: Container[str], anchor: Callable[[Place, Bounded], Bounded]
    ) -> Values:
        x, weights = self._granted(batch, grant)
        traced = self.side.traced(batch.x, batch.y)
        return traced.bounded(x, batch.y, self.side.whole(weights), anchor, kinds)

    def loss(self, batch: Batch) -> Array | None:
        """Return the program's loss."""
        answer = self.own(batch).get(LOSS, {"error": ""})
        return None if "error" in answer else np.asarray(answer["number"])

    def gradients(self, batch: Batch) -> list[Array] | None:
        """Return the program's gradients, in the order of the model's tensors."""
        if GRADS not in self.settled.calls:
            return self._taken(batch)
        answer = self.own(batch).get(GRADS, {"error": ""})
        return None if "error" in answer else answer["arrays"]

    @property
    def _rates(self) -> Rates:
        return Rates(self.side, self.asked, self.settled)

    @property
    def by_steps(self) -> bool:
        """Whether gradients are what a step at a rate of one takes from the weights."""
        return GRADS not in self.settled.calls and self._taken(self.search[0]) is not None

    def curved(self, batch: Batch) -> list[int]:
        """Return the tensors whose step is no multiple of the rate where that of others is."""
        self._taken(batch)
        found: list[int] = self.own(batch).get("curved", [])
        return found

    def _taken(self, batch: Batch) -> list[Array] | None:
        """Return what a step at a rate of one takes from the weights, where one at two takes twice as much.

        Where that holds for some tensors alone, the others' is that of ever smaller rates; in float32 these are lost.
        """
        found = self.own(batch)
        if self._per is not None:
            return self._per_rate(batch, self._per)
        if "taken" not in found:
            found |= next(
                (each for each in map(partial(self._rates.multiples, batch), self._rates.expressions()) if each),
                {"taken": None},
            )
        taken: list[Array] | None = found["taken"]
        return taken

    def per_rate(self, rate: float) -> "Sides":
        """Return the same where gradients are what a step at the program's own rate takes, over a rate."""
        other = copy.copy(self)
        other._per = rate
        return other

    def _per_rate(self, batch: Batch, rate: float) -> list[Array] | None:
        found = self.own(batch)
        if "whole step" not in found:
            steps = self._rates.at(batch, self.settled.calls[STEP], (rate,))
            found["whole step"] = steps and steps[0]
            found["narrow"] = steps is not None and is_narrow(batch, steps)
        step: list[Array] | None = found["whole step"]
        return None if step is None else [each / rate for each in step]

    @property
    def own_rate(self) -> float | None:
        """The rate of its own at which a program steps, where it can be given others; None where it is given one.

        It is the model's own number where rounding does not tell it from that.
        """
        batch = self.search[0]
        expression, taken = self.settled.calls.get(STEP, ""), self._taken(batch)
        if taken is None or re.search(r"\brate\b", expression):
            return None
        steps = self._rates.at(batch, expression, (1.0,))
        if steps is None:
            return None
        before, one, own = (
            np.concatenate([np.ravel(each) for each in arrays]) for arrays in (batch.weights, taken, steps[0])
        )
        at = int(np.argmax(np.abs(one)))
        if not one[at]:
            return None
        # Keras keeps the rate in float32, and a program may keep its weights so, which rounds what a step leaves.
        eps, number = float(np.finfo(np.float32).eps), float(own[at] / one[at])
        rounded_away = (abs(before[at]) + abs(own[at])) / abs(one[at]) if self.own(batch).get("narrow") else 0.0
        return self.rate if abs(number - self.rate) <= eps * (self.rate + rounded_away) else number

    def unanswered(self, call: str, name: str, about: str = "") -> Stage:
        """Return the stage of a quantity of which a call yields nothing to compare on some batch, and why."""
        answers = [self.own(batch).get(call, {}) for batch in (*self.search, *self.confirm)]
        unlike = next((str(each["error"]) for each in answers if each.get("unlike")), "")
        said = unlike or self.settled.unseen.get(call) or next((s for a in answers if (s := a.get("error"))), "")
        outcome = Outcome.NOT_COMPARABLE if unlike or call in self.settled.unlike else Outcome.UNSEEN
        return Stage(name, about, outcome, said or "the program has no call for it")

    def values(self, batch: Batch, grant: Grant | None = None) -> Values:
        """Return what the model's graph yields on a batch, with its bounds."""
        granted = grant or self.plain
        key = id(batch), granted.factors, granted.inputs, tuple(granted.turned)
        if key not in self._values:
            self._values[key] = self.fresh(batch, granted)
        return self._values[key]

    def fresh(self, batch: Batch, grant: Grant, kinds: Container[str] = KINDS) -> Values:
        """Return what the model's graph yields on a batch that is asked once."""
        x, weights = self._granted(batch, grant)
        return self.side.traced(batch.x, batch.y).bounded(x, batch.y, self.side.whole(weights), kinds=kinds)

    def _granted(self, batch: Batch, grant: Grant) -> tuple[Array | Bounded, Sequence[Array | Bounded]]:
        """Return the inputs and weights that the model is given."""
        fmt = format_of(batch.x.dtype) if grant.inputs != 1 else None
        x = batch.x if fmt is None else lifted(batch.x.astype(fmt.wide) * grant.inputs, fmt)
        return x, batch.weights if grant == self.plain else grant.weights(batch.weights)

    def output(self, batch: Batch, grant: Grant | None = None) -> Bounded | Unknown:
        """Return the model's output."""
        values = self.followed(batch, PREDICT, grant, KINDS if grant is None else _LAYERS)
        number = len(self.side.layers) - 1 if self.target is None else self.target
        found: Bounded | Unknown = values[Place(LAYER, number)]
        return found

    def data_loss(self, batch: Batch, grant: Grant | None = None) -> tuple[Any, Any]:
        """Return the loss of the examples alone, and the penalty (None where the model has none)."""
        values = self.followed(batch, LOSS, grant)
        loss, penalty = values[LOSS_PLACE], values.get(Place(PENALTY, 0))
        if penalty is None or isinstance(loss, Unknown) or isinstance(penalty, Unknown):
            return loss, penalty
        return less(loss, penalty), penalty

    def gradient(self, batch: Batch, at: int, grant: Grant | None = None, alone: bool = False) -> Any:
        """Return the gradient of the loss in a tensor; ``alone`` says that nothing of the program stands in it."""
        if self._back is not None:
            return self._back(batch).gradients[at]
        values = self.values(batch, grant) if alone else self.followed(batch, GRADS, grant)
        granted = grant or self.plain
        found = [values[Place(GRADIENT, number)] for number in range(len(self.side.shapes))]
        for each in found if self.clip else [found[at]]:
            if isinstance(each, Unknown):
                return each
        if self.clip is None:
            value = granted.gradient(at, found[at])
        else:
            value = clipped([granted.gradient(number, each) for number, each in enumerate(found)], self.clip)[at]
        return value if GRADS in self.settled.calls else self._stepped(batch, at, self._decayed(batch, at, value))

    def _decayed(self, batch: Batch, at: int, value: Bounded) -> Bounded:
        """Return what a step takes, over its rate, where the model's optimizer lets weights decay, too."""
        decay = self.side.optimizer[1].get("weight_decay")
        if not decay:
            return value
        return combined(value, 1.0, lifted(batch.weights[at].astype(value.format.wide), value.format), decay)

    def _stepped(self, batch: Batch, at: int, value: Bounded) -> Bounded:
        """Return a gradient with what a step in float32 rounds it by: its product with the rate, and the difference."""
        if not self.own(self.search[0]).get("narrow"):
            return value
        slack = 2 * float(np.finfo(np.float32).eps) * np.abs(value.value)
        if self._per is not None:
            slack = slack + float(np.finfo(np.float32).eps) * np.abs(batch.weights[at]) / self._per
        return Bounded(value.value, np.asarray(value.error) + slack, value.format)

    def of_bias(self, batch: Batch, at: int, grant: Grant | None, through: bool) -> Any:
        """Return the sum over the examples of what comes back to the layer of a bias, None for what is no such bias.

        That is what comes back to the layer's output, or ``through`` its activation to the sums before that.
        """
        values, place = self.followed(batch, GRADS, grant), -1
        for number, layer in enumerate(layers_of(self.side.model)):
            place += callable(getattr(layer, "activation", None))
            own = getattr(layer, "bias", None)
            if own is None or self.side.model.trainable_variables[at] is not own:
                continue
            back = values.get(Place(SUM_BACK, place) if through else Place(BACK, number))
            if self._back is not None:
                back = (self._back(batch).deltas if through else self._back(batch).ups)[number]
            if not isinstance(back, Bounded) or getattr(layer.activation, "__name__", "linear") == "linear":
                return None
            summed = np.sum(back, axis=tuple(range(back.ndim - 1)))  # type: ignore[call-overload]  # its own
            return (grant or self.plain).gradient(at, summed)
        return None

    def penalty_gradient(self, batch: Batch, at: int, grant: Grant | None = None) -> Any:
        """Return the gradient of the penalty in a tensor, None where the model has none."""
        value = self.values(batch, grant).get(Place(PENALTY_GRADIENT, at))
        if value is None or isinstance(value, Unknown):
            return value
        return (grant or self.plain).gradient(at, value)

    @property
    def rate(self) -> float:
        """The learning rate that the model was asked for: Keras keeps it in float32, a program as it is written."""
        rate = self.side.optimizer[1].get("learning_rate", 0.001)
        return float(str(np.float32(rate))) if isinstance(rate, float | int) else 0.001

    @property
    def has_step(self) -> bool:
        """Whether the program can be made to train on a batch."""
        return STEP in self.settled.calls
