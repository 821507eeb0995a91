"""The state is kept, and the update computed, in float64; only the weights are rounded to their dtype."""

import numpy as np


class RMSprop:
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.learning_rate, self.rho, self.epsilon = learning_rate, rho, epsilon

    def init(self, params):
        return {name: np.zeros(w.shape, dtype=np.float64) for name, w in params.items()}

    def step(self, params, grads, state):
        new_params, new_state = {}, {}
        for name, w in params.items():
            g = grads[name].astype(np.float64)
            v = new_state[name] = self.rho * state[name] + (1 - self.rho) * g * g
            new_params[name] = (w - self.learning_rate * g / np.sqrt(v + self.epsilon)).astype(w.dtype)
        return new_params, new_state

    def slots(self, state):
        return {"second_moment": state}
