"""What does the unexpected while its shape is looked for; each class and function is named after what it does."""

import os
import sys
import time

import numpy as np


class Right:
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.lr, self.rho, self.eps, self.v = learning_rate, rho, epsilon, 0

    def update(self, w, g):
        self.v = self.rho * self.v + (1 - self.rho) * g * g
        return w - self.lr * g / np.sqrt(self.v + self.eps)


class RaisesInConstructor(Right):
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        raise ValueError("no optimizer today")


class RaisesInGetattr(Right):
    def __getattr__(self, name):
        raise RuntimeError("no attribute today")


class RaisesForEveryAttribute(Right):
    def __getattribute__(self, name):
        raise RuntimeError("nothing at all")


class Recurses(Right):
    def update(self, w, g):
        return self.update(w, g)


class RecursesForAttributes(Right):
    def __getattr__(self, name):
        return getattr(self, name + "x")

    def update(self, w, g):
        return self.nothing


class Exits(Right):
    def update(self, w, g):
        sys.exit(0)


class ExitsInConstructor(Right):
    def __init__(self, **kwargs):
        sys.exit(7)


class ExitsAtOnce(Right):
    def update(self, w, g):
        os._exit(0)


class Hangs(Right):
    def update(self, w, g):
        while True:
            pass


class HangsInConstructor(Right):
    def __init__(self, learning_rate=0.001):
        time.sleep(1000)


class ChangesGlobals(Right):
    def update(self, w, g):
        np.sqrt = np.zeros_like = np.array_equal = None
        sys.path[:] = []
        return w - self.lr * g


class OddType(type):
    def __dir__(cls):
        raise RuntimeError("no directory today")


class HasNoDirectory(Right, metaclass=OddType):
    pass


class Interrupts(Right):
    def update(self, w, g):
        raise KeyboardInterrupt


def exits_as_a_generator(w, lr=0.001):
    sys.exit(3)
    yield w


def hangs_as_a_loop(grad, w0, lr=0.001, steps=10):
    while True:
        pass


def swallows_everything(grad, w0, lr=0.001, steps=10):
    while True:
        try:
            grad(w0)
        except BaseException:  # that is what it does
            continue


class Prints(Right):
    def update(self, w, g):
        print("noise " * 1000)
        print("noise", file=sys.stderr)
        os.write(1, b"noise\n")
        return super().update(w, g)


class PropertyRaises(Right):
    @property
    def step(self):
        raise RuntimeError("no step today")


class MutatesInputs(Right):
    def update(self, w, g):
        g *= 2
        w -= self.lr * g
        return w
