"""Wrong optimizers that a loose comparison lets pass; each errs in one place, for one element, or late."""

import numpy as np
from right_styles import Plain


class SecondTensorOnly(Plain):
    """Epsilon stands outside the root for biases only."""

    def step(self, params, grads, state):
        new, after = super().step(params, grads, state)
        if "bias" in params:
            v = after["second_moment"]["bias"]
            new["bias"] = params["bias"] - self.learning_rate * grads["bias"] / (np.sqrt(v) + self.epsilon)
        return new, after


class LateError(Plain):
    """From step 50 on, the rate is a tenth too large."""

    def step(self, params, grads, state):
        rate = self.learning_rate
        self.learning_rate = rate * 1.1 if state["calls"] >= 50 else rate
        try:
            return super().step(params, grads, state)
        finally:
            self.learning_rate = rate


class OneStepError(Plain):
    """At step 50 alone, one element moves twice as far."""

    def step(self, params, grads, state):
        new, after = super().step(params, grads, state)
        if state["calls"] == 50:
            new["kernel"][3, 7] += new["kernel"][3, 7] - params["kernel"][3, 7]
        return new, after


class NegativeGradientsOnly(Plain):
    def increment(self, g, v, rate):
        return np.where(g < 0, np.float32(1.01), np.float32(1)) * super().increment(g, v, rate)


class LargeGradientsOnly(Plain):
    """Clips what nobody asked to clip."""

    def increment(self, g, v, rate):
        return super().increment(np.clip(g, -5, 5), v, rate)


class RateSlightlyOff(Plain):
    def increment(self, g, v, rate):
        return super().increment(g, v, rate * (1 + 1e-5))


class RhoSlightlyOff(Plain):
    def moment(self, v, g):
        return 0.9001 * v + (1 - 0.9001) * g * g


class EpsilonSlightlyOff(Plain):
    def increment(self, g, v, rate):
        return rate * g / np.sqrt(v + 1.001 * self.epsilon)


class MomentumSlightlyOff(Plain):
    def moved(self, b, u):
        return (self.momentum * 1.0001) * b + u


class SwappedTensors(Plain):
    """Two tensors of one shape use each other's second moment."""

    def step(self, params, grads, state):
        v = state["second_moment"]
        first, second = [name for name in v if v[name].shape == next(iter(v.values())).shape][:2]
        return super().step(params, grads, {**state, "second_moment": {**v, first: v[second], second: v[first]}})


class NanFromStep20(Plain):
    def step(self, params, grads, state):
        new, after = super().step(params, grads, state)
        if state["calls"] >= 20:
            new["kernel"][0, 0] = np.nan
        return new, after


class InfiniteOnce(Plain):
    def step(self, params, grads, state):
        new, after = super().step(params, grads, state)
        if state["calls"] == 7:
            new["bias"][2] = np.inf
        return new, after


class ShowsOtherSlots(Plain):
    """Shows the right second moment and divides by one that started at one."""

    def init(self, params):
        return {**super().init(params), "used": {name: np.ones_like(w) for name, w in params.items()}}

    def step(self, params, grads, state):
        _, honest = super().step(params, grads, state)
        new, used = super().step(params, grads, {**state, "second_moment": state["used"]})
        return new, {**honest, "used": used["second_moment"]}


class FrozenSlots(Plain):
    """Updates its weights rightly and shows a second moment that never changes."""

    def init(self, params):
        return {**super().init(params), "shown": {name: np.zeros_like(w) for name, w in params.items()}}

    def step(self, params, grads, state):
        new, after = super().step(params, grads, state)
        return new, {**after, "shown": state["shown"]}

    def slots(self, state):
        return {"second_moment": state["shown"]}


class NeverMoves(Plain):
    def step(self, params, grads, state):
        _, after = super().step(params, grads, state)
        return params, after


class GlobalCounter(Plain):
    """Counts the steps of all tensors and all runs together, and decays the rate with them."""

    calls = 0

    def increment(self, g, v, rate):
        GlobalCounter.calls += 1
        return super().increment(g, v, rate / (1 + 1e-3 * (GlobalCounter.calls - 1)))


class OppositeBuffer(Plain):
    """Right weights; the buffer that it shows has the other sign."""

    def step(self, params, grads, state):
        kept = {**state, "momentum_buffer": {n: -b for n, b in state["momentum_buffer"].items()}}
        new, after = super().step(params, grads, kept)
        return new, {**after, "momentum_buffer": {n: -b for n, b in after["momentum_buffer"].items()}}


class WrongStart(Plain):
    """Begins from weights of its own."""

    def step(self, params, grads, state):
        if state["calls"] == 0:
            params = {name: np.zeros_like(w) for name, w in params.items()}
        return super().step(params, grads, state)


class HiddenOnesInit(Plain):
    def init(self, params):
        return {**super().init(params), "second_moment": {name: np.ones_like(w) for name, w in params.items()}}

    def slots(self, state):
        return {}


class BiasCorrected(Plain):
    def step(self, params, grads, state):
        self.correction = 1 - self.rho ** (state["calls"] + 1)
        return super().step(params, grads, state)

    def increment(self, g, v, rate):
        return rate * g / np.sqrt(v / self.correction + self.epsilon)


class DoubleSquare(Plain):
    """Updates the moment twice at each step."""

    def moment(self, v, g):
        return super().moment(super().moment(v, g), g)


class ScheduleOffByOne(Plain):
    """Asks the schedule for the next step."""

    def step(self, params, grads, state):
        new, after = super().step(params, grads, {**state, "calls": state["calls"] + 1})
        return new, {**after, "calls": state["calls"] + 1}


class Float16Inside(Plain):
    """Computes the root in half precision."""

    def increment(self, g, v, rate):
        return rate * g / np.sqrt((v + self.epsilon).astype(np.float16)).astype(g.dtype)
