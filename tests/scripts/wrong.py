"""Optimizers whose faults need more than one step, one element, one tensor or one order of tensors to show."""

import numpy as np


class Right:
    """The rule as a person writes it."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.rate, self.rho, self.eps, self.v = learning_rate, rho, epsilon, {}

    def update(self, params, grads):
        for n, g in grads.items():
            self.v[n] = self.kept(n, g)
            params[n] -= self.rate * g / np.sqrt(self.v[n] + self.eps)

    def kept(self, n, g):
        return self.rho * self.v.get(n, 0 * g) + (1 - self.rho) * g * g


class Forgets(Right):
    """Needs two steps: the moment is lost."""

    def kept(self, n, g):
        return (1 - self.rho) * g * g


class OfTheTensor(Right):
    """Needs two elements: one moment for the whole tensor."""

    def kept(self, n, g):
        return self.rho * self.v.get(n, 0) + (1 - self.rho) * np.sum(g * g)


class OfAll(Right):
    """Needs two tensors: the moment of the first is everybody's."""

    def kept(self, n, g):
        first = next(iter(self.v), n)
        return super().kept(n, g) if n == first else self.v[first].flat[0] + 0 * g


class ByPlace(Right):
    """Needs two orders: the moment belongs to the place of a tensor, not to its name."""

    def update(self, params, grads):
        for place, (n, g) in enumerate(grads.items()):
            old = self.v.get(place, 0 * g)
            self.v[place] = v = self.rho * (old if old.shape == g.shape else 0 * g) + (1 - self.rho) * g * g
            params[n] -= self.rate * g / np.sqrt(v + self.eps)


class Raises(Right):
    """Raises at its second step."""

    def kept(self, n, g):
        if n in self.v:
            raise RuntimeError("the moment is gone\nfor good")
        return super().kept(n, g)


class Long(Right):
    """Is longer than a script may be: it is imported from its file."""

    def update(self, params, grads):
        table = [
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
            "a", "b", "c", "d", "e", "f", "g", "h", "i", "j",
        ]  # fmt: skip
        first = table[0]
        second = table[1]
        third = table[2]
        fourth = table[3]
        total = first
        total += second
        total += third
        total += fourth
        for n in grads:
            g = grads[n]
            square = g * g
            old = self.v.get(n, 0 * g)
            part = self.rho * old
            rest = 1 - self.rho
            v = part + rest * square
            self.v[n] = v
            root = np.sqrt(v)
            root = root + self.eps
            step = self.rate * g
            step = step / root
            if total:
                params[n] -= step
            else:
                params[n] += step


class Wavers(Right):
    """Is another one at every run."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        super().__init__(learning_rate * (1 + np.random.default_rng().random()), rho, epsilon)


class Wide(Right):
    """Keeps its moment in float64, whatever the weights are."""

    def update(self, params, grads):
        for n, g in grads.items():
            self.v[n] = self.rho * self.v.get(n, np.zeros(g.shape)) + (1 - self.rho) * g * g
            params[n] = params[n] - self.rate * g / np.sqrt(self.v[n] + self.eps)
