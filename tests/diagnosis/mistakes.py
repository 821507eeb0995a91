"""Mistakes of public code, a few lines each, in the style of a tutorial."""

import numpy as np


class Plain:
    """RMSprop as tutorials write it, a method for each thing that can go wrong."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.rate, self.rho, self.epsilon = learning_rate, rho, epsilon
        self.moments, self.count = {}, 0

    def update(self, params, grads):
        self.count += 1
        for name, g in grads.items():
            g = self.seen(g)
            v = self.moments[name] = self.moment(self.moments.get(name, self.first(g)), g)
            params[name] += self.sign() * self.now() * g / self.root(v)

    def seen(self, g):
        return g

    def first(self, g):
        return np.zeros_like(g)

    def moment(self, v, g):
        return self.rho * v + (1 - self.rho) * (g * g)

    def root(self, v):
        return np.sqrt(v + self.epsilon)

    def now(self):
        return self.rate

    def sign(self):
        return -1


class Climbs(Plain):
    def sign(self):
        return 1


class Doubles(Plain):
    def moment(self, v, g):
        v = v + super().moment(v, g)
        return v


class Adds(Plain):
    def moment(self, v, g):
        return v + g * g


class OfTensor(Plain):
    def moment(self, v, g):
        return self.rho * v + (1 - self.rho) * np.sum(g * g)


class StartsAtSquare(Plain):
    def first(self, g):
        return g * g


class Floors(Plain):
    def root(self, v):
        return np.maximum(np.sqrt(v), np.float32(self.epsilon))


class Clips(Plain):
    def seen(self, g):
        return np.clip(g, -2, 2)


class Fades(Plain):
    def now(self):
        return self.rate / (1 + 1e-3 * (self.count - 1))


class Deaf(Plain):
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        super().__init__(learning_rate, 0.9, epsilon)


class DeafToClipping(Plain):
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, clipnorm=None, loss_scale_factor=None, momentum=0.0):
        super().__init__(learning_rate, rho, epsilon)


class ClipsTooEarly(Plain):
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, clipvalue=None):
        super().__init__(learning_rate, rho, epsilon)
        self.limit = np.inf if clipvalue is None else clipvalue / 10

    def seen(self, g):
        return np.clip(g, -self.limit, self.limit)


class Wide(Plain):
    def first(self, g):
        return np.zeros(np.shape(g))

    def update(self, params, grads):
        for name, g in grads.items():
            v = self.moments[name] = self.moment(self.moments.get(name, self.first(g)), g)
            params[name] = params[name] - self.rate * g / self.root(v)
