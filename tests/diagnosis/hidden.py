"""What a diagnosis may not see at first: a state wider than the weights, vectors alone, a loop that stops."""

import numpy as np


class InPlace:
    """The weights change in place and stay float32; the moment is float64."""

    def __init__(self, params, learning_rate=1e-3, rho=0.9, epsilon=1e-7):
        self.params, self.learning_rate, self.rho, self.epsilon = params, learning_rate, rho, epsilon
        self.v = [self.start(p.data) for p in params]

    def start(self, w):
        return np.zeros(w.shape)

    def step(self):
        for p, v in zip(self.params, self.v, strict=True):
            v *= self.rho
            v += (1 - self.rho) * p.grad**2
            p.data -= self.learning_rate * p.grad / np.sqrt(v + self.epsilon)


class Narrow(InPlace):
    def start(self, w):
        return np.zeros_like(w)


def vectors(grad, w, num_iters=100, lr=0.001, rho=0.9, eps=1e-7):
    v = np.zeros_like(np.ones(w.shape[0], dtype=w.dtype))
    for _ in range(num_iters):
        g = grad(w)
        v = rho * v + (1 - rho) * g**2
        w = w - lr * g / (np.sqrt(v) + eps)
    return w


def stops(grad, w, num_iters=100, lr=0.001, rho=0.9, eps=1e-7):
    v = np.zeros_like(w)
    for _ in range(num_iters):
        g = grad(w)
        if np.max(np.abs(g)) < eps:
            break
        v = rho * v + (1 - rho) * g**2
        w = w - lr * g / np.sqrt(v + eps)
    return w
