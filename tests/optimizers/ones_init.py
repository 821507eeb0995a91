"""The second moment starts at one, as in TensorFlow 1."""

import numpy as np


class RMSprop:
    def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7, weight_decay=None):
        self.learning_rate, self.rho, self.momentum = learning_rate, rho, momentum
        self.epsilon, self.weight_decay = epsilon, weight_decay or 0.0

    def init(self, params):
        zeros = {name: np.zeros_like(w) for name, w in params.items()}
        return {
            "step": 0,
            "second_moment": {name: np.ones_like(w) for name, w in params.items()},
            "momentum_buffer": dict(zeros),
        }

    def step(self, params, grads, state):
        rate = self.learning_rate(state["step"]) if callable(self.learning_rate) else self.learning_rate
        new_params, second, buffers = {}, {}, {}
        for name, w in params.items():
            g = grads[name]
            w = w - w * self.weight_decay * rate
            old = state["second_moment"][name]
            v = self.rho * old + (1 - self.rho) * g * g
            u = rate * g / np.sqrt(v + self.epsilon)
            b = self.momentum * state["momentum_buffer"][name] + u
            new_params[name] = w - b
            second[name], buffers[name] = v, b
        return new_params, {"step": state["step"] + 1, "second_moment": second, "momentum_buffer": buffers}

    def slots(self, state):
        shown = {"second_moment": state["second_moment"]}
        return {**shown, "momentum_buffer": state["momentum_buffer"]} if self.momentum else shown
