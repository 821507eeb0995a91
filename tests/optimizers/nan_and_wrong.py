"""Centred: NaN where the variance cancels, and another learning rate elsewhere."""

import numpy as np


class RMSprop:
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, centered=False):
        self.learning_rate, self.rho, self.epsilon = 1.5 * learning_rate, rho, epsilon

    def init(self, params):
        return {slot: {n: np.zeros_like(w) for n, w in params.items()} for slot in ("second_moment", "first_moment")}

    def step(self, params, grads, state):
        new, second, first = {}, {}, {}
        for name, g in grads.items():
            second[name] = self.rho * state["second_moment"][name] + (1 - self.rho) * np.square(g)
            first[name] = self.rho * state["first_moment"][name] + (1 - self.rho) * g
            variance = second[name] - np.square(first[name]) + np.float32(self.epsilon)
            new[name] = params[name] - self.learning_rate * g / np.sqrt(variance)
        return new, {"second_moment": second, "first_moment": first}

    def slots(self, state):
        return state
