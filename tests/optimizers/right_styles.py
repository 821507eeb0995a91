"""The same rule in the words of many authors; none of them is wrong."""

import numpy as np


class Plain:
    """What the others vary: methods ``moment``, ``increment`` and ``moved``, each for one tensor."""

    def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7):
        self.learning_rate, self.rho, self.momentum, self.epsilon = learning_rate, rho, momentum, epsilon

    def init(self, params):
        def zeros():
            return {name: np.zeros_like(w) for name, w in params.items()}

        return {"calls": 0, "second_moment": zeros(), "momentum_buffer": zeros()}

    def step(self, params, grads, state):
        rate = self.learning_rate(state["calls"]) if callable(self.learning_rate) else self.learning_rate
        new_params, second, buffers = {}, {}, {}
        for name, w in params.items():
            second[name] = v = self.moment(state["second_moment"][name], grads[name])
            u = self.increment(grads[name], v, rate)
            buffers[name] = b = self.moved(state["momentum_buffer"][name], u)
            new_params[name] = w - b
        return new_params, {"calls": state["calls"] + 1, "second_moment": second, "momentum_buffer": buffers}

    def slots(self, state):
        shown = {"second_moment": state["second_moment"]}
        return {**shown, "momentum_buffer": state["momentum_buffer"]} if self.momentum else shown

    def moment(self, v, g):
        return self.rho * v + (1 - self.rho) * g**2

    def increment(self, g, v, rate):
        return rate * g / np.sqrt(v + self.epsilon)

    def moved(self, b, u):
        return self.momentum * b + u


class Lerp(Plain):
    def moment(self, v, g):
        return v + (g * g - v) * (1 - self.rho)


class LerpBackwards(Plain):
    def moment(self, v, g):
        return v - (1 - self.rho) * (v - np.square(g))


class InPlace(Plain):
    def moment(self, v, g):
        v *= self.rho
        v += (1 - self.rho) * g * g
        return v

    def step(self, params, grads, state):
        state["second_moment"] = {name: v.copy() for name, v in state["second_moment"].items()}
        return super().step(params, grads, state)


class Reciprocal(Plain):
    def increment(self, g, v, rate):
        return (1 / np.sqrt(v + self.epsilon)) * g * rate


class NegativePower(Plain):
    def increment(self, g, v, rate):
        return rate * np.sqrt(v + self.epsilon) ** -1 * g


class HalfPower(Plain):
    def increment(self, g, v, rate):
        return rate * g / np.power(v + self.epsilon, 0.5)


class ReciprocalHalfPower(Plain):
    def increment(self, g, v, rate):
        return rate * g * (v + self.epsilon) ** -0.5


class RateOverRoot(Plain):
    def increment(self, g, v, rate):
        return (rate / np.sqrt(v + self.epsilon)) * g


class RateLast(Plain):
    def increment(self, g, v, rate):
        return g / np.sqrt(v + self.epsilon) * rate


class RootOverRate(Plain):
    def increment(self, g, v, rate):
        return g / (np.sqrt(v + self.epsilon) / rate) if rate else 0 * g


class AddsNegatedBuffer(Plain):
    """Adds a buffer of negative increments to the weights, and shows it with the convention's sign."""

    def step(self, params, grads, state):
        kept = {**state, "momentum_buffer": {n: -b for n, b in state["momentum_buffer"].items()}}
        new, kept = super().step({n: -w for n, w in params.items()}, {n: -g for n, g in grads.items()}, kept)
        kept["momentum_buffer"] = {n: -b for n, b in kept["momentum_buffer"].items()}
        return {n: -w for n, w in new.items()}, kept


class ExcessPrecision(Plain):
    """Computes in float64 and rounds what it keeps."""

    def moment(self, v, g):
        wide = self.rho * v.astype(np.float64) + (1 - self.rho) * np.square(g.astype(np.float64))
        return wide.astype(v.dtype)

    def increment(self, g, v, rate):
        wide = rate * g.astype(np.float64) / np.sqrt(v.astype(np.float64) + self.epsilon)
        return wide.astype(g.dtype)


