"""Tf.keras' RMSprop with one fault each: what an argument does, is not done, or only for one dtype or shape."""

import inspect

import numpy as np
from whole import Whole


def ignoring(name, rule=Whole):
    """Return a rule that takes an argument and leaves it at its default."""

    class Class(rule):
        def __init__(self, *, learning_rate=0.001, **given):
            given.pop(name, None)
            super().__init__(learning_rate=learning_rate, **given)

    Class.__init__.__signature__ = inspect.signature(rule.__init__)
    Class.__name__ = f"Ignores_{name}" if rule is Whole else f"{rule.__name__}_ignores_{name}"
    return Class


class EpsilonTenTimes(Whole):
    def increment(self, g, v, rate):
        return self.number(g, rate) * g / np.sqrt(v + self.number(g, 10 * self.epsilon))


class EpsilonWhereNotCentred(Whole):
    def increment(self, g, v, rate):
        epsilon = 0.0 if self.centered else self.epsilon
        return self.number(g, rate) * g / np.sqrt(v + self.number(g, epsilon))


class ClipsByATenth(Whole):
    def limited(self, g, limit):
        return super().limited(g, limit / 10)


class ClipsAboveOnly(Whole):
    def limited(self, g, limit):
        return np.minimum(g, self.number(g, limit))


class ShortensToATenth(Whole):
    def shortened(self, g, norm, limit):
        return super().shortened(g, norm, limit / 10)


class NormOfEach(Whole):
    """The global norm is that of each tensor."""

    def clipped(self, grads):
        if not self.global_clipnorm:
            return super().clipped(grads)
        return {name: self.shortened(g, self.norm([g]), self.global_clipnorm) for name, g in grads.items()}


class NormOfAll(Whole):
    """The norm of each tensor is that of all."""

    def clipped(self, grads):
        if not self.clipnorm:
            return super().clipped(grads)
        return {name: self.shortened(g, self.norm(grads.values()), self.clipnorm) for name, g in grads.items()}


class NormOfMagnitudes(Whole):
    def norm(self, grads):
        return sum(np.sum(np.abs(g)) for g in grads)


class DecaysAfter(Whole):
    """Decays the weights that the step has moved."""

    def moved(self, name, w, g, rate, state):
        decay, self.weight_decay = self.weight_decay, None
        w = super().moved(name, w, g, rate, state)
        self.weight_decay = decay
        return self.decayed(name, w, g, rate)[0]


class DecaysBeforeClipping(Whole):
    """Adds the decay to the gradient, and clips the sum."""

    def advance(self, params, grads, state):
        decay = self.number(next(iter(params.values())), self.weight_decay or 0)
        grads = {name: g + decay * params[name] if self.decays(name) else g for name, g in grads.items()}
        return super().advance(params, grads, state)

    def decayed(self, name, w, g, rate):
        return w, g


class DecaysAfterClipping(Whole):
    """Adds the decay to the gradient once that is clipped."""

    def decayed(self, name, w, g, rate):
        return w, (g + self.number(w, self.weight_decay) * w if self.decays(name) else g)


class DecaysWithoutRate(Whole):
    def decayed(self, name, w, g, rate):
        return super().decayed(name, w, g, 1.0)


class DecaysOnlyTheExcluded(Whole):
    def decays(self, name):
        return bool(self.weight_decay) and not super().decays(name)


class ExcludesWholeNames(Whole):
    """Takes a pattern for a name."""

    def decays(self, name):
        return bool(self.weight_decay) and name not in self.excluded


class CentresWithTheOldMean(Whole):
    def mean_used(self, old, new):
        return old


class CentresWithoutSquare(Whole):
    """Subtracts the magnitude of the mean."""

    def mean_used(self, old, new):
        return np.sqrt(np.abs(new))


class MomentumWithoutTheRate(Whole):
    """The buffer holds gradients over their root; the rate of the day multiplies all of them."""

    def increment(self, g, v, rate):
        return super().increment(g, v, 1.0 if self.momentum else rate)

    def away(self, w, b, rate):
        return w - self.number(w, rate) * b


