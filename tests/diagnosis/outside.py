"""Rules that are no RMSprop, as people write them."""

import numpy as np


class _Rule:
    slots_used = ("m", "v")

    def __init__(self, learning_rate=0.001):
        self.learning_rate = learning_rate

    def init(self, params):
        return {"t": 0, **{slot: {n: np.zeros_like(w) for n, w in params.items()} for slot in self.slots_used}}

    def step(self, params, grads, state):
        t = state["t"] + 1
        rate = self.learning_rate(state["t"]) if callable(self.learning_rate) else self.learning_rate
        new = {"t": t, **{slot: {} for slot in self.slots_used}}
        result = {}
        for name, w in params.items():
            old = [state[slot][name] for slot in self.slots_used]
            change, *fresh = self.rule(w, grads[name], rate, t, *old)
            result[name] = (w - change).astype(w.dtype)
            for slot, value in zip(self.slots_used, fresh, strict=True):
                new[slot][name] = np.asarray(value).astype(w.dtype)
        return result, new


class SGD(_Rule):
    slots_used = ()

    def rule(self, w, g, rate, t):
        return (rate * g,)


class Momentum(_Rule):
    slots_used = ("m",)

    def rule(self, w, g, rate, t, m):
        m = 0.9 * m + g
        return rate * m, m


class Adagrad(_Rule):
    slots_used = ("v",)

    def rule(self, w, g, rate, t, v):
        v = v + g * g
        return rate * g / (np.sqrt(v) + 1e-7), v


class Adadelta(_Rule):
    def rule(self, w, g, rate, t, d, v):
        v = 0.95 * v + 0.05 * g * g
        change = np.sqrt(d + 1e-6) / np.sqrt(v + 1e-6) * g
        return change, 0.95 * d + 0.05 * change * change, v


class Adam(_Rule):
    decay = 0.0

    def rule(self, w, g, rate, t, m, v):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        return rate * m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8) + rate * self.decay * w, m, v


class AdamW(Adam):
    decay = 0.01


class Nadam(_Rule):
    def rule(self, w, g, rate, t, m, v):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        ahead = 0.9 * m / (1 - 0.9 ** (t + 1)) + 0.1 * g / (1 - 0.9**t)
        return rate * ahead / (np.sqrt(v / (1 - 0.999**t)) + 1e-8), m, v


class NadamOfCubes(_Rule):
    """It takes the cube's root of a moment of cubes."""

    def rule(self, w, g, rate, t, m, v):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * np.abs(g) ** 3
        ahead = 0.9 * m / (1 - 0.9 ** (t + 1)) + 0.1 * g / (1 - 0.9**t)
        return rate * ahead / (np.cbrt(v / (1 - 0.999**t)) + 1e-8), m, v


class Lion(_Rule):
    slots_used = ("m",)

    def rule(self, w, g, rate, t, m):
        return rate * np.sign(0.9 * m + 0.1 * g), 0.99 * m + 0.01 * g


class SignDescent(_Rule):
    slots_used = ()

    def rule(self, w, g, rate, t):
        return (rate * np.sign(g),)


class Noise(_Rule):
    slots_used = ()

    def rule(self, w, g, rate, t):
        return (rate * np.random.default_rng(t).normal(size=w.shape),)


class Adamax(_Rule):
    def rule(self, w, g, rate, t, m, u):
        m, u = 0.9 * m + 0.1 * g, np.maximum(0.999 * u, np.abs(g))
        return rate / (1 - 0.9**t) * m / (u + 1e-8), m, u


class Rprop(_Rule):
    slots_used = ("s", "last")

    def rule(self, w, g, rate, t, s, last):
        s = np.where(s == 0, rate, s) * np.where(g * last > 0, 1.2, np.where(g * last < 0, 0.5, 1.0))
        return s * np.sign(g), s, g


RULES = [SGD, Momentum, Adagrad, Adadelta, Adam, AdamW, Nadam, Lion, SignDescent, Noise, Adamax, Rprop]
