"""Optimizers with a mistake in one branch alone: where two arguments are set, or for some tensors, or for no other."""

import numpy as np


class RMSprop:
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, centered=False, weight_decay=None):
        self.learning_rate, self.rho, self.epsilon = learning_rate, rho, epsilon
        self.centered, self.weight_decay = centered, weight_decay or 0.0
        self.squares, self.means = {}, {}

    def update(self, params, grads):
        for name, g in grads.items():
            w, g = self.decayed(params[name], g)
            v = self.squares[name] = self.rho * self.squares.get(name, 0 * g) + (1 - self.rho) * np.square(g)
            if self.centered:
                m = self.means[name] = self.rho * self.means.get(name, 0 * g) + (1 - self.rho) * g
                v = v - np.square(m)
            params[name] = w - self.learning_rate * g / np.sqrt(v + self.epsilon)

    def decayed(self, w, g):
        return w - w * self.weight_decay * self.learning_rate, g


class CoupledWhereCentred(RMSprop):
    def decayed(self, w, g):
        return (w, g + self.weight_decay * w) if self.centered else super().decayed(w, g)


class DecaysMatricesAlone(RMSprop):
    def decayed(self, w, g):
        return super().decayed(w, g) if w.ndim > 1 else (w, g)


class DecaysAdamsMatricesAlone:
    """Adam, which people give a decay of weights that leaves out biases."""

    def __init__(self, lr=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, weight_decay=None):
        self.lr, self.beta_1, self.beta_2, self.epsilon = lr, beta_1, beta_2, epsilon
        self.weight_decay, self.means, self.squares, self.t = weight_decay or 0.0, {}, {}, 0

    def update(self, params, grads):
        self.t += 1
        rate = self.lr * (1 - self.beta_2**self.t) ** 0.5 / (1 - self.beta_1**self.t)
        for name, g in grads.items():
            w = params[name]
            if w.ndim > 1:
                w = w - w * self.weight_decay * self.lr
            m = self.means[name] = self.beta_1 * self.means.get(name, 0 * g) + (1 - self.beta_1) * g
            v = self.squares[name] = self.beta_2 * self.squares.get(name, 0 * g) + (1 - self.beta_2) * g**2
            params[name] = w - rate * m / (np.sqrt(v) + self.epsilon)


class LimitsEachTensor:
    """It means the norm of all tensors together, and takes that of each."""

    def __init__(self, lr=0.001, rho=0.9, epsilon=1e-7, global_clipnorm=None):
        self.lr, self.rho, self.epsilon, self.most, self.squares = lr, rho, epsilon, global_clipnorm, {}

    def update(self, params, grads):
        for name, g in grads.items():
            norm = np.sqrt(np.sum(g**2))
            if self.most is not None and norm > self.most:
                g = g * (self.most / norm)
            v = self.squares[name] = self.rho * self.squares.get(name, 0 * g) + (1 - self.rho) * np.square(g)
            params[name] = params[name] - self.lr * g / np.sqrt(v + self.epsilon)


class ForgetsTheClipBesideMomentum:
    def __init__(self, lr=0.01, momentum=0.0, nesterov=False, clipvalue=None):
        self.lr, self.momentum, self.nesterov, self.limit, self.buffers = lr, momentum, nesterov, clipvalue, {}

    def update(self, params, grads):
        for name, g in grads.items():
            if self.limit is not None and not self.nesterov:
                g = np.clip(g, -self.limit, self.limit)
            b = self.buffers[name] = self.momentum * self.buffers.get(name, 0 * g) - self.lr * g
            params[name] = params[name] + (self.momentum * b - self.lr * g if self.nesterov else b)


class Adamax:
    """A right one, in Python's numbers."""

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
        self.rate, self.beta_1, self.beta_2, self.epsilon = learning_rate, beta_1, beta_2, epsilon
        self.kept, self.means, self.norms = 1.0, {}, {}

    def update(self, params, grads):
        self.kept *= self.beta_1
        for name, g in grads.items():
            m = self.means[name] = self.beta_1 * self.means.get(name, 0 * g) + (1 - self.beta_1) * g
            u = self.norms[name] = np.maximum(self.beta_2 * self.norms.get(name, 0 * g), np.abs(g))
            params[name] = params[name] - self.rate / (1 - self.kept) * m / (u + self.epsilon)


