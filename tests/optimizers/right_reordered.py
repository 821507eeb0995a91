"""The same rule in other words: lerp for the moment, a reciprocal root, and a closure for the state."""

import numpy as np


class RMSprop:
    def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False):
        self.settings = learning_rate, rho, momentum, epsilon, centered

    def init(self, params):
        names = ("second_moment", "first_moment", "momentum_buffer")
        return {"count": 0, **{slot: {n: 0 * w for n, w in params.items()} for slot in names}}

    def step(self, params, grads, state):
        rate, rho, momentum, epsilon, centered = self.settings
        rate = rate(state["count"]) if callable(rate) else rate
        new = {"count": state["count"] + 1, "second_moment": {}, "first_moment": {}, "momentum_buffer": {}}
        result = {}
        for name, g in grads.items():
            v = new["second_moment"][name] = (1 - rho) * (g * g) + state["second_moment"][name] * rho
            m = new["first_moment"][name] = (1 - rho) * g + state["first_moment"][name] * rho if centered else 0 * g
            reciprocal = 1 / np.sqrt(epsilon + v - m * m)
            b = new["momentum_buffer"][name] = state["momentum_buffer"][name] * momentum + g * reciprocal * rate
            result[name] = params[name] - b
        return result, new

    def slots(self, state):
        _, _, momentum, _, centered = self.settings
        used = {"second_moment": True, "first_moment": centered, "momentum_buffer": momentum > 0}
        return {slot: state[slot] for slot, shown in used.items() if shown}
