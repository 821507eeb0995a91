"""The same rule in real numbers, in orders that lose what no evaluation of the page loses."""

import numpy as np
from right_styles import Plain


class FromTheSquare(Plain):
    """A square beside which the old moment is small loses what the moment had: 1 / (1 - rho) times the page's error."""

    def moment(self, v, g):
        return np.square(g) + self.rho * (v - np.square(g))


class BufferInParts(Plain):
    """Takes the parts of the buffer from the weights one by one, and where they cancel, both are rounded beside w."""

    def step(self, params, grads, state):
        new, after = super().step(params, grads, state)
        for name, w in params.items():
            u = self.increment(grads[name], after["second_moment"][name], self.learning_rate)
            new[name] = (w - self.momentum * state["momentum_buffer"][name]) - u
        return new, after


class RootOfReciprocal(Plain):
    """Right in float32; in float16 the reciprocal of what stands under the root is infinite where that is epsilon."""

    def increment(self, g, v, rate):
        return rate * g * np.sqrt(1 / (v + self.epsilon))
