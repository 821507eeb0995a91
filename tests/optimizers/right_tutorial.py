"""RMSprop as a tutorial writes it: its own names, its own state, weights changed in place."""

import numpy as np


class MyRMSProp:
    def __init__(self, lr=0.001, beta=0.9, eps=1e-7):
        self.lr, self.beta, self.eps = lr, beta, eps
        self.cache = {}

    def update(self, params, grads):
        for key in params:
            if key not in self.cache:
                self.cache[key] = np.zeros_like(params[key])
            self.cache[key] = self.beta * self.cache[key] + (1 - self.beta) * grads[key] ** 2
            params[key] -= self.lr * grads[key] / np.sqrt(self.cache[key] + self.eps)


class Closure:
    """The constructor makes the function, so that nobody can reach the rate in it."""

    def __init__(self, lr=0.001, beta=0.9, eps=1e-7):
        cache = {}

        def update(params, grads):
            for key in params:
                cache.setdefault(key, np.zeros_like(params[key]))
                cache[key] = beta * cache[key] + (1 - beta) * grads[key] ** 2
                params[key] -= lr * grads[key] / np.sqrt(cache[key] + eps)

        self.update = update
