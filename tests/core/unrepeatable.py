"""Optimizers whose results are not decided by what they are given."""

import random
import time

import numpy as np


class Plain:
    """The rule, with what the others vary: methods ``moment``, ``increment`` and ``moved``, each for one tensor."""

    def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7):
        self.learning_rate, self.rho, self.momentum, self.epsilon = learning_rate, rho, momentum, epsilon

    def init(self, params):
        return {slot: {name: np.zeros_like(w) for name, w in params.items()} for slot in ("v", "b")}

    def step(self, params, grads, state):
        v = {name: self.moment(state["v"][name], g) for name, g in grads.items()}
        u = {name: self.increment(g, v[name], self.learning_rate) for name, g in grads.items()}
        b = {name: self.moved(state["b"][name], u[name]) for name in params}
        return {name: w - b[name] for name, w in params.items()}, {"v": v, "b": b}

    def slots(self, state):
        return {"second_moment": state["v"], **({"momentum_buffer": state["b"]} if self.momentum else {})}

    def moment(self, v, g):
        return self.rho * v + (1 - self.rho) * g * g

    def increment(self, g, v, rate):
        return rate * g / np.sqrt(v + self.epsilon)

    def moved(self, b, u):
        return self.momentum * b + u


class Unseeded(Plain):
    """A generator of its own that nobody seeded wavers the last bit of some elements."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        super().__init__(learning_rate, rho, epsilon=epsilon)
        self.random = np.random.default_rng()

    def moment(self, v, g):
        found = super().moment(v, g)
        return np.where(self.random.random(g.shape) < 0.1, np.nextafter(found, np.float32(9)), found).astype(g.dtype)


class Seeded(Unseeded):
    """The same with a seed: it repeats itself."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        super().__init__(learning_rate, rho, epsilon)
        self.random = np.random.default_rng(3)


class DrawsGlobally(Plain):
    """Draws from the generator that all of a program share."""

    def moment(self, v, g):
        return super().moment(v, g) * g.dtype.type(1 + 1e-3 * random.random())


class SharesState(Plain):
    """Keeps how often it was called in the class."""

    calls = 0

    def increment(self, g, v, rate):
        SharesState.calls += 1
        return super().increment(g, v, rate * (1 + 1e-4 * SharesState.calls))


class Timed(Plain):
    """Its rate depends on the clock."""

    def increment(self, g, v, rate):
        return super().increment(g, v, rate * (1 + 1e-3 * (time.perf_counter_ns() % 1_000)))


class OneInstance(Plain):
    """Counts its calls in the class, which changes no number."""

    calls = 0

    def increment(self, g, v, rate):
        OneInstance.calls += 1
        return super().increment(g, v, rate)


class RaisesWithMomentum(Plain):
    """Raises in the cases that set momentum, and in no other."""

    def moved(self, b, u):
        if self.momentum:
            raise ValueError("no buffer today")
        return super().moved(b, u)


class FirstIsOther(Plain):
    """Its first instance makes steps of another length than all that come after it."""

    made = 0

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        FirstIsOther.made += 1
        super().__init__(learning_rate * min(FirstIsOther.made, 2), rho, epsilon=epsilon)


class Hashed(Plain):
    """Its rate depends on the seed of hashes, which is another one in each process."""

    def increment(self, g, v, rate):
        return super().increment(g, v, rate * (1 + 1e-6 * (hash("increment") % 1_000_003)))