class Nadam:
    """A right one, in Python's numbers."""

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
        self.rate, self.beta_1, self.beta_2, self.epsilon = learning_rate, beta_1, beta_2, epsilon
        self.product, self.t, self.means, self.squares = 1.0, 0, {}, {}

    def update(self, params, grads):
        self.t += 1
        now, after = (self.beta_1 * (1 - 0.5 * 0.96**t) for t in (self.t, self.t + 1))
        self.product *= now
        for name, g in grads.items():
            m = self.means[name] = self.beta_1 * self.means.get(name, 0 * g) + (1 - self.beta_1) * g
            v = self.squares[name] = self.beta_2 * self.squares.get(name, 0 * g) + (1 - self.beta_2) * g * g
            ahead = after * m / (1 - self.product * after) + (1 - now) * g / (1 - self.product)
            params[name] = params[name] - self.rate * ahead / (np.sqrt(v / (1 - self.beta_2**self.t)) + self.epsilon)


class RMSpropThatClips:
    """Its limit shows nothing on gradients that stay the same: the moment takes it up."""

    def __init__(self, lr=0.001, rho=0.9, epsilon=1e-7):
        self.lr, self.rho, self.epsilon, self.squares = lr, rho, epsilon, {}

    def update(self, params, grads):
        for name, g in grads.items():
            g = np.clip(g, -5, 5)
            v = self.squares[name] = self.rho * self.squares.get(name, 0 * g) + (1 - self.rho) * np.square(g)
            params[name] = params[name] - self.lr * g / np.sqrt(v + self.epsilon)


class SGD:
    def __init__(self, lr=0.01, momentum=0.0):
        self.lr, self.momentum, self.buffers, self.t = lr, momentum, {}, 0

    def update(self, params, grads):
        self.before()
        self.t += 1
        for name, g in grads.items():
            b = self.buffers[name] = self.momentum * self.buffers.get(name, 0 * g) - self.lr * g
            params[name] = params[name] + b

    def before(self):
        pass


class ForgetsItsBuffers(SGD):
    def before(self):
        if self.t % 50 == 0:
            self.buffers = {}


class RaisesAtLast(SGD):
    def before(self):
        if self.t == 200:
            raise OverflowError("too many steps")


class Adam:
    def __init__(self, lr=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
        self.lr, self.beta_1, self.beta_2, self.epsilon = lr, beta_1, beta_2, epsilon
        self.means, self.squares, self.t = {}, {}, 0

    def update(self, params, grads):
        self.t += 1
        rate = self.rate()
        for name, g in grads.items():
            m = self.means[name] = self.beta_1 * self.means.get(name, 0 * g) + (1 - self.beta_1) * g
            v = self.squares[name] = self.beta_2 * self.squares.get(name, 0 * g) + (1 - self.beta_2) * g**2
            params[name] = params[name] - rate * m / (np.sqrt(v) + self.epsilon)

    def rate(self):
        return self.lr * (1 - self.beta_2**self.t) ** 0.5 / (1 - self.beta_1**self.t)


class WarmsUp(Adam):
    def rate(self):
        return super().rate() * min(1.0, self.t / 5)


class CorrectsAtFirst(Adam):
    def rate(self):
        return super().rate() if self.t <= 10 else self.lr


class DecaysItsBeta(Adam):
    """No number by which steps are multiplied makes it of another."""

    def rate(self):
        self.beta_1 *= 0.99
        return super().rate()


class DecaysAfterTheStep(Adam):
    """But for the decay it is the page: what differs has nothing to do with the number of the step."""

    def __init__(self, lr=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, weight_decay=0.004):
        super().__init__(lr, beta_1, beta_2, epsilon)
        self.weight_decay = weight_decay

    def update(self, params, grads):
        super().update(params, grads)
        for name in grads:
            params[name] = params[name] - params[name] * self.weight_decay * self.lr


class DecaysToAHalf(DecaysAfterTheStep):
    """It draws the weights to a half, not to zero."""

    def update(self, params, grads):
        Adam.update(self, params, grads)
        for name in grads:
            params[name] = params[name] - (params[name] - params[name].dtype.type(0.5)) * self.weight_decay * self.lr


class Dampens:
    """SGD whose dampening is on by itself, and shows beside a momentum alone; the first gradient enters whole."""

    def __init__(self, learning_rate=0.01, momentum=0.0, dampening=0.1):
        self.learning_rate, self.momentum, self.dampening = learning_rate, momentum, dampening
        self.buffers = {}

    def update(self, params, grads):
        for name, gradient in grads.items():
            if self.momentum:
                old = self.buffers.get(name)
                entering = gradient if old is None else (1 - self.dampening) * gradient
                self.buffers[name] = entering if old is None else self.momentum * old + entering
            params[name] = params[name] - self.learning_rate * (self.buffers[name] if self.momentum else gradient)
