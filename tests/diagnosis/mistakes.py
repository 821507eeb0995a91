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


class KeepsItsRate(Plain):
    """Epsilon after the root, and the rate that tf.keras has if it is given none."""

    def now(self):
        return 0.001

    def root(self, v):
        return np.sqrt(v) + self.epsilon


class UncorrectedKeepsItsRate:
    """Adam's two moments without a correction, and the rate that tf.keras has if it is given none."""

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.first, self.second = {}, {}

    def update(self, params, grads):
        for name, g in grads.items():
            m = self.first[name] = self.beta_1 * self.first.get(name, 0 * g) + (1 - self.beta_1) * g
            v = self.second[name] = self.beta_2 * self.second.get(name, 0 * g) + (1 - self.beta_2) * g * g
            params[name] -= 0.001 * m / (np.sqrt(v) + self.epsilon)


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


class HeldInFloat32(Plain):
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        super().__init__(learning_rate, np.float32(rho), np.float32(epsilon))


class EpsilonInFloat32(Plain):
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        super().__init__(learning_rate, rho, np.float32(epsilon))


class MomentumInFloat32(Plain):
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, momentum=0.0):
        super().__init__(learning_rate, rho, epsilon)
        self.momentum, self.buffers = np.float32(momentum), {}

    def update(self, params, grads):
        for name, g in grads.items():
            v = self.moments[name] = self.moment(self.moments.get(name, self.first(g)), g)
            b = self.momentum * self.buffers.get(name, np.zeros_like(g)) + self.rate * g / self.root(v)
            params[name] -= b
            self.buffers[name] = b


class KeepsEpsilon(Plain):
    def moment(self, v, g):
        return super().moment(v, g) + self.epsilon

    def root(self, v):
        return np.sqrt(v)


class StartsSmall(Plain):
    def first(self, g):
        return np.full_like(g, 1e-8)

    def root(self, v):
        return np.sqrt(v)


class HalvesDecay(Plain):
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, weight_decay=0.0):
        super().__init__(learning_rate, rho, epsilon)
        self.penalty = weight_decay / 2

    def update(self, params, grads):
        for w in params.values():
            w -= self.penalty * w
        super().update(params, grads)


class DecaysByDefault(HalvesDecay):
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, weight_decay=0.01):
        super().__init__(learning_rate, rho, epsilon, 2 * weight_decay)


class WideWithItsOwnEpsilon(Wide):
    def __init__(self, learning_rate=0.001, rho=0.9):
        super().__init__(learning_rate, rho, 1e-8)

    def root(self, v):
        return np.sqrt(v) + self.epsilon


class NeedsAxes(Plain):
    def moment(self, v, g):
        v = v.copy()
        v[:] = super().moment(v, g)
        return v

    def root(self, v):
        return np.sqrt(v) + self.epsilon


class LooksAhead(Plain):
    """Moments from one, an epsilon of its own, and momentum taken before the gradient."""

    def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0):
        super().__init__(learning_rate, rho, 1e-8)
        self.momentum, self.steps = momentum, {}

    def first(self, g):
        return np.ones_like(g)

    def update(self, params, grads):
        for name, g in grads.items():
            ahead = self.momentum * self.steps.get(name, np.zeros_like(g))
            v = self.moments[name] = self.moment(self.moments.get(name, self.first(g)), g)
            own = self.rate * g / self.root(v)
            params[name] = params[name] - ahead - own
            self.steps[name] = ahead + own
