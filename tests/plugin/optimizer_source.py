"""Two optimizers as somebody else would write them, as text for files of his own: one right, one wrong."""

OPTIMIZERS = """
import numpy as np


class Wrong:
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.learning_rate, self.rho, self.epsilon = learning_rate, rho, epsilon

    def init(self, params):
        return {name: np.zeros_like(w) for name, w in params.items()}

    def step(self, params, grads, state):
        new_params, new_state = {}, {}
        for name, g in grads.items():
            v = new_state[name] = self.rho * state[name] + (1 - self.rho) * g * g
            new_params[name] = params[name] - self.learning_rate * g / self.root(v)
        return new_params, new_state

    def root(self, v):
        return np.sqrt(v) + self.epsilon

    def slots(self, state):
        return {"second_moment": state}


class Right(Wrong):
    def root(self, v):
        return np.sqrt(v + self.epsilon)
"""