class Float32Constants(Plain):
    """Hyperparameters as NumPy scalars of the tensor's dtype."""

    def moment(self, v, g):
        t = v.dtype.type
        return t(self.rho) * v + t(1 - self.rho) * (g * g)

    def increment(self, g, v, rate):
        t = v.dtype.type
        return t(rate) * g / np.sqrt(v + t(self.epsilon))

    def moved(self, b, u):
        return b.dtype.type(self.momentum) * b + u


class OneElementAtATime(Plain):
    def moment(self, v, g):
        result = np.empty_like(v)
        for index in np.ndindex(v.shape):
            result[index] = self.rho * v[index] + (1 - self.rho) * g[index] * g[index]
        return result


class Flat:
    """All tensors in one long vector, in the order of their names: a mapping promises no other."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.learning_rate, self.rho, self.epsilon = learning_rate, rho, epsilon

    def init(self, params):
        return {"calls": 0, "v": 0 * _joined(params), "like": params}

    def step(self, params, grads, state):
        rate = self.learning_rate(state["calls"]) if callable(self.learning_rate) else self.learning_rate
        w, g = _joined(params), _joined(grads)
        v = self.rho * state["v"] + (1 - self.rho) * g * g
        w = w - rate * g / np.sqrt(v + self.epsilon)
        return _parted(w, params), {"calls": state["calls"] + 1, "v": v, "like": params}

    def slots(self, state):
        return {"second_moment": _parted(state["v"], state["like"])}


def _joined(tensors):
    return np.concatenate([np.ravel(tensors[name]) for name in sorted(tensors)])


def _parted(vector, like):
    parts, start = {}, 0
    for name in sorted(like):
        w = like[name]
        parts[name] = vector[start : start + w.size].reshape(w.shape)
        start += w.size
    return parts


class HidesEverything(Plain):
    def slots(self, state):
        return {}


class HidesMoment(Plain):
    def slots(self, state):
        return {"momentum_buffer": state["momentum_buffer"]} if self.momentum else {}


class HidesBuffer(Plain):
    def slots(self, state):
        return {"second_moment": state["second_moment"]}


class ShowsUnusedBuffer(Plain):
    def slots(self, state):
        return {"second_moment": state["second_moment"], "momentum_buffer": state["momentum_buffer"]}


class Updates:
    """The tutorial's style with a return value, its own attribute names and Keras' arguments by keyword."""

    def __init__(self, **settings):
        self.take(**settings)
        self.cache, self.calls = {}, 0

    def take(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.rate, self.rho, self.epsilon = learning_rate, rho, epsilon

    def update(self, params, grads):
        rate = self.rate(self.calls) if callable(self.rate) else self.rate
        self.calls += 1
        new = {}
        for name, g in grads.items():
            self.cache[name] = self.rho * self.cache.get(name, np.zeros_like(g)) + (1 - self.rho) * g * g
            new[name] = params[name] - rate * g / np.sqrt(self.cache[name] + self.epsilon)
        return new


class CenteredReordered:
    """Centred, with epsilon added first and the mean subtracted last."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, centered=False):
        self.rate, self.rho, self.epsilon, self.centered = learning_rate, rho, epsilon, centered

    def init(self, params):
        return {
            "calls": 0,
            "v": {n: np.zeros_like(w) for n, w in params.items()},
            "m": {n: np.zeros_like(w) for n, w in params.items()},
        }

    def step(self, params, grads, state):
        rate = self.rate(state["calls"]) if callable(self.rate) else self.rate
        new, vs, ms = {}, {}, {}
        for name, g in grads.items():
            vs[name] = state["v"][name] + (1 - self.rho) * (g * g - state["v"][name])
            ms[name] = state["m"][name] + (1 - self.rho) * (g - state["m"][name])
            spread = (self.epsilon + vs[name]) - (ms[name] * ms[name] if self.centered else 0)
            new[name] = params[name] - rate * g / np.sqrt(spread)
        return new, {"calls": state["calls"] + 1, "v": vs, "m": ms}

    def slots(self, state):
        shown = {"second_moment": state["v"]}
        return {**shown, "first_moment": state["m"]} if self.centered else shown
