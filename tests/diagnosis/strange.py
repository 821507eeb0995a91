"""Optimizers that are no function of their inputs, and tutorials that are."""

import random

import numpy as np


class _Tutorial:
    def __init__(self, lr=0.001, beta=0.9, eps=1e-7):
        self.lr, self.beta, self.eps, self.cache = lr, beta, eps, {}

    def moment(self, key, g):
        self.cache[key] = self.beta * self.cache.get(key, np.zeros_like(g)) + (1 - self.beta) * g**2
        return self.cache[key]

    def update(self, params, grads):
        for key in params:
            params[key] -= self.lr * grads[key] / np.sqrt(self.moment(key, grads[key]) + self.eps)


class Noisy(_Tutorial):
    """Draws from a generator that nobody seeded."""

    def update(self, params, grads):
        noise = np.random.default_rng().normal(size=1)[0]
        super().update(params, {key: g + np.float32(1e-3 * noise) for key, g in grads.items()})


class DrawsFromNumPy(_Tutorial):
    """Draws from NumPy's global generator."""

    def update(self, params, grads):
        super().update(params, {key: g * np.float32(1 + 0.1 * np.random.rand()) for key, g in grads.items()})  # noqa: NPY002


class DrawsFromPython(_Tutorial):
    """Draws from Python's global generator."""

    def update(self, params, grads):
        super().update(params, {key: g * np.float32(1 + 0.1 * random.random()) for key, g in grads.items()})


class SharesItsCache(_Tutorial):
    """Keeps its accumulators in the class, so that a second instance goes on where the first one stopped."""

    shared: dict = {}  # noqa: RUF012

    def __init__(self, lr=0.001, beta=0.9, eps=1e-7):
        super().__init__(lr, beta, eps)
        self.cache = self.shared


class ScalesItsGradients(_Tutorial):
    """Clips the gradients where they lie."""

    def update(self, params, grads):
        for g in grads.values():
            np.clip(g, -0.1, 0.1, out=g)
        super().update(params, grads)


class WritesIntoWeights:
    """A step that subtracts in place from what it was given."""

    def __init__(self, learning_rate=0.001):
        self.learning_rate = learning_rate

    def init(self, params):
        return {}

    def step(self, params, grads, state):
        for key, w in params.items():
            w -= self.learning_rate * grads[key]
        return params, state


class Promotes(_Tutorial):
    """Multiplies by a NumPy float64 scalar, which promotes float32."""

    def update(self, params, grads):
        super().update(params, grads)
        return {key: w * np.float64(1.0) for key, w in params.items()}


class MyRMSProp:
    """A tutorial's class with defaults of its own, epsilon after the root, and weights changed in place."""

    def __init__(self, step=0.01, decay_factor=0.95, small=1e-8):
        self.step_, self.factor, self.small = step, decay_factor, small
        self.squares = {}

    def update(self, params, grads):
        for key in params:
            if key not in self.squares:
                self.squares[key] = np.zeros_like(params[key])
            self.squares[key] *= self.factor
            self.squares[key] += (1 - self.factor) * grads[key] * grads[key]
            params[key] -= self.step_ * grads[key] / (np.sqrt(self.squares[key]) + self.small)


class KeepsInPlace:
    """Epsilon goes into the moment by ``+=``, which keeps it in an array and not in the scalar that NumPy makes."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.rate, self.rho, self.eps, self.v = learning_rate, rho, epsilon, 0

    def update(self, w, g):
        v = self.v = self.rho * self.v + (1 - self.rho) * g**2
        v += self.eps
        return w - self.rate * g / np.sqrt(v)


class TakesZeroForNone:
    """The rule of tf.keras, but that an epsilon of zero counts as not given."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=None):
        self.rate, self.rho, self.eps, self.v = learning_rate, rho, epsilon or 1e-8, 0

    def update(self, w, g):
        self.v = self.rho * self.v + (1 - self.rho) * g**2
        return w - self.rate * g / np.sqrt(self.v + self.eps)
