"""Gradient descent with momentum, as two persons wrote it: one rightly, one with a buffer that forgets too much."""

import numpy as np


class Right:
    def __init__(self, learning_rate=0.01, momentum=0.0, nesterov=False):
        self.learning_rate, self.momentum, self.nesterov = np.float32(learning_rate), momentum, nesterov

    def init(self, params):
        return {name: np.zeros_like(w) for name, w in params.items()}

    def step(self, params, grads, state):
        after, buffers = {}, {}
        for name, w in params.items():
            number = w.dtype.type
            step = number(self.learning_rate) * grads[name]
            b = buffers[name] = self.kept(number) * state[name] - step
            after[name] = w + (number(self.momentum) * b - step if self.nesterov else b)
        return after, buffers

    def kept(self, number):
        return number(self.momentum)

    def slots(self, state):
        return {"momentum_buffer": state} if self.momentum else {}


class Forgetful(Right):
    def kept(self, number):
        return number(self.momentum * self.momentum)