class MomentumDamped(Whole):
    """As Adam's: what is new counts 1 - momentum."""

    def increment(self, g, v, rate):
        return super().increment(g, v, rate) * self.number(g, 1 - self.momentum)


class RateOneLate(Whole):
    def rate(self, calls):
        return super().rate(max(calls - 1, 0))


class RateOneEarly(Whole):
    def rate(self, calls):
        return super().rate(calls + 1)


class RateOfUpdates(Whole):
    """Asks the schedule for the number of updates, not of calls."""

    def rate(self, calls):
        return super().rate(calls // (self.every or 1))


class RateAtTheStart(Whole):
    """Asks the schedule once."""

    def rate(self, calls):
        return super().rate(0)


class SumsWhatItGathers(Whole):
    def mean(self, total):
        return total


class GathersTheLast(Whole):
    """Takes the last gradient for all of them."""

    def gathered(self, grads, state, calls):
        total = super().gathered(grads, state, calls)
        return grads if total is not None else None


class NeverForgetsTheSum(Whole):
    def gathered(self, grads, state, calls):
        before = dict(state["sum"])
        total = super().gathered(grads, state, calls)
        if self.every and total is not None:
            state["sum"] = {name: before[name] + g for name, g in grads.items()}
        return total


class ClipsWhatItGathers(Whole):
    """Clips each gradient, and takes the mean of what is left."""

    def gathered(self, grads, state, calls):
        return super().gathered(super().clipped(grads), state, calls)

    def clipped(self, grads):
        return grads


class ClipsBeforeUnscaling(Whole):
    def unscaled(self, g):
        return super().unscaled(self.limited(g, self.clipvalue) if self.clipvalue else g)

    def clipped(self, grads):
        return grads if self.clipvalue else super().clipped(grads)


class ScalesTwice(Whole):
    def unscaled(self, g):
        return super().unscaled(super().unscaled(g))


class MultipliesByTheScale(Whole):
    def unscaled(self, g):
        return g * self.number(g, self.scale) if self.scale else g


class AveragesOldWeights(Whole):
    def averaged(self, old, new, state, calls):
        super().averaged(old, old, state, calls)
        return dict(state["average"]) if self.overwrites(calls // (self.every or 1)) else new


class AveragesFromZero(Whole):
    def running(self, average, w, keep):
        return super().running(average, w, self.number(w, self.ema_momentum))


class NeverOverwrites(Whole):
    def overwrites(self, updates):
        return False


class OverwritesOneLate(Whole):
    def overwrites(self, updates):
        return bool(self.overwrite) and updates > 0 and updates % self.overwrite == 0


class OverwritesByCalls(Whole):
    """Counts calls where gradients are gathered, not updates."""

    def averaged(self, old, new, state, calls):
        super().averaged(old, new, state, calls)
        return dict(state["average"]) if self.overwrites(calls) else new


class EpsilonOutside(Whole):
    def increment(self, g, v, rate):
        return self.number(g, rate) * g / (np.sqrt(v) + self.number(g, self.epsilon))


class StartsAtOne(Whole):
    def begin(self, params):
        return {**super().begin(params), "v": {name: np.ones_like(w) for name, w in params.items()}}


class SwapsRho(Whole):
    def blend(self, old, new):
        return self.number(old, 1 - self.rho) * old + self.number(old, self.rho) * new


class RateTwice(Whole):
    def rate(self, calls):
        return 2 * super().rate(calls)


class StateUnderShape(Whole):
    """Tensors of one shape share their moments."""

    def moved(self, name, w, g, rate, state):
        return super().moved(name, w, g, rate, {slot: _ByShape(kept, w.shape) for slot, kept in state.items()})


class _ByShape:
    """A slot whose tensors are those of the first one of a shape."""

    def __init__(self, kept, shape):
        self.kept, self.first = kept, next(name for name, array in kept.items() if array.shape == shape)

    def __getitem__(self, name):
        return self.kept[self.first]

    def __setitem__(self, name, value):
        self.kept[self.first] = self.kept[name] = value


class StateUnderPosition(Whole):
    """The n-th tensor of a step goes on with the moments of the n-th one of the first step."""

    def advance(self, params, grads, state):
        self.first = dict(zip(params, state["v"], strict=True))
        return super().advance(params, grads, state)

    def moved(self, name, w, g, rate, state):
        return super().moved(name, w, g, rate, {slot: _ByPosition(kept, self.first) for slot, kept in state.items()})


class _ByPosition:
    """A slot in which a name means the tensor that came at its place at first."""

    def __init__(self, kept, first):
        self.kept, self.first = kept, first

    def __getitem__(self, name):
        return self.kept[self.first[name]]

    def __setitem__(self, name, value):
        self.kept[self.first[name]] = value


class Wide(Whole):
    """Keeps its state and computes in float64, and rounds the weights at the end of each step."""

    def begin(self, params):
        return super().begin({name: w.astype(np.float64) for name, w in params.items()})

    def advance(self, params, grads, state):
        wide = [{name: array.astype(np.float64) for name, array in each.items()} for each in (params, grads)]
        new, state = super().advance(*wide, state)
        return {name: w.astype(params[name].dtype) for name, w in new.items()}, state

    def shown(self, state):
        return {}


class Narrow(Whole):
    """Computes in float32, whatever the dtype."""

    def increment(self, g, v, rate):
        return super().increment(g.astype(np.float32), v.astype(np.float32), rate).astype(g.dtype)


def only_in(dtype, fault):
    """Return a rule that has the fault in one dtype."""

    class Class(Whole):
        def moved(self, name, w, g, rate, state):
            return (fault if w.dtype.name == dtype else Whole).moved(self, name, w, g, rate, state)

        def increment(self, g, v, rate):
            return (fault if g.dtype.name == dtype else Whole).increment(self, g, v, rate)

    Class.__name__ = f"{fault.__name__}_in_{dtype}"
    return Class


class HidesNan(Whole):
    """What is no number counts as nothing."""

    def increment(self, g, v, rate):
        return np.nan_to_num(super().increment(g, v, rate))


IGNORED = (
    "rho",
    "epsilon",
    "momentum",
    "centered",
    "weight_decay",
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "use_ema",
    "loss_scale_factor",
    "gradient_accumulation_steps",
    "exclude_from_weight_decay",
)
KINDS = (
    *(ignoring(name) for name in IGNORED),
    EpsilonTenTimes,
    EpsilonWhereNotCentred,
    ClipsByATenth,
    ClipsAboveOnly,
    ShortensToATenth,
    NormOfEach,
    NormOfAll,
    NormOfMagnitudes,
    DecaysAfter,
    DecaysBeforeClipping,
    DecaysAfterClipping,
    DecaysWithoutRate,
    DecaysOnlyTheExcluded,
    ExcludesWholeNames,
    CentresWithTheOldMean,
    CentresWithoutSquare,
    MomentumWithoutTheRate,
    MomentumDamped,
    RateOneLate,
    RateOneEarly,
    RateOfUpdates,
    RateAtTheStart,
    SumsWhatItGathers,
    GathersTheLast,
    NeverForgetsTheSum,
    ClipsWhatItGathers,
    ClipsBeforeUnscaling,
    ScalesTwice,
    MultipliesByTheScale,
    AveragesOldWeights,
    AveragesFromZero,
    NeverOverwrites,
    OverwritesOneLate,
    OverwritesByCalls,
    ignoring("clipvalue", EpsilonOutside),
    ignoring("weight_decay", StartsAtOne),
    ignoring("global_clipnorm", SwapsRho),
    ignoring("use_ema", RateTwice),
    ignoring("momentum", EpsilonTenTimes),
    StateUnderShape,
    Wide,
    Narrow,
    only_in("float16", EpsilonOutside),
    only_in("bfloat16", EpsilonOutside),
    only_in("float64", EpsilonOutside),
    only_in("bfloat16", EpsilonTenTimes),
    StateUnderPosition,
    HidesNan,
)
