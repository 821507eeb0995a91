"""Right optimizers that flush subnormal moments to zero; one also multiplies by a reciprocal."""

import numpy as np


class Flushing:
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.learning_rate, self.rho, self.epsilon = learning_rate, rho, epsilon

    def slots(self, state):
        return {"second_moment": state}

    def init(self, params):
        return {name: np.zeros_like(value) for name, value in params.items()}

    def moved(self, g, root):
        return g.dtype.type(self.learning_rate) * g / root

    def step(self, params, grads, state):
        weights, moments = {}, {}
        for name, weight in params.items():
            g, kind = grads[name], weight.dtype.type
            v = state[name] * kind(self.rho) + kind(1 - self.rho) * (g * g)
            v = np.where(np.abs(v) < np.finfo(kind).tiny, kind(0), v)
            weights[name], moments[name] = weight - self.moved(g, np.sqrt(v + kind(self.epsilon))), v
        return weights, moments


class FlushingAndReciprocal(Flushing):
    def moved(self, g, root):
        return g.dtype.type(self.learning_rate) * g * (1 / root)
