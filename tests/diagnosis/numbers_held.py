"""How people hold numbers: a corrected rate in float32, NumPy's float64 numbers, what is on in one mode alone."""

import numpy as np


class Adam:
    """Its corrected rate is a number of Python's, as most people form it."""

    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-7):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.means, self.squares, self.t = {}, {}, 0

    def rate(self):
        return self.lr * (1 - self.beta2**self.t) ** 0.5 / (1 - self.beta1**self.t)

    def update(self, params, grads):
        self.t += 1
        rate = self.rate()
        for name, g in grads.items():
            m = self.means[name] = self.beta1 * self.means.get(name, 0 * g) + (1 - self.beta1) * g
            v = self.squares[name] = self.beta2 * self.squares.get(name, 0 * g) + (1 - self.beta2) * g**2
            params[name] = params[name] - rate * m / (np.sqrt(v) + self.eps)


class Single(Adam):
    def rate(self):
        return np.float32(super().rate())


class CoupledAdamW:
    """The root of a number is one of NumPy's, of float64: all that it meets is float64, too."""

    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-7, weight_decay=0.004):
        self.lr, self.beta1, self.beta2, self.eps, self.weight_decay = lr, beta1, beta2, eps, weight_decay
        self.means, self.squares, self.t = {}, {}, 0

    def update(self, params, grads):
        self.t += 1
        rate = self.lr * np.sqrt(1 - self.beta2**self.t) / (1 - self.beta1**self.t)
        for name, g in grads.items():
            g = g + self.weight_decay * params[name]
            m = self.means[name] = self.beta1 * self.means.get(name, 0 * g) + (1 - self.beta1) * g
            v = self.squares[name] = self.beta2 * self.squares.get(name, 0 * g) + (1 - self.beta2) * g**2
            params[name] = params[name] - rate * m / (np.sqrt(v) + self.eps)


class CentredWithMomentum:
    def __init__(self, lr=0.001, rho=0.9, momentum=0.0, eps=1e-7):
        self.lr, self.rho, self.momentum, self.eps = lr, rho, momentum, eps
        self.squares, self.means, self.buffers = {}, {}, {}

    def update(self, params, grads):
        for name, g in grads.items():
            v = self.squares[name] = self.rho * self.squares.get(name, 0 * g) + (1 - self.rho) * g * g
            if self.momentum > 0:
                m = self.means[name] = self.rho * self.means.get(name, 0 * g) + (1 - self.rho) * g
                step = self.lr * g / np.sqrt(v - m * m + self.eps)
                step = self.buffers[name] = self.momentum * self.buffers.get(name, 0 * g) + step
            else:
                step = self.lr * g / np.sqrt(v + self.eps)
            params[name] = params[name] - step


class DampenedSGD:
    """It takes no nesterov."""

    def __init__(self, lr=0.01, momentum=0.0):
        self.lr, self.momentum, self.buffers = lr, momentum, {}

    def update(self, params, grads):
        for name, g in grads.items():
            b = self.buffers[name] = self.momentum * self.buffers.get(name, 0 * g) + (1 - self.momentum) * g
            params[name] = params[name] - self.lr * b


class RMSprop:
    def __init__(self, lr=0.001, rho=0.9, eps=1e-7):
        self.lr, self.rho, self.eps, self.squares = lr, rho, eps, {}

    def update(self, params, grads):
        for name, g in grads.items():
            g = self.seen(g)
            v = self.squares[name] = self.rho * self.squares.get(name, 0 * g) + (1 - self.rho) * g**2
            params[name] = params[name] - self.lr * g / np.sqrt(v + self.eps)

    def seen(self, g):
        return g


class WideWhereLarge(RMSprop):
    def seen(self, g):
        return g.astype(np.float64) if g.size > 100 else g


class RaisesWhereLarge(RMSprop):
    """It has no tensor without dimensions either."""

    def seen(self, g):
        len(g)
        if g.size > 100:
            raise ValueError("too large")
        return g


class LacksScalars(RMSprop):
    def seen(self, g):
        len(g)
        return g


class OfPairs(Adam):
    def __init__(self, lr=0.001, betas=(0.9, 0.999), eps=1e-7):
        super().__init__(lr, *betas, eps)


class Plain:
    def __init__(self, lr=0.01):
        self.lr = lr

    def update(self, params, grads):
        for name, g in grads.items():
            params[name] = params[name] - self.lr * g


class WideAdagrad:
    def __init__(self, lr=0.001, initial_accumulator_value=0.1, eps=1e-7):
        self.lr, self.start, self.eps, self.sums = lr, initial_accumulator_value, eps, {}

    def update(self, params, grads):
        for name, g in grads.items():
            if name not in self.sums:
                self.sums[name] = np.full(g.shape, self.start)
            self.sums[name] = self.sums[name] + g * g
            params[name] = params[name] - self.lr * g / (np.sqrt(self.sums[name]) + self.eps)


class Sums:
    """No word of it says a rule."""

    def __init__(self, learning_rate=0.001, epsilon=1e-7):
        self.learning_rate, self.epsilon, self.sums = learning_rate, epsilon, {}

    def update(self, params, grads):
        for name, g in grads.items():
            self.sums[name] = self.sums.get(name, 0 * g) + g * g
            params[name] = params[name] - self.learning_rate * g / np.sqrt(self.sums[name] + self.epsilon)


class AdagradOfSums(Sums):
    pass
